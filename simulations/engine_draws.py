"""What are the shared weights of each layer, one set a seed, in the layout that products want?"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from simulations.backends import Backend, backend
from simulations.engine_normals import Normals
from simulations.ensembles import Stack, draw_blocks, draw_tokens
from theory.arrays import Array
from theory.layers import Block

_SCALED_NORMALS = ("gaussian", "bert")
"""Ensembles whose matrices are normals times a number: quick to draw in single precision."""

_NOISE = 2**14  # normals drawn at a time, for a matrix of any size to stay in the cache


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


class Draws:
    """The weights of the layers, one after the other, drawn some seeds at a time.

    The same numbers bit for bit whatever the seeds beside them, the backend and its dtype:
    Gaussian ones are single precision, which float64 holds exactly; the other ensembles are those
    of `simulations.ensembles.draw_blocks`, rounded where the backend's dtype is float32. NumPy
    keeps the weights of all seeds in one room, which the next layer uses again.
    """

    def __init__(self, stack: Stack, *, seeds: range, on: Backend) -> None:
        self._stack, self._seeds, self._on = stack, seeds, on
        self._room = _empty(stack, len(seeds), _host_dtype(on))
        self._noise = np.empty(_NOISE, np.float32)
        self._moved: dict[int, Weights] = {}
        self._blocks: list[Iterator[Block]] = []
        if stack.weights not in _SCALED_NORMALS:
            plain = replace(stack, tied=False, value_gain=1.0, ffn_gain=1.0, bias_std=1.0)
            self._blocks = [draw_blocks(plain, seeds=range(i, i + 1)) for i in seeds]

    def part(self, layer: int, rows: slice) -> Weights:
        """Return a layer's weights for some of the seeds; layers come in their order."""
        here = Weights(*(getattr(self._room, field.name)[rows] for field in fields(Weights)))
        if layer == 0 or not self._stack.tied:
            for row in range(*rows.indices(len(self._seeds))):
                self._draw(layer, row)
            if self._on.name != "numpy":
                self._moved[rows.start] = self._on.move(here)
        return here if self._on.name == "numpy" else self._moved[rows.start]

    def whole(self) -> Weights:
        """Return the weights of all seeds, once every part of the layer has been drawn."""
        if self._on.name == "numpy":
            return self._room
        parts = list(self._moved.values())
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(Weights)]
        concat = self._on.xp.concat
        return Weights(*(concat([getattr(part, name) for part in parts]) for name in names))

    def _draw(self, layer: int, row: int) -> None:
        if self._blocks:
            _from_block(self._room, row, next(self._blocks[row]))
        else:
            normals = Normals(self._seeds[row], "survey", *self._stack.draw_key(), layer)
            _from_normals(self._stack, self._room, row, normals, self._noise)


def draw_entry(stack: Stack, *, seeds: range, on: Backend) -> Array:
    """Return the tokens before the first block, (s, n, d), as `draw_tokens` has them."""
    return on.move(draw_tokens(stack, seeds=seeds))


def survey_blocks(stack: Stack, *, seeds: range) -> Iterator[Block]:
    """Yield the blocks that a survey of this cell runs, in float64, for any other tool to recheck.

    Shapes: every weight has the leading axis (len(seeds),)
    """
    draws, every = Draws(stack, seeds=seeds, on=backend()), slice(0, len(seeds))
    s, d, h, gain = len(seeds), stack.width, stack.heads, stack.value_gain
    for layer, block in enumerate(draw_blocks(stack, seeds=seeds)):  # whose gains are kept
        w = draws.part(layer, every)
        heads = np.transpose(w.mixing.reshape(s, d, 3, h, d // h), (2, 0, 3, 1, 4))
        query, key, value = np.array(heads)
        output = np.array(w.output).reshape(s, h, d // h, d)
        attention = replace(
            block.attention, query=query, key=key, value=gain * value, output=output
        )
        if attention.bias is not None:
            attention = replace(attention, bias=stack.bias_std * w.bias)
        ffn = block.feed_forward
        if ffn is not None:
            ffn = replace(ffn, weight_in=+w.ffn_in, weight_out=stack.ffn_gain * w.ffn_out)
            if ffn.bias_in is not None:
                ffn = replace(
                    ffn, bias_in=stack.bias_std * w.bias_in, bias_out=stack.bias_std * w.bias_out
                )
        yield replace(block, attention=attention, feed_forward=ffn)


def _from_normals(stack: Stack, room: Weights, row: int, normals: Normals, noise: Array) -> None:
    """Draw one layer: straight into its place, or where that is float64 through a buffer."""
    d, f = stack.width, stack.ffn_width
    fan_in = {"mixing": d, "output": d, "ffn_in": d, "ffn_out": f}
    for name, place in ((field.name, getattr(room, field.name)[row]) for field in fields(Weights)):
        std = 1.0
        if name in fan_in:
            std = 0.02 if stack.weights == "bert" else max(1, fan_in[name]) ** -0.5
        flat = place.reshape(-1)  # a view, since a row of the room is one piece
        for start in range(0, flat.size, len(noise)):
            part = flat[start : start + len(noise)]
            drawn = part if part.dtype == np.float32 else noise[: part.size]
            normals.fill(drawn, std=std)
            if drawn is not part:
                part[...] = drawn


def _from_block(room: Weights, row: int, block: Block) -> None:
    """Copy a block of `draw_blocks` with one seed."""
    attention, ffn = block.attention, block.feed_forward
    d = room.mixing.shape[1]
    for i, weight in enumerate((attention.query, attention.key, attention.value)):
        assert weight is not None
        room.mixing[row, :, i * d : (i + 1) * d] = np.moveaxis(weight[0], 0, 1).reshape(d, d)
    assert attention.output is not None
    assert attention.bias is not None
    room.output[row] = attention.output[0].reshape(d, d)
    room.bias[row] = attention.bias[0]
    if ffn is not None:
        assert ffn.bias_in is not None
        assert ffn.bias_out is not None
        room.ffn_in[row], room.ffn_out[row] = ffn.weight_in[0], ffn.weight_out[0]
        room.bias_in[row], room.bias_out[row] = ffn.bias_in[0], ffn.bias_out[0]


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
