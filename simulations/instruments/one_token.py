"""What do the instruments read of the largest token, and of the others without it?

The largest token is the one that makes most of d_M^2; the first is the first that counts, which
many models make large. What is left without a token is measured where two or more are left.
"""

from collections.abc import Iterator

import array_api_compat

from simulations.numbers import log, ratio
from theory.arrays import Array, namespace
from theory.magnitude import frobenius_norm
from theory.measures.largest import token_norms, token_shares
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import cosine_similarity

WITHOUT = ("first", "largest")
"""Which token is left out, as the names of readings say: ``cosine_similarity_without_first``."""


def one_token_row(
    tokens: Array,
    token_mask: Array | None,
    *,
    deviations: Array | None = None,
    log_scale: Array | float = 0.0,
) -> dict[str, Array]:
    """Return the largest token's share and place, the norms, and two measures without a token.

    The place is counted from 0, among the tokens that count.

    ``deviations``, times the exponential of ``log_scale``, are the tokens from their mean where
    they are known more exactly than ``tokens`` have them.

    Shapes: tokens, deviations (*b, n, d), token_mask boolean (*b, n), log_scale (*b,)
    """
    apart = tokens if deviations is None else deviations
    shares = token_shares(apart, token_mask=token_mask)
    xp = namespace(shares)
    largest, median = token_norms(tokens, token_mask=token_mask)
    share = xp.max(shares, axis=-1)
    before = _places(shares) < _largest(shares)[..., None]
    if token_mask is not None:
        before = before & token_mask
    place = xp.sum(xp.astype(before, share.dtype), axis=-1)
    found = {
        "largest_share": share,
        "largest_token": xp.where(xp.isnan(share), xp.nan, place),
        "largest_norm": largest,
        "median_norm": median,
    }
    for name, keep, enough in _each_left_out(shares, token_mask):
        rest = xp.where(keep[..., None], tokens, 0.0)
        length = frobenius_norm(rest)
        whole = enough & (length > 0)
        safe = xp.where(whole[..., None, None], tokens, 1.0)
        cosine = cosine_similarity(safe, token_mask=keep)
        distance = log(consensus_distance(apart, token_mask=keep)) + log_scale
        relative = xp.exp(distance - xp.log(xp.where(whole, length, 1.0)))
        found[f"cosine_similarity_without_{name}"] = xp.where(whole, cosine, xp.nan)
        found[f"relative_distance_without_{name}"] = xp.where(whole, relative, xp.nan)
    return found


def ratios_without(
    before: Array,
    after: Array,
    *,
    present: Array | None,
    noise: Array | float = 0.0,
    log_growth: Array | float = 0.0,
) -> dict[str, Array]:
    """Return by how much the distance of the other tokens has changed, without one of them.

    The largest token is the one that makes most of d_M^2 before the block or after it. The
    exponential of ``log_growth`` is by which factor the scale of ``after`` is larger.

    Shapes: before, after (*b, n, d), present boolean (*b, n) -> each (*b,)
    """
    shares = [_known(token_shares(tokens, token_mask=present)) for tokens in (before, after)]
    xp = namespace(before)
    found = {}
    for name, keep, enough in _each_left_out(xp.maximum(*shares), present):
        first, last = (log(consensus_distance(x, token_mask=keep)) for x in (before, after))
        left = ratio(first, last + log_growth, noise=noise)
        found[f"measured_ratio_without_{name}"] = xp.where(enough, left, xp.nan)
    return found


def _each_left_out(shares: Array, token_mask: Array | None) -> Iterator[tuple[str, Array, Array]]:
    """Yield who is left out, which tokens are left, and where these are two or more.

    Where they are fewer nobody is left out: what is measured of all of them is not asked for.
    """
    xp = namespace(shares)
    place = _places(shares)
    counts = xp.ones_like(shares, dtype=xp.bool)
    if token_mask is not None:
        counts = counts & token_mask
    some = xp.astype(counts, xp.int32)
    enough = xp.sum(some, axis=-1) > 2
    for name, token in zip(WITHOUT, (xp.argmax(some, axis=-1), _largest(shares)), strict=True):
        keep = counts & (place != token[..., None])
        yield name, xp.where(enough[..., None], keep, counts), enough


def _places(shares: Array) -> Array:
    device = array_api_compat.device(shares)
    return namespace(shares).arange(shares.shape[-1], device=device)


def _largest(shares: Array) -> Array:
    return namespace(shares).argmax(_known(shares), axis=-1)


def _known(shares: Array) -> Array:
    """Return the shares of equal tokens, which have none, as zeros: none of them is larger."""
    xp = namespace(shares)
    return xp.where(xp.isnan(shares), 0.0, shares)
