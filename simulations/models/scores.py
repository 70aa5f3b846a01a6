"""Which biases do relative positions add to the scores of a model's heads?

`theory.blocks.positions.Positions` holds them by offset: by how far the listener stands after the
one it listens to, from -(longest - 1) up.
"""

import math

import numpy as np
from numpy.typing import NDArray


def relative_buckets(longest: int, *, buckets: int = 32, farthest: int = 128) -> NDArray[np.int64]:
    """Return the row of a table for each offset from -(longest - 1) up: (2 longest - 1,).

    Half of the rows are for each direction; near offsets have rows of their own, far ones share
    them by their logarithm. Computed in float32, as the models were trained.

    Source: raffel2020t5
    """
    offsets = np.arange(-(longest - 1), longest)
    half, far = buckets // 2, np.abs(offsets)
    near = half // 2
    ratio = np.maximum(far, 1).astype(np.float32) / np.float32(near)
    steps = np.log(ratio) / np.float32(math.log(farthest / near)) * np.float32(half - near)
    rows = np.where(far < near, far, np.minimum(near + steps.astype(np.int64), half - 1))
    return np.asarray(rows + np.where(offsets < 0, half, 0))


def falling_biases(heads: int, longest: int) -> NDArray[np.float64]:
    """Return a bias for each head and offset that falls with the distance: (h, 2 longest - 1).

    The slopes are powers of 2, from 2^(-8 / p) to 1/256 for p heads, p a power of 2; what is left
    of another number of heads gets those that lie between. Listeners are behind, so that offsets
    are positive; the other half is masked.

    Source: press2022alibi
    """
    whole = 2 ** int(math.log2(heads))
    between = [2 ** (-8 * (2 * k + 1) / (2 * whole)) for k in range(heads - whole)]
    slopes = np.array([2 ** (-8 * (k + 1) / whole) for k in range(whole)] + between)
    return -slopes[:, None] * np.arange(-(longest - 1), longest)
