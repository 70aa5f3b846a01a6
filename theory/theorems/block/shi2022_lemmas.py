"""By how much can a linear map, a sum and attention stretch the distance? (shi2022, lemma 1)"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.bounds.rounding import (
    distance_rounding,
    product_rounding,
    row_defect,
    row_sum_allowance,
)
from theory.graphs.stochastic import row_sum_error
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.spectra.norms import coupling, coupling_error, spectral_norm, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params, adjacency
from theory.statements.real_layer import RealLayer, each_layer
from theory.statements.sizes import FLAG, Exponent, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import varies

_SCALES = Exponent(-1070, 980)  # powers of two that leave the products below the largest number


def scaled(tokens: Array, sizes: Chosen) -> Array:
    """Return the tokens on the scale that the sizes name."""
    return tokens * 2.0 ** sizes["scale"]


def sums_to_one(weights: Array) -> Array:
    """Return by how much some row of A misses one beyond what is allowed: (*b, n, n) -> (*b,)."""
    return row_sum_error(weights) - row_sum_allowance(weights)


@brief_repr
@dataclass(frozen=True, eq=False)
class LinearMap:
    """Tokens (*b, n, d), a weight (*b, d, c) and what is added to every token, (*b, n, c)."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "weight": "d c", "bias": "n c"}

    tokens: Array
    weight: Array
    bias: Array


def _linear_rounding(at: LinearMap) -> Array:
    """Product and sum on the left; the norm of W and both distances."""
    distance, norm = consensus_distance(at.tokens), spectral_norm(at.weight)
    added = eps(at.tokens) * (frobenius_norm(at.tokens @ at.weight) + frobenius_norm(at.bias))
    right = spectral_norm_error(at.weight) * distance + norm * distance_rounding(at.tokens)
    left = product_rounding(at.tokens, at.weight) + added
    return left + distance_rounding(_linear_output(at)) + right


def _linear_output(at: LinearMap) -> Array:
    return at.tokens @ at.weight + at.bias


def _build_linear(sizes: Chosen, params: Params) -> LinearMap:
    xp = namespace(params["tokens"])
    bias = xp.zeros_like(params["tokens"] @ params["weight"]) + params["bias"][..., None, :]
    return LinearMap(scaled(params["tokens"], sizes), params["weight"], scaled(bias, sizes))


def _first_map(layer: RealLayer) -> LinearMap:
    """The first map of the feed-forward sublayer."""
    ffn, tokens = layer.block.feed_forward, layer.middle
    assert ffn is not None
    assert ffn.bias_in is not None
    bias = namespace(tokens).zeros_like(tokens @ ffn.weight_in) + ffn.bias_in
    return LinearMap(tokens, ffn.weight_in, bias)


LINEAR = Theorem[LinearMap](
    key="linear",
    claim=r"d_M(H W + \mathbf{1} b^\top) \le \|W\|_2 \, d_M(H)",
    source="shi2022",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 5),
            "width": few_features(1, 5),
            "scale": _SCALES,
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weight": Free("matrix", ("features", "width")),
            "bias": Free("vector", ("width",), typical="zeros"),
        },
        make=_build_linear,
    ),
    hypotheses=(Hypothesis("the bias is the same for every token", lambda at: varies(at.bias)),),
    lhs=lambda at: consensus_distance(_linear_output(at)),
    rhs=lambda at: spectral_norm(at.weight) * consensus_distance(at.tokens),
    rounding=_linear_rounding,
    tight=True,
    from_layers=each_layer(_first_map),
    witness=lambda: LinearMap(np.asarray([[1.0], [-1.0]]), np.full((1, 1), 3.0), np.ones((2, 1))),
    outside=lambda: LinearMap(np.ones((2, 1)), np.ones((1, 1)), np.asarray([[0.0], [1.0]])),
)


@brief_repr
@dataclass(frozen=True, eq=False)
class WeightedSum:
    """Two sets of tokens (*b, n, d), and what each token of theirs is multiplied by, (*b, n)."""

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "other": "n d",
        "weights": "n",
        "other_weights": "n",
    }

    tokens: Array
    other: Array
    weights: Array
    other_weights: Array


def _summed(at: WeightedSum) -> Array:
    return at.weights[..., None] * at.tokens + at.other_weights[..., None] * at.other


def _sum_rounding(at: WeightedSum) -> Array:
    """Two products and a sum on the left, and all three distances."""
    unit, small = eps(at.tokens), tiny(at.tokens)
    total = distance_rounding(_summed(at)) + 4 * small
    for weights, tokens in ((at.weights, at.tokens), (at.other_weights, at.other)):
        factor = namespace(weights).abs(weights[..., 0])
        total = total + factor * (2 * unit * frobenius_norm(tokens) + distance_rounding(tokens))
    return total + 2 * unit * _sum_bound(at)


def _sum_bound(at: WeightedSum) -> Array:
    xp = namespace(at.tokens)
    first = xp.abs(at.weights[..., 0]) * consensus_distance(at.tokens)
    return first + xp.abs(at.other_weights[..., 0]) * consensus_distance(at.other)


def _weights_vary(at: WeightedSum) -> Array:
    xp = namespace(at.weights)
    first, second = (
        xp.max(xp.abs(each - each[..., :1]), axis=-1) for each in (at.weights, at.other_weights)
    )
    return xp.maximum(first, second)


def _build_sum(sizes: Chosen, params: Params) -> WeightedSum:
    tokens, other = scaled(params["tokens"], sizes), scaled(params["other"], sizes)
    same = 0 * params["tokens"][..., 0]
    a, b = params["weight"][..., None] + same, params["other_weight"][..., None] + same
    return WeightedSum(tokens, other, a, b)


_HALVES = np.asarray([[1.0], [-1.0]])


def _residual(layer: RealLayer) -> WeightedSum:
    """The residual sum around the attention."""
    one = namespace(layer.tokens).ones_like(layer.tokens[..., 0])
    return WeightedSum(layer.tokens, layer.attended, one, one)


WEIGHTED_SUM = Theorem[WeightedSum](
    key="weighted-sum",
    claim=r"d_M(a H + b B) \le |a| \, d_M(H) + |b| \, d_M(B)",
    source="shi2022",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 4),
            "scale": _SCALES,
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "other": Free("tokens", ("tokens", "features")),
            "weight": Free("scalar"),
            "other_weight": Free("scalar"),
        },
        make=_build_sum,
    ),
    hypotheses=(Hypothesis("a and b are the same for every token", _weights_vary),),
    lhs=lambda at: consensus_distance(_summed(at)),
    rhs=_sum_bound,
    rounding=_sum_rounding,
    tight=True,
    from_layers=each_layer(_residual),
    witness=lambda: WeightedSum(_HALVES, -_HALVES, np.full(2, 2.0), np.full(2, -3.0)),
    outside=lambda: WeightedSum(
        np.ones((2, 1)), np.ones((2, 1)), np.asarray([1.0, 0.0]), np.zeros(2)
    ),
)


@brief_repr
@dataclass(frozen=True, eq=False)
class Averaging:
    """Tokens (*b, n, d) and what they listen to: the adjacency (*b, n, n) of one head."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "adjacency": "n n"}

    tokens: Array
    adjacency: Array


def _one_head(function: Callable[[Array], Array], at: Averaging) -> Array:
    return function(at.adjacency[..., None, :, :])[..., 0]


def _averaging_rounding(at: Averaging) -> Array:
    """Allow the product, rows that miss one, sqrt(lambda), and the two distances.

    A sends the mean token to itself plus (A 1 - 1) mean, and the mean is at most |H| / sqrt n.
    """
    n = at.tokens.shape[-2]
    left = product_rounding(at.adjacency, at.tokens)
    left = left + row_defect(at.adjacency) * frobenius_norm(at.tokens) / n**0.5
    left = left + distance_rounding(at.adjacency @ at.tokens)
    root, error = _one_head(coupling, at), _one_head(coupling_error, at)
    return left + error * consensus_distance(at.tokens) + 2 * root * distance_rounding(at.tokens)


def every_head(layer: RealLayer) -> Averaging:
    """Return each head's weights on the tokens that enter a layer."""
    shape = (*layer.heads.shape[:2], *layer.tokens.shape[1:])
    xp = namespace(layer.tokens)
    return Averaging(xp.broadcast_to(layer.tokens[:, None, ...], shape), layer.heads)


ATTENTION = Theorem[Averaging](
    key="attention",
    claim=r"d_M(A H) \le \sqrt{\lambda} \, d_M(H),\quad"
    r" \lambda = \lambda_{\max}(A^\top (I - e e^\top) A)",
    source="shi2022",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 4),
            "scale": _SCALES,
            "signed": FLAG,
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weights": Free("graph", ("tokens", "tokens")),
        },
        make=lambda sizes, params: Averaging(
            scaled(params["tokens"], sizes),
            adjacency(params["weights"], signed=sizes["signed"]),
        ),
    ),
    hypotheses=(Hypothesis("every row of A sums to one", lambda at: sums_to_one(at.adjacency)),),
    lhs=lambda at: consensus_distance(at.adjacency @ at.tokens),
    rhs=lambda at: _one_head(coupling, at) * consensus_distance(at.tokens),
    rounding=_averaging_rounding,
    tight=True,
    from_layers=each_layer(every_head),
    witness=lambda: Averaging(  # two hubs: sqrt(lambda) = sqrt(n / 2)
        np.asarray([[1.0], [-1.0], [0.0], [0.0]]), np.eye(4)[[0, 1, 0, 1]]
    ),
    outside=lambda: Averaging(np.ones((2, 1)), np.diag([1.0, 0.0])),
    note="Only A 1 = 1 is needed. sqrt(lambda) may exceed one: two hubs reach sqrt(n / 2).",
)
