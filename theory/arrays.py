"""What an array is here, and how bad ones are refused."""

import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat
import array_api_compat.numpy
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any
"""Anything that follows the Python array API standard (NumPy, Torch, CuPy, ...)."""

Floats: TypeAlias = NDArray[np.float64]
"""An array on the host: samples, verdicts, states of a flow."""


class InputError(ValueError):
    """An argument breaks a precondition that the docstring states."""


class ShapeError(InputError):
    """An array has other axes than those it meets: no reading of it makes sense."""


class UndecidedError(ArithmeticError):
    """A branch, a root or an order depends on a comparison that enclosures leave open."""


_NUMPY_ONLY = {np.ndarray}


def namespace(*arrays: Array | None) -> ModuleType:
    """Return the array library that all the given arrays belong to (None is skipped).

    Raises: InputError if something is not an array, or no plain one (`require_plain`), or the
            libraries differ
    """
    types = {type(array) for array in arrays if array is not None}
    if types == _NUMPY_ONLY:  # kernels ask often, and the library takes its time to find out
        return array_api_compat.numpy
    for array in arrays:
        if type(array) is not np.ndarray and array is not None:
            require_plain(array)
    try:
        found: ModuleType = array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(sorted({type(a).__name__ for a in arrays if a is not None}))
        hint = ""
        if any(isinstance(array, list | tuple) for array in arrays):
            hint = "; numpy.asarray makes an array of a list"
        raise InputError(f"expected arrays of one array library, but got: {kinds}{hint}") from error
    return found


def require_plain(array: Any) -> None:
    """Raise InputError if ``array`` is one whose entries are not simply those that it shows.

    A masked array counts in functions that know of its mask, and in no other; ``*`` of a matrix
    is another product; a sparse tensor lacks half of the functions, and a meta tensor its numbers.
    """
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    if torch is not None and type(array) is torch.Tensor:  # kernels ask for it often
        plain = array.layout is torch.strided and not (array.is_nested or array.is_meta)
        odd = "" if plain else _tensor_oddity(array, torch)
    else:
        odd = _oddity(array)
    if odd:
        kind = type(array)
        raise InputError(
            f"expected arrays of one array library, but got a {kind.__name__} of shape "
            f"{tuple(getattr(array, 'shape', ()))}, {odd}"
        )


def _oddity(array: Any) -> str:
    """Return what is odd about an array and how a plain one is made of it; "" if nothing is."""
    kind = type(array)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return _tensor_oddity(array, torch)
    if isinstance(array, np.ma.MaskedArray):
        return "whose mask would be ignored: fill it, or leave tokens out by a token_mask"
    if isinstance(array, np.ndarray):
        return "" if kind in (np.ndarray, np.memmap) else "a subclass: give numpy.asarray(it)"
    if kind in (bool, int, float, complex):
        return "a number: numpy.asarray makes an array of it"
    if kind.__module__.startswith("scipy.sparse"):
        return "which is sparse: give its toarray()"
    if array_api_compat.is_pydata_sparse_array(array):
        return "which is sparse: give its todense()"
    return ""


def _tensor_oddity(tensor: Any, torch: ModuleType) -> str:
    if tensor.is_nested:
        return "which is nested: give its to_padded_tensor(0.0), and a token_mask"
    if tensor.layout is not torch.strided:
        return "which is sparse: give its to_dense()"
    if tensor.is_meta:
        return "which is on the device meta and has no numbers"
    kind = type(tensor)
    if kind is not torch.Tensor and kind.__module__.startswith("torch.masked"):
        return "whose mask would be ignored: fill it, or leave tokens out by a token_mask"
    return ""


def require_float(name: str, array: Array) -> None:
    """Raise InputError unless ``array`` has a real floating dtype of 32 or 64 bits.

    Sixteen bits are refused: the sums behind every measure lose all digits there.
    """
    xp = _library(name, array)
    if array.dtype not in (xp.float32, xp.float64):
        how = ".double()" if array_api_compat.is_torch_array(array) else ".astype('float64')"
        raise InputError(
            f"{name} must have dtype float32 or float64, but has {array.dtype}; "
            f"convert it first, for example with {how}"
        )


def require_finite(name: str, array: Array) -> None:
    """Raise InputError if ``array`` holds a NaN or an infinity, and say how many and where.

    Within torch.func.vmap, where nobody can look, nothing is asked: see `known`.
    """
    xp = _library(name, array)
    bad = ~xp.isfinite(array)
    if known(xp.any(bad)):
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
    if _library(name, mask).bool != mask.dtype:
        raise InputError(
            f"{name} must be boolean, but has dtype {mask.dtype}; {name} == 1 makes one of zeros "
            "and ones, as tokenizers give it"
        )
    require_shape(name, mask, *wanted)


def as_mask(name: str, mask: Array) -> Array:
    """Return a boolean mask as it is, and one of the integers 0 and 1 as boolean.

    Raises: InputError for anything else
    """
    xp = _library(name, mask)
    if xp.isdtype(mask.dtype, "integral") and bool(xp.all((mask == 0) | (mask == 1))):
        return mask == 1
    require_mask(name, mask)
    return mask


def known(condition: Array) -> bool | None:
    """Return what a condition says, or None where nobody can look at its numbers.

    That is so within torch.func.vmap, and where enclosures leave it open. What only refuses bad
    numbers is left out there; what chooses between two ways has to take one that is right for all.

    Shapes: condition boolean ()
    """
    try:
        return bool(condition)
    except UndecidedError:
        return None
    except RuntimeError as error:
        if not (array_api_compat.is_torch_array(condition) and "vmap" in str(error)):
            raise
        return None


def still(array: Array) -> Array:
    """Return the same numbers, of which no gradient is taken: a detached tensor, else the array."""
    return array.detach() if array_api_compat.is_torch_array(array) else array


def _library(name: str, array: Array) -> ModuleType:
    """Return the library of an argument; what is no plain array is refused with its name."""
    try:
        return namespace(array)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def eps(array: Array) -> float:
    """Return the spacing of floating-point numbers at 1 in the dtype of ``array``."""
    return float(namespace(array).finfo(array.dtype).eps)


def rounds(array: Array) -> bool:
    """Say whether arithmetic rounds, overflows and vanishes: that of enclosures widens instead."""
    return type(array) is np.ndarray or eps(array) > 0  # a look at the type is cheap


def tiny(array: Array) -> float:
    """Return the smallest positive normal number in the dtype of ``array``."""
    return float(namespace(array).finfo(array.dtype).smallest_normal)


def constant(value: Any, *, like: Array) -> Array:
    """Return ``value`` as an array with the dtype and on the device of ``like``."""
    xp = namespace(like)
    return xp.asarray(value, dtype=like.dtype, device=array_api_compat.device(like))


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """Copy ``array`` to host memory as a NumPy array: for saving, plotting and printing only."""
    if type(array) is np.ndarray:
        return array
    if not isinstance(array, bool | int | float | complex):
        require_plain(array)
    if array_api_compat.is_torch_array(array):
        return np.asarray(array.detach().cpu())
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    if "array_api_strict" in type(array).__module__:
        xp = namespace(array)
        return np.asarray(xp.from_dlpack(array, device=xp.Device("CPU_DEVICE")))
    found = np.asarray(array)
    if found.dtype.kind in "US":
        raise InputError(f"expected numbers, but got text: {array!r:.60}")
    return found
