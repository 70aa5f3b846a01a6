"""How do a file's tensors become blocks?"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.architecture import Architecture
from simulations.models.checkpoint import Embeddings, Patches, Rows
from simulations.models.families.family import StoredFamily
from simulations.models.scores import falling_biases, relative_buckets
from simulations.models.shapes import expected_shapes, has_projection, linear_maps
from theory.arrays import InputError, require_finite
from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import Positions
from theory.blocks.weights import Attention, Block, FeedForward

Read = Callable[[str], NDArray[Any]]
"""Gives a tensor by its name in the file."""


def require_tensors(
    file: str, found: Mapping[str, tuple[int, ...]], family: StoredFamily, model: Architecture
) -> None:
    """Raise InputError unless every tensor that the model needs is there in its right shape.

    A missing tensor that went unnoticed would be a random weight, and random weights smooth.
    """
    expected = expected_shapes(family, model)
    missing = [name for name in expected if name not in found]
    if missing:
        raise InputError(
            f"{file} lacks {len(missing)} of the {len(expected)} tensors of a "
            f"{model.model_type} model with {model.layers} layers, the first {missing[0]!r}"
        )
    for name, shape in expected.items():
        if tuple(found[name]) != shape:
            raise InputError(
                f"{file}: {name!r} must have shape {shape} by the model's settings, "
                f"but has {tuple(found[name])}"
            )


def build_embeddings(
    read: Read,
    family: StoredFamily,
    model: Architecture,
    *,
    dtype: DTypeLike,
    word: Rows | None = None,
) -> Embeddings | Patches:
    """Return the embeddings; ``word`` replaces the table of words, where it is packed."""
    get, names = _checked(read, dtype), family.names
    if model.image:
        weight = get(names.patches + names.weight)
        marks = [get(name)[0] for name in names.marks]
        return Patches(
            weight=np.ascontiguousarray(weight.reshape(model.width, -1).T),
            bias=get(names.patches + names.bias),
            marks=np.concatenate(marks),
            registers=get(names.registers)[0] if names.registers else marks[0][:0],
            position=get(names.position + names.table)[0],
        )
    projection = projection_bias = None
    if has_projection(family, model):
        projection = np.ascontiguousarray(get(names.projection + names.weight).T)
        projection_bias = get(names.projection + names.bias)
    return Embeddings(
        word=get(names.word + names.table) if word is None else word,
        position=get(names.position + names.table) if names.position else None,
        token_type=get(names.token_type + names.table) if model.token_types else None,
        norm=_norm(get, names.norm, family, model),
        projection=projection,
        projection_bias=projection_bias,
        scale=model.word_scale,
    )


def build_final_norm(
    read: Read, family: StoredFamily, model: Architecture, *, dtype: DTypeLike
) -> Norm | None:
    """Return the norm after the last block, which belongs to none; None where there is none."""
    if not family.names.final_norm:
        return None
    return _norm(_checked(read, dtype), family.names.final_norm, family, model)


def build_blocks(
    read: Read, family: StoredFamily, model: Architecture, *, dtype: DTypeLike
) -> tuple[Block, ...]:
    """Return the blocks in order; layers that share their weights are one and the same block."""
    get = _checked(read, dtype)
    positions = _positions(get, family, model, dtype)
    free = positions
    if positions is not None and not all(model.windowed):
        free = replace(positions, window=None)
    windowed = model.windowed or (True,) * model.groups
    groups = [
        _block(get, group, family, model, positions if has_window else free)
        for group, has_window in enumerate(windowed)
    ]
    return tuple(groups[layer * model.groups // model.layers] for layer in range(model.layers))


def _positions(
    get: Read, family: StoredFamily, model: Architecture, dtype: DTypeLike
) -> Positions | None:
    """Return what all blocks know of where tokens stand, None where they know nothing."""
    by_offset = None
    if family.names.relative:
        table = get(family.names.relative + family.names.table)
        rows = relative_buckets(model.longest, buckets=model.buckets, farthest=model.farthest)
        by_offset = np.ascontiguousarray(table[rows].T)
    elif family.slopes:
        by_offset = falling_biases(model.heads, model.longest).astype(dtype)
    frequencies = np.asarray(model.frequencies, dtype=dtype) if family.rotary else None
    if all(part is None for part in (by_offset, frequencies, model.window, model.soft_cap)):
        return None
    return Positions(
        by_offset=by_offset,
        frequencies=frequencies,
        window=model.window,
        soft_cap=model.soft_cap,
    )


def _block(
    get: Read, group: int, family: StoredFamily, model: Architecture, positions: Positions | None
) -> Block:
    names, layer = family.names, family.names.layer.format(group)
    maps = read_maps(get, layer, family, model)
    output = maps["output"].weight
    attention = Attention(
        query=_by_head(maps["query"].weight, model),
        key=_by_head(maps["key"].weight, model),
        value=_by_head(maps["value"].weight, model),
        output=np.ascontiguousarray(output.T).reshape(model.heads, -1, model.width),
        query_bias=_head_bias(maps["query"].bias, model),
        key_bias=_head_bias(maps["key"].bias, model),
        # Rows of the adjacency sum to one, so the value bias goes through it unchanged.
        bias=_through(output, maps["value"].bias, maps["output"].bias, model),
        scale=model.score_scale,
        query_norm=_head_norm(get, layer, names.query_norm, family, model),
        key_norm=_head_norm(get, layer, names.key_norm, family, model),
        positions=positions,
    )
    block = Block(
        attention=attention,
        feed_forward=_feed_forward(maps, model),
        norm_1=_norm(get, layer + names.norm_1, family, model),
        norm_2=_norm(get, layer + names.norm_2, family, model),
        placement=model.placement,
    )
    if not names.norm_1_out:
        return block
    return replace(
        block,
        norm_1_out=_norm(get, layer + names.norm_1_out, family, model),
        norm_2_out=_norm(get, layer + names.norm_2_out, family, model),
    )


def _feed_forward(maps: Mapping[str, "Kept"], model: Architecture) -> FeedForward:
    gate = maps.get("gate")
    return FeedForward(
        weight_in=np.ascontiguousarray(maps["ffn_in"].weight.T),
        weight_out=np.ascontiguousarray(maps["ffn_out"].weight.T),
        bias_in=maps["ffn_in"].bias,
        bias_out=maps["ffn_out"].bias,
        activation=model.activation,
        weight_gate=None if gate is None else np.ascontiguousarray(gate.weight.T),
        bias_gate=None if gate is None else gate.bias,
    )


class Kept(NamedTuple):
    """A matrix (out, in), which acts on columns, and its bias (out,) or None."""

    weight: NDArray[Any]
    bias: NDArray[Any] | None


def read_maps(get: Read, layer: str, family: StoredFamily, model: Architecture) -> dict[str, Kept]:
    """Return the matrices of a block by what they do, however the file lays them out."""
    names, found = family.names, dict[str, Kept]()
    for role, (name, _, _, has_bias) in linear_maps(family, model).items():
        weight = get(layer + name + names.weight)
        weight = np.ascontiguousarray(weight.T) if family.transposed else weight
        found[role] = Kept(weight, get(layer + name + names.bias) if has_bias else None)
    if family.fused:
        found |= _apart(found.pop("qkv"), family, model)
    for role, name in (("output", names.scale_1), ("ffn_out", names.scale_2)):
        if name:  # what is added is multiplied feature by feature: so may its matrix be
            scale, (weight, bias) = get(layer + name), found[role]
            found[role] = Kept(scale[:, None] * weight, None if bias is None else scale * bias)
    return found


def _apart(kept: Kept, family: StoredFamily, model: Architecture) -> dict[str, Kept]:
    """Take apart the one matrix that makes queries, keys and values."""
    h, k = model.heads, model.head_features
    axes = (3, h * k) if family.fused == "stacked" else (h, 3, k)
    axis = 0 if family.fused == "stacked" else 1
    parts = np.moveaxis(kept.weight.reshape(*axes, model.width), axis, 0)
    biases = [None] * 3 if kept.bias is None else np.moveaxis(kept.bias.reshape(axes), axis, 0)
    return {
        role: Kept(part.reshape(h * k, model.width), None if bias is None else bias.reshape(-1))
        for role, part, bias in zip(("query", "key", "value"), parts, biases, strict=True)
    }


def _by_head(weight: NDArray[Any], model: Architecture) -> NDArray[Any]:
    """Return (h, d, k) of a matrix whose rows are the features of head 0, of head 1 ..."""
    split = _lift(weight, model).reshape(model.heads, model.head_features, model.width)
    return np.ascontiguousarray(np.swapaxes(split, -1, -2))


def _lift(rows: NDArray[Any], model: Architecture) -> NDArray[Any]:
    """Repeat the rows of keys and values for each query head that shares them."""
    k = model.head_features
    shared = model.heads * k // len(rows)
    if shared == 1:
        return rows
    return np.repeat(rows.reshape(-1, k, *rows.shape[1:]), shared, axis=0).reshape(
        model.heads * k, *rows.shape[1:]
    )


def _head_bias(bias: NDArray[Any] | None, model: Architecture) -> NDArray[Any] | None:
    return None if bias is None else _lift(bias, model).reshape(model.heads, -1)


def _through(
    output: NDArray[Any],
    value_bias: NDArray[Any] | None,
    bias: NDArray[Any] | None,
    model: Architecture,
) -> NDArray[Any] | None:
    if value_bias is None:
        return bias
    through: NDArray[Any] = output @ _lift(value_bias, model)
    return through if bias is None else through + bias


def _norm(get: Read, name: str, family: StoredFamily, model: Architecture) -> Norm:
    if not name:
        return Norm(kind="none")
    gain = get(name + family.names.weight)
    if model.gain_offset:
        gain = gain + np.asarray(model.gain_offset, dtype=gain.dtype)
    shift = get(name + family.names.bias) if model.norm == "layer" else None
    return Norm(kind=model.norm, gain=gain, shift=shift, eps=model.norm_eps)


def _head_norm(
    get: Read, layer: str, name: str, family: StoredFamily, model: Architecture
) -> HeadNorm | None:
    """Return a norm of queries or keys, whose one gain all heads share."""
    if not name:
        return None
    norm = _norm(get, layer + name, family, model)
    assert norm.gain is not None
    gain = np.tile(norm.gain, (model.heads, 1))
    shift = None if norm.shift is None else np.tile(norm.shift, (model.heads, 1))
    return HeadNorm(kind=norm.kind, gain=gain, shift=shift, eps=norm.eps)


def _checked(read: Read, dtype: DTypeLike) -> Read:
    def get(name: str) -> NDArray[Any]:
        tensor = np.asarray(read(name), dtype=dtype)
        require_finite(f"the weight {name!r}", tensor)
        return tensor

    return get
