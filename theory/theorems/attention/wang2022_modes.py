"""How fast do differences of tokens fall under powers of one symmetric attention?"""

import numpy as np
from array_api_compat import device

from theory.arrays import Array, eps, namespace
from theory.bounds.rounding import distance_rounding
from theory.graphs.conversions import random_walk
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import Choice, Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.attention.steps import Steps, after_steps, power, steps_rounding
from theory.theorems.attention.wang2022 import APART, STEP_SCALES, high_frequency, towards_worst
from theory.theorems.block.shi2022_lemmas import scaled
from theory.theorems.common import asymmetry, bounded_scores


def _walk(at: Steps) -> Steps:
    """Take the weights of the graph for those of its random walk, the same in every step."""
    return Steps(at.tokens, random_walk(at.adjacency), at.bound)


def _lopsided(at: Steps) -> Array:
    """How far the weights are from symmetric, and the steps from each other."""
    xp, weights = namespace(at.adjacency), at.adjacency
    apart = xp.max(asymmetry(weights), axis=-1)
    return xp.maximum(apart, xp.max(xp.abs(weights - weights[..., :1, :, :]), axis=(-3, -2, -1)))


def _second(at: Steps) -> tuple[Array, Array]:
    """Return |mu_2| and the smallest and largest degree's ratio, (*b,).

    D^1/2 A D^-1/2 is symmetric, with the eigenvalues of A; its top eigenvector D^1/2 1 is taken
    out, and what is left has the others, and a zero.
    """
    xp = namespace(at.adjacency)
    weights = at.adjacency[..., 0, :, :]
    degree = xp.sum(weights, axis=-1)
    root = xp.sqrt(degree)
    symmetric = weights / root[..., :, None] / root[..., None, :]
    top = root / xp.sqrt(xp.sum(degree, axis=-1, keepdims=True))
    rest = symmetric - top[..., :, None] * top[..., None, :]
    values = xp.linalg.eigvalsh((rest + xp.matrix_transpose(rest)) / 2)
    return xp.max(xp.abs(values), axis=-1), xp.max(degree, axis=-1) / xp.min(degree, axis=-1)


def _mode_bound(at: Steps) -> Array:
    mu, ratio = _second(at)
    return namespace(mu).sqrt(ratio) * power(mu, at.count) * consensus_distance(at.tokens)


def _mode_bare(at: Steps) -> Array:
    return power(_second(at)[0], at.count) * consensus_distance(at.tokens)


def _mode_rounding(at: Steps) -> Array:
    """The steps, the distances, and the factor.

    The symmetric matrix has norm one and errs by (n + 8) eps sqrt n in the Frobenius norm; the
    solver adds 8 n sqrt n eps. With |mu| <= 1 a power of t errs by t times that.
    """
    n, walk = at.tokens.shape[-2], _walk(at)
    ratio = namespace(at.adjacency).sqrt(_second(at)[1])
    factor = at.count * (16 * n + 32) * n**0.5 * eps(at.tokens)
    base = consensus_distance(at.tokens)
    right = ratio * (factor * base + 2 * distance_rounding(at.tokens))
    drawn = at.count * (n + 2) * eps(at.tokens) * n**0.5 * base  # the random walk's own rounding
    left = steps_rounding(walk) + distance_rounding(after_steps(walk)) + n**0.5 * ratio * drawn
    return left + right


def _build_symmetric(sizes: Chosen, params: Params) -> Steps:
    xp, free = namespace(params["scores"]), params["scores"]
    both = bounded_scores(free + xp.matrix_transpose(free), 2.0 ** sizes["size"])
    loops = xp.eye(free.shape[-1], dtype=free.dtype, device=device(free))
    weights = xp.exp(both) if sizes["full"] else both * both + loops
    steps = xp.stack([weights] * sizes["steps"], axis=-3)
    tokens = towards_worst(params["tokens"], random_walk(weights), sizes["worst"])
    return Steps(scaled(tokens, sizes), steps, 0 * tokens[..., 0, 0])


_SYMMETRIC: Domain[Steps] = Domain(
    sizes={
        "tokens": few_tokens(2, 6),
        "features": few_features(1, 3),
        "steps": Length(1, 6, typical=4),
        "size": Exponent(-6, 3, typical=1),
        "scale": STEP_SCALES,
        "full": Choice((False, True), typical=True),
        "worst": Length(0, 3),
    },
    free={
        "tokens": Free("tokens", ("tokens", "features")),
        "scores": Free("graph", ("tokens", "tokens"), typical="scores"),
    },
    make=_build_symmetric,
)
_SAME = Hypothesis("the weights are symmetric and the same in each step", _lopsided)
_UNEVEN = np.asarray([[[0.0, 0.0, 1.0], [0.0, 2.0, 2.0], [1.0, 2.0, 2.0]]])

SECOND_EIGENVALUE = Theorem[Steps](
    key="high-frequency-second-eigenvalue",
    claim=r"\|\mathrm{HC}[A^t H]\|_F \le \sqrt{\max_i D_i / \min_i D_i}\, |\mu_2|^t \,"
    r" \|\mathrm{HC}[H]\|_F,\quad A = D^{-1} W,\ W = W^\top \ge 0",
    source="derived",
    domain=_SYMMETRIC,
    hypotheses=(_SAME,),
    lhs=lambda at: high_frequency(_walk(at)),
    rhs=_mode_bound,
    rounding=_mode_rounding,
    tight=True,
    witness=lambda: Steps(
        APART, np.stack([np.asarray([[3.0, 1.0], [1.0, 3.0]])] * 3), np.float64(0.0)
    ),
    outside=lambda: Steps(
        np.asarray([[0.0], [1.0], [-1.0], [0.0]]), np.eye(4)[None, [1, 1, 2, 2]], np.float64(0.0)
    ),
    note="mu_2 is the eigenvalue of A of largest modulus beside the top one; W = exp(S) with "
    "symmetric scores. The source has the rate |mu_2|^t up to a constant; this is one. Proof: "
    "subtract the D-weighted mean token c, which A keeps. In the norm weighted by D, A is "
    "symmetric, and d_M(A^t H) <= |A^t (H - c)| <= min D^-1/2 |mu_2|^t |D^1/2 (H - c)|, where "
    "c minimises the last factor, so that the plain mean may replace it.",
)
SECOND_EIGENVALUE_BARE = Theorem[Steps](
    key="high-frequency-second-eigenvalue-alone",
    claim=r"\|\mathrm{HC}[A^t H]\|_F \le |\mu_2|^t \, \|\mathrm{HC}[H]\|_F,\quad"
    r" A = D^{-1} W,\ W = W^\top \ge 0",
    source="derived",
    domain=_SYMMETRIC,
    hypotheses=(_SAME,),
    lhs=lambda at: high_frequency(_walk(at)),
    rhs=_mode_bare,
    rounding=_mode_rounding,
    expected="refuted",
    witness=lambda: Steps(np.asarray([[-1.0], [-2.0], [1.0]]), _UNEVEN, np.float64(0.0)),
    correction="high-frequency-second-eigenvalue: unequal degrees cost the root of their ratio",
    note="The rate without a constant. Three tokens refute it even with symmetric scores; with "
    "two, |mu_2| is exactly the factor.",
)
