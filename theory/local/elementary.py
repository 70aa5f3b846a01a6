"""What are exp, the normal density and its distribution, with every rounding counted?

Only sums, products and quotients of `theory.local.enclosed` are used, so that no library's
elementary function has to be trusted.
"""

import numpy as np

from theory.arrays import Floats
from theory.local.enclosed import Enclosed, Number, enclosed

_LOG2 = enclosed(0.6931471805599453, within=2.0**-53)
_INVERSE_ROOT = enclosed(0.3989422804014327, within=2.0**-53)  # 1 / sqrt(2 pi)
_TERMS = 18
_FAR = 8.0  # beyond, the distribution is known from its density
_SUMMANDS = 170


def exponential(x: Number) -> Enclosed:
    """Return exp(x): 2^k exp(t) with |t| <= 0.35, and Taylor's polynomial of degree 18 for that.

    What it leaves out is at most |t|^19 / 19! exp(|t|) < 2^-80, relative to exp(t) > 0.7 as well.
    A radius q of the argument multiplies the value by at most exp(q) <= 1 + 2 q, q <= 1.
    """
    x = enclosed(x)
    power = np.clip(np.rint(x.mid / _LOG2.mid), -1000, 1000)
    rest = enclosed(x.mid) - enclosed(power) * _LOG2
    total = enclosed(np.ones(x.shape))
    for k in range(_TERMS, 0, -1):
        total = 1.0 + total * rest / float(k)
    wide = np.where(x.rad <= 1, 2 * x.rad * (1 + 2.0**-50) + 2.0**-80, np.inf)
    total = total * Enclosed(np.ones(x.shape), wide)
    scale = np.ldexp(1.0, power.astype(np.int64))
    sure = np.abs(rest.mid) <= 0.35
    low = x.mid < -690  # then exp(x) is at most 2^-990
    mid, rad = np.where(low, 0.0, total.mid * scale), total.rad * scale + 2.0**-1000
    rad = np.where(sure, rad, np.inf)
    return Enclosed(mid, np.where(low & (x.rad <= 1), 2.0**-990, rad))


def density(x: Number) -> Enclosed:
    """Return the normal density exp(-x^2 / 2) / sqrt(2 pi)."""
    x = enclosed(x)
    return exponential(-(x * x) / 2.0) * _INVERSE_ROOT


def distribution(x: Number) -> Enclosed:
    """Return the normal distribution at x: 1/2 + density(x) sum_k x^(2k+1) / (2k+1)!!.

    From the last of 170 terms on each is at most 64/341 < 1/2 of the one before where |x| <= 8, so
    that what is left out is at most that last one. Beyond, 1 - distribution(|x|) lies between 0
    and density(x) / |x|, with a radius of 1 at most |x| > 7. A larger radius leaves [0, 1].

    Source: derived: with S the sum S' = 1 + x S, so that (density S)' = density; and beyond x
            density(t) is at most -density'(t) / x
    """
    x = enclosed(x)
    inside = np.abs(x.mid) <= _FAR
    near = Enclosed(np.where(inside, x.mid, 0.0), np.where(inside, x.rad, 0.0))
    term, square = near, near * near
    total = near
    for k in range(1, _SUMMANDS):
        term = term * square / float(2 * k + 1)
        total = total + term
    total = Enclosed(total.mid, total.rad + term.size)
    found = 0.5 + density(near) * total
    tail = density(x).size / (_FAR - 1) * (1 + 2.0**-50)
    far = Enclosed(np.where(x.mid > 0, 1.0, 0.0), tail)
    mid = np.where(inside, found.mid, far.mid)
    known = x.rad <= 1
    rad = np.where(inside, found.rad, far.rad)
    return Enclosed(np.where(known, mid, 0.5), np.where(known, rad, 0.5))


def exp_above(x: Floats) -> Floats:
    """Return at least exp(x)."""
    return exponential(x).top
