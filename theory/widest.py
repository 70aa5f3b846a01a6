"""How far apart are the two rows that differ most?"""

from typing import Literal

import numpy as np

from theory.arrays import Array, Floats, namespace

_FEW = 32  # rows; NumPy's own passes over so few are as fast as a loop in C
_TOGETHER = 64  # rows that are compared at once, so that no n x n array is made


def widest(rows: Array, *, squared: bool = False, counts: Array | None = None) -> Array:
    """Return max over i, j of sum_k |x_ik - x_jk|, or with ``squared`` of the sum of squares.

    Every difference is taken before it is summed, so the result is accurate relative to itself.
    On NumPy the pairs go through a loop in C, elsewhere row by row: n - 1 steps on arrays of at
    most the size of ``rows``. Pairs in which a row does not count are left out; NaN is passed on.

    Shapes: rows (*b, n, p), counts boolean (*b, n) or (n,) -> (*b,)
    """
    if isinstance(rows, np.ndarray) and rows.shape[-2] > _FEW:
        return _on_host(rows, "sqeuclidean" if squared else "cityblock", counts)
    xp = namespace(rows)
    found = xp.zeros_like(rows[..., 0, 0])
    for i in range(rows.shape[-2] - 1):
        gaps = rows[..., i + 1 :, :] - rows[..., i : i + 1, :]
        sizes = xp.sum(gaps * gaps if squared else xp.abs(gaps), axis=-1)
        if counts is not None:
            both = counts[..., i + 1 :] & counts[..., i : i + 1]
            sizes = xp.where(both, sizes, xp.zeros_like(sizes))
        found = xp.maximum(found, xp.max(sizes, axis=-1))
    return found


def _on_host(
    rows: Floats, metric: Literal["cityblock", "sqeuclidean"], counts: Floats | None
) -> Floats:
    from scipy.spatial.distance import cdist  # it takes a while to import, and few need it

    batch, (n, p) = rows.shape[:-2], rows.shape[-2:]
    every = np.ones((*batch, n), np.bool_)
    every = every if counts is None else every & counts
    members = zip(rows.reshape(-1, n, p), every.reshape(-1, n), strict=True)
    found = []
    for member, own in members:
        left = member if own.all() else member[own]
        starts = range(0, len(left), _TOGETHER)
        parts = [cdist(left[i : i + _TOGETHER], left[i:], metric).max() for i in starts]
        found.append(np.max([0.0, *parts]))
    return np.asarray(found, dtype=rows.dtype).reshape(batch)[()]
