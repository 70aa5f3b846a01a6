"""How large is what attention's linearisation leaves out, in one direction and in any?

`theory.local.listening` bounds it head by head by three coefficients, for a direction g behind
attention: half the diameter of <x_j, g>, its standard deviation, and |V g|. Here these are put
together over the heads, for one g by token, or for all unit g behind a matrix K:

    bent     sup over u_h, w_h in the hull of head h's values of |sum_h b_h (u_h - w_h) K| / 2;
             by Gram matrices, for heads hardly overlap
    crossed  sup_g sum_h t_h std_h(g)  <= sqrt(sum t  lambda_max(sum_h t_h Cov_h))
    carried  sup_g sum_h s_h |V_h g|   <= sqrt(sum s  lambda_max(sum_h s_h V_h^T V_h)), both Cauchy
"""

from dataclasses import dataclass

import numpy as np

from theory.arrays import Floats
from theory.local.certified import norm_above, top_eigenvalue
from theory.local.enclosed import UNIT, Enclosed, enclosed
from theory.local.listening import Moves, Scores
from theory.local.passes import Forward
from theory.records import brief_repr

_MORE = 1 + 1e-12  # sums and products of a few numbers that are not negative


def scores_of(block_queries: Floats, block_keys: Floats, at: Forward, scale: float) -> Scores:
    """Bound the scores' changes: query and key matrices (h, d, k), and what they gave."""
    heads = at.heads
    h, n = heads.adjacency.shape[:2]
    told = heads.told
    mean = heads.adjacency @ told  # (h, n, d)
    turn, spread, cross = np.empty((h, n)), np.empty(h), np.empty(h)
    for head in range(h):
        apart = told[head, :, None] - told[head, None, :]
        spread[head] = apart.lengths().max()
        bilinear = enclosed(block_queries[head]) @ block_keys[head].T
        cross[head] = norm_above(bilinear) * abs(scale) * _MORE
        for i in range(n):
            weights = Enclosed(np.sqrt(np.maximum(heads.adjacency[head, i].top, 0)), np.zeros(n))
            rows = (told[head] - mean[head, i]) * weights[:, None]
            turn[head, i] = norm_above(rows) * _MORE
    lengths = enclosed(at.tokens).lengths()
    pull = heads.asked.lengths()
    weighted = np.sqrt(np.maximum(heads.adjacency.top, 0) @ lengths**2) * _MORE
    return Scores(turn, spread, pull, cross, weighted, lengths)


@brief_repr
@dataclass(frozen=True, eq=False)
class Directed:
    """What the three coefficients are multiplied by for one direction a token: (h, n) each."""

    diameter: Floats
    std: Floats
    carried: Floats

    def remainder(self, at: Moves) -> Floats:
        """Return at least what attention's linearisation leaves out, token by token: (n,)."""
        with np.errstate(invalid="ignore"):  # 0 inf, where nothing is said
            each = at.bent * self.diameter / 2 + at.crossed * self.std + at.carried * self.carried
        return np.asarray(each.sum(axis=0) * _MORE)


def directed(at: Forward, covectors: Enclosed) -> Directed:
    """Prepare one direction (d,) a token: covectors (n, d)."""
    heads = at.heads
    seen = covectors[None] @ heads.values.T  # (h, n, n)
    diameter = (seen.top.max(axis=-1) - seen.bottom.min(axis=-1)) * _MORE
    mean = (heads.adjacency * seen).sum(-1, keepdims=True)
    apart = (seen - mean).size
    std = np.sqrt((np.maximum(heads.adjacency.top, 0) * apart**2).sum(axis=-1)) * _MORE
    carried = (covectors[None] @ heads.maps.T).lengths()
    return Directed(diameter, std, carried)


@brief_repr
@dataclass(frozen=True, eq=False)
class Undirected:
    """The same for all unit directions behind a matrix, for one token.

    Shapes: diameters (h, h), of products of differences of values; products (h n, h n), Gram
            matrix of values minus what is heard; weights (h, n); squares (h, d, d), V_h^T V_h
    """

    diameters: Floats
    products: Enclosed
    weights: Floats
    squares: Enclosed
    through: Enclosed | None

    def remainder(self, bent: Floats, crossed: Floats, carried: Floats) -> float:
        """Return at least the length of what is left out, from coefficients (h,)."""
        first = float(np.sqrt(bent @ self.diameters @ bent)) / 2
        rows = np.sqrt(crossed[:, None] * self.weights).ravel()
        scaled = self.products * rows[:, None] * rows[None, :]
        second = float(np.sqrt(crossed.sum() * top_eigenvalue(scaled)))
        h, d = self.squares.shape[:2]
        flat = self.squares.moved(lambda m: m.reshape(h, d * d))
        total = (carried[None, :] @ flat).moved(lambda m: m.reshape(d, d))
        if self.through is not None:
            total = self.through.T @ total @ self.through
        third = float(np.sqrt(carried.sum() * top_eigenvalue(total)))
        return (first + second + third) * _MORE


def squares_of(at: Forward) -> Enclosed:
    """Return V_h^T V_h, (h, d, d)."""
    return at.heads.maps.T @ at.heads.maps


def undirected(at: Forward, i: int, squares: Enclosed, through: Enclosed | None) -> Undirected:
    """Prepare all directions for token i, behind ``through`` (d, d) or as they are."""
    heads = at.heads
    h, n, d = heads.values.shape
    apart = (heads.values - heads.means[:, i, None]).moved(lambda m: m.reshape(h * n, d))
    if through is not None:
        apart = apart @ through
    products = apart @ apart.T
    table = products.size.reshape(h, n, h, n)
    most = table.max(axis=(1, 3)) * 4  # |<a - b, c - d>| <= 4 max |<., .>|
    own = np.empty(h)
    for head in range(h):
        rows = apart[head * n : (head + 1) * n]
        own[head] = (rows[:, None] - rows[None, :]).lengths().max()
    diameters = np.minimum(most, own[:, None] * own[None, :])
    np.fill_diagonal(diameters, own**2)
    weights = np.maximum(heads.adjacency[:, i].top, 0)
    return Undirected(diameters * (1 + 8 * UNIT), products, weights, squares, through)
