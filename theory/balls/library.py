"""Which functions of the array API standard are there for rationals and balls?

Those of `theory.extended.library`, on other numbers; here is what differs because a comparison of
balls has three answers.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from flint import ctx

from theory.arrays import Array, UndecidedError
from theory.balls.array import BallArray, OpenAnswers, either, sure
from theory.balls.decompositions import Decompositions
from theory.balls.functions import Enclosures
from theory.balls.matrices import product
from theory.balls.numbers import (
    COMPARISONS,
    UNKNOWN,
    hull,
    in_order,
    root_of_square,
    square,
)
from theory.extended.array import Entries
from theory.extended.creation import Creation
from theory.extended.reductions import Reductions
from theory.extended.shapes import Shapes

_COMPARED = {name: np.frompyfunc(function, 2, 1) for name, function in COMPARISONS.items()}
_HULL = np.frompyfunc(hull, 3, 1)
_ROOT = np.frompyfunc(root_of_square, 1, 1)
_SQUARE = np.frompyfunc(square, 1, 1)


class BallLibrary(Reductions, Creation, Shapes):
    """The namespace of arrays whose balls have one number of bits: get it from `library`."""

    def __init__(self, bits: int) -> None:
        reals = Enclosures(bits)
        super().__init__(reals)
        self._ufuncs |= {name: reals.ufunc(name, 2) for name in ("add", "subtract", "multiply")}
        self.linalg = Decompositions(self)
        self.left_open = False

    def wrap(self, data: Any) -> Array:
        """Return numbers, or answers as int8, as an array."""
        data = np.asarray(data)
        if data.dtype != np.int8:
            return BallArray(data, self)
        if (data == UNKNOWN).any():
            return OpenAnswers(data, self)
        return BallArray(data.astype(np.bool_), self)

    def asarray(
        self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None
    ) -> Array:
        """Return numbers, nested lists of them, or an array as an array; floats are exact.

        An open answer is a number between 0 and 1.
        """
        kind = None if dtype is None else np.dtype(dtype)
        if isinstance(obj, OpenAnswers):
            if kind is None or kind == np.bool_:
                return obj
            if kind.kind in "iu":
                sure(obj)
            return self.where(obj, self.asarray(1, dtype=kind), self.asarray(0, dtype=kind))
        if kind == np.bool_ and isinstance(obj, BallArray) and obj.data.dtype == object:
            return self.not_equal(obj, 0)
        return super().asarray(obj, dtype=dtype, device=device, copy=copy)

    def isfinite(self, x: Any, /) -> Array:
        """Say which entries are numbers, as far as that is known."""
        return self.wrap(np.asarray(self._finite(self.numbers(x))).astype(np.int8))

    def isnan(self, x: Any, /) -> Array:
        """Say which entries are no numbers, as far as that is known."""
        return self.wrap(np.asarray(self._nan(self.numbers(x))).astype(np.int8))

    def where(self, condition: Any, x1: Any, x2: Any, /) -> Array:
        """Return entries of x1 or x2, and what holds both where the condition is open."""
        first, second = self.promoted(x1, x2)
        if not isinstance(condition, OpenAnswers):
            return super().where(condition, first, second)
        if first.dtype != self.float64:
            sure(condition)
        return self.wrap(_HULL(condition.data, first.data, second.data))

    def multiply(self, x1: Any, x2: Any, /) -> Array:
        """Return the products; an array times itself is a square."""
        if x1 is x2 and isinstance(x1, BallArray) and x1.data.dtype == object:
            return self.wrap(_SQUARE(x1.data))
        return super().multiply(x1, x2)

    def root(self, x: Any, /) -> Array:
        """Return the square roots of what is not negative: see `theory.magnitude.root`."""
        return self.wrap(_ROOT(self.numbers(x)))

    def vecdot(self, left: Any, right: Any, /, *, axis: int = -1) -> Array:
        """Return sums of products along an axis."""
        return self.sum(self.multiply(left, right), axis=axis)

    def matmul(self, left: Any, right: Any, /) -> Array:
        """Return products of matrices."""
        a, b = self.numbers(left), self.numbers(right)
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] == 0:
            return super().matmul(left, right)
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
        b = np.broadcast_to(b, (*batch, *b.shape[-2:]))
        found = np.empty((*batch, a.shape[-2], b.shape[-1]), dtype=object)
        for i in np.ndindex(*batch):
            found[i] = product(a[i], b[i])
        return self.wrap(found)

    def any(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Say whether an entry is not zero."""
        answers = self.astype(x, self.bool).data
        certain = np.any(answers == 1, axis=axis, keepdims=keepdims)
        return self.wrap(either(certain, np.any(answers != 0, axis=axis, keepdims=keepdims)))

    def all(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Say whether no entry is zero."""
        answers = self.astype(x, self.bool).data
        certain = np.all(answers == 1, axis=axis, keepdims=keepdims)
        return self.wrap(either(certain, np.all(answers != 0, axis=axis, keepdims=keepdims)))

    def sort(self, x: Array, /, *, axis: int = -1) -> Array:
        """Return enclosures of the entries in order, the smallest first."""
        if x.dtype != self.float64:
            return super().sort(x, axis=axis)
        rows = np.moveaxis(x.data, axis, -1)
        found = np.empty(rows.shape, dtype=object)
        for i in np.ndindex(*rows.shape[:-1]):
            found[i] = in_order(list(rows[i]))
        return self.wrap(np.moveaxis(found, -1, axis))

    def unique_values(self, x: Array, /) -> Array:
        """Return every whole number once.

        Raises: UndecidedError for others: equal balls need not be equal numbers
        """
        if x.dtype == self.float64:
            raise UndecidedError("which of some numbers are equal")
        return super().unique_values(x)

    def _true(self, x: Array) -> Entries:
        return np.asarray(sure(self.astype(x, self.bool)).data)

    def _compared(self, function: Callable[..., Any], /, *arrays: Any) -> Array:
        found, name = self.promoted(*arrays), function.__name__
        if name in _COMPARED and found[0].dtype == self.float64:
            return self.wrap(np.asarray(_COMPARED[name](*(x.data for x in found))).astype(np.int8))
        if not any(isinstance(x, OpenAnswers) for x in found):
            return super()._compared(function, *arrays)
        if name not in ("bitwise_and", "bitwise_or"):
            sure(tuple(found))
        certain = function(*(x.data == 1 for x in found))
        return self.wrap(either(certain, function(*(x.data != 0 for x in found))))


@cache
def library(bits: int) -> BallLibrary:
    """Return the namespace of arrays whose balls have so many bits, the same object every time."""
    with ctx.workprec(bits):  # pi is computed here
        return BallLibrary(bits)
