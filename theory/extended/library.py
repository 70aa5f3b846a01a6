"""Which functions of the array API standard are there for arrays with more digits?

All that act on real numbers; no complex ones. Here is what entries do one by one. The functions of
single numbers are those of `theory.extended.numbers`; arrays come from `theory.extended.creation`,
change their shape in `shapes`, are summed and sorted in `reductions` and taken apart in
`decompositions`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arrays import Array
from theory.extended.array import Data, ExtendedArray
from theory.extended.creation import creation
from theory.extended.decompositions import decompositions
from theory.extended.numbers import context, elementwise, predicates
from theory.extended.reductions import reductions
from theory.extended.shapes import shapes

_COMPARING = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_LOGICAL = ("logical_and", "logical_or", "logical_xor", "logical_not")
_BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert")
_WHOLE = (
    *("add", "subtract", "multiply", "maximum", "minimum", "remainder", "floor_divide", "pow"),
    *("abs", "negative", "positive", "square", "sign"),
)
_SMALLEST = 2.0**-1074  # no number of mpmath underflows; float64 has none below this


@dataclass(frozen=True)
class FloatInfo:
    """What `finfo` says: the attributes that the standard asks for, as floats."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


class Library:
    """The namespace of arrays with one number of digits: get it from `library`."""

    bool, int64, float64 = np.dtype(np.bool_), np.dtype(np.int64), np.dtype(np.float64)
    float32 = np.dtype(np.float32)  # named only to be compared with: there is no such array
    int8 = int16 = int32 = int64
    newaxis = None
    isdtype = staticmethod(np.isdtype)
    broadcast_shapes = staticmethod(np.broadcast_shapes)
    __array_api_version__ = "2024.12"

    def __init__(self, digits: int) -> None:
        self.digits, self.context = digits, context(digits)
        self.__name__ = f"theory.extended[{digits} digits]"
        self.inf, self.nan = self.context.inf, self.context.nan
        self.pi, self.e = +self.context.pi, +self.context.e
        self.eps = float(self.context.eps)
        self._number = np.frompyfunc(self.context.mpf, 1, 1)
        for name in elementwise(digits):
            setattr(self, name, partial(self._real, name))
        for name, test in predicates(digits).items():
            setattr(self, name, partial(self._tested, test))
        for name in (*_COMPARING, *_LOGICAL, *_BITWISE):
            setattr(self, name, partial(self._compared, getattr(np, name)))
        for part in (creation, shapes, reductions):
            for name, function in part(self).items():
                setattr(self, name, function)
        self.linalg = SimpleNamespace(
            **decompositions(self),
            matmul=self.matmul,
            matrix_transpose=self.matrix_transpose,
            vecdot=self.vecdot,
        )

    if TYPE_CHECKING:  # what __init__ sets

        def __getattr__(self, name: str) -> Any: ...

    def wrap(self, data: Any) -> Array:
        """Return numbers of this library, or a numpy array of bool or int64, as an array."""
        return ExtendedArray(np.asarray(data), self)

    def asarray(
        self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None
    ) -> Array:
        """Return numbers, nested lists of them, or an array as an array; floats are exact."""
        del device  # there is one
        if isinstance(obj, ExtendedArray):
            if obj.library is not self:
                raise TypeError(
                    f"an array with {obj.library.digits} digits is no array with {self.digits}"
                )
            data = obj.data.copy() if copy else obj.data
        else:
            data = np.asarray(obj)
        kind = data.dtype if dtype is None else np.dtype(dtype)
        if kind == np.bool_:
            return self.wrap(data != 0)
        if kind.kind in "iu":
            return self.wrap(data.astype(np.int64))
        if kind.kind not in "fO" or (dtype is not None and kind.itemsize < 8):
            raise TypeError(f"here are bool, int64 and float64 only, but dtype is {kind}")
        if data.dtype != object:
            data = data.astype(np.float64)
        elif isinstance(obj, ExtendedArray):
            return self.wrap(data)
        with np.errstate(invalid="ignore"):  # NaN is a number like any other
            return self.wrap(self._number(data))

    def astype(self, x: Array, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Array:
        """Return the array with another dtype."""
        return self.asarray(x, dtype=dtype, copy=copy, device=device)

    def finfo(self, dtype: Any, /) -> FloatInfo:
        """Return the spacing at one, which is that of the digits there are, and the range."""
        if dtype != self.float64:
            raise TypeError(f"here float64 is the one dtype of real numbers, but it is {dtype}")
        largest = float(np.finfo(np.float64).max)
        bits = self.context.prec
        return FloatInfo(bits, self.eps, largest, -largest, _SMALLEST, self.float64)

    def result_type(self, *arrays: Any) -> np.dtype[Any]:
        """Return the dtype that these make together."""
        kinds = [x.dtype if isinstance(x, ExtendedArray) else np.result_type(x) for x in arrays]
        return np.result_type(*kinds)

    def binary(self, name: str, left: Any, right: Any) -> Any:
        """Do what an operator between two things does, or leave it to the other's library."""
        for side in (left, right):
            number = isinstance(side, bool | int | float | np.number | np.bool_)
            if not isinstance(side, ExtendedArray | self.context.mpf) and not number:
                return NotImplemented
        return getattr(self, name)(left, right)

    def numbers(self, x: Any) -> Data:
        """Return real numbers as data, whatever they came as."""
        data: Data = self.asarray(x, dtype=self.float64).data
        return data

    def _real(self, name: str, /, *arrays: Any) -> Array:
        """Apply a function of real numbers; whole numbers stay whole where the result is."""
        if name in _WHOLE:
            whole = [self.asarray(x) for x in arrays]
            if all(x.dtype == self.int64 for x in whole):
                return self.wrap(getattr(np, name)(*(x.data for x in whole)))
        return self.wrap(elementwise(self.digits)[name](*(self.numbers(x) for x in arrays)))

    def _tested(self, test: Callable[..., Any], x: Any, /) -> Array:
        return self.wrap(np.asarray(test(self.numbers(x))).astype(np.bool_))

    def _compared(self, function: Callable[..., Any], /, *arrays: Any) -> Array:
        return self.wrap(function(*(x.data for x in self.promoted(*arrays))))

    def promoted(self, *arrays: Any) -> list[Array]:
        """Return arrays of one dtype."""
        found = [self.asarray(x) for x in arrays]
        kinds = {x.dtype for x in found}
        if len(kinds) == 1:
            return found
        widest = self.float64 if self.float64 in kinds else self.int64
        return [self.astype(x, widest) for x in found]

    def where(self, condition: ExtendedArray, x1: Any, x2: Any, /) -> Array:
        """Return entries of x1 where the condition holds and of x2 elsewhere."""
        first, second = self.promoted(x1, x2)
        return self.wrap(np.where(condition.data, first.data, second.data))

    def clip(self, x: ExtendedArray, /, min: Any = None, max: Any = None) -> Array:
        """Return the nearest numbers between the ends."""
        x = x if min is None else self._real("maximum", x, min)
        return x if max is None else self._real("minimum", x, max)

    def matmul(self, left: Any, right: Any, /) -> Array:
        """Return products of matrices."""
        a, b = self.numbers(left), self.numbers(right)
        if a.shape[-1] == 0:
            return self.zeros(np.matmul(np.zeros(a.shape), np.zeros(b.shape)).shape)
        return self.wrap(np.matmul(a, b))

    def vecdot(self, left: Any, right: Any, /, *, axis: int = -1) -> Array:
        """Return sums of products along an axis."""
        return self.sum(self._real("multiply", left, right), axis=axis)


@cache
def library(digits: int) -> Library:
    """Return the namespace of arrays with so many digits, the same object every time.

    Raises: InputError as `context` does
    """
    return Library(digits)
