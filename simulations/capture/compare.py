"""Are two arrays the same numbers, up to what the model's own dtype rounds?"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from theory.arrays import Floats, InputError

LIMIT = 1e-5
"""How far what is read may be from the model's own numbers, relative to a token's largest.

Single precision reaches 1e-6; a wrong name, gain or activation misses by 1e-3 and mostly by 1.
"""
_HALF_STEPS = 4


@dataclass(frozen=True)
class Ruler:
    """Compares arrays of one call of one block, tokens that are padding left out.

    ``limit`` is `LIMIT`, or 4 eps of a dtype of 16 bits: the model's own numbers err by up to
    half an eps at each of the few steps between what is compared. ``whole`` is the limit for the
    whole block: there a model in 16 bits chains four such pieces, two sublayers and two sums.
    """

    where: str
    present: Any
    limit: float
    whole: float

    def error(self, found: Floats, wanted: Floats) -> float:
        """Return by how much a token is missed at most, relative to its largest number.

        A token smaller than the median one is measured by that: what cancels in it is not its own.
        One that is far larger than all others (they are common in decoders) hides none of them.
        Infinite if shapes differ or anything is not finite.
        """
        if found.shape != wanted.shape:
            return float("inf")
        gap = np.abs(self.kept(found - wanted)).max(axis=-1, initial=0.0)
        size = np.abs(self.kept(wanted)).max(axis=-1, initial=0.0)
        if not (np.isfinite(gap).all() and np.isfinite(size).all()):
            return float("inf")
        size = np.maximum(size, np.median(size)) if len(size) else size
        missed = gap > 0
        if not (size[missed] > 0).all():
            return float("inf")
        return float(np.max(gap[missed] / size[missed], initial=0.0))

    def same(self, found: Floats, wanted: Floats) -> bool:
        """Whether two arrays hold the same numbers, up to a few roundings."""
        return self.error(found, wanted) <= self.limit

    def kept(self, array: Floats) -> Floats:
        """Return the tokens that count, (N, *); of arrays over heads or windows, all."""
        if self.present is None or array.shape[:2] != self.present.shape:
            return array.reshape(-1, array.shape[-1])
        kept: Floats = array[self.present]
        return kept

    def require(self, piece: str, error: float, *, limit: float | None = None) -> float:
        """Return an error, or raise InputError if it is more than rounding."""
        limit = self.limit if limit is None else limit
        if not error <= limit:
            raise InputError(
                f"{self.where}: {piece}: what was read gives numbers that differ from the model's "
                f"own by {error:.2g}, relative (allowed: {limit:.2g}). Does the Family name "
                "the right modules, and does the block do no more than they?"
            )
        return error


def ruler(where: str, dtypes: Iterable[Any], present: Any) -> Ruler:
    """Return what compares the numbers of a block that computes in some dtypes."""
    own = max(torch.finfo(dtype).eps for dtype in dtypes if dtype.is_floating_point)
    if own <= 2.0**-23:
        return Ruler(where, present, LIMIT, LIMIT)
    return Ruler(where, present, _HALF_STEPS * own, 4 * _HALF_STEPS * own)
