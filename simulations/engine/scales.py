"""What does each cell multiply the draw by that it shares with others?"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from simulations.machine.backends import Backend
from simulations.stacks.stack import Stack
from theory.arrays import Array


@dataclass(frozen=True)
class Scales:
    """What each of c cells multiplies the shared draw by; None where all multiply by one.

    Shapes: (c, 1, 1); ``std`` is the fixed std, NaN in cells that divide by the tokens' own;
            mean (d, 1) and ones (n, 1) take the mean over the features and the sum over the
            tokens as products, many times faster
    """

    xp: ModuleType
    eager: bool  # NumPy: branches on values, which elsewhere would have to leave the device first
    eps: float
    mean: Array
    ones: Array
    score: Array
    value: Array | None
    ffn: Array | None
    bias: Array | None
    residual: Array | None
    residual_ffn: Array | None
    norm: Array | None
    std: Array | None


def cell_scales(cells: Sequence[Stack], *, on: Backend) -> Scales:
    """Return the factors of the cells on a backend."""

    def column(values: list[float], *, neutral: float | None = None) -> Array | None:
        if all(value == neutral for value in values):
            return None
        host = np.asarray(values).reshape(-1, 1, 1)
        return on.move(host)

    heads = cells[0].width // cells[0].heads
    fixed = [np.nan if cell.fixed_std is None else cell.fixed_std for cell in cells]
    width = cells[0].width
    return Scales(
        xp=on.xp,
        eager=on.name == "numpy",
        eps=float(on.xp.finfo(on.dtype).eps),
        mean=on.xp.full((width, 1), 1 / width, dtype=on.dtype, device=on.device),
        ones=on.xp.ones((cells[0].tokens, 1), dtype=on.dtype, device=on.device),
        score=column([cell.score_gain * heads**-0.5 for cell in cells]),
        value=column([cell.value_gain for cell in cells], neutral=1.0),
        ffn=column([cell.ffn_gain for cell in cells], neutral=1.0),
        bias=column([cell.bias_std for cell in cells], neutral=0.0),
        residual=column([cell.residual_scale("1") for cell in cells], neutral=1.0),
        residual_ffn=column([cell.residual_scale("2") for cell in cells], neutral=1.0),
        norm=column([cell.norm_gain / cell.tau for cell in cells], neutral=1.0),
        std=None if np.isnan(fixed).all() else column(fixed),
    )
