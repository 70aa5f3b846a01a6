"""Which shapes do the tensors of a model have, by their names in its file?"""

from simulations.models.checkpoint import Architecture
from simulations.models.families.family import StoredFamily


def expected_shapes(family: StoredFamily, model: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that the model must have, by its name in the file.

    Matrices are (out, in), as files keep them.
    """
    names = family.names
    d, e, f = model.width, model.embedding_width, model.ffn
    shapes: dict[str, tuple[int, ...]] = {
        names.word + names.table: (model.vocabulary, e),
        names.position + names.table: (model.positions, e),
        names.norm + names.weight: (e,),
        names.norm + names.bias: (e,),
    }
    if model.token_types:
        shapes[names.token_type + names.table] = (model.token_types, e)
    if has_projection(family, model):
        shapes[names.projection + names.weight] = (d, e)
        shapes[names.projection + names.bias] = (d,)
    maps = {names.query: (d, d), names.key: (d, d), names.value: (d, d), names.output: (d, d)}
    maps |= {names.ffn_in: (f, d), names.ffn_out: (d, f)}
    for group in range(model.groups):
        layer = names.layer.format(group)
        for name, (width_out, width_in) in maps.items():
            shapes[layer + name + names.weight] = (width_out, width_in)
            shapes[layer + name + names.bias] = (width_out,)
        for name in (names.norm_1, names.norm_2):
            shapes[layer + name + names.weight] = shapes[layer + name + names.bias] = (d,)
    return shapes


def has_projection(family: StoredFamily, model: Architecture) -> bool:
    """Whether a matrix stands between embeddings and tokens: ALBERT keeps a square one too."""
    return model.embedding_width != model.width or family.always_projects
