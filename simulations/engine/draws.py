"""What are the shared weights of each layer, one set a seed, where the backend wants them?"""

from dataclasses import fields

import numpy as np

from simulations.machine.backends import Backend
from simulations.stacks.draws import draw_tokens
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights, draw_weights, empty_weights
from theory.arrays import Array


class Draws:
    """The weights of the layers, one after the other, drawn some seeds at a time.

    The numbers of `simulations.stacks.draws.draw_blocks` bit for bit, whatever the seeds beside
    them, the backend and its dtype, to which they are rounded. NumPy keeps the weights of all
    seeds in one room, which the next layer uses again.
    """

    def __init__(self, stack: Stack, *, seeds: range, on: Backend) -> None:
        self._stack, self._seeds, self._on = stack, seeds, on
        dtype = np.dtype("float32" if on.dtype == on.xp.float32 else "float64")
        self._room = empty_weights(stack, seeds=len(seeds), dtype=dtype)
        self._moved: dict[int, Weights] = {}

    def part(self, layer: int, rows: slice) -> Weights:
        """Return a layer's weights for some of the seeds."""
        here = Weights(*(getattr(self._room, field.name)[rows] for field in fields(Weights)))
        if layer == 0 or not self._stack.tied:
            for row in range(*rows.indices(len(self._seeds))):
                draw_weights(self._stack, self._room, row, seed=self._seeds[row], layer=layer)
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


def draw_entry(stack: Stack, *, seeds: range, on: Backend) -> Array:
    """Return the tokens before the first block, (s, n, d), as `draw_tokens` has them."""
    return on.move(draw_tokens(stack, seeds=seeds))
