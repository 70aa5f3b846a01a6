"""Which array library, device and dtype the numbers live on.

Torch and CuPy are imported inside functions, so that who asks for NumPy needs neither. Of all other
files only those of `simulations.fusion`, which trains with torch, and of `simulations.capture`,
which watches its modules, import it.
"""

import dataclasses
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from theory.arrays import InputError, to_numpy
from theory.records import brief_repr

_MODULES = {
    "numpy": "array_api_compat.numpy",
    "torch": "array_api_compat.torch",
    "cupy": "array_api_compat.cupy",
}
_Tree = TypeVar("_Tree")


@brief_repr
@dataclass(frozen=True)
class Backend:
    """An array library with a device and a floating dtype, ready to receive arrays."""

    name: str
    xp: ModuleType
    device: Any
    dtype: Any

    def move(self, tree: _Tree) -> _Tree:
        """Return a copy of an array, or of a dataclass of arrays, that lives on this backend.

        Floating arrays get this backend's dtype, boolean and integer ones keep theirs; whatever
        is no array is kept. Numbers pass through host memory, where they were drawn.
        """
        if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
            changed = {
                field.name: self.move(getattr(tree, field.name))
                for field in dataclasses.fields(tree)
                if field.init
            }
            return dataclasses.replace(tree, **changed)
        if not hasattr(tree, "dtype"):
            return tree
        host = to_numpy(tree)
        dtype = self.dtype if host.dtype.kind == "f" else None
        moved = self.xp.asarray(np.array(host, order="C"), device=self.device)
        return moved if dtype is None else self.xp.astype(moved, dtype, copy=False)  # type: ignore[no-any-return]

    def move_each(self, trees: Iterable[_Tree]) -> Iterator[_Tree]:
        """Move one after the other; one that comes again at once (tied) is the same again."""
        last: _Tree | None = None
        moved: _Tree | None = None
        for tree in trees:
            if moved is None or tree is not last:
                last, moved = tree, self.move(tree)
            yield moved


def backend(name: str = "numpy", *, device: str | None = None, dtype: str = "float64") -> Backend:
    """Return the backend called ``name``: numpy, torch or cupy.

    ``device`` is a name that the library knows, such as "cpu", "cuda", "cuda:1" or "mps";
    None is its default.

    Raises: InputError if the library is not installed, the device is absent, or the dtype is
            not float32 or float64, or not to be had on that device
    """
    if name not in _MODULES:
        raise InputError(f"backend must be one of {', '.join(_MODULES)}, but is {name!r}")
    if dtype not in ("float32", "float64"):
        raise InputError(f"dtype must be float32 or float64, but is {dtype!r}")
    try:
        xp = importlib.import_module(_MODULES[name])
    except ImportError as error:
        raise InputError(
            f"backend {name!r} is not installed: pip install 'oversmooth[{name}]' ({error})"
        ) from error
    place = _device(name, device)
    try:
        float(xp.zeros(1, dtype=getattr(xp, dtype), device=place)[0])  # meta holds no numbers
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{name} cannot use {dtype} on device {device!r}: {reason}") from error
    return Backend(name, xp, place, getattr(xp, dtype))


def device_count(name: str) -> int:
    """Return how many CUDA devices the library ``name`` sees; none if it is not installed."""
    try:
        if name == "torch":
            import torch

            return int(torch.cuda.device_count())
        if name == "cupy":
            import cupy

            return int(cupy.cuda.runtime.getDeviceCount())
    except (ImportError, RuntimeError):  # CuPy raises where there is no driver
        return 0
    return 0


def _device(name: str, device: str | None) -> Any:
    if device is None or (name == "numpy" and device == "cpu"):
        return None
    if name == "numpy":
        raise InputError(f"device must be cpu for numpy, but is {device!r}; --backend torch?")
    if name == "torch":
        return device
    import cupy

    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise InputError(f"device must be cuda or cuda:N for cupy, but is {device!r}")
    return cupy.cuda.Device(int(number or 0))
