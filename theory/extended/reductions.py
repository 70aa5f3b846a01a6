"""What do arrays with more digits sum up to, which entry is largest, what is their order?"""

from typing import Any

import numpy as np

from theory.arrays import Array
from theory.extended.array import Entries
from theory.extended.elementwise import Elementwise


class Reductions(Elementwise):
    """The functions of the standard that look at many entries at once, those that kernels call."""

    def sum(
        self, x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False
    ) -> Array:
        """Add up; truth values are counted."""
        x = self.astype(x, dtype or (self.float64 if x.dtype == self.float64 else self.int64))
        zero = self.reals.number(0) if x.dtype == self.float64 else 0
        return self._fold(np.add, x.data, axis, keepdims, start=zero)

    def mean(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Return the average."""
        number = int(np.prod([x.shape[a] for a in _axes(x.data, axis)], dtype=np.int64))
        return self.sum(self.astype(x, self.float64), axis=axis, keepdims=keepdims) / number

    def max(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Return the largest entry, NaN if there is one."""
        function = self._ufuncs["maximum"] if x.dtype == self.float64 else np.maximum
        return self._fold(function, x.data, axis, keepdims)

    def min(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Return the smallest entry, NaN if there is one."""
        function = self._ufuncs["minimum"] if x.dtype == self.float64 else np.minimum
        return self._fold(function, x.data, axis, keepdims)

    def any(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Say whether an entry is not zero."""
        return self.wrap(np.any(self._true(x), axis=axis, keepdims=keepdims))

    def all(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Say whether no entry is zero."""
        return self.wrap(np.all(self._true(x), axis=axis, keepdims=keepdims))

    def count_nonzero(self, x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """Return how many entries are not zero."""
        return self.wrap(np.count_nonzero(self._true(x), axis=axis, keepdims=keepdims))

    def nonzero(self, x: Array, /) -> tuple[Array, ...]:
        """Return the indices of what is not zero, an array for each axis."""
        return tuple(self.wrap(part) for part in np.nonzero(self._true(x)))

    def cumulative_sum(self, x: Array, /, *, axis: int = -1) -> Array:
        """Return the sums of all entries so far along an axis."""
        x = self.astype(x, self.float64 if x.dtype == self.float64 else self.int64)
        return self.wrap(np.add.accumulate(x.data, axis=axis))

    def sort(self, x: Array, /, *, axis: int = -1) -> Array:
        """Return the entries in order, the smallest first."""
        return self.wrap(np.sort(x.data, axis=axis, stable=True))

    def unique_values(self, x: Array, /) -> Array:
        """Return every entry once."""
        return self.wrap(np.unique(x.data))

    def matmul(self, left: Any, right: Any, /) -> Array:
        """Return products of matrices."""
        a, b = self.numbers(left), self.numbers(right)
        if a.shape[-1] == 0:
            empty = np.matmul(np.zeros(a.shape), np.zeros(b.shape))
            return self.asarray(empty)
        return self.wrap(np.matmul(a, b))

    def vecdot(self, left: Any, right: Any, /, *, axis: int = -1) -> Array:
        """Return sums of products along an axis."""
        return self.sum(self._real("multiply", left, right), axis=axis)

    def _true(self, x: Array) -> Entries:
        data: Entries = self.astype(x, self.bool).data
        return data

    def _fold(
        self, function: Any, data: Entries, axis: Any, keepdims: Any, *, start: Any = None
    ) -> Array:
        axes = _axes(data, axis)
        for each in axes:  # numpy does not know that the order is ours
            if start is not None and data.shape[each] == 0:
                shape = tuple(1 if i == each else k for i, k in enumerate(data.shape))
                data = np.full(shape, start, dtype=data.dtype)
            else:
                data = np.asarray(function.reduce(data, axis=each, keepdims=True))
        return self.wrap(data if keepdims else data.squeeze(axes))


def _axes(data: Entries, axis: Any) -> tuple[int, ...]:
    axes = range(data.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(sorted((a % data.ndim for a in axes), reverse=True))
