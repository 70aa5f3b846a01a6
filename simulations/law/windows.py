"""What are the factors a layer between two depths: simulated, by the law and by the theorem?"""

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from simulations.law.differences import Differences, consensus_coefficients
from simulations.numbers import Numbers, geometric_mean
from theory.blocks.weights import Block
from theory.bounds.coefficients import weight_norms
from theory.law.orbits import Attractor
from theory.law.rates import standard_error

_SLACK = 1e-9  # for lhs <= rhs: rounding of v, below d^2 eps for the widths here


@dataclass(frozen=True)
class Window:
    """Factors a layer between two depths, all of them geometric means over the window.

    ``simulated`` and ``linear`` start from the same differences: they agree at every depth up to
    ``error``, which for a late window is how sure the simulated mean is of being the limit.
    ``v_sharp`` and ``v`` are taken at the same synchronised states; ``v_sup`` is the largest v,
    which the convergence hypothesis sup v < 1 is about.
    """

    first: int
    last: int
    simulated: float
    linear: float
    error: float
    v_sharp: float
    v: float
    v_sup: float

    @property
    def ordered(self) -> bool:
        """Whether simulated <= sharp theorem <= theorem, up to rounding."""
        return is_ordered(self.simulated, self.v_sharp, self.v)


def read_window(
    blocks: Block | list[Block], run: Differences, walk: Numbers, first: int, last: int
) -> Window:
    """Read one run between two depths."""
    v, sharp = _along(blocks, walk, run.tokens, range(first, last))
    layers = last - first
    simulated, linear = (
        float(np.exp((log[last] - log[first]) / layers)) for log in (run.simulated, run.linear)
    )
    # Errors of single layers add up to that of the product; a mean has its share of each.
    error = simulated * float(np.sum(run.rounding[first:last])) / layers
    mean_sharp, mean_v = float(geometric_mean(sharp)), float(geometric_mean(v))
    return Window(first, last, simulated, linear, error, mean_sharp, mean_v, float(v.max()))


def late_window(
    blocks: Block | list[Block], run: Differences, walk: Numbers, period: int, settles: bool
) -> Window | None:
    """Read the last quarter, in whole turns; None where no difference is left."""
    half = period * max(1, run.depth // (8 * period))
    first = run.depth - 2 * half
    if first < 1 or not np.isfinite(run.simulated[-1]):
        return None
    window = read_window(blocks, run, walk, first, run.depth)
    logs = np.diff(run.simulated[first:])
    if settles:
        error = abs(float(logs[:half].mean() - logs[half:].mean()))
        # A complex pair of eigenvalues turns: log d_M swings around a line, which the window
        # may cut anywhere in the swing. A longer stretch shows more of a slow one.
        swing = np.cumsum(np.diff(run.simulated[run.depth // 4 :]) - logs.mean())
        error = max(error, float(np.ptp(swing)) / len(logs))
    else:
        error = float(standard_error(logs))
    return replace(window, error=window.simulated * max(error, float(np.finfo(np.float64).eps)))


def _along(
    blocks: Block | list[Block], walk: Numbers, tokens: Numbers, layers: range
) -> tuple[Numbers, Numbers]:
    """Return v and v_sharp at the synchronised states of some layers."""
    if isinstance(blocks, Block):
        return consensus_coefficients(blocks, walk, tokens[layers.start : layers.stop])
    found = [
        consensus_coefficients(block, walk, tokens[layer : layer + 1], norms=weight_norms(block))
        for layer, block in zip(layers, islice(blocks, layers.start, layers.stop), strict=True)
    ]
    v, sharp = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    return v, sharp


def limit_coefficients(
    blocks: Block | list[Block], run: Differences, walk: Numbers, attractor: Attractor | None
) -> tuple[float, float, float]:
    """Return v_sharp, v and sup v over the orbit that the law's limit is taken on."""
    if attractor is not None:
        assert isinstance(blocks, Block)
        v, sharp = consensus_coefficients(blocks, walk, attractor.points)
    else:
        v, sharp = _along(blocks, walk, run.tokens, range(run.depth // 5, run.depth))
    return float(geometric_mean(sharp)), float(geometric_mean(v)), float(v.max())


def is_ordered(rate: float, sharp: float, v: float) -> bool:
    """Whether rate <= sharp theorem <= theorem, up to rounding."""
    return rate <= sharp * (1 + _SLACK) and sharp <= v * (1 + _SLACK)
