"""How do arrays with more digits come from others, and which dtype do several of them make?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arrays import Array
from theory.extended.array import Entries, ExtendedArray
from theory.extended.numbers import Numbers

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


class Core:
    """The dtypes and conversions of a library of arrays whose numbers are of one kind."""

    bool, int64, float64 = np.dtype(np.bool_), np.dtype(np.int64), np.dtype(np.float64)
    float32 = np.dtype(np.float32)  # named only to be compared with: there is no such array
    int8 = int16 = int32 = int64
    isdtype = staticmethod(np.isdtype)
    __array_api_version__ = "2024.12"

    def __init__(self, reals: Numbers) -> None:
        self.reals, self.digits = reals, reals.digits
        self.__name__ = reals.name
        self.inf, self.nan, self.pi, self.eps = reals.inf, reals.nan, reals.pi, reals.eps
        self._number = np.frompyfunc(reals.number, 1, 1)

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
        return FloatInfo(self.reals.bits, self.eps, largest, -largest, _SMALLEST, self.float64)

    def binary(self, name: str, left: Any, right: Any) -> Any:
        """Do what an operator between two things does, or leave it to the other's library."""
        for side in (left, right):
            number = isinstance(side, bool | int | float | np.number | np.bool_)
            if not isinstance(side, (ExtendedArray, *self.reals.kinds)) and not number:
                return NotImplemented
        return getattr(self, name)(left, right)

    def numbers(self, x: Any) -> Entries:
        """Return real numbers as entries, whatever they came as."""
        data: Entries = self.asarray(x, dtype=self.float64).data
        return data

    def promoted(self, *arrays: Any) -> list[Array]:
        """Return arrays of one dtype."""
        found = [self.asarray(x) for x in arrays]
        kinds = {x.dtype for x in found}
        if len(kinds) == 1:
            return found
        widest = self.float64 if self.float64 in kinds else self.int64
        return [self.astype(x, widest) for x in found]
