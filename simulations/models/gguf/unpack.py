"""How do packed weights become numbers?

A row is cut into blocks of 32 weights; each has a scale in float16 and the codes of its weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

Codes = NDArray[np.uint8]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Packing:
    """A way to keep weights: so many at a time, in so many bytes, and what unpacks them.

    Shapes: unpack takes (m, bytes) and gives (m, weights)
    """

    name: str
    weights: int
    size: int
    unpack: Callable[[Codes], Weights]

    def bytes_of(self, shape: tuple[int, ...]) -> int:
        """Return how many bytes a tensor takes."""
        return prod(shape) // self.weights * self.size

    def read(self, codes: Codes, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a tensor from its bytes; no weight is rounded on the way to float64."""
        blocks = np.ascontiguousarray(codes).reshape(-1, self.size)
        with np.errstate(all="ignore"):  # whoever asked refuses what is not finite, by name
            return self.unpack(blocks).reshape(shape).astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class PackedTable:
    """A matrix that is kept packed: asked for rows, it unpacks those alone."""

    codes: Codes
    shape: tuple[int, ...]
    packing: Packing
    dtype: DTypeLike

    def __getitem__(self, numbers: Any, /) -> NDArray[Any]:
        """Return rows: integers (*b,) -> (*b, width)."""
        rows = self.codes.reshape(self.shape[0], -1)[numbers]
        return self.packing.read(rows, (*np.shape(numbers), self.shape[1]), self.dtype)


def _plain(dtype: str) -> Callable[[Codes], Weights]:
    return lambda codes: codes.view(dtype).astype(np.float64)


def _bfloat16(codes: Codes) -> Weights:
    upper = codes.view("<u2").astype(np.uint32) << 16
    return upper.view(np.float32).astype(np.float64)


def _scales(codes: Codes, place: int) -> Weights:
    return np.ascontiguousarray(codes[:, place : place + 2]).view("<f2").astype(np.float64)


def _halves(codes: Codes) -> Weights:
    """Return the codes of 4 bits: byte j keeps weight j and, above it, weight j + half."""
    return np.concatenate([codes & 15, codes >> 4], axis=1).astype(np.float64)


def _four_bits(codes: Codes) -> Weights:
    return (_halves(codes[:, 2:]) - 8) * _scales(codes, 0)


def _four_bits_from(codes: Codes) -> Weights:
    return _halves(codes[:, 4:]) * _scales(codes, 0) + _scales(codes, 2)


def _eight_bits(codes: Codes) -> Weights:
    return codes[:, 2:].view(np.int8).astype(np.float64) * _scales(codes, 0)


PACKINGS: Final = {
    0: Packing("F32", 1, 4, _plain("<f4")),
    1: Packing("F16", 1, 2, _plain("<f2")),
    2: Packing("Q4_0", 32, 18, _four_bits),
    3: Packing("Q4_1", 32, 20, _four_bits_from),
    8: Packing("Q8_0", 32, 34, _eight_bits),
    30: Packing("BF16", 1, 2, _bfloat16),
}
"""By the numbers that files give them."""
