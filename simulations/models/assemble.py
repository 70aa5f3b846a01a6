"""How do a file's tensors become blocks?"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.checkpoint import Architecture, Embeddings, Rows
from simulations.models.families.family import Names, StoredFamily
from simulations.models.shapes import expected_shapes, has_projection
from theory.arrays import InputError, require_finite
from theory.blocks.norms import Norm
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
) -> Embeddings:
    """Return the embeddings; ``word`` replaces the table of words, where it is packed."""
    get, names = _checked(read, dtype), family.names
    projection = projection_bias = None
    if has_projection(family, model):
        projection = np.ascontiguousarray(get(names.projection + names.weight).T)
        projection_bias = get(names.projection + names.bias)
    return Embeddings(
        word=get(names.word + names.table) if word is None else word,
        position=get(names.position + names.table),
        token_type=get(names.token_type + names.table) if model.token_types else None,
        norm=_norm(get, names.norm, names, model),
        projection=projection,
        projection_bias=projection_bias,
    )


def build_blocks(
    read: Read, family: StoredFamily, model: Architecture, *, dtype: DTypeLike
) -> tuple[Block, ...]:
    """Return the blocks in order; layers that share their weights are one and the same block."""
    get = _checked(read, dtype)
    groups = [_block(get, group, family.names, model) for group in range(model.groups)]
    return tuple(groups[layer * model.groups // model.layers] for layer in range(model.layers))


def _block(get: Read, group: int, names: Names, model: Architecture) -> Block:
    """Turn (out, in) matrices that act on columns into (in, out) ones that act on rows."""
    h, d = model.heads, model.width
    layer = names.layer.format(group)

    def weight(name: str) -> NDArray[Any]:
        return get(layer + name + names.weight)

    def bias(name: str) -> NDArray[Any]:
        return get(layer + name + names.bias)

    def heads_in(name: str) -> NDArray[Any]:
        # The rows of a query, key or value matrix are the features of head 0, of head 1 ...
        split = weight(name).reshape(h, d // h, d)
        return np.ascontiguousarray(np.swapaxes(split, -1, -2))

    attention = Attention(
        query=heads_in(names.query),
        key=heads_in(names.key),
        value=heads_in(names.value),
        output=np.ascontiguousarray(weight(names.output).T).reshape(h, d // h, d),
        query_bias=bias(names.query).reshape(h, d // h),
        key_bias=bias(names.key).reshape(h, d // h),
        # Rows of the adjacency sum to one, so the value bias goes through it unchanged.
        bias=weight(names.output) @ bias(names.value) + bias(names.output),
    )
    feed_forward = FeedForward(
        weight_in=np.ascontiguousarray(weight(names.ffn_in).T),
        weight_out=np.ascontiguousarray(weight(names.ffn_out).T),
        bias_in=bias(names.ffn_in),
        bias_out=bias(names.ffn_out),
        activation=model.activation,
    )
    return Block(
        attention=attention,
        feed_forward=feed_forward,
        norm_1=_norm(get, layer + names.norm_1, names, model),
        norm_2=_norm(get, layer + names.norm_2, names, model),
    )


def _norm(get: Read, name: str, names: Names, model: Architecture) -> Norm:
    gain, shift = get(name + names.weight), get(name + names.bias)
    return Norm(kind="layer", gain=gain, shift=shift, eps=model.norm_eps)


def _checked(read: Read, dtype: DTypeLike) -> Read:
    def get(name: str) -> NDArray[Any]:
        tensor = np.asarray(read(name), dtype=dtype)
        require_finite(f"the weight {name!r}", tensor)
        return tensor

    return get
