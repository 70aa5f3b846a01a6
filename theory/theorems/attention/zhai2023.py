"""How low can the entropy of attention be for given weights and tokens? (zhai2023, theorem 3.1)"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from theory.arrays import Array, constant, eps, namespace, tiny
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.spectra.norms import spectral_norm, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.real_layer import RealLayer
from theory.statements.sizes import (
    TYPICAL_FEATURES,
    TYPICAL_TOKENS,
    Choice,
    Exponent,
    few_features,
    few_tokens,
)
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import to_norm_one


@brief_repr
@dataclass(frozen=True, eq=False)
class Scored:
    """Tokens (*b, n, d), the product of query and key (*b, d, d), and a bound of the scores (*b,).

    The scores are X W X^T; any factor such as 1 / sqrt(k) is part of W.
    """

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "weight": "d d", "sigma": ""}

    tokens: Array
    weight: Array
    sigma: Array

    @property
    def scores(self) -> Array:
        """What the softmax is taken of: (*b, n, n)."""
        return self.tokens @ self.weight @ namespace(self.tokens).matrix_transpose(self.tokens)


def _lowest_entropy(at: Scored) -> Array:
    """The smallest entropy of a row: log Z - sum_j p_j u_j with the scores u below zero."""
    xp, scores = namespace(at.tokens), at.scores
    scores = scores - xp.max(scores, axis=-1, keepdims=True)
    weights = xp.exp(scores)
    total = xp.sum(weights, axis=-1)
    entropy = xp.log(total) - xp.sum(weights * scores, axis=-1) / total
    return xp.min(entropy, axis=-1)


def entropy_bound(sigma: Array, *, tokens: int) -> Array:
    """Return the smallest entropy of a softmax of so many scores whose norm is at most sigma.

    Shapes: (*b,) -> (*b,); zero for one token
    Source: zhai2023, theorem 3.1
    """
    xp, others = namespace(sigma), tokens - 1
    if others == 0:
        return 0 * sigma
    root = constant(tokens, like=sigma) ** 0.5, constant(others, like=sigma) ** 0.5
    share = xp.exp(-sigma * root[0] / root[1])
    total = 1 + others * share
    return xp.log1p(others * share) + sigma * root[0] * root[1] * share / total


def _norms(at: Scored) -> tuple[Array, Array]:
    """Return |W| |X X^T| and the error of it."""
    tokens, weight = spectral_norm(at.tokens), spectral_norm(at.weight)
    moved = 2 * tokens * weight * spectral_norm_error(at.tokens)
    moved = moved + tokens**2 * spectral_norm_error(at.weight)
    return tokens**2 * weight, moved + 4 * eps(at.tokens) * tokens**2 * weight


def _too_small(at: Scored) -> Array:
    norm, error = _norms(at)
    return norm - at.sigma - error


def _rounding(at: Scored) -> Array:
    """Entropy moves by at most 2 log n times the largest change of a score.

    Scores lose (2 d + 3) eps |X|^2 |W|; the bound is the entropy of scores that err by 4 eps
    sigma and by what sigma itself may miss. Then the sums over n terms, each below one.
    """
    (n, d), unit = at.tokens.shape[-2:], eps(at.tokens)
    size = frobenius_norm(at.tokens) ** 2 * frobenius_norm(at.weight)
    moved = (2 * d + 3) * unit * size + 8 * unit * at.sigma + 2 * _norms(at)[1]
    return 2 * math.log(n) * moved + (2 * n + 16) * unit * (1 + math.log(n)) + n * tiny(at.sigma)


def _build(sizes: Chosen, params: Params) -> Scored:
    """Tokens and weight of norm one, times what makes the scores weak or strong."""
    tokens = to_norm_one(params["tokens"]) * 2.0 ** sizes["scale"]
    weight = to_norm_one(params["weight"]) * 2.0 ** (sizes["strength"] - 2 * sizes["scale"])
    at = Scored(tokens, weight, 0 * tokens[..., 0, 0])
    return Scored(tokens, weight, _norms(at)[0] * (1 + sizes["slack"]))


def _reaching(sigma: float) -> Scored:
    """Four orthonormal tokens, and one row of scores as uneven as its norm allows."""
    row = np.asarray([3.0, -1.0, -1.0, -1.0]) / math.sqrt(12)
    weight = np.zeros((4, 4))
    weight[0] = 2.0 * row
    return Scored(np.eye(4), weight, np.float64(sigma))


def _two_heads(layers: Sequence[RealLayer]) -> Iterator[Scored]:
    """Queries and keys of two heads without their biases, on the first text.

    Norms of so large matrices take long, and the bound is far off for each of them.
    """
    for layer in layers:
        attention, tokens = layer.block.attention, layer.tokens[0]
        assert attention.query is not None
        assert attention.key is not None
        for query, key in zip(attention.query[:2], attention.key[:2], strict=True):
            weight = attention.score_scale * (query @ key.T)
            yield Scored(tokens, weight, spectral_norm(tokens) ** 2 * spectral_norm(weight))


ENTROPY = Theorem[Scored](
    key="attention-entropy",
    claim=r"\log(1 + (n-1) b) + \frac{\sigma \sqrt{n(n-1)} \, b}{1 + (n-1) b}"
    r" \le \min_i \mathrm{Ent}(\mathrm{softmax}(X W X^\top)_i),\quad"
    r" b = e^{-\sigma \sqrt{n/(n-1)}},\ \sigma = \|W\|_2 \, \|X X^\top\|_2",
    source="zhai2023",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 6),
            "scale": Exponent(-100, 100),
            "strength": Exponent(-3, 6, typical=math.log2(TYPICAL_TOKENS * TYPICAL_FEATURES)),
            "slack": Choice((0.0, 0.25, 0.5)),
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weight": Free("matrix", ("features", "features")),
        },
        make=_build,
    ),
    hypotheses=(Hypothesis("sigma is at least the product of the two norms", _too_small),),
    lhs=lambda at: entropy_bound(at.sigma, tokens=at.tokens.shape[-2]),
    rhs=_lowest_entropy,
    rounding=_rounding,
    tight=True,
    from_layers=_two_heads,
    witness=lambda: _reaching(2.0),
    outside=lambda: _reaching(1.5),
    note="Proof that it is sharp: a row of scores has norm at most sigma; among rows of that norm "
    "the entropy is lowest at (n-1, -1, ..., -1), and with orthonormal tokens that row can be "
    "the only one that W makes. The published sigma has no 1 / sqrt(k): it is part of W here. It "
    "is a bound for full attention: a mask leaves a row fewer tokens and less entropy.",
)
