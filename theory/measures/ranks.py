"""How many directions do the tokens span: the ranks that are not whole numbers?

'Effective rank' has several definitions in public code; each has a name of its own here. All
are of the tokens as they are, with no mean subtracted, count squares of singular values unless
the definition says otherwise, and do not change when tokens or features are rotated or scaled.
Singular values that are rounding noise count, but have no gradient.
"""

from theory.arrays import Array, eps, namespace, still
from theory.magnitude import count_tokens, require_nonzero, rescale
from theory.spectra.norms import singular_values


def effective_rank(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return exp(-sum p log p), p = singular values (not squared) divided by their sum.

    Between 1 and the rank. 1 where all tokens are equal, and more generally multiples of one.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite or all zero, or none counts
    Source: roy2007effective
    """
    return entropy_rank_of(relative_singular_values(tokens, token_mask=token_mask))


def stable_rank(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return the sum of sigma^2 divided by the largest: |H|_F^2 / norm2(H)^2.

    Shapes, Raises: as `effective_rank`
    """
    return stable_rank_of(relative_singular_values(tokens, token_mask=token_mask))


def participation_rank(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return (sum of sigma^2)^2 / sum of sigma^4: |H|_F^4 / |H H^T|_F^2.

    The participation ratio of the energies sigma^2: at least the stable rank, at most the rank.

    Shapes, Raises: as `effective_rank`
    """
    return participation_rank_of(relative_singular_values(tokens, token_mask=token_mask))


def rank_one_fraction(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return sigma_1^2 / sum of sigma^2: what share of |H|_F^2 the best rank-one matrix holds.

    The inverse of the stable rank. Not the share of the mean token, which is 1 - r^2 with the
    relative distance r to consensus, and never larger.

    Shapes, Raises: as `effective_rank`
    """
    return 1 / stable_rank(tokens, token_mask=token_mask)


def relative_singular_values(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return the tokens' singular values divided by the largest, so that the first is one.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n) -> (*b, min(n, d)); a token that does
            not count adds a zero at most
    Raises: InputError if tokens that count are not finite or all zero, or none counts
    """
    counted = count_tokens(tokens, token_mask=token_mask)
    require_nonzero(counted, "spectrum relative to its largest value")
    values = singular_values(rescale(counted.tokens, axis=(-2, -1))[0])
    values = values / values[..., :1]
    noise = max(tokens.shape[-2:]) * eps(tokens)  # numpy's matrix_rank has it too
    return namespace(values).where(values > noise, values, still(values))


def entropy_rank_of(values: Array) -> Array:
    """Return the effective rank of a spectrum (*b, r) -> (*b,)."""
    xp = namespace(values)
    share = values / xp.sum(values, axis=-1, keepdims=True)
    logs = xp.log(xp.where(share > 0, share, xp.ones_like(share)))  # 0 log 0 = 0
    return xp.exp(-xp.sum(share * logs, axis=-1))


def stable_rank_of(values: Array) -> Array:
    """Return the stable rank of a spectrum whose first value is one, (*b, r) -> (*b,)."""
    return namespace(values).sum(values * values, axis=-1)


def participation_rank_of(values: Array) -> Array:
    """Return the participation rank of a spectrum (*b, r) -> (*b,)."""
    xp, energy = namespace(values), values * values
    return xp.sum(energy, axis=-1) ** 2 / xp.sum(energy * energy, axis=-1)
