"""Which shapes do the tensors of a model have, by their names in its file?"""

from typing import NamedTuple

from simulations.models.architecture import Architecture
from simulations.models.families.family import StoredFamily

Shapes = dict[str, tuple[int, ...]]


class LinearMap(NamedTuple):
    """A matrix of a block: its name in the file, its sizes, and whether a bias is beside it."""

    name: str
    width_out: int
    width_in: int
    has_bias: bool


def expected_shapes(family: StoredFamily, model: Architecture) -> Shapes:
    """Return the shape of every tensor that the model must have, by its name in the file.

    Matrices are (out, in), as most files keep them, or (in, out) if the family's are transposed.
    """
    names = family.names
    shapes = _image_shapes(family, model) if model.image else _text_shapes(family, model)
    if names.position:
        rows = (model.positions, model.width if model.image else model.embedding_width)
        shapes[names.position + names.table] = (1, *rows) if model.image else rows
    if names.relative:
        shapes[names.relative + names.table] = (model.buckets, model.heads)
    if names.final_norm:
        shapes |= _norm_shapes(family, names.final_norm, model.width)
    for group in range(model.groups):
        layer = names.layer.format(group)
        shapes |= {layer + name: shape for name, shape in _block_shapes(family, model).items()}
    return shapes


def linear_maps(family: StoredFamily, model: Architecture) -> dict[str, LinearMap]:
    """Return the matrices of a block by what they do: "query", "qkv", "gate" and so on."""
    names, d, f = family.names, model.width, model.ffn
    queries = model.heads * model.head_features
    keys = model.groups_of_keys * model.head_features
    sizes = {
        "query": (names.query, queries, d),
        "key": (names.key, keys, d),
        "value": (names.value, keys, d),
        "output": (names.output, d, queries),
        "ffn_in": (names.ffn_in, f, d),
        "gate": (names.gate, f, d),
        "ffn_out": (names.ffn_out, d, f),
    }
    if family.fused:
        for role in ("query", "key", "value"):
            del sizes[role]
        sizes["qkv"] = (names.qkv, queries + 2 * keys, d)
    biases = {*model.biases, *(("qkv",) if "query" in model.biases else ())}
    return {role: LinearMap(*size, role in biases) for role, size in sizes.items() if size[0]}


def has_projection(family: StoredFamily, model: Architecture) -> bool:
    """Whether a matrix stands between embeddings and tokens: ALBERT keeps a square one too."""
    return model.embedding_width != model.width or family.always_projects


def _text_shapes(family: StoredFamily, model: Architecture) -> Shapes:
    names, d, e = family.names, model.width, model.embedding_width
    shapes: Shapes = {names.word + names.table: (model.vocabulary, e)}
    if names.norm:
        shapes |= _norm_shapes(family, names.norm, e)
    if model.token_types:
        shapes[names.token_type + names.table] = (model.token_types, e)
    if has_projection(family, model):
        shapes[names.projection + names.weight] = (d, e)
        shapes[names.projection + names.bias] = (d,)
    return shapes


def _image_shapes(family: StoredFamily, model: Architecture) -> Shapes:
    names, d, image = family.names, model.width, model.image
    assert image is not None  # otherwise nobody asks
    shapes: Shapes = {
        names.patches + names.weight: (d, image.channels, image.patch, image.patch),
        names.patches + names.bias: (d,),
    }
    shapes |= dict.fromkeys(names.marks, (1, 1, d))
    if names.registers:
        shapes[names.registers] = (1, image.registers, d)
    return shapes


def _block_shapes(family: StoredFamily, model: Architecture) -> Shapes:
    names, d = family.names, model.width
    shapes: Shapes = {}
    for name, width_out, width_in, has_bias in linear_maps(family, model).values():
        sizes = (width_in, width_out) if family.transposed else (width_out, width_in)
        shapes[name + names.weight] = sizes
        if has_bias:
            shapes[name + names.bias] = (width_out,)
    outer = filter(None, (names.norm_1_out, names.norm_2_out))
    for name in (names.norm_1, names.norm_2, *outer):
        shapes |= _norm_shapes(family, name, d)
    for name in filter(None, (names.query_norm, names.key_norm)):
        shapes |= _norm_shapes(family, name, model.head_features)
    for name in filter(None, (names.scale_1, names.scale_2)):
        shapes[name] = (d,)
    return shapes


def _norm_shapes(family: StoredFamily, name: str, width: int) -> Shapes:
    parts = (family.names.weight, family.names.bias)
    return {name + part: (width,) for part in (parts if family.norm == "layer" else parts[:1])}
