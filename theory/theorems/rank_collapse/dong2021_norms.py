"""Which matrix norms and which spread of the scores does the theorem on rank collapse use?"""

from theory.arrays import Array, namespace


def column_norm(matrices: Array) -> Array:
    """Return norm_1, the largest sum of absolute values over a column: (*b, p, q) -> (*b,)."""
    xp = namespace(matrices)
    return xp.max(xp.sum(xp.abs(matrices), axis=-2), axis=-1)


def composite_norm(matrices: Array) -> Array:
    """Return sqrt(norm_1 norm_inf), which is no norm: it breaks the triangle inequality.

    Shapes: (*b, p, q) -> (*b,)
    Source: dong2021
    """
    xp = namespace(matrices)
    rows = column_norm(xp.matrix_transpose(matrices))
    return xp.sqrt(column_norm(matrices)) * xp.sqrt(rows)


def largest_spread(scores: Array) -> Array:
    """Return max_jj' sum_i |E_ij - E_ij'|: (*b, n, n) -> (*b,)."""
    xp = namespace(scores)
    pairs = xp.abs(scores[..., :, :, None] - scores[..., :, None, :])
    return xp.max(xp.sum(pairs, axis=-3), axis=(-2, -1))


def spread_ratio(scores: Array) -> Array:
    """Return gamma: how unlike each other the pairs of columns are that rows tell apart most.

    gamma^2 = sum_i max_jj' |E_ij - E_ij'| / max_jj' sum_i |E_ij - E_ij'|, between 1 and n, and 1
    for scores that are constant along each row.

    Shapes: (*b, n, n) -> (*b,)
    Source: dong2021, as read here
    """
    xp = namespace(scores)
    spread = xp.max(scores, axis=-1) - xp.min(scores, axis=-1)
    shared = largest_spread(scores)
    total = xp.sum(spread, axis=-1)
    varies = (shared > 0) & (total > 0)
    ratio = xp.where(varies, total, 1.0) / xp.where(varies, shared, 1.0)
    return xp.sqrt(xp.clip(ratio, min=1.0))
