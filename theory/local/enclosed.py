"""Which real numbers does an array stand for, once every rounding so far is counted?

An `Enclosed` array is float64 numbers and a radius for each: the real number meant lies no further
from ``mid`` than ``rad``. Every operation computes ``mid`` in float64 and adds to ``rad`` what
the operands' radii and its own rounding may do, so that what was inside stays inside.

What is taken for granted, and all that is: +, -, *, / and root of float64 round to nearest, with
gradual underflow (IEEE 754); a product of matrices is made of ordinary sums of products, in any
order, fused or not, by no algorithm like Strassen's. Then a sum of k products is off by at
most gamma_k = k u / (1 - k u) times the sum of the sizes (higham2002, section 3.1), u = 2^-53. No
other function of a library is trusted: `theory.local.elementary` has its own exponential.

Radii are sums and products of numbers that are not negative; ``_up`` adds what these may have lost.
In a large product of matrices the radii are bounded by lengths of rows and columns (Cauchy and
Schwarz), which costs one product in the place of three.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from theory.arrays import Floats
from theory.records import brief_repr
from theory.spectra.enclosures import gamma

UNIT = 2.0**-53
_SMALL = 2.0**-1000  # covers 2^74 products that fell below the smallest number
_SHORT = 2.0**-500  # the same for a length: its square
_MANY = 2**27  # multiplications from which on radii are bounded by lengths


def _up(size: Floats, steps: int) -> Floats:
    """Return at least the number that ``size`` was to be, after so many roundings in a row."""
    with np.errstate(invalid="ignore"):
        grown = size * (1 + (steps + 2) * 2 * UNIT) + _SMALL
    return np.where(np.isnan(grown), np.inf, grown)


def _length(array: Floats, axis: int) -> Floats:
    """Return at least the Euclidean lengths along an axis, which is kept."""
    with np.errstate(over="ignore"):
        squares = np.sum(array * array, axis=axis, keepdims=True)
    return _up(np.sqrt(squares), array.shape[axis] + 4) + _SHORT


@brief_repr
@dataclass(frozen=True, eq=False)
class Enclosed:
    """Real numbers, each within ``rad`` of ``mid``: two float64 arrays of one shape."""

    mid: Floats
    rad: Floats

    __array_ufunc__ = None  # so that array * Enclosed asks Enclosed

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.mid.shape

    @property
    def T(self) -> "Enclosed":  # noqa: N802 - as numpy has it
        """The array with its last two axes exchanged."""
        return self.moved(lambda array: np.swapaxes(array, -1, -2))

    @property
    def size(self) -> Floats:
        """At least the absolute value of every number."""
        return _up(np.abs(self.mid) + self.rad, 1)

    @property
    def top(self) -> Floats:
        """At least every number."""
        with np.errstate(invalid="ignore"):
            return self.mid + self.rad + UNIT * 4 * (np.abs(self.mid) + self.rad) + _SMALL

    @property
    def bottom(self) -> Floats:
        """At most every number."""
        return -(-self).top

    def moved(self, how: Callable[[Floats], Floats]) -> "Enclosed":
        """Return the numbers in other places: ``how`` only picks, repeats or reorders."""
        return Enclosed(how(self.mid), how(self.rad))

    def __getitem__(self, key: Any) -> "Enclosed":
        return self.moved(lambda array: np.asarray(array[key]))

    def __neg__(self) -> "Enclosed":
        return Enclosed(-self.mid, self.rad)

    def __add__(self, other: "Number") -> "Enclosed":
        right = enclosed(other)
        mid = self.mid + right.mid
        return Enclosed(mid, _up(self.rad + right.rad + UNIT * np.abs(mid), 3))

    def __radd__(self, other: "Number") -> "Enclosed":
        return self + other

    def __sub__(self, other: "Number") -> "Enclosed":
        return self + (-enclosed(other))

    def __rsub__(self, other: "Number") -> "Enclosed":
        return enclosed(other) - self

    def __mul__(self, other: "Number") -> "Enclosed":
        right = enclosed(other)
        mid = self.mid * right.mid
        far = np.abs(self.mid) * right.rad + self.rad * (np.abs(right.mid) + right.rad)
        return Enclosed(mid, _up(far + UNIT * np.abs(mid), 5))

    def __rmul__(self, other: "Number") -> "Enclosed":
        return self * other

    def __truediv__(self, other: "Number") -> "Enclosed":
        """Return the quotient; where the divisor may be zero the radius is infinite."""
        right = enclosed(other)
        least = np.abs(right.mid) * (1 - 4 * UNIT) - right.rad * (1 + 4 * UNIT)
        sure = least > 0
        mid = self.mid / np.where(sure, right.mid, 1.0)
        far = (self.rad + np.abs(mid) * right.rad) / np.where(sure, least, 1.0)
        # |mid| is the quotient up to its own rounding, which far * u and u |mid| count
        far = _up(far * (1 + 4 * UNIT) + 2 * UNIT * np.abs(mid), 8)
        return Enclosed(mid, np.where(sure, far, np.inf))

    def __matmul__(self, other: "Number") -> "Enclosed":
        right = enclosed(other)
        k = self.shape[-1]
        mid = self.mid @ right.mid
        lost = gamma(k + 1, UNIT)
        if mid.size * k > _MANY:
            rows, columns = _length(self.mid, -1), _length(right.mid, -2)
            more_rows, more_columns = _length(self.rad, -1), _length(right.rad, -2)
            far = rows * (more_columns + lost * columns) + more_rows * (columns + more_columns)
            return Enclosed(mid, _up(far, 8))
        size = np.abs(right.mid)
        far = np.abs(self.mid) @ (right.rad + lost * size)
        if self.rad.any():
            far = far + self.rad @ (size + right.rad)
        return Enclosed(mid, _up(far, 2 * k + 8))

    def __rmatmul__(self, other: "Number") -> "Enclosed":
        return enclosed(other) @ self

    def sum(self, axis: int, *, keepdims: bool = False) -> "Enclosed":
        """Return the sums along an axis."""
        k = self.shape[axis]
        mid = np.sum(self.mid, axis=axis, keepdims=keepdims)
        far = np.sum(self.rad, axis=axis, keepdims=keepdims)
        far = far + gamma(k, UNIT) * np.sum(np.abs(self.mid), axis=axis, keepdims=keepdims)
        return Enclosed(mid, _up(far, 2 * k + 4))

    def centred(self, axis: int) -> "Enclosed":
        """Return the numbers minus their mean along an axis."""
        return self - self.sum(axis, keepdims=True) / float(self.shape[axis])

    def root(self) -> "Enclosed":
        """Return the square roots; where a number may be 0 or less the radius is infinite.

        |sqrt x - sqrt a| = |x - a| / (sqrt x + sqrt a) <= |x - a| / sqrt a.
        """
        sure = self.mid > self.rad
        mid = np.sqrt(np.where(sure, self.mid, 1.0))
        far = np.where(sure, self.rad / mid + 2 * UNIT * mid, np.inf)
        return Enclosed(mid, _up(far, 6))

    def length(self, axis: int = -1) -> "Enclosed":
        """Return the Euclidean lengths along an axis."""
        return (self * self).sum(axis).root()

    def lengths(self, axis: int = -1) -> Floats:
        """Return at least the Euclidean lengths along an axis, zero vectors among them."""
        return np.asarray(_length(self.size, axis).take(0, axis=axis))


Number = Union[Enclosed, Floats, float]  # noqa: UP007 - a forward reference takes no bar


def enclosed(number: Number, *, within: float = 0.0) -> Enclosed:
    """Return float64 numbers as what they are, or as known to within a radius."""
    if isinstance(number, Enclosed):
        return number
    mid = np.asarray(number, dtype=np.float64)
    return Enclosed(mid, np.full(mid.shape, within))


def stacked(parts: list[Enclosed]) -> Enclosed:
    """Return arrays of one shape as one array with a new first axis."""
    return Enclosed(np.stack([p.mid for p in parts]), np.stack([p.rad for p in parts]))
