"""How far from consensus is what fuses the hidden states of several layers? (derived here)"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.fusion import concat_fusion, gate_fusion, max_fusion
from theory.bounds.rounding import distance_rounding
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.spectra.norms import singular_values, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.real_layer import RealLayer
from theory.statements.sizes import Exponent, Length, Size, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import flag, varies


@brief_repr
@dataclass(frozen=True, eq=False)
class Fusion:
    """Hidden states of L layers (*b, L, n, d), and what is added to every token, (*b, n, c).

    They are fused by a number for each layer (*b, L), a matrix for each (*b, L, d, c), a gate
    (*b, L, d), or by their maximum where none of these is given.
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "L n d",
        "bias": "n c",
        "factors": "L",
        "matrices": "L d c",
        "gate": "L d",
    }

    tokens: Array
    bias: Array
    factors: Array | None = None
    matrices: Array | None = None
    gate: Array | None = None

    @property
    def kind(self) -> str:
        """What fuses the layers: the names of what is given, or max."""
        given = ("factors", "matrices", "gate")
        return " and ".join(name for name in given if getattr(self, name) is not None) or "max"

    @property
    def fused(self) -> Array:
        """The fused tokens (*b, n, c)."""
        if self.gate is not None:
            return gate_fusion(self.tokens, self.gate, bias=self.bias)
        if self.factors is None and self.matrices is None:
            return max_fusion(self.tokens, bias=self.bias)
        return concat_fusion(
            self.tokens, factors=self.factors, matrices=self.matrices, bias=self.bias
        )


def _weights(at: Fusion) -> tuple[Array, Array, Array]:
    """Return norm, smallest singular value on rows, and the error of both: (*b, L) each."""
    if at.matrices is None:
        xp = namespace(at.tokens)
        norm = xp.ones_like(at.tokens[..., 0, 0]) if at.factors is None else xp.abs(at.factors)
        return norm, norm, 0 * norm
    values = singular_values(at.matrices)
    d, c = at.matrices.shape[-2:]
    low = values[..., -1] if d <= c else 0 * values[..., -1]
    return values[..., 0], low, spectral_norm_error(at.matrices)


def weighted_sum(at: Fusion) -> Array:
    """Return the distances of the layers, each times the norm of its weight, summed."""
    norm, _, _ = _weights(at)
    return namespace(norm).sum(norm * consensus_distance(at.tokens), axis=-1)


def _lower(at: Fusion) -> Array:
    """What one layer keeps less what the others can take away, for the best layer."""
    norm, low, _ = _weights(at)
    xp, d = namespace(norm), consensus_distance(at.tokens)
    return xp.max((low + norm) * d, axis=-1) - xp.sum(norm * d, axis=-1)


def _rounding(at: Fusion) -> Array:
    """Products and sum over L layers, then the bias; the distances; and the errors of the norms.

    A lower bound holds every layer at most twice, an upper one once.
    """
    (number, n, d), unit, small = at.tokens.shape[-3:], eps(at.tokens), tiny(at.tokens)
    xp, (norm, _, error) = namespace(at.tokens), _weights(at)
    size = norm if at.matrices is None else frobenius_norm(at.matrices)
    lost = xp.sum((d + number + 1) * unit * size * frobenius_norm(at.tokens), axis=-1)
    lost = lost + unit * frobenius_norm(at.fused) + 4 * number * n * d * small
    right = norm * distance_rounding(at.tokens) + error * consensus_distance(at.tokens)
    right = right + (number + 3) * unit * norm * consensus_distance(at.tokens)
    return lost + distance_rounding(at.fused) + 3 * xp.sum(right, axis=-1)


def fused_by(kind: str) -> Hypothesis[Fusion]:
    """Return the hypothesis that the layers are fused so, and in no other way."""
    like = "their maximum" if kind == "max" else f"the {kind}"
    return Hypothesis(
        f"the layers are fused by {like} alone",
        lambda at: flag(at.kind != kind, like=at.tokens[..., 0, 0, 0]),
    )


ONE_SHIFT = Hypothesis[Fusion]("the bias is the same for every token", lambda at: varies(at.bias))
FUSION_SIZES: dict[str, Size] = {
    "layers": Length(1, 4, typical=2),
    "tokens": few_tokens(2, 6),
    "features": few_features(1, 4),
    "scale": Exponent(-900, 900),
}
LAYER_STACK = {
    "tokens": Free("tokens", ("layers", "tokens", "features")),
    "bias": Free("vector", ("features",), typical="zeros"),
}


def build_fusion(name: str) -> Callable[[Chosen, Params], Fusion]:
    """Return the build function for the weights of that name, or for the maximum, "max"."""

    def build(sizes: Chosen, params: Params) -> Fusion:
        scale, tokens = 2.0 ** sizes["scale"], params["tokens"]
        chosen = {} if name == "max" else {name: params[name]}
        like = tokens[..., 0, :, :]
        if name == "matrices":
            like = like @ params[name][..., 0, :, :]
        bias = 0 * like + params["bias"][..., None, :]
        return Fusion(tokens * scale, bias * scale, **chosen)

    return build


def _domain(name: str, free: Free | None = None, **sizes: Size) -> Domain[Fusion]:
    axis = "width" if name == "matrices" else "features"
    bias = Free("vector", (axis,), typical="zeros")
    arrays = {**LAYER_STACK, "bias": bias} | ({} if free is None else {name: free})
    return Domain(sizes={**FUSION_SIZES, **sizes}, free=arrays, make=build_fusion(name))


def layer_batch(at: Fusion) -> tuple[int, ...]:
    """Return the batch axes, those before layers, tokens and features."""
    return tuple(at.tokens.shape[:-3])


PAIR = np.asarray([[1.0], [-1.0]])
TWO_LAYERS = np.stack([PAIR, 2 * PAIR])
NO_BIAS = np.zeros((2, 1))
_SCALARS = _domain("factors", Free("vector", ("layers",)))
_MATRICES = _domain(
    "matrices",
    Free("matrix", ("layers", "features", "width")),
    width=few_features(1, 4),
)
_SUM_PROOF = (
    "A linear map of the features side by side is a sum over the layers; d_M is a norm on the "
    "tokens modulo M, and the sum is at least its largest term less all the others."
)


def _largest_entries(layers: Sequence[RealLayer]) -> Iterator[Fusion]:
    """The largest entries of the outputs of all layers."""
    tokens = np.stack([layer.step.output for layer in layers], axis=-3)
    yield Fusion(tokens, np.zeros_like(tokens[:, 0]))


def _mean(layers: Sequence[RealLayer]) -> Iterator[Fusion]:
    """The mean of the outputs of all layers."""
    for at in _largest_entries(layers):
        yield replace(at, factors=np.full(at.tokens.shape[:-2], 1 / len(layers)))


def _concat(
    key: str, claim: str, domain: Domain[Fusion], example: Callable[[float], Fusion], *, low: bool
) -> Theorem[Fusion]:
    """``example`` gives the second of two layers a weight: of the first one's sign, or not."""

    def distance(at: Fusion) -> Array:
        return consensus_distance(at.fused)

    plain = example(-3.0 if low else 3.0)
    varying = Fusion(plain.tokens, -plain.fused if low else plain.fused, plain.factors)
    if plain.matrices is not None:
        varying = Fusion(plain.tokens, varying.bias, matrices=plain.matrices)
    return Theorem[Fusion](
        key=key,
        claim=claim,
        source="derived",
        domain=domain,
        hypotheses=(fused_by(plain.kind), ONE_SHIFT),
        lhs=_lower if low else distance,
        rhs=distance if low else weighted_sum,
        rounding=_rounding,
        scale=weighted_sum,
        tight=True,
        from_layers=None if plain.factors is None else _mean,
        witness=lambda: plain,
        outside=lambda: varying,
        note=_SUM_PROOF,
        batch=layer_batch,
    )


def _scalars(weight: float) -> Fusion:
    return Fusion(TWO_LAYERS, NO_BIAS + 5.0, factors=np.asarray([1.0, weight]))


def _identities(weight: float) -> Fusion:
    return Fusion(TWO_LAYERS, NO_BIAS, matrices=np.asarray([[[1.0]], [[weight]]]))


def root_of_squares(at: Fusion) -> Array:
    """Return the root of the sum of the squares of the distances of the layers."""
    return frobenius_norm(consensus_distance(at.tokens)[..., None, :])


FUSION_THEOREMS: tuple[Theorem[Fusion], ...] = (
    _concat(
        "fusion-concat",
        r"d_M(\sum_k a_k H_k + \mathbf{1} b^\top) \le \sum_k |a_k| \, d_M(H_k)",
        _SCALARS,
        _scalars,
        low=False,
    ),
    _concat(
        "fusion-concat-lower",
        r"2 \max_k |a_k| \, d_M(H_k) - \sum_k |a_k| \, d_M(H_k)"
        r" \le d_M(\sum_k a_k H_k + \mathbf{1} b^\top)",
        _SCALARS,
        _scalars,
        low=True,
    ),
    _concat(
        "fusion-concat-matrices",
        r"d_M(\sum_k H_k W_k + \mathbf{1} b^\top) \le \sum_k \|W_k\|_2 \, d_M(H_k)",
        _MATRICES,
        _identities,
        low=False,
    ),
    _concat(
        "fusion-concat-matrices-lower",
        r"\max_k (\sigma_{\min}(W_k) + \|W_k\|_2) \, d_M(H_k) - \sum_k \|W_k\|_2 \, d_M(H_k)"
        r" \le d_M(\sum_k H_k W_k + \mathbf{1} b^\top)",
        _MATRICES,
        _identities,
        low=True,
    ),
    Theorem[Fusion](
        key="fusion-max",
        claim=r"d_M(\max_k H_k + \mathbf{1} b^\top) \le (\sum_k d_M(H_k)^2)^{1/2}",
        source="derived",
        domain=_domain("max"),
        hypotheses=(fused_by("max"), ONE_SHIFT),
        lhs=lambda at: consensus_distance(at.fused),
        rhs=root_of_squares,
        rounding=_rounding,
        tight=True,
        from_layers=_largest_entries,
        witness=lambda: Fusion(  # each layer is the larger one where it varies
            np.asarray([[[9.0, 0.0], [7.0, 0.0]], [[0.0, 5.0], [0.0, 8.0]]]), np.zeros((2, 2))
        ),
        outside=lambda: Fusion(TWO_LAYERS, 3 * PAIR),
        note="Two maxima differ by at most the largest difference, in every feature of every pair "
        "of tokens; its square is at most the sum of the squares over the layers.",
        batch=layer_batch,
    ),
)
