"""Is it one token that a measure of all tokens speaks of?

A trained model may have a token that is a hundred times as long as the others. Then d_M is about
that token, and so is its ratio, whatever the others do.
"""

import array_api_compat

from theory.arrays import Array, namespace
from theory.magnitude import count_tokens, deviations, rescale, root


def token_shares(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return |h_i - mean|^2 / d_M^2, which part of the squared distance to M each token makes.

    They sum to one. A token that does not count has 0; all are NaN where the tokens are equal.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b, n)
    Raises: InputError if tokens that count are not finite, or none counts
    """
    rest, _ = deviations(count_tokens(tokens, token_mask=token_mask))
    xp = namespace(rest)
    squares = xp.sum(rest * rest, axis=-1)
    whole = xp.sum(squares, axis=-1, keepdims=True)
    return xp.where(whole > 0, squares / xp.where(whole > 0, whole, 1.0), xp.nan)


def largest_share(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return which part of d_M^2 one token makes at most: between 1/n and 1 - 1/n.

    1/2 for two tokens, 1 - 1/n where all others are equal, NaN where all are.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite, or none counts
    """
    shares = token_shares(tokens, token_mask=token_mask)
    return namespace(shares).max(shares, axis=-1)


def token_norms(tokens: Array, *, token_mask: Array | None = None) -> tuple[Array, Array]:
    """Return the largest Euclidean norm of a token, and the median of all that count.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,) twice
    Raises: InputError if tokens that count are not finite, or none counts
    """
    counted = count_tokens(tokens, token_mask=token_mask)
    scaled, unit = rescale(counted.tokens, axis=(-2, -1))
    xp = namespace(scaled)
    norms = root(xp.sum(scaled * scaled, axis=-1)) * unit[..., 0]
    largest = xp.max(norms, axis=-1)
    if counted.mask is not None:
        norms = xp.where(counted.mask[..., 0], norms, xp.inf)  # they come last
    ordered = xp.sort(norms, axis=-1)
    device = array_api_compat.device(ordered)
    place = xp.arange(ordered.shape[-1], dtype=ordered.dtype, device=device)
    number = counted.number[..., 0]
    middle = [xp.floor((number - 1) / 2), xp.floor(number / 2)]
    halves = (xp.sum(xp.where(place == at, ordered / 2, 0.0), axis=-1) for at in middle)
    return largest, sum(halves)
