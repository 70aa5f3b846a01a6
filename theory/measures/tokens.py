"""How similar are the tokens? One named definition for each measure, padding left out.

Conventions for all: `token_mask` is boolean, True where a token counts (padding False, special
tokens False if wished); what stands in the other rows is never read, so NaN there is harmless.
Each sentence gives one number. Dtype and device are those of the tokens.

All can be trained on: torch differentiates them, with the slope 0 where tokens are equal, which is
the smallest subgradient, and torch.func maps them over tokens. Within its vmap nobody can look at
numbers, so that what is not finite, all zero or has no token that counts is not refused there.
"""

from typing import NamedTuple

from theory.arrays import (
    Array,
    InputError,
    eps,
    known,
    namespace,
    require_finite,
    require_float,
    require_shape,
)
from theory.magnitude import (
    Counted,
    centre,
    count_tokens,
    deviations,
    frobenius_norm,
    gather,
    require_nonzero,
    rescale,
    root,
    sum_of_squares,
)
from theory.measures import ranks
from theory.measures.attention import attention_entropy, attention_similarity
from theory.measures.diameters import token_diameter
from theory.measures.ranks import effective_rank, participation_rank, rank_one_fraction, stable_rank
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr

__all__ = [
    "TokenMeasures",
    "attention_entropy",
    "attention_similarity",
    "consensus_distance",
    "cosine_similarity",
    "dirichlet_energy",
    "dong_residual",
    "effective_rank",
    "high_frequency_ratio",
    "mean_average_distance",
    "measure_tokens",
    "participation_rank",
    "rank_one_fraction",
    "relative_distance",
    "stable_rank",
    "token_diameter",
]


@brief_repr
class TokenMeasures(NamedTuple):
    """The measures of the tokens alone, each of shape (*b,): the columns of a table."""

    norm: Array
    distance: Array
    relative_distance: Array
    diameter: Array
    cosine_similarity: Array
    mean_average_distance: Array
    high_frequency_ratio: Array
    dong_residual: Array
    effective_rank: Array
    stable_rank: Array
    participation_rank: Array
    rank_one_fraction: Array


def measure_tokens(tokens: Array, *, token_mask: Array | None = None) -> TokenMeasures:
    """Return all measures of the tokens at once, the singular values computed once.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts
    Raises: InputError if fewer than two tokens count, or those that do are not finite or all zero
    """
    counted = count_tokens(tokens, token_mask=token_mask, least=2)
    values = ranks.relative_singular_values(tokens, token_mask=token_mask)
    apart = mean_average_distance(tokens, token_mask=token_mask)
    return TokenMeasures(
        norm=frobenius_norm(counted.tokens),
        distance=consensus_distance(tokens, token_mask=token_mask),
        relative_distance=relative_distance(tokens, token_mask=token_mask),
        diameter=token_diameter(tokens, token_mask=token_mask),
        cosine_similarity=1 - apart,
        mean_average_distance=apart,
        high_frequency_ratio=high_frequency_ratio(tokens, token_mask=token_mask),
        dong_residual=dong_residual(tokens, token_mask=token_mask),
        effective_rank=ranks.entropy_rank_of(values),
        stable_rank=ranks.stable_rank_of(values),
        participation_rank=ranks.participation_rank_of(values),
        rank_one_fraction=1 / ranks.stable_rank_of(values),
    )


def cosine_similarity(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return the mean of cos(h_i, h_j) over the ordered pairs i != j: signed, nothing centred.

    Between -1/(n-1) and 1. A zero token has no direction; its cosine with every token counts as
    0, as scikit-learn has it. Near 1, use `mean_average_distance`: 1 - cos keeps its digits there.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if fewer than two tokens count, or those that do are not finite
    Source: shi2022
    """
    return 1 - mean_average_distance(tokens, token_mask=token_mask)


def mean_average_distance(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return the mean of 1 - cos(h_i, h_j) over the ordered pairs i != j: 1 - cosine_similarity.

    With unit rows u_i (zero for the z zero tokens) this is z/n + sum_i |u_i - mean u|^2 / (n-1),
    O(n d) work, and accurate relative to itself: where a token is near the mean token, u_i is
    found as a small step from the mean's direction, with no large numbers subtracted. (Tokens
    of different lengths have directions known to eps only: there eps^2 is the floor.)

    Chen et al. leave pairs at distance exactly 0 out of the average, so that their number jumps
    when two equal tokens come apart by one rounding; here every pair counts.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if fewer than two tokens count, or those that do are not finite
    Source: chen2020measuring, MAD with all pairs as the target
    """
    counted = count_tokens(tokens, token_mask=token_mask, least=2)
    xp = namespace(counted.tokens)
    number = counted.number[..., 0, 0]
    moving = xp.any(counted.tokens != 0, axis=-1)
    zeros = number - xp.sum(xp.astype(moving, counted.tokens.dtype), axis=-1)
    steps = centre(counted._replace(tokens=_from_common_direction(counted)))
    return zeros / number + xp.sum(steps * steps, axis=(-2, -1)) / (number - 1)


def _from_common_direction(counted: Counted) -> Array:
    """Return u_i - w for the unit rows u_i (zero for zero tokens) and one common vector w.

    w is the direction c/|c| of the mean token c, or zero where c is rounding noise. For tokens
    with |h - c| <= |c|/2 this is the identity, all divided by |c| (so that c = w),
        h/|h| - w = (o - w (o.(w + h))/(1 + |h|)) / |h|,   o = h - c,
    whose error is relative to o. It holds for the rounded c as for any other vector.
    """
    xp = namespace(counted.tokens)
    rows, _ = rescale(counted.tokens, axis=(-1,))
    length = _length(rows)
    units = rows / xp.where(length > 0, length, xp.ones_like(length))

    scaled, _ = rescale(counted.tokens, axis=(-2, -1))
    length = _length(scaled)
    mean = xp.sum(scaled, axis=-2, keepdims=True) / counted.number
    size = _length(mean)
    sure = size > eps(scaled) * xp.max(length, axis=-2, keepdims=True)
    size = xp.where(sure, size, xp.ones_like(size))
    common = xp.where(sure, mean / size, xp.zeros_like(mean))

    offset = scaled - mean
    near = sure & (_length(offset) <= size / 2)
    offset = xp.where(near, offset / size, xp.zeros_like(offset))
    scaled = xp.where(near, scaled / size, xp.zeros_like(scaled))
    length = xp.where(near, length / size, xp.ones_like(size))
    along = xp.sum(offset * (common + scaled), axis=-1, keepdims=True) / (1 + length)
    return xp.where(near, (offset - common * along) / length, units - common)


def _length(rows: Array) -> Array:
    return root(sum_of_squares(rows))[..., None]


def relative_distance(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return d_M(H) / |H|_F for consensus: 0 where all tokens are equal, 1 where they sum to zero.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite or all zero, or none counts
    """
    counted = count_tokens(tokens, token_mask=token_mask)
    require_nonzero(counted, "relative distance")
    scaled, whole = rescale(counted.tokens, axis=(-2, -1))
    rest, unit = deviations(counted)
    return frobenius_norm(rest) / frobenius_norm(scaled) * (unit / whole)[..., 0, 0]


def high_frequency_ratio(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return |HC[H]|_F / |DC[H]|_F, the deviations from the mean token over the mean token.

    DC repeats the mean token n times, HC is the rest. With the relative distance r this is
    r / sqrt(1 - r^2); infinite where the mean is zero.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite or all zero, or none counts
    Source: wang2022antioversmoothing
    """
    counted = count_tokens(tokens, token_mask=token_mask)
    require_nonzero(counted, "high-frequency ratio")
    scaled, whole = rescale(counted.tokens, axis=(-2, -1))
    xp = namespace(scaled)
    mean = xp.sum(scaled, axis=-2, keepdims=True) / counted.number
    low = frobenius_norm(mean) * xp.sqrt(counted.number[..., 0, 0])
    rest, unit = deviations(counted)
    ratio = frobenius_norm(rest) / xp.where(low > 0, low, 1.0) * (unit / whole)[..., 0, 0]
    return xp.where(low > 0, ratio, xp.inf)


def dong_residual(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return sqrt(norm_1 norm_inf) of the residual H - 1 x^T, with x the mean token.

    norm_1 is the largest sum of absolute values over a column, norm_inf over a row. Dong et al.
    take an x that minimises the norm of the residual and leave open which norm: the mean is the
    minimiser for the Frobenius norm, so the result is at least the minimum for any other.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite, or none counts
    Source: dong2021
    """
    rest, unit = deviations(count_tokens(tokens, token_mask=token_mask))
    xp = namespace(rest)
    residual = xp.abs(rest)
    norm_1 = xp.max(xp.sum(residual, axis=-2), axis=-1)
    norm_inf = xp.max(xp.sum(residual, axis=-1), axis=-1)
    return root(norm_1) * root(norm_inf) * unit[..., 0, 0]


def dirichlet_energy(tokens: Array, adjacency: Array, *, token_mask: Array | None = None) -> Array:
    """Return 1/2 sum_ij w_ij |h_i - h_j|^2 over ordered pairs, w the weights given.

    For the complete graph with unit weights this is n d_M^2 (consensus). Only (w_ij + w_ji)/2
    counts: with that, tr(H^T (D - W) H). Cai and Wang's energy is this one of the tokens
    h_i / sqrt(1 + degree_i). Differences are taken first, so it is accurate near consensus;
    infinite or zero only where the energy itself leaves the range of the dtype.

    Shapes: tokens (*b, n, d), adjacency (*b, n, n) (one head), token_mask boolean (*b, n)
            -> (*b,)
    Raises: InputError if a weight between tokens that count is negative or not finite, the dtypes
            differ, tokens that count are not finite, or none counts
    Source: cai2020
    """
    counted = count_tokens(tokens, token_mask=token_mask)
    xp = namespace(counted.tokens, adjacency)
    require_float("adjacency", adjacency)
    require_shape("adjacency", adjacency, tokens.shape[-2], tokens.shape[-2])
    if adjacency.dtype != tokens.dtype:
        kinds = f"{tokens.dtype} and {adjacency.dtype}"
        raise InputError(f"tokens and adjacency must have one dtype, but have {kinds}")
    if counted.mask is not None:
        both = counted.mask & xp.matrix_transpose(counted.mask)
        adjacency = xp.where(both, adjacency, xp.zeros_like(adjacency))
    require_finite("adjacency", adjacency)
    if known(xp.any(adjacency < 0)):
        raise InputError(f"adjacency must not be negative, but has {float(xp.min(adjacency))}")
    scaled, units = rescale(counted.tokens, axis=(-2,))
    energy = xp.zeros_like(scaled[..., :1, :] * adjacency[..., :1, :1])  # one for each feature
    for i in range(tokens.shape[-2]):  # one token at a time: n^2 d numbers would not fit
        gaps = scaled - scaled[..., i : i + 1, :]
        energy = energy + adjacency[..., i : i + 1, :] @ (gaps * gaps)
    lengths, unit = gather(root(energy), units)
    return xp.sum(lengths * lengths, axis=(-2, -1)) / 2 * unit[..., 0, 0] * unit[..., 0, 0]
