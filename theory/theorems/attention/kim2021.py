"""Is attention Lipschitz on all inputs: with dot products, with distances? (kim2021lipschitz)"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.special import lambertw

from theory.arrays import Array, constant, eps, namespace, tiny
from theory.blocks.forward import softmax
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.spectra.norms import spectral_norm
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import Exponent, Length, few_features
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.attention.castin2024 import (
    PAIR_FREE,
    PAIR_SIZES,
    AttentionPair,
    build_pair,
    pair_rounding,
    spread_pair,
)
from theory.theorems.common import root_of


@brief_repr
@dataclass(frozen=True, eq=False)
class DistancePair:
    """Two sets of tokens (*b, n, d) for a head that listens to what is near.

    The shares of token i are the softmax over j of -|x_i W_Q - x_j W_K|^2 / sqrt(k), the output
    P X W_Q W_Q^T / sqrt(k) V, with query and key (*b, d, k) and value (*b, d, d).
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "other": "n d",
        "query": "d k",
        "key": "d k",
        "value": "d d",
    }

    tokens: Array
    other: Array
    query: Array
    key: Array
    value: Array

    def attend(self, tokens: Array) -> Array:
        """Return the head's output on any tokens: (*b, n, d)."""
        xp, root = namespace(tokens), root_of(self.query.shape[-1], like=tokens)
        queries, keys = tokens @ self.query, tokens @ self.key
        differences = queries[..., :, None, :] - keys[..., None, :, :]
        scores = -xp.sum(differences**2, axis=-1) / root
        mixed = softmax(scores) @ tokens
        return mixed @ self.query @ xp.matrix_transpose(self.query) @ self.value / root

    @cached_property
    def moved(self) -> Array:
        """How far the outputs are apart: (*b,)."""
        return frobenius_norm(self.attend(self.tokens) - self.attend(self.other))


def distance_coefficient(at: DistancePair) -> Array:
    """Return sqrt(n / k) (4 w + 1) |W|^2 |V| with w exp(w + 1) = n - 1."""
    n, k = at.tokens.shape[-2], at.query.shape[-1]
    factor = root_of(n, like=at.tokens) / root_of(k, like=at.tokens)
    factor = factor * (4 * inverse_growth(n - 1, like=at.tokens) + 1)
    return factor * spectral_norm(at.query) ** 2 * spectral_norm(at.value)


def inverse_growth(value: int, *, like: Array) -> Array:
    """Return w with w exp(w + 1) = value, to all the digits of ``like``: a number, without axes.

    Lambert's function gives 16 digits, and each step of Newton's method doubles them.
    """
    xp, w = namespace(like), constant(float(lambertw(value / math.e).real), like=like)
    for _ in range(4):
        grown = xp.exp(w + 1)
        w = w - (w * grown - value) / (grown * (1 + w))
    return w


def _rounding(at: DistancePair) -> Array:
    """Two heads and their difference, the distance of the tokens, and three norms.

    A score loses (2 d + k + 6) eps of the squares of what it is made of; shares move in l1 by at
    most the largest change of a score. Norms are good to 8 (d + k) min(d, k) eps |.|_F.
    """
    (n, d), k, unit = at.tokens.shape[-2:], at.query.shape[-1], eps(at.tokens)
    size = frobenius_norm(at.tokens) + frobenius_norm(at.other)
    listening = frobenius_norm(at.query) + frobenius_norm(at.key)
    weight, value = frobenius_norm(at.query) ** 2 / k**0.5, frobenius_norm(at.value)
    shares = 2 * (2 * d + k + 6) * unit * size**2 * listening**2 / k**0.5 + (2 * n + 12) * unit
    shares = namespace(shares).clip(shares, max=2.0)
    lost = 2 * n**0.5 * (shares + (3 * d + k) * unit) * size * weight * value
    relative = (24 * (d + k) * min(d, k) + n * d + 20) * unit
    factor = math.sqrt(n) * (4 * math.log(n + 1) + 1)
    right = relative * factor * weight * value * (frobenius_norm(at.tokens - at.other))
    return lost + right + relative * at.moved + tiny(size) * (1 + n * d) * (1 + weight * value)


def _untied(at: DistancePair) -> Array:
    return namespace(at.query).max(namespace(at.query).abs(at.query - at.key), axis=(-2, -1))


def _build_distance(sizes: Chosen, params: Params) -> DistancePair:
    pair = build_pair(sizes, params)
    query = params["query"] * 2.0 ** (sizes["strength"] / 2 - sizes["scale"])
    return DistancePair(pair.tokens, pair.other, query, query, pair.value)


def _untied_pair() -> DistancePair:
    """One token at equal distance from the keys of two others, which are far from each other."""
    tokens = np.asarray([[200.0], [-100.0], [-300.0]])
    other = tokens + np.asarray([[1e-3], [0.0], [0.0]])
    one = np.ones((1, 1))
    return DistancePair(tokens, other, one, -one, one)


L2_ATTENTION = Theorem[DistancePair](
    key="l2-attention-lipschitz",
    claim=r"\|f(X) - f(Y)\|_F \le \sqrt{n/k} \, (4 w + 1) \|W\|_2^2 \|V\|_2 \, \|X - Y\|_F,\quad"
    r" w e^{w + 1} = n - 1,\ f(X) = P X \tfrac{W W^\top}{\sqrt k} V,"
    r"\ P_{ij} \propto e^{-|(x_i - x_j) W|^2 / \sqrt k}",
    source="kim2021lipschitz",
    domain=Domain(
        sizes={
            **PAIR_SIZES,
            "strength": Exponent(-8, 4),
            "width": few_features(1, 4),
        },
        free={**PAIR_FREE, "query": Free("matrix", ("features", "width"))},
        make=_build_distance,
    ),
    hypotheses=(Hypothesis("query and key are the same", _untied),),
    lhs=lambda at: at.moved,
    rhs=lambda at: distance_coefficient(at) * frobenius_norm(at.tokens - at.other),
    rounding=_rounding,
    outside=_untied_pair,
    note="Their bound for one head, with value and output matrix multiplied together; the power "
    "of |W| is the one that is left when W is multiplied and X divided by the same number. Why it "
    "is finite: a token is at distance zero from itself, so that far tokens get no share. For one "
    "token w = 0 and the bound is reached by f(X) = X W W^T V / sqrt(k); for more it is not known "
    "to be.",
)


def _formula(at: AttentionPair) -> Array:
    n = at.tokens.shape[-2]
    return n * (1 + spectral_norm(at.weight)) * spectral_norm(at.value)


def _build_far(sizes: Chosen, params: Params) -> AttentionPair:
    """As in a ball, but the weight does not shrink where the tokens grow."""
    return build_pair({**sizes, "scale": 0}, {**params, "tokens": params["tokens"] * sizes["far"]})


DOT_PRODUCT = Theorem[AttentionPair](
    key="dot-product-attention-lipschitz",
    claim=r"\|f(X) - f(Y)\|_F \le n (1 + \|W\|_2) \|V\|_2 \, \|X - Y\|_F"
    r"\quad\text{for all } X, Y,\ f(X) = \mathrm{softmax}(X W X^\top) X V",
    source="kim2021lipschitz",
    domain=Domain(
        sizes={
            **{name: size for name, size in PAIR_SIZES.items() if name != "scale"},
            "far": Length(1, 64),
        },
        free=PAIR_FREE,
        make=_build_far,
    ),
    lhs=lambda at: at.moved,
    rhs=lambda at: _formula(at) * at.apart,
    rounding=lambda at: pair_rounding(at, _formula(at)),
    expected="refuted",
    witness=lambda: spread_pair(8.0, allowed=8.0),
    correction="attention-lipschitz-ball: a bound needs the length of the tokens",
    note="Refuted there as a theorem too: with tokens at 0 and +-R on a line the output of the "
    "first moves by 2/3 R^2 as much as it does, so no formula of the weights and n is a bound. The "
    "one stated stands for all of them; a multiple of it needs a larger R.",
)
