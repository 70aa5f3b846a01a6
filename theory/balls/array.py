"""What is an array of numbers that are known for certain, and one of answers that may be open?"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array, UndecidedError
from theory.balls.numbers import UNKNOWN, as_float
from theory.extended.array import Entries, ExtendedArray, Namespace


class Library(Namespace, Protocol):
    """What an array needs of its library; ``left_open`` says that somebody got no answer."""

    left_open: bool


class BallArray(ExtendedArray):
    """An array that follows the array API standard, of rationals and balls, bool or int64.

    Whoever needs a number, an index or a truth value of one gets it where it is certain, and else
    an UndecidedError: nothing is rounded on the way.
    """

    library: Library

    def rounded(self) -> Entries:
        """Return the same numbers in float64, where they are such numbers."""
        if self.data.dtype != object:
            return self.data.copy()
        return np.asarray(np.frompyfunc(as_float, 1, 1)(self.data)).astype(np.float64)

    def __bool__(self) -> bool:
        answer = self.library.asarray(self, dtype=np.bool_)
        return bool(sure(answer).data)

    def __float__(self) -> float:
        return float(self.rounded())

    def __int__(self) -> int:
        number = float(self)
        if number != int(number):
            raise TypeError(f"a whole number is wanted, but it is {number}")
        return int(number)

    def __getitem__(self, key: Any) -> Array:
        return super().__getitem__(sure(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(sure(key), sure(value) if self.data.dtype == np.bool_ else value)


class OpenAnswers(BallArray):
    """Truth values of which some are not known; they are kept as 0, 1 and 2."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Bool, to whoever asks."""
        return np.dtype(np.bool_)

    def rounded(self) -> Entries:
        """Raise UndecidedError: see `sure`."""
        return np.asarray(sure(self).data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Entries:
        return np.asarray(sure(self).data, dtype=dtype)

    def __invert__(self) -> Array:
        return self.library.wrap(np.where(self.data == UNKNOWN, UNKNOWN, 1 - self.data))


def sure(value: Any) -> Any:
    """Return what holds no open answer, alone or in a tuple, as it is.

    Raises: UndecidedError for one that does
    """
    if isinstance(value, tuple):
        return tuple(sure(part) for part in value)
    if isinstance(value, OpenAnswers):
        value.library.left_open = True
        raise UndecidedError("a branch depends on a comparison that the enclosures leave open")
    return value


def either(certain: NDArray[np.bool_], possible: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return answers: yes where it is certain, no where it is not possible, and else unknown."""
    return np.where(certain, 1, np.where(possible, UNKNOWN, 0)).astype(np.int8)
