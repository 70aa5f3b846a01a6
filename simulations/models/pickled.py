"""How are weights read that torch kept as a pickle, without running what else is in it?"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulations.models.messages import quote, reason
from theory.arrays import InputError

FILE: Final = "pytorch_model.bin"
_SAFE = (2, 6)
"""The first torch whose ``weights_only`` lets no file run code (CVE-2025-32434)."""
CONVERT = (
    "convert it where you trust it: AutoModel.from_pretrained(folder).save_pretrained(folder) of "
    "transformers writes model.safetensors"
)
_KINDS = {"torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16"}
_KINDS |= {"torch.bfloat16": "BF16"}


class PickledTensors:
    """The tensors of a file, read as those of an open file of safetensors are."""

    def __init__(self, tensors: dict[str, Any]) -> None:
        self._tensors = tensors

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self._tensors)

    def get_slice(self, name: str) -> "_Slice":
        """Return what is known of a tensor without its numbers."""
        return _Slice(self._tensors[name])

    def get_tensor(self, name: str) -> NDArray[Any]:
        """Return a tensor; one of bfloat16, which NumPy lacks, in float32."""
        tensor = self._tensors[name]
        wide = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return np.asarray(wide.numpy())


class _Slice:
    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def get_shape(self) -> list[int]:
        return list(self._tensor.shape)

    def get_dtype(self) -> str:
        name = str(self._tensor.dtype)
        return _KINDS.get(name, name)


def open_pickled(path: Path) -> PickledTensors:
    """Read a pickle of tensors with torch, which unpickles tensors and nothing else.

    Raises: InputError if torch is missing or too old, or the file holds anything but tensors
    """
    return tensors_of(quote(path.name), load_safely(path))


def load_safely(path: Path, *, allowed: Sequence[type] = ()) -> Any:
    """Return what a pickle holds: tensors, plain values, and objects of the allowed classes.

    Raises: InputError if torch is missing or too old, or the file holds anything else
    """
    torch = _torch()
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in endless ways
        raise InputError(
            f"{quote(path.name)} is damaged, or holds more than tensors, which could run code: "
            f"{reason(error)}"
        ) from error


def tensors_of(file: str, found: object) -> PickledTensors:
    """Return tensors by name; raise InputError if it is something else."""
    torch = _torch()
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in found.items()
    ):
        raise InputError(f"{file} must hold tensors by name, but holds something else")
    return PickledTensors(found)


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            "the weights are kept in a pickle, which can run code when it is read; torch "
            f"reads it without (pip install 'oversmooth[torch]'), or {CONVERT}"
        ) from error
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < _SAFE:
        raise InputError(
            f"the weights are kept in a pickle, which torch {torch.__version__} cannot "
            f"read safely: install torch 2.6 or newer, or {CONVERT}"
        )
    library: ModuleType = torch
    return library
