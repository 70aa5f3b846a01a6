"""What are the shared weights of each layer, one set a seed, in the layout that products want?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulations.backends import Backend
from simulations.ensembles import Stack, draw_blocks, draw_tokens
from simulations.seeds import generator
from theory.arrays import Array

_SCALED_NORMALS = ("gaussian", "bert")
"""Ensembles whose matrices are normals times a number: one call draws all of a layer's."""


@dataclass(frozen=True)
class Weights:
    """The unit-gain weights of one layer for several seeds; every cell scales the same ones.

    Shapes: mixing (s, d, 3 d), queries, keys and values of all heads side by side; output
            (s, d, d); bias (s, d); ffn_in (s, d, f), ffn_out (s, f, d), bias_in (s, f) and
            bias_out (s, d), all empty without the sublayer. The biases are those of bias_std = 1
    """

    mixing: Array
    output: Array
    bias: Array
    ffn_in: Array
    ffn_out: Array
    bias_in: Array
    bias_out: Array


def weights_bytes(stack: Stack, itemsize: int) -> int:
    """Return the memory that the weights of one seed and layer take."""
    return itemsize * _entries(stack)


def draw_layers(stack: Stack, *, seeds: range, on: Backend) -> Iterator[Weights]:
    """Yield the weights of one layer after the other: those of `draw_blocks`, at unit gain.

    Bit for bit the same numbers whatever the seeds beside them: drawn in float64, then rounded
    to the backend's dtype. (Normals drawn as float32 would be another stream, and take as long.)
    """
    if stack.weights in _SCALED_NORMALS:
        layers = _from_normals(stack, seeds, _host_dtype(on))
    else:
        layers = _from_blocks(stack, seeds, _host_dtype(on))
    kept: Weights | None = None
    for layer in range(stack.depth):
        if kept is None or not stack.tied:
            kept = next(layers)
            if on.name != "numpy":
                kept = on.move(kept)
        assert kept is not None, layer
        yield kept


def draw_entry(stack: Stack, *, seeds: range, on: Backend) -> Array:
    """Return the tokens before the first block, (s, n, d), as `draw_tokens` has them."""
    return on.move(draw_tokens(stack, seeds=seeds))


def _from_normals(stack: Stack, seeds: range, dtype: np.dtype[Any]) -> Iterator[Weights]:
    """Draw each seed's normals in one call into one buffer: the order is that of `draw_blocks`."""
    d = stack.width
    noise = np.empty(_entries(stack))
    for layer in range(stack.depth):
        found = _empty(stack, len(seeds), dtype)
        for row, seed in enumerate(seeds):
            generator(seed, "block", *stack.draw_key(), layer).standard_normal(out=noise)
            at = 0
            places = [found.mixing[row, :, i * d : (i + 1) * d] for i in range(3)]
            places += [found.output[row], found.bias[row], found.ffn_in[row]]
            places += [found.ffn_out[row], found.bias_in[row], found.bias_out[row]]
            for place in places:
                drawn = noise[at : at + place.size].reshape(place.shape)
                at += place.size
                if place.ndim == 1:
                    place[...] = drawn
                elif stack.weights == "bert":
                    np.multiply(0.02, drawn, out=place, casting="same_kind")
                else:
                    np.divide(drawn, np.sqrt(len(place)), out=place, casting="same_kind")
        yield found


def _from_blocks(stack: Stack, seeds: range, dtype: np.dtype[Any]) -> Iterator[Weights]:
    """Take what `draw_blocks` gives, one seed at a time, so that memory stays small."""
    plain = replace(stack, tied=False, value_gain=1.0, ffn_gain=1.0, bias_std=1.0)
    streams = [draw_blocks(plain, seeds=range(seed, seed + 1)) for seed in seeds]
    d = stack.width
    for _ in range(stack.depth):
        found = _empty(stack, len(seeds), dtype)
        for row, stream in enumerate(streams):
            block = next(stream)
            heads = (block.attention.query, block.attention.key, block.attention.value)
            for i, weight in enumerate(heads):
                assert weight is not None
                columns = np.moveaxis(weight[0], 0, 1).reshape(d, d)
                found.mixing[row, :, i * d : (i + 1) * d] = columns
            assert block.attention.output is not None
            assert block.attention.bias is not None
            found.output[row] = block.attention.output[0].reshape(d, d)
            found.bias[row] = block.attention.bias[0]
            ffn = block.feed_forward
            if ffn is not None:
                found.ffn_in[row], found.ffn_out[row] = ffn.weight_in[0], ffn.weight_out[0]
                assert ffn.bias_in is not None
                assert ffn.bias_out is not None
                found.bias_in[row], found.bias_out[row] = ffn.bias_in[0], ffn.bias_out[0]
        yield found


def _entries(stack: Stack) -> int:
    d, f = stack.width, stack.ffn_width
    return 4 * d * d + d + (2 * d * f + f + d if f else 0)


def _empty(stack: Stack, seeds: int, dtype: np.dtype[Any]) -> Weights:
    d, f = stack.width, stack.ffn_width

    def room(*shape: int) -> Array:
        return np.empty((seeds, *shape), dtype)

    return Weights(
        mixing=room(d, 3 * d),
        output=room(d, d),
        bias=room(d),
        ffn_in=room(d, f),
        ffn_out=room(f, d),
        bias_in=room(f),
        bias_out=room(d if f else 0),
    )


def _host_dtype(on: Backend) -> np.dtype[Any]:
    return np.dtype("float32" if on.dtype == on.xp.float32 else "float64")
