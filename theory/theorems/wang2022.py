"""How fast does attention remove what differs between tokens? (wang2022antioversmoothing)"""

import numpy as np

from theory.arrays import Array, constant, eps, namespace, tiny
from theory.domains import Domain, Free, Params, Sizes
from theory.graphs import random_walk
from theory.roundoff import distance_rounding
from theory.statements import Hypothesis, Theorem
from theory.subspace import consensus_distance
from theory.theorems.attention_steps import (
    Steps,
    after_steps,
    not_attention,
    power,
    steps_rounding,
)
from theory.theorems.dobrushin1956 import bounded_scores, softmax
from theory.theorems.shi2022_lemmas import scaled

_SCALES = (-1070, 900)


def _scores_beyond(at: Steps) -> Array:
    """Scores between -a and a: no weight is exp(2 a) times another of its row.

    The two logs are off by eps of themselves, and softmax by (n + 2 a + 4) eps before.
    """
    xp = namespace(at.adjacency)
    logs = xp.log(xp.clip(at.adjacency, min=tiny(at.adjacency)))
    wide = xp.max(xp.max(logs, axis=-1) - xp.min(logs, axis=-1), axis=(-2, -1))
    n = at.adjacency.shape[-1]
    allowed = (2 * n + 16 * xp.abs(at.bound) + 16) * eps(at.bound)
    infinite = constant(np.inf, like=at.adjacency)
    none = xp.where(xp.any(at.adjacency <= 0, axis=(-3, -2, -1)), infinite, -infinite)
    return xp.maximum(wide - 2 * at.bound - allowed, none)


ATTENTION = Hypothesis("each step averages with weights", not_attention)
BOUNDED = Hypothesis("the weights are a softmax of scores between -a and a", _scores_beyond)


def _build(sizes: Sizes, params: Params) -> Steps:
    xp = namespace(params["scores"])
    scores = bounded_scores(params["scores"], 2.0 ** sizes["size"])
    wide = xp.max(scores, axis=-1) - xp.min(scores, axis=-1)
    bound = xp.max(wide, axis=(-2, -1)) / 2 * (1 + params["slack"] ** 2 / 100)
    return Steps(scaled(params["tokens"], sizes), softmax(scores), bound)


def _domain(steps: tuple[int, int]) -> Domain[Steps]:
    return Domain(
        sizes={"tokens": (1, 6), "features": (1, 3), "steps": steps, "size": (-6, 4)}
        | {"scale": _SCALES},
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "scores": Free("graph", ("steps", "tokens", "tokens")),
            "slack": Free("scalar"),
        },
        build=_build,
    )


def _high(at: Steps) -> Array:
    return consensus_distance(after_steps(at))


def _low_pass(at: Steps) -> Array:
    half = constant(at.tokens.shape[-2] / 2, like=at.bound)
    return half**0.5 * power(namespace(at.bound).tanh(at.bound), at.count)


def _rounding(at: Steps, factor: Array) -> Array:
    """The steps, both distances, and the factor, of which each of t powers is off by a few eps.

    What `_scores_beyond` forgives, at most (n + 8 a + 8) eps of the bound, is in it too: a tanh
    moves by as much as its argument, relative to itself too.
    """
    n, xp = at.tokens.shape[-2], namespace(at.bound)
    relative = at.count * (2 * n + 16 * xp.abs(at.bound) + 24) * eps(at.bound)
    base = consensus_distance(at.tokens)
    right = factor * (distance_rounding(at.tokens) + relative * base) + n**0.5 * relative * base
    return steps_rounding(at) + distance_rounding(after_steps(at)) + right


def softmax_pair(a: float) -> Array:
    """Two tokens that prefer themselves by as much as scores between -a and a allow."""
    return softmax(np.asarray([[[a, -a], [-a, a]]]))


_APART = np.asarray([[1.0], [-1.0]])
_SWAP = np.asarray([[[0.0, 1.0], [1.0, 0.0]]])

LOW_PASS = Theorem[Steps](
    key="high-frequency-vanishes",
    claim=r"\|\mathrm{HC}[A_t \cdots A_1 H]\|_F \le \sqrt{n/2}\, \tanh(a)^t \, \|\mathrm{HC}[H]\|_F"
    r",\quad A_k = \mathrm{softmax}(S_k),\ |S_k| \le a",
    source="wang2022antioversmoothing",
    domain=_domain((1, 6)),
    hypotheses=(ATTENTION, BOUNDED),
    lhs=_high,
    rhs=lambda at: _low_pass(at) * consensus_distance(at.tokens),
    rounding=lambda at: _rounding(at, _low_pass(at)),
    tight=True,
    witness=lambda: Steps(_APART, np.concatenate([softmax_pair(0.5)] * 3), np.float64(0.5)),
    outside=lambda: Steps(_APART, _SWAP, np.float64(0.5)),
    note="HC[H] = (I - e e^T) H, so that its norm is d_M. The source shows for one A > 0 that the "
    "rest vanishes as t grows; this is a rate for it, and for steps that differ. Proof: "
    "Delta(A_k) <= 4 a, so that every step multiplies the diameter of a feature by tanh(a) at "
    "most (birkhoff-contraction), and dobrushin-coupling is applied to the product. Two tokens "
    "reach it; for more the constant is that of one step only.",
)


def _published(at: Steps, tokens: float) -> Array:
    """Return sqrt(m e^2a / (e^2a + n - 1)), divided through by e^2a."""
    xp, n = namespace(at.bound), at.tokens.shape[-2]
    return xp.sqrt(tokens / (1 + (n - 1) * xp.exp(-2 * at.bound)))


def _with_n(at: Steps) -> Array:
    return _published(at, at.tokens.shape[-2])


def _without_n(at: Steps) -> Array:
    return _published(at, 1.0)


ONE_STEP = Theorem[Steps](
    key="high-frequency-one-step",
    claim=r"\|\mathrm{HC}[A H]\|_F \le \sqrt{\frac{n e^{2a}}{e^{2a} + n - 1}} \,"
    r" \|\mathrm{HC}[H]\|_F,\quad A = \mathrm{softmax}(S),\ |S| \le a",
    source="wang2022antioversmoothing",
    domain=_domain((1, 1)),
    hypotheses=(ATTENTION, BOUNDED),
    lhs=_high,
    rhs=lambda at: _with_n(at) * consensus_distance(at.tokens),
    rounding=lambda at: _rounding(at, _with_n(at)),
    outside=lambda: Steps(
        np.asarray([[1.0], [-1.0], [0.0], [0.0]]), np.eye(4)[None, [0, 1, 0, 1]], np.float64(0.0)
    ),
    note="No weight exceeds p = e^2a / (e^2a + n - 1), so that |A|_F^2 <= n p, and the norm of "
    "(I - e e^T) A is below that of A. But n p >= 1 for every a, with equality at a = 0, where "
    "nothing is left of the differences: the bound never shows that they shrink, and is never "
    "reached. That of high-frequency-vanishes is 0 at a = 0 and below 1 for small a.",
)

ONE_STEP_WITHOUT_N = Theorem[Steps](
    key="high-frequency-one-step-below-one",
    claim=r"\|\mathrm{HC}[A H]\|_F \le \sqrt{\frac{e^{2a}}{e^{2a} + n - 1}} \,"
    r" \|\mathrm{HC}[H]\|_F,\quad A = \mathrm{softmax}(S),\ |S| \le a",
    source="derived",
    domain=_domain((1, 1)),
    hypotheses=(ATTENTION, BOUNDED),
    lhs=_high,
    rhs=lambda at: _without_n(at) * consensus_distance(at.tokens),
    rounding=lambda at: _rounding(at, _without_n(at)),
    expected="refuted",
    witness=lambda: Steps(
        np.asarray([[1.0], [-1.0], [0.0]]),
        softmax(np.asarray([[[3.0, -3.0, -3.0], [-3.0, 3.0, -3.0], [-3.0, 3.0, -3.0]]])),
        np.float64(3.0),
    ),
    correction="high-frequency-one-step: the factor n belongs under the root",
    note="This form, without the n, would be below 1 and imply convergence. Three tokens that "
    "listen to two hubs refute it; with two tokens it is true.",
)


def _walk(at: Steps) -> Steps:
    """Take the weights of the graph for those of its random walk, the same in every step."""
    return Steps(at.tokens, random_walk(at.adjacency), at.bound)


def _lopsided(at: Steps) -> Array:
    """How far the weights are from symmetric, and the steps from each other."""
    xp, weights = namespace(at.adjacency), at.adjacency
    apart = xp.max(xp.abs(weights - xp.matrix_transpose(weights)), axis=(-3, -2, -1))
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


def _build_symmetric(sizes: Sizes, params: Params) -> Steps:
    xp, free = namespace(params["scores"]), params["scores"]
    both = bounded_scores(free + xp.matrix_transpose(free), 2.0 ** sizes["size"])
    weights = xp.exp(both) if sizes["full"] else both * both + xp.eye(free.shape[-1])
    steps = xp.stack([weights] * sizes["steps"], axis=-3)
    return Steps(scaled(params["tokens"], sizes), steps, 0 * params["tokens"][..., 0, 0])


_SYMMETRIC: Domain[Steps] = Domain(
    sizes={"tokens": (1, 6), "features": (1, 3), "steps": (1, 6), "size": (-6, 3)}
    | {"scale": _SCALES, "full": (0, 1)},
    free={
        "tokens": Free("tokens", ("tokens", "features")),
        "scores": Free("graph", ("tokens", "tokens")),
    },
    build=_build_symmetric,
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
    lhs=lambda at: _high(_walk(at)),
    rhs=_mode_bound,
    rounding=_mode_rounding,
    tight=True,
    witness=lambda: Steps(
        _APART, np.stack([np.asarray([[3.0, 1.0], [1.0, 3.0]])] * 3), np.float64(0.0)
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
    lhs=lambda at: _high(_walk(at)),
    rhs=_mode_bare,
    rounding=_mode_rounding,
    expected="refuted",
    witness=lambda: Steps(np.asarray([[-1.0], [-2.0], [1.0]]), _UNEVEN, np.float64(0.0)),
    correction="high-frequency-second-eigenvalue: unequal degrees cost the root of their ratio",
    note="The rate without a constant. Three tokens refute it even with symmetric scores; with "
    "two, |mu_2| is exactly the factor.",
)
