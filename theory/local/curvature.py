"""How curved is GELU at most between two numbers?

gelu'' (x) = (2 - x^2) density(x) and gelu'''(x) = x (x^2 - 4) density(x): so gelu'' is even, falls
from 2 density(0) at 0 to -2 density(2) at 2, and rises towards 0 from there on. Its largest and
smallest values on [a, b] are at a, at b, at 0 or at +-2.
"""

from typing import NamedTuple

import numpy as np

from theory.arrays import Floats
from theory.local.elementary import density
from theory.local.enclosed import Enclosed, enclosed


class Curvature(NamedTuple):
    """At most and at least the second derivative, on intervals; arrays of one shape."""

    top: Floats
    bottom: Floats


def gelu_curvature(x: Enclosed, radius: Floats) -> Curvature:
    """Bound gelu'' on all [x - radius, x + radius]. Source: derived, as above."""
    left = (x - radius).bottom
    right = (x + radius).top
    ends = [_second(left), _second(right)]
    top = np.maximum(*(end.top for end in ends))
    bottom = np.minimum(*(end.bottom for end in ends))
    peak, valley = _second(np.zeros(())), _second(np.full((), 2.0))
    top = np.where((left <= 0) & (right >= 0), np.maximum(top, peak.top), top)
    for place in (-2.0, 2.0):
        met = (left <= place) & (right >= place)
        bottom = np.where(met, np.minimum(bottom, valley.bottom), bottom)
    known = np.isfinite(left) & np.isfinite(right)
    most = float(peak.top)
    return Curvature(np.where(known, top, most), np.where(known, bottom, -most))


def _second(x: Floats) -> Enclosed:
    x = np.where(np.isfinite(x), x, 0.0)
    known = enclosed(x)
    return (2.0 - known * known) * density(known)
