"""How do arrays with more digits change their shape?"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arrays import Array
from theory.extended.array import ExtendedArray

if TYPE_CHECKING:
    from theory.extended.library import Library

# Functions of numpy that move entries and look at none.
_MOVING = (
    *("broadcast_to", "expand_dims", "flip", "moveaxis", "permute_dims", "reshape"),
    *("roll", "squeeze", "tile"),
)


def shapes(xp: "Library") -> dict[str, Callable[..., Any]]:
    """Return the functions of the standard that move entries."""

    def moving(name: str) -> Callable[..., Array]:
        def move(x: Array, /, *args: Any, copy: Any = None, **options: Any) -> Array:
            del copy  # kernels write into no array, so that a view is as good
            return xp.wrap(getattr(np, name)(x.data, *args, **options))

        return move

    def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
        return xp.wrap(np.concat([x.data for x in xp.promoted(*arrays)], axis=axis))

    def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
        return xp.wrap(np.stack([x.data for x in xp.promoted(*arrays)], axis=axis))

    def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
        return tuple(xp.wrap(part) for part in np.moveaxis(x.data, axis, 0))

    def repeat(x: Array, repeats: Any, /, *, axis: int | None = None) -> Array:
        times = repeats.data if isinstance(repeats, ExtendedArray) else repeats
        return xp.wrap(np.repeat(x.data, times, axis=axis))

    def broadcast_arrays(*arrays: Array) -> list[Array]:
        return [xp.wrap(x) for x in np.broadcast_arrays(*(x.data for x in arrays))]

    def matrix_transpose(x: Array, /) -> Array:
        return x.mT

    def tril(x: Array, /, *, k: int = 0) -> Array:
        rows, columns = x.shape[-2:]
        return xp.where(xp.wrap(np.tri(rows, columns, k).astype(np.bool_)), x, 0)

    def triu(x: Array, /, *, k: int = 0) -> Array:
        rows, columns = x.shape[-2:]
        return xp.where(xp.wrap(np.tri(rows, columns, k - 1).astype(np.bool_)), 0, x)

    functions: tuple[Callable[..., Any], ...] = (concat, stack, unstack, repeat, tril, triu)
    functions += (broadcast_arrays, matrix_transpose)
    named = {function.__name__: function for function in functions}
    return named | {name: moving(name) for name in _MOVING}
