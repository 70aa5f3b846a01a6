"""Where does a factor cross 1 along a grid, and how sure is that?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulations.numbers import Numbers
from theory.arrays import InputError

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

    @property
    def words(self) -> str:
        """Where it is, how sure that is, and on which side the factor is from there on."""
        way = "below 1 from there on" if self.falls else "above 1 from there on"
        how = ", where the token changes attractor" if self.jump else ""
        return f"{self.value:.6g} +- {self.error:.1g} ({way}{how})"


def find_crossings(
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
