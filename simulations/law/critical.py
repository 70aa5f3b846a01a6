"""Along a driver of the LayerNorm std, where does the exact law cross 1, and where does v?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from simulations.law.comparison import draw_network
from simulations.law.windows import consensus_coefficients
from simulations.numbers import Numbers
from simulations.stacks.stack import Stack
from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.law.orbits import find_attractor
from theory.law.rates import tied_orbit
from theory.law.transverse import mask_walk, transverse_rates, weak_components

Driver: TypeAlias = Literal["value_gain", "ffn_gain", "residual", "norm_gain", "fixed_std"]
DRIVERS: tuple[Driver, ...] = get_args(Driver)

RANGES: dict[Driver, tuple[float, float]] = {
    "value_gain": (-8.0, 8.0),
    "ffn_gain": (0.0, 8.0),
    "residual": (0.0, 8.0),
    "norm_gain": (0.1, 10.0),
    "fixed_std": (0.1, 20.0),
}
"""Where each driver is looked at unless a range is given."""

_CURVES = ("law", "relative law", "v_sharp", "v")
_SURE = 3.0  # standard errors from 1 that make a side certain
_FLAT = 1e-3  # |log factor| at a root; a curve that is further from 0 there has jumped over it


@dataclass(frozen=True)
class Crossing:
    """Where a factor crosses 1: between ``low`` and ``high``, at ``value`` up to ``error``.

    The error has two parts: the bracket's width, and the error of the law over its slope.
    ``falls`` says that the factor is below 1 beyond it. A ``jump`` is a place where the token
    changes to another attractor, and the factor goes from one side to the other without being 1.
    """

    value: float
    error: float
    low: float
    high: float
    falls: bool
    jump: bool


@dataclass(frozen=True, eq=False)
class CriticalPoints:
    """The crossings of law, relative law, v_sharp and v along one driver.

    ``rates`` are the factors on the ``grid``, by the names of ``crossings``; "v" and "v_sharp"
    are the largest over the orbit, since sup v < 1 is what the theorem asks for. ``refused`` are
    grid values at which a stack has no law, with the reason: the token leaves float64's range.

    Shapes: grid (g,), rates[name] (g,), NaN where refused; errors (g,) are those of the law
    """

    driver: Driver
    grid: Numbers
    rates: dict[str, Numbers]
    errors: Numbers
    crossings: dict[str, tuple[Crossing, ...]]
    refused: tuple[tuple[float, str], ...]

    @property
    def price(self) -> float | None:
        """How much further the driver must go for the theorem than for the law.

        It is the least distance of a crossing of v from one of the law in the same direction;
        None if either has none.
        """
        pairs = [
            v.value - law.value
            for v in self.crossings["v"]
            for law in self.crossings["law"]
            if v.falls == law.falls
        ]
        return min(pairs, key=abs, default=None)

    def words(self, name: str) -> str:
        """Say in words where a curve crosses 1, or that it does not, and where was looked."""
        found = self.crossings[name]
        if found:
            return ", ".join(_words(crossing) for crossing in found)
        rates = self.rates[name]
        known = rates[np.isfinite(rates)]
        low, high = self.grid[0], self.grid[-1]
        if not len(known):
            return f"nothing could be computed in {low:g} .. {high:g}"
        side = "above" if known[0] > 1 else "below"
        return (
            f"no crossing in {low:g} .. {high:g}: {side} 1, from {known.min():.3g} to "
            f"{known.max():.3g}"
        )


def critical_points(
    stack: Stack,
    walk: Array,
    driver: Driver,
    *,
    low: float | None = None,
    high: float | None = None,
    points: int = 33,
    seed: int = 0,
    layers: int = 500,
    tolerance: float = 1e-6,
) -> CriticalPoints:
    """Look for the values of a driver at which law and theorem say that M begins to attract.

    The stack is drawn with the same random numbers at every value. The law is that of
    `theory.law.transverse.transverse_rates`, v that at the synchronised states of its orbit. Signs
    of their logarithms are taken on a grid, and every change of sign is followed by Brent's
    method; crossings closer than the grid's step stay hidden.

    Shapes: walk boolean mask or row-stochastic (n, n)
    Raises: InputError if the driver is unknown or does nothing in this stack, or the range is
            none
    """
    if driver not in DRIVERS:
        raise InputError(f"driver must be one of {', '.join(DRIVERS)}, but is {driver!r}")
    first, last = RANGES[driver]
    first, last = first if low is None else low, last if high is None else high
    if not (math.isfinite(first) and math.isfinite(last) and first < last) or points < 2:
        raise InputError(
            f"the range of {driver} must be finite, low < high, at 2 points or more, but is "
            f"{first:g} .. {last:g} at {points}"
        )
    if stack.norm == "none" and driver in ("norm_gain", "fixed_std"):
        raise InputError(f"driver {driver} must have a norm to act on, but norm is none")
    if driver == "ffn_gain" and not stack.ffn_width:
        raise InputError("driver ffn_gain must have a feed-forward sublayer, but ffn_width is 0")
    matrix = mask_walk(walk)
    at = _Factors(stack, matrix, driver, seed, layers)

    grid = np.linspace(first, last, points)
    if driver in ("norm_gain", "fixed_std") and first > 0:
        grid = np.geomspace(first, last, points)
    table, errors, refused = np.full((len(_CURVES), points), np.nan), np.full(points, np.nan), []
    for i, value in enumerate(grid):
        try:
            table[:, i], errors[i] = at(float(value))
        except InputError as error:
            refused.append((float(value), str(error)))
    crossings = {}
    for row, name in enumerate(_CURVES):
        noise = errors if "law" in name else np.zeros(points)
        crossings[name] = _crossings(grid, table[row], noise, at.curve(row), tolerance)
    rates = dict(zip(_CURVES, table, strict=True))
    return CriticalPoints(driver, grid, rates, errors, crossings, tuple(refused))


@dataclass(frozen=True, eq=False)
class _Factors:
    """All four factors at one value of the driver; those of values seen before are kept."""

    stack: Stack
    walk: Numbers
    driver: Driver
    seed: int
    layers: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_seen", {})

    def __call__(self, value: float) -> tuple[Numbers, float]:
        seen: dict[float, tuple[Numbers, float]] = self._seen  # type: ignore[attr-defined]
        if value not in seen:
            seen[value] = self._compute(value)
        return seen[value]

    def curve(self, row: int) -> Callable[[float], float]:
        """Return the logarithm of one factor as a function of the driver."""

        def log(value: float) -> float:
            factor = float(self(value)[0][row])
            return math.log(factor) if factor > 0 else -745.0  # that of the smallest float

        return log

    def _compute(self, value: float) -> tuple[Numbers, float]:
        setting: dict[str, Any] = {self.driver: value}
        stack = replace(self.stack, **setting)
        blocks, token = draw_network(stack, seed=self.seed, n=len(self.walk))
        assert token is not None
        law = transverse_rates(blocks, self.walk, token, layers=self.layers)
        v, sharp = _largest(blocks, self.walk, token, self.layers)
        relative = law.relative_rate if law.token_growth > 0 else math.nan
        return np.asarray([law.rate, relative, sharp, v]), law.error


def _largest(
    blocks: Block | list[Block], walk: Numbers, token: Numbers, layers: int
) -> tuple[float, float]:
    """Return the largest v and v_sharp over the orbit, at equal tokens, of all components."""
    tokens: Sequence[Numbers]
    if isinstance(blocks, Block):
        attractor = find_attractor(blocks, token)
        if attractor is not None:
            tokens = list(attractor.points)
        else:
            orbit = tied_orbit(blocks, token)
            tokens = [step.token for (step, _), _ in zip(orbit, range(layers), strict=False)]
            tokens = tokens[len(tokens) // 5 :]
        pairs = [(blocks, np.stack(tokens))]
    else:
        tokens = [token, *(step.token for step, _ in tied_orbit(blocks, token))][:-1]
        pairs = [(block, here[None]) for block, here in zip(blocks, tokens, strict=True)]
    found = [
        consensus_coefficients(block, walk[np.ix_(part, part)], here)
        for part in weak_components(walk)
        if len(part) > 1
        for block, here in pairs
    ]
    return max(float(v.max()) for v, _ in found), max(float(sharp.max()) for _, sharp in found)


def _crossings(
    grid: Numbers,
    rates: Numbers,
    errors: Numbers,
    log: Callable[[float], float],
    tolerance: float,
) -> tuple[Crossing, ...]:
    """Follow every change between values that are certainly on one side and on the other."""
    from scipy.optimize import brentq

    certain = np.isfinite(rates) & (np.abs(rates - 1) > _SURE * errors)
    sides = np.flatnonzero(certain)
    found = []
    for left, right in pairwise(sides):
        if (rates[left] > 1) == (rates[right] > 1) or not np.isfinite(rates[left:right]).all():
            continue
        low, high = float(grid[left]), float(grid[right])
        width = tolerance * max(abs(low), abs(high))
        try:
            value = float(brentq(log, low, high, xtol=width))
            # The slope between the ends of a bracket around the root, narrow but for noise.
            reach = max(width, 0.01 * (high - low))
            ends = max(low, value - reach), min(high, value + reach)
            slope = (log(ends[1]) - log(ends[0])) / (ends[1] - ends[0])
            here = min(abs(log(value + side * width)) for side in (-1, 0, 1))
        except InputError:  # refused between two grid values that are not
            continue
        noise = float(max(errors[left], errors[right]))
        error = width + (noise / abs(slope) if slope else math.inf)
        jump = here > max(_FLAT, _SURE * noise)
        found.append(Crossing(value, error, low, high, bool(rates[right] < 1), jump))
    return tuple(found)


def _words(crossing: Crossing) -> str:
    way = "below 1 from there on" if crossing.falls else "above 1 from there on"
    how = ", where the token changes attractor" if crossing.jump else ""
    return f"{crossing.value:.6g} +- {crossing.error:.1g} ({way}{how})"
