"""What do arrays with more digits sum up to, which entry is largest, what is their order?"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arrays import Array
from theory.extended.array import Data
from theory.extended.numbers import elementwise

if TYPE_CHECKING:
    from theory.extended.library import Library


def reductions(xp: "Library") -> dict[str, Callable[..., Any]]:
    """Return the functions of the standard that look at many entries at once."""
    ctx, table = xp.context, elementwise(xp.digits)

    def axes_of(x: Array, axis: Any) -> tuple[int, ...]:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        return tuple(sorted((a % x.ndim for a in axes), reverse=True))

    def fold(function: Any, data: Data, axes: tuple[int, ...], keepdims: Any, start: Any) -> Any:
        # One axis after the other: numpy does not know that these may be swapped.
        for axis in axes:
            if start is not None and data.shape[axis] == 0:
                shape = tuple(1 if i == axis else k for i, k in enumerate(data.shape))
                data = np.full(shape, start, dtype=data.dtype)
            else:
                data = np.asarray(function.reduce(data, axis=axis, keepdims=True))
        return xp.wrap(data if keepdims else data.squeeze(axes))

    def summed(name: str, function: Any, start: int) -> Callable[..., Array]:
        def reduce(
            x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False
        ) -> Array:
            kind = dtype or (xp.float64 if x.dtype == xp.float64 else xp.int64)
            x = xp.astype(x, kind)
            first = ctx.mpf(start) if x.dtype == xp.float64 else start
            return fold(function, x.data, axes_of(x, axis), keepdims, first)

        return named(name, reduce)

    def extreme(name: str, whole: Any) -> Callable[..., Array]:
        def reduce(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
            function = table[f"{name}imum"] if x.dtype == xp.float64 else whole
            return fold(function, x.data, axes_of(x, axis), keepdims, None)

        return named(name, reduce)

    def mean(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Any:
        number = int(np.prod([x.shape[a] for a in axes_of(x, axis)], dtype=np.int64))
        return total(xp.astype(x, xp.float64), axis=axis, keepdims=keepdims) / number

    def var(x: Array, /, *, axis: Any = None, correction: float = 0, keepdims: Any = False) -> Any:
        number = int(np.prod([x.shape[a] for a in axes_of(x, axis)], dtype=np.int64))
        rest: Any = xp.binary("subtract", x, mean(x, axis=axis, keepdims=True))
        return total(rest * rest, axis=axis, keepdims=keepdims) / (number - correction)

    def std(x: Array, /, **options: Any) -> Any:
        return xp.wrap(table["sqrt"](var(x, **options).data))

    def logical(name: str) -> Callable[..., Array]:
        def reduce(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
            true = xp.astype(x, xp.bool).data
            return xp.wrap(getattr(np, name)(true, axis=axis, keepdims=keepdims))

        return named(name, reduce)

    def where_extreme(name: str) -> Callable[..., Array]:
        def find(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
            return xp.wrap(getattr(np, name)(x.data, axis=axis, keepdims=keepdims))

        return named(name, find)

    def running(name: str, function: Any, start: int) -> Callable[..., Array]:
        def accumulate(
            x: Array, /, *, axis: int = -1, dtype: Any = None, include_initial: Any = False
        ) -> Array:
            x = xp.astype(x, dtype or (xp.float64 if x.dtype == xp.float64 else xp.int64))
            if include_initial:
                shape = tuple(1 if i == axis % x.ndim else k for i, k in enumerate(x.shape))
                x = xp.concat([xp.full(shape, start, dtype=x.dtype), x], axis=axis)
            return xp.wrap(function.accumulate(x.data, axis=axis))

        return named(name, accumulate)

    def sort(
        x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True
    ) -> Array:
        del stable  # it always is
        found = np.sort(x.data, axis=axis, stable=True)
        return xp.wrap(np.flip(found, axis=axis) if descending else found)

    def argsort(
        x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True
    ) -> Array:
        del stable  # it always is
        return xp.wrap(np.argsort(-x.data if descending else x.data, axis=axis, stable=True))

    def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
        return xp.wrap(np.take(x.data, indices.data, axis=axis))

    def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
        return xp.wrap(np.take_along_axis(x.data, indices.data, axis=axis))

    def diff(x: Array, /, *, axis: int = -1, n: int = 1) -> Array:
        return xp.wrap(np.diff(x.data, axis=axis, n=n))

    def nonzero(x: Array, /) -> tuple[Array, ...]:
        return tuple(xp.wrap(part) for part in np.nonzero(xp.astype(x, xp.bool).data))

    def searchsorted(x: Array, values: Array, /, *, side: Any = "left") -> Any:
        return xp.wrap(np.searchsorted(x.data, values.data, side=side))

    def unique_values(x: Array, /) -> Array:
        return xp.wrap(np.unique(x.data))

    total = summed("sum", np.add, 0)
    singles = (mean, var, std, sort, argsort, take, take_along_axis, diff, nonzero)
    found: list[Any] = [
        total,
        summed("prod", np.multiply, 1),
        *singles,
        searchsorted,
        unique_values,
    ]
    found += [extreme("max", np.maximum), extreme("min", np.minimum)]
    found += [logical(name) for name in ("any", "all", "count_nonzero")]
    found += [where_extreme(name) for name in ("argmax", "argmin")]
    found += [
        running("cumulative_sum", np.add, 0),
        running("cumulative_prod", np.multiply, 1),
    ]
    return {function.__name__: function for function in found}


def named(name: str, function: Callable[..., Array]) -> Callable[..., Array]:
    """Give a function the name that the standard has for it."""
    function.__name__ = name
    return function
