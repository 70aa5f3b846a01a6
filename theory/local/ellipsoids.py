"""How far, and where to, can attention's linear part move one token?

A change of all tokens by Delta moves token i before the first norm by sum_j Delta_j J_ij. For
|Delta_j| <= r |h_j| and any weights c_j > 0 these moves x lie in an ellipsoid,

    x = r sqrt(sum c) y R,   |y| <= 1,   R the rows sqrt(|h_j|^2 / c_j) J_ij one below the other,

for sum_j |Delta_j|^2 c_j' <= r^2 sum c with c_j' = c_j / |h_j|^2. So a quadratic form M is at most
r^2 (sum c) lambda_max(R M R^T), and a length |x K| at most r sqrt((sum c) lambda_max(K^T G K)) with
G = R^T R. Weights in proportion to the norms of |h_j| J_ij make the latter at most the sum of those
norms; here rough guesses of them are enough, since any weights are right.
"""

from dataclasses import dataclass

import numpy as np

from theory.arrays import Floats
from theory.local.certified import factor_above, norm_above, top_eigenvalue
from theory.local.enclosed import UNIT, Enclosed, enclosed
from theory.local.passes import Forward
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """All moves {r sqrt(total) y R} of one token, by G = R^T R (d, d) and total = sum c."""

    gram: Enclosed
    total: float

    def length(self, through: Enclosed | None = None) -> float:
        """Return at least the longest |x K| at r = 1; K = ``through``, or the unit matrix."""
        gram = self.gram if through is None else through.T @ self.gram @ through
        return float(np.sqrt(self.total * top_eigenvalue(gram)) * (1 + 8 * UNIT))

    def along(self, directions: Enclosed) -> Floats:
        """Return at least the largest <x, column> at r = 1 for each column: (d, f) -> (f,)."""
        squares = (directions * (self.gram @ directions)).sum(0).top
        found = np.sqrt(np.maximum(squares, 0.0) * self.total) * (1 + 8 * UNIT)
        return np.asarray(found)

    def form(self, matrix: Enclosed) -> float:
        """Return at least the largest x M x^T at r = 1, or 0.

        B B^T >= G maps the unit ball onto no smaller an ellipsoid.
        """
        factor = factor_above(self.gram)
        if factor is None:
            both = top_eigenvalue(matrix) * top_eigenvalue(self.gram)
            return float(self.total * both * (1 + 8 * UNIT))
        return float(self.total * top_eigenvalue(factor.T @ matrix @ factor) * (1 + 4 * UNIT))


def attention_jacobian(at: Forward, i: int) -> Enclosed:
    """Return J_ij for all j: how token i before the first norm follows the tokens, (n, d, d).

    A change u of token j becomes u J_ij. Three ways lead there: through values, through the score
    of j for i, and, for j = i, through i's own query; and the residual.
    """
    heads = at.heads
    h, n, d = heads.values.shape
    weights = heads.adjacency[:, i]  # (h, n)
    through = (weights.T @ heads.maps.moved(lambda m: m.reshape(h, d * d))).moved(
        lambda m: m.reshape(n, d, d)
    )
    apart = weights[:, :, None] * (heads.values - heads.means[:, i, None])  # (h, n, d)
    asked = heads.asked[:, i]  # (h, d)
    scored = asked.T @ apart.moved(lambda m: m.reshape(h, n * d))  # (d, n d)
    scored = scored.moved(lambda m: np.swapaxes(m.reshape(d, n, d), 0, 1))
    flat = (h * n, d)
    own = heads.told.moved(lambda m: m.reshape(flat)).T @ apart.moved(lambda m: m.reshape(flat))
    own = own + np.eye(d)
    total = through + scored
    mid, rad = total.mid.copy(), total.rad.copy()
    there = total[i] + own
    mid[i], rad[i] = there.mid, there.rad
    return Enclosed(mid, rad)


def ellipsoid(jacobian: Enclosed, lengths: Floats) -> Ellipsoid:
    """Return where a token can move: Jacobians (n, d, d), at least the tokens' lengths (n,)."""
    n, d = jacobian.shape[:2]
    guesses = lengths * np.array([_rough(matrix) for matrix in jacobian.mid])
    weights = np.maximum(guesses, guesses.max() * 1e-6)
    scale = lengths / np.sqrt(weights)
    rows = jacobian * (enclosed(scale) * Enclosed(np.ones(n), np.full(n, 4 * UNIT)))[:, None, None]
    flat = rows.moved(lambda m: m.reshape(n * d, d))
    total = float(weights.sum()) * (1 + 2 * n * UNIT)
    return Ellipsoid(flat.T @ flat, total)


def _rough(matrix: Floats) -> float:
    """Return about the norm of a matrix, by a few steps of the power method."""
    vector = np.ones(len(matrix)) / len(matrix) ** 0.5
    size = 1.0
    for _ in range(6):
        vector = matrix @ (matrix.T @ vector)
        size = float(np.linalg.norm(vector))
        if size == 0:
            return 0.0
        vector = vector / size
    return float(size**0.5)


def whole_norm(jacobians: list[Enclosed], after: list[Enclosed], lengths: Floats) -> float:
    """Bound |P F'(H)[Delta]| for |Delta_j| <= |h_j|: the norm of P J diag(|h|), times sqrt(n).

    With J_ij after_i as one (n d, n d) matrix. Takes n^3 d^3 operations.

    Shapes: jacobians n times (n, d, d), after n times (d, d)
    """
    n, d = jacobians[0].shape[:2]
    mid, rad = np.empty((n, d, n, d)), np.empty((n, d, n, d))
    for i, (jacobian, last) in enumerate(zip(jacobians, after, strict=True)):
        out = (jacobian * lengths[:, None, None]).moved(lambda m: m.reshape(n * d, d)) @ last
        mid[:, :, i], rad[:, :, i] = out.mid.reshape(n, d, d), out.rad.reshape(n, d, d)
    mean = mid.mean(axis=2, keepdims=True)
    # centring: the mean of n numbers loses n u of their mean size, the difference u
    rad = (rad + rad.mean(axis=2, keepdims=True) * (1 + 4 * n * UNIT)) * (1 + 4 * n * UNIT)
    rad += 2 * n * UNIT * (np.abs(mid) + np.abs(mid).mean(axis=2, keepdims=True))
    mid -= mean
    flat = (n * d, n * d)
    whole = Enclosed(mid.reshape(flat), rad.reshape(flat) * (1 + 8 * UNIT))
    return float(norm_above(whole) * np.sqrt(n) * (1 + 8 * UNIT))
