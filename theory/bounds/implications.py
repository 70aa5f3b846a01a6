"""What do the coefficients of blocks imply for the tokens that pass through them?"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from theory.arrays import InputError, to_numpy


@dataclass(frozen=True)
class Convergence:
    """What a sequence of contraction coefficients implies; apart from whether a bound holds."""

    status: Literal["yes", "not implied"]
    largest: float
    reason: str


def convergence(coefficients: Any, *, error: Any = 0.0) -> Convergence:
    """Say whether block coefficients v imply that the tokens approach the subspace.

    The hypothesis of the theorem is sup v < 1 over all blocks; v < 1 in every block is not
    enough (v_l = 1 - 1 / (l + 1)^2 has product 1/2). Finitely many blocks show their maximum
    only, so "yes" speaks of these blocks, and of any continuation that keeps the same bound.
    ``error`` bounds how far the true v may be above the computed one, as
    `theory.bounds.block_rounding.coefficient_error` does: "yes" needs v + error < 1.

    Shapes: coefficients, numbers in any shape; error, of that shape or one number
    Raises: InputError if there is none, or the error has another shape
    Source: shi2022
    """
    v = np.asarray(to_numpy(coefficients), dtype=np.float64)
    if v.size == 0:
        raise InputError("coefficients must hold at least one number, but are empty")
    allowed = np.asarray(to_numpy(error), dtype=np.float64)
    if allowed.shape not in ((), v.shape):
        raise InputError(f"error must be one number or {v.shape}, but has shape {allowed.shape}")
    largest = float(v.max())
    if not np.isfinite(v).all() or largest < 0 or v.min() < 0:
        reason = "a coefficient is no finite number that a distance could be multiplied by"
        return Convergence("not implied", largest, reason)
    if largest >= 1:
        reason = f"v reaches {largest:.3g}, not below 1: the bound allows growth and is vacuous"
        return Convergence("not implied", largest, reason)
    if not (v + allowed < 1).all():
        reason = f"v reaches {largest:.3g}, but what rounding may have taken off it leads to 1"
        return Convergence("not implied", largest, reason)
    blocks = f"{v.size} blocks" if v.size > 1 else "this block"
    reason = (
        f"v is at most {largest:.3g} in {blocks}: d_M falls exponentially, as long as every "
        "further block keeps that bound; d_M / |H| falls too only if |H| does not fall with d_M"
    )
    return Convergence("yes", largest, reason)
