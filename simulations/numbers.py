"""How are measured numbers, by layer and seed, brought to the host and set side by side?"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from theory.arrays import Array, namespace, to_numpy

Numbers: TypeAlias = np.ndarray[Any, Any]


def log(positive: Array) -> Array:
    """Return the logarithm, -inf for zero, without a warning."""
    xp = namespace(positive)
    return xp.where(positive > 0, xp.log(xp.where(positive > 0, positive, 1.0)), -xp.inf)


def ratio(log_before: Array, log_after: Array, *, noise: Array | float = 0.0) -> Array:
    """Return after / before.

    Where the tokens were equal before it is NaN if they still are, up to ``noise``, else inf.
    """
    xp = namespace(log_before)
    equal = xp.isinf(log_before)
    found = xp.exp(log_after - xp.where(equal, 0.0, log_before))
    found = xp.where(equal, xp.inf, found)
    return xp.where(equal & (xp.exp(log_after) <= noise), xp.nan, found)


def geometric_mean(positive: Numbers, *, axis: int | None = None) -> Numbers:
    """Return the geometric mean, over all axes if none is named; zero if there is a zero."""
    with np.errstate(divide="ignore", invalid="ignore"):  # zeros beside infinities give NaN
        return np.asarray(np.exp(np.log(positive).mean(axis=axis)))


def host(row: Mapping[str, Array]) -> dict[str, Numbers]:
    """Copy the readings of one layer to host memory."""
    return {name: to_numpy(value) for name, value in row.items()}


def stack_rows(rows: Sequence[Mapping[str, Numbers]]) -> dict[str, Numbers]:
    """Stack what the layers gave; NaN where a layer lacks it (no feed-forward, no norm)."""
    found: dict[str, Numbers] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        known = next(row[name] for row in rows if name in row)
        found[name] = np.stack([row.get(name, np.full_like(known, np.nan)) for row in rows])
    return found
