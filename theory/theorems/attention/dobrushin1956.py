"""By how much does averaging pull the two farthest tokens together?"""

import numpy as np

from theory.arrays import Array, constant, eps, namespace
from theory.blocks.forward import softmax
from theory.bounds.rounding import (
    diameter_rounding,
    distance_rounding,
    product_rounding,
    row_defect,
)
from theory.graphs.stochastic import dobrushin_coefficient
from theory.magnitude import frobenius_norm
from theory.measures.diameters import projective_diameter, token_diameter
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Chosen, Domain, Free, Params, adjacency
from theory.statements.real_layer import each_layer
from theory.statements.sizes import FLAG, Choice, Exponent, Size, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.shi2022_lemmas import Averaging, every_head, scaled, sums_to_one
from theory.theorems.common import bounded_scores, most_negative

_SCALES = Exponent(-1070, 980)
SUMS = Hypothesis[Averaging]("every row of A sums to one", lambda at: sums_to_one(at.adjacency))


def step_rounding(at: Averaging) -> Array:
    """What one product A H loses, and what rows that do not quite sum to one add to a distance.

    v = a_i - a_j sums to some q, at most twice the defect. Around the mean token m, v (H - m) is
    at most (tau + q) times the diameter and q m is left over: together below 4 |q| |H|.
    """
    defect = row_defect(at.adjacency) * frobenius_norm(at.tokens)
    return 2 * product_rounding(at.adjacency, at.tokens) + 8 * defect


def _diameter_error(at: Averaging) -> Array:
    """The step, both diameters, and (n + 8) eps of the factor, each term of it relative."""
    n = at.tokens.shape[-2]
    after = at.adjacency @ at.tokens
    right = (n + 8) * eps(at.tokens) * token_diameter(at.tokens) + diameter_rounding(at.tokens)
    return step_rounding(at) + diameter_rounding(after) + (1 + _tau(at)) * right


def _tau(at: Averaging) -> Array:
    return dobrushin_coefficient(at.adjacency)


def _build(sizes: Chosen, params: Params) -> Averaging:
    weights = adjacency(params["weights"], signed=sizes["signed"])
    return Averaging(scaled(params["tokens"], sizes), weights)


_SIZES: dict[str, Size] = {
    "tokens": few_tokens(2, 6),
    "features": few_features(1, 4),
    "scale": _SCALES,
    "signed": FLAG,
}
_FREE = {
    "tokens": Free("tokens", ("tokens", "features")),
    "weights": Free("graph", ("tokens", "tokens")),
}
_TWO = np.asarray([[0.875, 0.125], [0.125, 0.875]])
_APART = np.asarray([[1.0], [-1.0]])


def _not_summing() -> Averaging:
    return Averaging(np.ones((2, 1)), np.asarray([[1.0, 1.0], [2.0, 2.0]]))


CONTRACTION = Theorem[Averaging](
    key="dobrushin-contraction",
    claim=r"\max_{i,j} |(A H)_i - (A H)_j| \le \tau(A) \max_{i,j} |h_i - h_j|,\quad"
    r" \tau(A) = \tfrac12 \max_{i,j} \sum_k |A_{ik} - A_{jk}|",
    source="dobrushin1956",
    domain=Domain(sizes=_SIZES, free=_FREE, make=_build),
    hypotheses=(SUMS,),
    lhs=lambda at: token_diameter(at.adjacency @ at.tokens),
    rhs=lambda at: _tau(at) * token_diameter(at.tokens),
    rounding=_diameter_error,
    tight=True,
    from_layers=each_layer(every_head),
    witness=lambda: Averaging(_APART, _TWO),
    outside=_not_summing,
    note="For one feature the diameter is its range. a_i - a_j sums to zero: its positive part "
    "weighs tau_ij at most, and pairs every unit of it with one of the negative part, so that "
    "(A H)_i - (A H)_j is tau_ij times a mean of differences of tokens. Negative weights do no "
    "harm: only A 1 = 1 is used. For every A some tokens reach it: h_k the sign of a_ik - a_jk.",
)


def _tanh(at: Averaging) -> Array:
    xp = namespace(at.adjacency)
    return xp.tanh(projective_diameter(at.adjacency) / 4)


def _log_error(at: Averaging) -> Array:
    """Four logs, each off by eps of itself, in Delta; tanh(Delta / 4) moves a quarter as much."""
    xp, weights = namespace(at.adjacency), at.adjacency
    logs = xp.abs(xp.log(xp.where(weights > 0, weights, xp.ones_like(weights))))
    lost = eps(weights) * (2 * xp.max(logs, axis=(-2, -1)) + 8) * token_diameter(at.tokens)
    return _diameter_error(at) + lost


def _build_scores(sizes: Chosen, params: Params) -> Averaging:
    scores = bounded_scores(params["weights"], 2.0 ** sizes["scores"])
    weights = adjacency(params["weights"]) if sizes["zeros"] else softmax(scores)
    return Averaging(scaled(params["tokens"], sizes), weights)


BIRKHOFF = Theorem[Averaging](
    key="birkhoff-contraction",
    claim=r"\max_{i,j} |(A H)_i - (A H)_j| \le \tanh(\Delta(A) / 4) \max_{i,j} |h_i - h_j|,\quad"
    r" \Delta(A) = \max_{i,j,k,l} \log \frac{A_{ik} A_{jl}}{A_{jk} A_{il}}",
    source="seneta2006",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 4),
            "scale": _SCALES,
            "scores": Exponent(-6, 6),
            "zeros": Choice((False, True), typical=True),
        },
        free=_FREE,
        make=_build_scores,
    ),
    hypotheses=(
        SUMS,
        Hypothesis("no entry of A is negative", lambda at: most_negative(at.adjacency)),
    ),
    lhs=CONTRACTION.lhs,
    rhs=lambda at: _tanh(at) * token_diameter(at.tokens),
    rounding=_log_error,
    tight=True,
    from_layers=each_layer(every_head),
    witness=lambda: Averaging(_APART, _TWO),
    outside=_not_summing,
    note="tau(A) <= tanh(Delta / 4): let two rows p, q have p_k / q_k between r and R with "
    "R / r <= exp(Delta). Of all such pairs, two points are apart the most, p = (R, r) q, with "
    "q_1 = (1 - r) / (R - r): p_1 - q_1 = (R - 1)(1 - r) / (R - r), largest for R = 1 / r = "
    "exp(Delta / 2), where it is tanh(Delta / 4). Two tokens that each prefer themselves reach it. "
    "Scores between -a and a give Delta <= 4 a. For Delta infinite the bound is one.",
)


def _coupling_bound(at: Averaging) -> Array:
    half = constant(at.tokens.shape[-2] / 2, like=at.tokens)
    return _tau(at) * half**0.5 * consensus_distance(at.tokens)


def _coupling_rounding(at: Averaging) -> Array:
    """The step, for sqrt n tokens at most, the two distances and (n + 8) eps of the factor."""
    n = at.tokens.shape[-2]
    left = n**0.5 * step_rounding(at) + distance_rounding(at.adjacency @ at.tokens)
    right = distance_rounding(at.tokens) * (1 + _tau(at)) * n**0.5
    return left + right + (n + 8) * eps(at.tokens) * _coupling_bound(at)


COUPLING = Theorem[Averaging](
    key="dobrushin-coupling",
    claim=r"d_M(A H) \le \sqrt{n/2}\, \tau(A) \, d_M(H), \text{ that is } \lambda \le n \tau^2 / 2",
    source="derived",
    domain=Domain(sizes=_SIZES, free=_FREE, make=_build),
    hypotheses=(SUMS,),
    lhs=lambda at: consensus_distance(at.adjacency @ at.tokens),
    rhs=_coupling_bound,
    rounding=_coupling_rounding,
    tight=True,
    from_layers=each_layer(every_head),
    witness=lambda: Averaging(  # two hubs
        np.asarray([[1.0], [-1.0], [0.0], [0.0]]), np.eye(4)[[0, 1, 0, 1]]
    ),
    outside=_not_summing,
    note="For one feature x: d_M(A x) is at most sqrt n / 2 times the range of A x (Popoviciu), "
    "that is at most tau times the range of x, and this at most sqrt 2 d_M(x). sqrt(lambda) is "
    "the largest ratio over one feature, and a bound for all. Half of the tokens listening to one "
    "hub and half to another reach it; for odd n, sqrt(n - 1/n) replaces sqrt n.",
)
