"""By how much does softmax attention differ from its linearisation, on a whole ball of changes?

A token listens with weights a = softmax(s) to values x_j; its scores change by delta, its values by
y_j. Along s + t delta, with f_j = <x_j, g> for a direction g,

    sum_j (a_j(1) - a_j(0)) f_j = Cov_0(f, delta) + int_0^1 (1 - t) K_t dt,
    K_t = E_t[(f - E_t f)(delta - E_t delta)^2],   |K_t| <= (max f - min f) Var_t(delta),

and a_j(t) <= a_j exp(t o), o the largest difference of two deltas, so Var_t <= exp(t o) Var_0.
Proofs: `docs/local_bound.md`, Lemma 2.
"""

from typing import NamedTuple

import numpy as np

from theory.arrays import Floats
from theory.local.elementary import exp_above
from theory.records import brief_repr


@brief_repr
class Scores(NamedTuple):
    """What bounds the changes of scores for tokens that move by at most their own length.

    ``turn``: standard deviation under a of <Delta_i, keys> for |Delta_i| = 1; ``spread``: largest
    difference of two keys as the query sees them; ``pull``: length of the query as the keys see
    it; ``cross``: norm of the bilinear part; ``weighted``: sqrt(sum_j a_ij |h_j|^2).

    Shapes: turn, pull, weighted (h, n); spread, cross (h,); lengths (n,)
    """

    turn: Floats
    spread: Floats
    pull: Floats
    cross: Floats
    weighted: Floats
    lengths: Floats


@brief_repr
class Moves(NamedTuple):
    """The three coefficients of attention's remainder at a radius, head by head; (h, n) each.

    The remainder in direction g is at most sum_h ``bent`` diam(f) / 2 + ``crossed`` std(f) +
    ``carried`` |V g|. ``range``: o. ``std``: at least that of delta under a.
    """

    radius: float
    bent: Floats
    crossed: Floats
    carried: Floats
    range: Floats
    std: Floats


def moves(scores: Scores, radius: float) -> Moves:
    """Return the coefficients for all changes with |Delta_i| <= radius |h_i|.

    delta_j = <Delta_i, key_j> + <query_i, Delta_j> + <Delta_i B, Delta_j>. The integrals over t of
    (1 - t) exp(t o) and exp(t o) are at most (1 + (exp(o) - 1) / 3) / 2 and (1 + exp(o)) / 2, for
    exp is convex: exp(t o) <= 1 + t (exp(o) - 1).
    """
    own = radius * scores.lengths[None, :]
    others = radius * scores.weighted
    far = radius * float(scores.lengths.max())
    cross = scores.cross[:, None] * own
    width = own * scores.spread[:, None] + 2 * scores.pull * far + 2 * cross * far
    width = width * (1 + 1e-12)
    std = own * scores.turn + scores.pull * others + cross * others
    std = np.minimum(std, width / 2)  # no variance is above a quarter of the range squared
    grown = exp_above(np.minimum(width, 600.0))
    grown = np.where(width < 600, grown, np.inf)
    with np.errstate(invalid="ignore"):  # 0 inf, where nothing is said
        bent, carried = std * std * (2 + grown) / 3, (1 + grown) / 2 * std * others
    return Moves(radius, bent, cross * others, carried, width, std)
