"""How large can sqrt(lambda) and tau be for all attention weights that a ball of tokens makes?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Floats
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

    Scores that move by at most w within a row of m tokens make weights whose coefficient of
    variation is at most sinh(w / 2), so that the row is within sqrt(min(sinh^2(w / 2), m - 1) / m)
    of equal shares, and sqrt(lambda) within the root of these squares' sum of that of the walk
    on the mask. Two tokens of the ball are at most 2 R apart, which bounds w. The bias of the
    keys adds one number to all scores of a row, and counts for nothing. Rows that are equal as
    they stand have a root of exactly 0. Given weights are divided by their rows' sums.

    Such weights and equal shares have ratios whose largest is at most exp(w) of the smallest, and
    then differ by tanh(w / 4) in total variation at most (`birkhoff-contraction` has the proof);
    so tau is within twice that of the walk's on the mask, and never above 1.

    Shapes: mask boolean (n, n); heads (h, n, n), given weights in the place of scores
    """
    if heads is not None:
        equal = (heads == heads[:, :1, :]).all(axis=(-2, -1))
        shares = heads / heads.sum(axis=-1, keepdims=True)
        taus = dobrushin_coefficient(shares) * (1 + (n + 4) * EPS) + (n + 4) * EPS
        each = (np.where(equal, 0.0, found) for found in (_root(shares), np.minimum(taus, 1.0)))
        return Couplings(*each)
    count = mask.sum(axis=-1).astype(np.float64)
    equal = bool((mask == mask[:1]).all())
    walk = random_walk(mask)
    plain = 0.0 if equal else float(_root(walk[None])[0])
    mixing = 0.0 if equal else float(dobrushin_coefficient(walk)) + (2 * n + 8) * EPS
    width = _widest_scores(attention, ball)
    odd = np.sinh(np.minimum(width, 100.0) / 2) ** 2 * (1 + 16 * EPS)
    moved = np.minimum(odd[:, None], count - 1) / count
    roots = plain + np.sqrt(moved.sum(axis=-1)) * (1 + (n + 4) * EPS)
    taus = mixing + 2 * np.tanh(width / 4) * (1 + 16 * EPS)
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
    2 R (|(m Q + b) K^T| + R |Q K^T|), to k + d eps a product.
    """
    query, key = attention.query, attention.key
    assert query is not None, "no scores without a query"
    assert key is not None, "no scores without a key"
    d, k = query.shape[-2:]
    turned = np.swapaxes(key, -2, -1)
    bias = attention.query_bias
    bias = np.zeros((len(query), k)) if bias is None else bias
    query_size, key_size = (np.linalg.norm(w, axis=(-2, -1)) for w in (query, key))
    bias_size = np.linalg.norm(bias, axis=-1)
    same = (key_size == 0) | ((query_size == 0) & (bias_size == 0))  # all scores of a row
    if not ball.bounded:
        return np.where(same, 0.0, np.inf)
    joint = product_norm(query, turned) + product_norm_error(query, turned)
    lead = np.linalg.norm((ball.centre @ query + bias)[:, None, :] @ turned, axis=(-2, -1))
    sizes = float(np.linalg.norm(ball.centre)) * query_size + bias_size
    lead = lead + 2 * (d + k + 4) * EPS * sizes * key_size
    width = 2 * abs(attention.score_scale) * ball.radius * (lead + ball.radius * joint)
    return np.where(same, 0.0, width * (1 + 16 * EPS))
