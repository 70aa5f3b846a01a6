"""How large can sqrt(lambda) and tau be for all attention weights that a ball of tokens makes?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Floats
from theory.blocks.forward import softmax
from theory.blocks.norms import HeadNorm
from theory.blocks.positions import bias_of, within
from theory.blocks.weights import Attention
from theory.bounds.balls import EPS, Ball
from theory.graphs.conversions import random_walk
from theory.graphs.stochastic import dobrushin_coefficient
from theory.records import brief_repr
from theory.spectra.norms import coupling, coupling_error, product_norm, product_norm_error


def worst_root(n: int) -> float:
    """Bound sqrt(lambda) of every row-stochastic (n, n): sqrt(2 floor(n^2 / 4) / n).

    sqrt(lambda) is convex in A, so the worst A listens to one token in every row; the variance of
    n numbers is at most that of two values shared out as evenly as can be, and the squared
    distance of two values is at most twice the sum of all squares.
    """
    return float((2 * (n * n // 4) / n) ** 0.5 * (1 + 4 * EPS))


@brief_repr
class Couplings(NamedTuple):
    """Upper bounds on sqrt(lambda) and on Dobrushin's tau of every head: (h,) each."""

    roots: Floats
    taus: Floats


def largest_couplings(
    attention: Attention,
    ball: Ball,
    n: int,
    *,
    mask: NDArray[np.bool_],
    heads: Floats | None = None,
) -> Couplings:
    """Bound every head's sqrt(lambda) and tau over all sets of n tokens in the ball.

    Without queries and keys the weights are a walk P: equal shares of the mask, or the softmax of
    what is known of positions, within the window. Scores that move by at most w within a row make
    weights P_j r_j whose r have a mean of 1 and a variance of at most sinh^2(w / 2) under P, so
    that the row is within the root of min(sinh^2(w / 2) max P, 1 - 2 min P + |P|^2) of P, and
    sqrt(lambda) within the root of these squares' sum of that of P. Two tokens of the ball are at
    most 2 R apart, which bounds w; a soft cap c makes 2 c tanh(w / (2 c)) of it. The bias of the
    keys adds one number to all scores of a row, and counts for nothing, unless positions turn keys
    or a norm follows: then w is twice the largest score. Rows of P that are equal as they stand
    have a root of exactly 0.

    The largest r of a row is at most exp(w) times the smallest, and then the row differs from P by
    tanh(w / 4) in total variation at most (`birkhoff-contraction` has the proof); so tau is within
    twice that of the walk's, and never above 1.

    Shapes: mask boolean (n, n); heads (h, n, n), given weights in the place of scores
    """
    if heads is not None:
        equal = (heads == heads[:, :1, :]).all(axis=(-2, -1))
        shares = heads / heads.sum(axis=-1, keepdims=True)
        taus = dobrushin_coefficient(shares) * (1 + (n + 4) * EPS) + (n + 4) * EPS
        each = (np.where(equal, 0.0, found) for found in (_root(shares), np.minimum(taus, 1.0)))
        return Couplings(*each)
    positions, lost = attention.positions, 0.0
    bias = None if positions is None else bias_of(positions, n)
    if positions is not None:
        mask = np.asarray(within(positions, mask, n=n, like=mask))
    if bias is None:
        walk: Floats = random_walk(mask)[None]
    else:
        walk = softmax(bias, mask=mask)
        reach = np.where(mask, np.abs(bias), 0.0).max(axis=(-2, -1))
        # Of each logarithm of a share; one that underflows is missed by less than 1e-300 itself.
        lost = 2 * (4 * reach + n + 16) * EPS
    missed = 0.0 if bias is None else n * 1e-300
    equal = (walk == walk[:, :1, :]).all(axis=(-2, -1))
    plain = np.where(equal, 0.0, _root(walk)) + missed
    mixing = np.where(equal, 0.0, dobrushin_coefficient(walk) + (2 * n + 8) * EPS) + missed
    width = _widest_scores(attention, ball)
    if positions is not None and (cap := positions.soft_cap) is not None:
        width = 2 * cap * np.tanh(width / (2 * cap)) * (1 + 16 * EPS)
    odd = np.sinh(np.minimum(width + lost, 100.0) / 2) ** 2 * (1 + 16 * EPS)
    least = np.where(mask, walk, 1.0).min(axis=-1)
    farthest = 1 - 2 * least + (walk**2).sum(axis=-1)
    moved = np.minimum(odd[:, None] * walk.max(axis=-1), farthest)
    roots = plain + np.sqrt(moved.sum(axis=-1)) * (1 + (n + 4) * EPS)
    taus = mixing + 2 * np.tanh((width + lost) / 4) * (1 + 16 * EPS)
    return Couplings(
        np.asarray(np.minimum(roots * (1 + 4 * EPS), worst_root(n))),
        np.asarray(np.minimum(taus, 1.0)),
    )


def _root(adjacency: Floats) -> Floats:
    """Return the upper end of sqrt(lambda); dividing a row by its sum cost it n eps."""
    size = np.linalg.norm(adjacency, axis=(-2, -1))
    upper = coupling(adjacency) + coupling_error(adjacency)
    return np.asarray(upper + (adjacency.shape[-1] + 4) * EPS * size)


def _widest_scores(attention: Attention, ball: Ball) -> Floats:
    """Bound how far apart the scores of one row can be, for every head: (h,).

    (x Q + b) K^T (x_j - x_j') for a token x of the ball: at most
    2 R (|(m Q + b) K^T| + R |Q K^T|), to k + d eps a product. Turned or normalised queries and
    keys have products of at most their lengths'.
    """
    query, key = attention.query, attention.key
    assert query is not None, "no scores without a query"
    assert key is not None, "no scores without a key"
    d, k = query.shape[-2:]
    positions = attention.positions
    turned = positions is not None and positions.turns
    if turned or attention.query_norm is not None or attention.key_norm is not None:
        one = _longest(query, attention.query_bias, attention.query_norm, ball)
        other = _longest(key, attention.key_bias, attention.key_norm, ball)
        scale = 2 * abs(attention.score_scale) * (1 + 2 * (d + k + 16) * EPS)
        same = (one == 0) | (other == 0) | (scale == 0)  # also where the others have no bound
        return np.asarray(scale * np.where(same, 0.0, one) * np.where(same, 0.0, other))
    opposite = np.swapaxes(key, -2, -1)
    bias = attention.query_bias
    bias = np.zeros((len(query), k)) if bias is None else bias
    query_size, key_size = (np.linalg.norm(w, axis=(-2, -1)) for w in (query, key))
    bias_size = np.linalg.norm(bias, axis=-1)
    same = (key_size == 0) | ((query_size == 0) & (bias_size == 0))  # all scores of a row
    same = same | (attention.score_scale == 0)
    if not ball.bounded:
        return np.where(same, 0.0, np.inf)
    joint = product_norm(query, opposite) + product_norm_error(query, opposite)
    lead = np.linalg.norm((ball.centre @ query + bias)[:, None, :] @ opposite, axis=(-2, -1))
    sizes = float(np.linalg.norm(ball.centre)) * query_size + bias_size
    lead = lead + 2 * (d + k + 4) * EPS * sizes * key_size
    width = 2 * abs(attention.score_scale) * ball.radius * (lead + ball.radius * joint)
    return np.where(same, 0.0, width * (1 + 16 * EPS))


def _longest(weight: Floats, bias: Floats | None, norm: HeadNorm | None, ball: Ball) -> Floats:
    """Bound the length of every head's queries or keys over the ball: (h,)."""
    size = np.linalg.norm(weight, axis=(-2, -1))
    own = np.zeros(len(weight)) if bias is None else np.linalg.norm(bias, axis=-1)
    reach = float(np.linalg.norm(ball.centre)) + ball.radius if ball.bounded else np.inf
    raw = np.where(size == 0, own, own + np.where(size == 0, 1.0, size) * reach)
    if norm is None or norm.kind == "none":
        return np.asarray(raw)
    gain = 1.0 if norm.gain is None else np.abs(norm.gain).max(axis=-1)
    shift = 0.0 if norm.shift is None else np.linalg.norm(norm.shift, axis=-1)
    root = np.full_like(raw, weight.shape[-1] ** 0.5)
    if norm.fixed_std is not None:  # no direction is stretched by centring
        root = raw / norm.fixed_std
    return np.asarray(gain * root / norm.tau + shift)
