"""How much can self-attention stretch differences of tokens in a ball? (castin2024, theorem 3.3)"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.forward import softmax
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.spectra.norms import spectral_norm, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import FLAG, Exponent, Size, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem


@brief_repr
@dataclass(frozen=True, eq=False)
class AttentionPair:
    """Two sets of tokens (*b, n, d) for one head, W_Q W_K^T and W_V (*b, d, d), a radius (*b,).

    The head is softmax(X W X^T) X V: any factor of the scores is part of W.
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "other": "n d",
        "weight": "d d",
        "value": "d d",
        "radius": "",
    }

    tokens: Array
    other: Array
    weight: Array
    value: Array
    radius: Array

    def attend(self, tokens: Array) -> Array:
        """Return the head's output on any tokens: (*b, n, d)."""
        scores = tokens @ self.weight @ namespace(tokens).matrix_transpose(tokens)
        return softmax(scores) @ tokens @ self.value

    @cached_property
    def moved(self) -> Array:
        """How far the outputs are apart: (*b,)."""
        return frobenius_norm(self.attend(self.tokens) - self.attend(self.other))

    @cached_property
    def apart(self) -> Array:
        """How far the tokens are apart: (*b,)."""
        return frobenius_norm(self.tokens - self.other)


def farthest(at: AttentionPair) -> Array:
    """Return the length of the longest token of the two sets: (*b,)."""
    xp = namespace(at.tokens)
    both = xp.maximum(xp.linalg.vector_norm(at.tokens, axis=-1), _lengths(at.other))
    return xp.max(both, axis=-1)


def _lengths(tokens: Array) -> Array:
    return namespace(tokens).linalg.vector_norm(tokens, axis=-1)


def pair_rounding(at: AttentionPair, coefficient: Array) -> Array:
    """Two heads and their difference; the distance of the tokens; the norms in the coefficient.

    A score loses (2 d + 3) eps R^2 |W|. Shares move in l1 by at most the largest change of a
    score, and the averages by so much times R; each product loses n or d eps.
    """
    (n, d), unit = at.tokens.shape[-2:], eps(at.tokens)
    radius, value = farthest(at), frobenius_norm(at.value)
    weight = frobenius_norm(at.weight)
    shares = (2 * d + 3) * unit * radius**2 * weight + (2 * n + 12) * unit
    lost = 2 * n**0.5 * (shares + d * unit) * radius * value
    relative = (n * d + 20) * unit + _relative_error(at.value) + 2 * _relative_error(at.weight)
    small = tiny(at.tokens) * (1 + radius) * (1 + value) * (1 + n * d)
    return lost + relative * (at.moved + coefficient * at.apart) + small


def _relative_error(matrix: Array) -> Array:
    xp, size = namespace(matrix), spectral_norm(matrix)
    return spectral_norm_error(matrix) / xp.where(size > 0, size, xp.ones_like(size))


def _coefficient(at: AttentionPair) -> Array:
    n, strength = at.tokens.shape[-2], _strength(at)
    return spectral_norm(at.value) * (3 * (strength**2 * (4 * n + 1) + n)) ** 0.5


def _strength(at: AttentionPair) -> Array:
    """S = |W| R^2, a bound of all scores."""
    return spectral_norm(at.weight) * at.radius**2


def _sharp_coefficient(at: AttentionPair) -> Array:
    n, strength = at.tokens.shape[-2], _strength(at)
    heard = n / (1 + (n - 1) * namespace(strength).exp(-2 * strength))  # n p
    return spectral_norm(at.value) * ((heard * (1 + strength**2)) ** 0.5 + strength)


def _sharp_rounding(at: AttentionPair) -> Array:
    """Of S the coefficient is at most a power of 2 + log n: S (n - 1) / (e^2S + n - 1) is less."""
    return (2 + math.log(at.tokens.shape[-2])) * pair_rounding(at, _sharp_coefficient(at))


def build_pair(sizes: Chosen, params: Params) -> AttentionPair:
    """Any tokens, others near them or not; sometimes the first one is at zero.

    There its shares are all equal, and turn fastest when it moves.
    """
    xp, tokens = namespace(params["tokens"]), params["tokens"]
    first = xp.ones_like(tokens[..., :1]) * float(sizes["central"])
    first = first * (xp.cumulative_sum(xp.ones_like(first), axis=-2) == 1)
    tokens = tokens * (1 - first)
    other = tokens + params["change"] * 0.5 ** sizes["near"]
    scale = 2.0 ** sizes["scale"]
    weight = params["weight"] * 2.0 ** (sizes["strength"] - 2 * sizes["scale"])
    at = AttentionPair(
        tokens * scale, other * scale, weight, params["value"], 0 * tokens[..., 0, 0]
    )
    return AttentionPair(at.tokens, at.other, weight, at.value, farthest(at))


PAIR_SIZES: dict[str, Size] = {
    "tokens": few_tokens(2, 6),
    "features": few_features(1, 4),
    "near": Exponent(0, 24, typical=10),
    "scale": Exponent(-100, 100),
    "strength": Exponent(-8, 4, typical=-3),
    "central": FLAG,
}
PAIR_FREE = {
    "tokens": Free("tokens", ("tokens", "features")),
    "change": Free("tokens", ("tokens", "features")),
    "weight": Free("matrix", ("features", "features")),
    "value": Free("matrix", ("features", "features")),
}


def spread_pair(radius: float, *, allowed: float) -> AttentionPair:
    """Return three tokens on a line, at 0 and +-radius, and the same with the first one moved.

    The first output moves by about 2/3 radius^2 times as much.
    """
    tokens = np.asarray([[0.0], [radius], [-radius]])
    other = tokens + np.asarray([[0.1 / radius], [0.0], [0.0]])
    return AttentionPair(tokens, other, np.ones((1, 1)), np.ones((1, 1)), np.float64(allowed))


_PAIR = np.asarray([[1.0], [-1.0]])
_IN_BALL = Hypothesis[AttentionPair](
    "no token is longer than R",
    lambda at: farthest(at) * (1 - (at.tokens.shape[-1] + 8) * eps(at.radius)) - at.radius,
)
_DOMAIN = Domain[AttentionPair](sizes=PAIR_SIZES, free=PAIR_FREE, make=build_pair)
BALL = Theorem[AttentionPair](
    key="attention-lipschitz-ball",
    claim=r"\|f(X) - f(Y)\|_F \le \sqrt{3} \, \|V\|_2 \, (\|W\|_2^2 R^4 (4n + 1) + n)^{1/2}"
    r" \, \|X - Y\|_F,\quad f(X) = \mathrm{softmax}(X W X^\top) X V,\ |x_i|, |y_i| \le R",
    source="castin2024",
    domain=_DOMAIN,
    hypotheses=(_IN_BALL,),
    lhs=lambda at: at.moved,
    rhs=lambda at: _coefficient(at) * at.apart,
    rounding=lambda at: pair_rounding(at, _coefficient(at)),
    outside=lambda: spread_pair(100.0, allowed=0.1),
    note="The ball is convex, so that the bound of the Jacobian is one of every difference "
    "quotient. W is the product of query and key with their factor 1 / sqrt(k). It follows from "
    "attention-lipschitz-ball-sharp, which is smaller by a third at least, so that it is never "
    "reached; for one token, where attention is linear, it is sqrt 3 too large.",
)
BALL_SHARP = Theorem[AttentionPair](
    key="attention-lipschitz-ball-sharp",
    claim=r"\|f(X) - f(Y)\|_F \le \|V\|_2 \, (\sqrt{n p (1 + S^2)} + S) \, \|X - Y\|_F,\quad"
    r" S = \|W\|_2 R^2,\ p = \tfrac{e^{2S}}{e^{2S} + n - 1},"
    r"\ f(X) = \mathrm{softmax}(X W X^\top) X V,\ |x_i|, |y_i| \le R",
    source="derived",
    domain=_DOMAIN,
    hypotheses=(_IN_BALL,),
    lhs=lambda at: at.moved,
    rhs=lambda at: _sharp_coefficient(at) * at.apart,
    rounding=_sharp_rounding,
    tight=True,
    witness=lambda: AttentionPair(
        _PAIR, _PAIR + 0.5, np.zeros((1, 1)), np.full((1, 1), 3.0), np.float64(1.5)
    ),
    outside=lambda: spread_pair(100.0, allowed=0.1),
    note="Proof: with m_i the mean and C_i the covariance of the x_j under the shares P_ij, row i "
    "of the derivative is (sum_j P_ij (dx_j + (x_i W dx_j) (x_j - m_i)) + dx_i W C_i) V. In the "
    "ball C_i <= R^2, so that the last term is at most S |dX|. The first, times a unit u, is a "
    "sum of P_ij dx_j . (u + c_j W^T x_i) with c_j = u . (x_j - m_i), at most the roots of "
    "sum_j P_ij |dx_j|^2 and of 1 + |W^T x_i|^2 sum_j P_ij c_j^2 <= 1 + S^2, because the c_j have "
    "mean zero. Scores are at most S, shares at most p, and a column of P at most n p in sum. "
    "Without scores, where attention is the mean, tokens that all move alike reach it.",
)
