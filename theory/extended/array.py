"""What is an array of numbers with more digits than float64 has?"""

from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array

Entries: TypeAlias = NDArray[Any]
"""Numbers of mpmath in an object array, or an array of bool or int64."""


class Namespace(Protocol):
    """What an array needs of the library that it belongs to; the kernels need more of it."""

    digits: int

    def wrap(self, data: Any) -> Array:
        """Return numbers of this library, or a numpy array of bool or int64, as an array."""

    def asarray(self, obj: Any, /, *, dtype: Any = None) -> Array:
        """Return numbers, nested lists of them, or an array as an array."""

    def binary(self, name: str, left: Any, right: Any) -> Any:
        """Do what an operator between two things does, or leave it to the other's library."""


class ExtendedArray:
    """An array that follows the array API standard, with real numbers of mpmath.

    ``library`` is its namespace, and says how many digits there are: arrays with different
    numbers of digits belong to different libraries and do not mix. Real numbers have the dtype
    float64, in the sense of "as many digits as there are"; there is bool and int64 beside it.

    To numpy goes only what loses no digits on the way (bool and int64); for the rest there is
    `rounded`.
    """

    __array_ufunc__ = None  # so that numpy leaves mixed operations to this class, which refuses
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # == compares entries

    def __init__(self, data: Entries, library: Namespace) -> None:
        self.data, self.library = data, library

    def __array_namespace__(self, *, api_version: str | None = None) -> Namespace:
        return self.library

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Float64 for real numbers, whatever their digits; bool or int64."""
        return np.dtype(np.float64) if self.data.dtype == object else self.data.dtype

    @property
    def device(self) -> str:
        """Where the numbers are."""
        return "cpu"

    @property
    def mT(self) -> Array:  # noqa: N802  # the standard's name
        """The transposes of the matrices in the last two axes."""
        return self.library.wrap(self.data.mT)

    @property
    def T(self) -> Array:  # noqa: N802  # the standard's name
        """The transpose of a matrix."""
        return self.library.wrap(self.data.T)

    def to_device(self, device: Any, /, *, stream: Any = None) -> "ExtendedArray":
        """Return the array: there is one device."""
        del device, stream
        return self

    def rounded(self) -> Entries:
        """Return the nearest numbers of float64, as a numpy array; bool and int64 as they are."""
        return self.data.astype(np.float64) if self.data.dtype == object else self.data.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Entries:
        if self.data.dtype == object:
            raise TypeError("as a numpy array this would lose digits: ask for that by .rounded()")
        return np.asarray(self.data, dtype=dtype)

    def __repr__(self) -> str:
        entries = np.array2string(self.data, separator=", ", formatter={"object": str})
        return f"{type(self).__name__}({entries}, digits={self.library.digits})"

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __index__(self) -> int:
        return int(self.data.__index__())

    def __getitem__(self, key: Any) -> Array:
        return self.library.wrap(self.data[_plain(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[_plain(key)] = self.library.asarray(value, dtype=self.dtype).data

    def __neg__(self) -> Array:
        return self.library.wrap(-self.data)

    def __pos__(self) -> "ExtendedArray":
        return self

    def __abs__(self) -> Array:
        return self.library.wrap(abs(self.data))

    def __invert__(self) -> Array:
        return self.library.wrap(~self.data)


def _plain(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(_plain(part) for part in key)
    return key.data if isinstance(key, ExtendedArray) else key


def _operator(name: str) -> Any:
    def straight(self: ExtendedArray, other: Any) -> Any:
        return self.library.binary(name, self, other)

    return straight


def _reflected(name: str) -> Any:
    def reflected(self: ExtendedArray, other: Any) -> Any:
        return self.library.binary(name, other, self)

    return reflected


def _in_place(name: str) -> Any:
    def in_place(self: ExtendedArray, other: Any) -> Any:
        result = self.library.binary(name, self, other)
        if result is NotImplemented:
            return result
        self[...] = result
        return self

    return in_place


_ARITHMETIC = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
for _short, _long in _ARITHMETIC.items():
    setattr(ExtendedArray, f"__{_short}__", _operator(_long))
    setattr(ExtendedArray, f"__r{_short}__", _reflected(_long))
    setattr(ExtendedArray, f"__i{_short}__", _in_place(_long))
for _short, _long in _COMPARISONS.items():
    setattr(ExtendedArray, f"__{_short}__", _operator(_long))
