"""What an array is here, and how bad ones are refused."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any

Floats: TypeAlias = NDArray[np.float64]
"""An array on the host: samples, verdicts, states of a flow."""
"""Anything that follows the Python array API standard (NumPy, Torch, CuPy, ...)."""


class InputError(ValueError):
    """An argument breaks a precondition that the docstring states."""


class ShapeError(InputError):
    """An array has other axes than those it meets: no reading of it makes sense."""


def namespace(*arrays: Array | None) -> ModuleType:
    """Return the array library that all the given arrays belong to (None is skipped).

    Raises: InputError if something is not an array, or the libraries differ
    """
    try:
        found: ModuleType = array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(sorted({type(a).__name__ for a in arrays if a is not None}))
        raise InputError(f"expected arrays of one array library, but got: {kinds}") from error
    return found


def require_float(name: str, array: Array) -> None:
    """Raise InputError unless ``array`` has a real floating dtype of 32 or 64 bits.

    Sixteen bits are refused: the sums behind every measure lose all digits there.
    """
    xp = namespace(array)
    if array.dtype not in (xp.float32, xp.float64):
        raise InputError(
            f"{name} must have dtype float32 or float64, but has {array.dtype}; "
            "convert it first, for example with .astype('float64')"
        )


def require_finite(name: str, array: Array) -> None:
    """Raise InputError if ``array`` holds a NaN or an infinity, and say how many and where."""
    xp = namespace(array)
    bad = ~xp.isfinite(array)
    if bool(xp.any(bad)):
        where = np.argwhere(to_numpy(bad))
        raise InputError(
            f"{name} must be finite, but {len(where)} of its entries are NaN or infinite, "
            f"the first at index {tuple(int(i) for i in where[0])}"
        )


def require_shape(name: str, array: Array, *wanted: int | str) -> None:
    """Raise ShapeError unless the last axes of ``array`` are as ``wanted``.

    A number in ``wanted`` is a required length; a string only names an axis in the message.
    """
    shape = tuple(array.shape)
    tail = shape[len(shape) - len(wanted) :]
    fits = len(shape) >= len(wanted) and all(
        isinstance(want, str) or want == have for want, have in zip(wanted, tail, strict=True)
    )
    if not fits:
        expected = ", ".join(str(want) for want in wanted)
        raise ShapeError(f"{name} must have shape (..., {expected}), but has {shape}")


def require_same_lengths(named: Iterable[tuple[str, Array, Sequence[str]]]) -> None:
    """Raise ShapeError unless axes of one name have one length, not 0, in all of the arrays.

    ``named`` gives for each array its own name and those of its last axes. Left alone, an axis of
    length one would be stretched to fit the others.
    """
    lengths: dict[str, tuple[int, str]] = {}
    for name, array, axes in named:
        require_shape(name, array, *axes)
        shape = tuple(array.shape)
        for axis, length in zip(axes, shape[len(shape) - len(axes) :], strict=True):
            if length == 0:
                raise ShapeError(f"{name} must not be empty, but has shape {shape}")
            first, owner = lengths.setdefault(axis, (length, name))
            if length != first:
                raise ShapeError(
                    f"{name} must have shape (..., {', '.join(axes)}) with {axis} = {first}, as "
                    f"{owner} has, but has {shape}"
                )


def require_mask(name: str, mask: Array, *wanted: int | str) -> None:
    """Raise InputError unless ``mask`` is boolean and its last axes are as ``wanted``."""
    if namespace(mask).bool != mask.dtype:
        raise InputError(f"{name} must be boolean, but has dtype {mask.dtype}")
    require_shape(name, mask, *wanted)


def eps(array: Array) -> float:
    """Return the spacing of floating-point numbers at 1 in the dtype of ``array``."""
    return float(namespace(array).finfo(array.dtype).eps)


def tiny(array: Array) -> float:
    """Return the smallest positive normal number in the dtype of ``array``."""
    return float(namespace(array).finfo(array.dtype).smallest_normal)


def constant(value: Any, *, like: Array) -> Array:
    """Return ``value`` as an array with the dtype and on the device of ``like``."""
    xp = namespace(like)
    return xp.asarray(value, dtype=like.dtype, device=array_api_compat.device(like))


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """Copy ``array`` to host memory as a NumPy array: for saving, plotting and printing only."""
    if isinstance(array, np.ndarray):
        return array
    if array_api_compat.is_torch_array(array):
        return np.asarray(array.detach().cpu())
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    if "array_api_strict" in type(array).__module__:
        xp = namespace(array)
        return np.asarray(xp.from_dlpack(array, device=xp.Device("CPU_DEVICE")))
    return np.asarray(array)
