"""How do arrays with more digits come into being?"""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arrays import Array

if TYPE_CHECKING:
    from theory.extended.library import Library


def creation(xp: "Library") -> dict[str, Callable[..., Any]]:
    """Return the functions of the standard that make arrays, all but `asarray`."""

    def full(shape: Any, fill_value: Any, *, dtype: Any = None) -> Array:
        value = xp.asarray(fill_value, dtype=dtype).data
        return xp.wrap(np.broadcast_to(value, shape).copy())

    def zeros(shape: Any, *, dtype: Any = None) -> Array:
        return full(shape, 0, dtype=dtype or xp.float64)

    def ones(shape: Any, *, dtype: Any = None) -> Array:
        return full(shape, 1, dtype=dtype or xp.float64)

    def empty(shape: Any, *, dtype: Any = None) -> Array:
        return zeros(shape, dtype=dtype)

    def full_like(x: Array, /, fill_value: Any, *, dtype: Any = None) -> Array:
        return full(x.shape, fill_value, dtype=dtype or x.dtype)

    def zeros_like(x: Array, /, *, dtype: Any = None) -> Array:
        return full_like(x, 0, dtype=dtype)

    def ones_like(x: Array, /, *, dtype: Any = None) -> Array:
        return full_like(x, 1, dtype=dtype)

    def empty_like(x: Array, /, *, dtype: Any = None) -> Array:
        return zeros_like(x, dtype=dtype)

    def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None) -> Array:
        start, stop = (0, start) if stop is None else (start, stop)
        return xp.asarray(np.arange(start, stop, step), dtype=dtype)

    def linspace(start: Any, stop: Any, /, num: int, *, endpoint: bool = True) -> Array:
        first, last = (xp.asarray(end, dtype=xp.float64) for end in (start, stop))
        steps = max(num - 1 if endpoint else num, 1)
        return first + arange(num, dtype=xp.float64) * (last - first) / steps

    def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None) -> Array:
        return xp.asarray(np.eye(n_rows, n_cols, k=k), dtype=dtype or xp.float64)

    functions: tuple[Callable[..., Any], ...] = (full, zeros, ones, empty, arange, linspace, eye)
    functions += (full_like, zeros_like, ones_like, empty_like)
    return {function.__name__: _on_any_device(function) for function in functions}


def _on_any_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take the device that the standard passes, of which there is one."""

    @wraps(function)
    def made(*args: Any, device: Any = None, **options: Any) -> Any:
        del device
        return function(*args, **options)

    return made
