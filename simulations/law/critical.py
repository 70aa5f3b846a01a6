"""Along a driver of the LayerNorm std, where does the exact law cross 1, and where does v?"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulations.law.crossings import Crossing, find_crossings
from simulations.law.drivers import DRIVERS, RANGES, Driver
from simulations.law.factors import Factors
from simulations.machine.words import told
from simulations.numbers import Numbers
from simulations.stacks.stack import Stack
from theory.arrays import Array, InputError
from theory.law.transverse import mask_walk
from theory.records import brief_repr

_MOST_POINTS = 100_000
_CURVES = ("law", "relative law", "v_sharp", "v")


@brief_repr
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
            return ", ".join(crossing.words for crossing in found)
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
    on_point: Callable[[int, int], None] = lambda done, total: None,
) -> CriticalPoints:
    """Look for the values of a driver at which law and theorem say that M begins to attract.

    The stack is drawn with the same random numbers at every value. The law is that of
    `theory.law.transverse.transverse_rates`, v that at the synchronised states of its orbit. Signs
    of their logarithms are taken on a grid, and every change of sign is followed by Brent's
    method; crossings closer than the grid's step stay hidden. ``on_point`` is told how many values
    of the grid are done, of how many.

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
    if points > _MOST_POINTS:
        raise InputError(f"points must be at most {_MOST_POINTS:,}, but is {told(points)}")
    if stack.norm == "none" and driver in ("norm_gain", "fixed_std"):
        raise InputError(f"driver {driver} must have a norm to act on, but norm is none")
    if driver == "ffn_gain" and not stack.ffn_width:
        raise InputError("driver ffn_gain must have a feed-forward sublayer, but ffn_width is 0")
    matrix = mask_walk(walk)
    at = Factors(stack, matrix, driver, seed, layers)

    grid = np.linspace(first, last, points)
    if driver in ("norm_gain", "fixed_std") and first > 0:
        grid = np.geomspace(first, last, points)
    table, errors, refused = np.full((len(_CURVES), points), np.nan), np.full(points, np.nan), []
    for i, value in enumerate(grid):
        on_point(i, points)
        try:
            table[:, i], errors[i] = at(float(value))
        except InputError as error:
            refused.append((float(value), str(error)))
    crossings = {}
    for row, name in enumerate(_CURVES):
        noise = errors if "law" in name else np.zeros(points)
        crossings[name] = find_crossings(grid, table[row], noise, at.curve(row), tolerance)
    rates = dict(zip(_CURVES, table, strict=True))
    return CriticalPoints(driver, grid, rates, errors, crossings, tuple(refused))
