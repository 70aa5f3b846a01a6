"""Does every row sum to one, and how much does averaging with these rows mix?"""

from types import ModuleType

import numpy as np

from theory.arrays import (
    Array,
    InputError,
    eps,
    namespace,
    require_finite,
    require_float,
    require_mask,
    tiny,
    to_numpy,
)
from theory.graphs.conversions import require_square, require_weights
from theory.widest import widest


def row_sum_error(adjacency: Array) -> Array:
    """Return how far the worst row sum is from one: adjacency (*b, n, n) -> (*b,)."""
    xp = _square_floats(adjacency)
    return xp.max(xp.abs(xp.sum(adjacency, axis=-1) - 1), axis=-1)


def stochastic_rounding(adjacency: Array) -> float:
    """Return how far from one the rows of a row-stochastic (*b, n, n) may sum by rounding alone.

    Of a row that was divided by its computed sum, that sum, the quotients and the sum that
    `row_sum_error` takes err by at most n eps together: n - 1, 1 and n - 1 units of eps / 2.
    Quotients below ``tiny`` may have lost all their digits.
    """
    return float(adjacency.shape[-1] * (eps(adjacency) + tiny(adjacency)))


def is_row_stochastic(adjacency: Array, *, tolerance: float | None = None) -> Array:
    """Return whether no entry is negative or NaN and every row sums to one: (*b, n, n) -> (*b,).

    ``tolerance`` on the sums is `stochastic_rounding` unless given; matrices that were once
    stored in fewer bits need one of their own.
    """
    xp = _square_floats(adjacency)
    if tolerance is None:
        tolerance = stochastic_rounding(adjacency)
    # What cannot be a share of one is not summed: the sum might overflow.
    share = (adjacency >= 0) & (adjacency <= 1 + tolerance)
    sums = row_sum_error(xp.where(share, adjacency, xp.zeros_like(adjacency)))
    return xp.all(xp.all(share, axis=-1), axis=-1) & (sums <= tolerance)


def require_row_stochastic(name: str, adjacency: Array, *, tolerance: float | None = None) -> None:
    """Raise InputError, which shows the worst row, unless `is_row_stochastic` everywhere."""
    fits = is_row_stochastic(adjacency, tolerance=tolerance)
    if bool(namespace(fits).all(fits)):
        return
    require_finite(name, adjacency)
    require_weights(name, adjacency)
    sums = to_numpy(adjacency).sum(axis=-1)
    worst = np.unravel_index(np.argmax(np.abs(sums - 1)), sums.shape)
    raise InputError(
        f"{name} must have rows that sum to one, but row {tuple(int(i) for i in worst)} sums to "
        f"{float(sums[worst])!r}; dividing each row by its sum would make them"
    )


def dobrushin_coefficient(adjacency: Array, *, token_mask: Array | None = None) -> Array:
    """Return tau(A) = 1/2 max over i, j of sum_k |A_ik - A_jk|: (*b, n, n) -> (*b,).

    For a row-stochastic A: 0 where all rows are equal, 1 where two tokens have no source in
    common. Applying A multiplies the range of a feature over the tokens by at most this. Accurate
    to n eps of itself. (The LN std scale, also called tau, is another thing.)

    With a token mask, A is restricted to the tokens that count: padding, to which nobody listens,
    then changes nothing.

    Shapes: token_mask boolean (*b, n), True where a token counts
    Source: dobrushin1956; seneta2006
    """
    xp = _square_floats(adjacency)
    if token_mask is not None:
        require_mask("token_mask", token_mask, adjacency.shape[-1])
        adjacency = xp.where(token_mask[..., None, :], adjacency, xp.zeros_like(adjacency))
    return widest(adjacency, counts=token_mask) / 2


def _square_floats(adjacency: Array) -> ModuleType:
    require_float("adjacency", adjacency)
    require_square("adjacency", adjacency)
    return namespace(adjacency)
