"""How much can attention with its residual stretch the distance to M, at worst? (derived)"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, namespace
from theory.bounds.rounding import distance_rounding, product_rounding, row_defect
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.spectra.norms import coupling, spectral_norm, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params, adjacency
from theory.statements.real_layer import RealLayer, each_layer
from theory.statements.sizes import Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.shi2022_lemmas import scaled, sums_to_one
from theory.theorems.common import flag


@brief_repr
@dataclass(frozen=True, eq=False)
class ResidualAttention:
    """Tokens (*b, n, d), what h heads hear (*b, h, n, n), value times output (*b, h, d, d)."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "adjacency": "h n n", "value": "h d d"}

    tokens: Array
    adjacency: Array
    value: Array

    @cached_property
    def added(self) -> Array:
        """What each head adds: (*b, h, n, d)."""
        return self.adjacency @ (self.tokens[..., None, :, :] @ self.value)

    @cached_property
    def output(self) -> Array:
        """H + sum_k A_k H V_k."""
        return self.tokens + namespace(self.tokens).sum(self.added, axis=-3)

    @cached_property
    def norms(self) -> Array:
        """The sum t of the spectral norms of V_k: (*b,)."""
        return namespace(self.value).sum(spectral_norm(self.value), axis=-1)


def worst_factor(kappa: Array | float, t: Array) -> Array:
    """Return G = (sqrt(4 (1 + t) + t^2 kappa^2) + t kappa) / 2, of shape t.

    It is the norm of I + t kappa u v^T for unit vectors with <u, v> = 1 / kappa.
    """
    return (namespace(t).sqrt(4 * (1 + t) + (t * kappa) ** 2) + t * kappa) / 2


def _two_hubs(at: ResidualAttention) -> Array:
    """Return sqrt(lambda) of two hubs that share all tokens, the largest there is."""
    n = at.tokens.shape[-2]
    return worst_factor((2 * (n**2 // 4) / n) ** 0.5, at.norms)


def _by_kappa(at: ResidualAttention) -> Array:
    kappa = namespace(at.tokens).max(coupling(at.adjacency), axis=-1)
    return namespace(kappa).where(kappa >= 1, worst_factor(kappa, at.norms), 1 + kappa * at.norms)


def _rounding(at: ResidualAttention) -> Array:
    """Two products a head, their sum; rows that miss one; t, which G follows 1 + kappa fold.

    Rows that miss one by a vector r are rows of attention but for |r| |A|, and a common token c
    adds r c V: both are at most the defect times |A| |H| |V|, as |A| >= 1 here.
    """
    xp, n, unit = namespace(at.tokens), at.tokens.shape[-2], eps(at.tokens)
    size, heads = frobenius_norm(at.tokens), at.value.shape[-3]
    weights, values = frobenius_norm(at.adjacency), frobenius_norm(at.value)
    through = at.tokens[..., None, :, :] @ at.value
    missed = product_rounding(at.adjacency, through)
    missed = missed + weights * product_rounding(at.tokens[..., None, :, :], at.value)
    missed = missed + 2 * row_defect(at.adjacency) * weights * size[..., None] * values
    summed = size + xp.sum(frobenius_norm(at.added), axis=-1)
    left = xp.sum(missed, axis=-1) + (heads + 1) * unit * summed + distance_rounding(at.output)
    factor = worst_factor(n**0.5, at.norms)  # kappa is less than sqrt n
    off = xp.sum(spectral_norm_error(at.value), axis=-1) + (heads + 16) * unit * factor
    distance = consensus_distance(at.tokens)
    return left + (1 + n**0.5) * off * distance + factor * distance_rounding(at.tokens)


def _rows_miss_one(at: ResidualAttention) -> Array:
    return namespace(at.tokens).max(sums_to_one(at.adjacency), axis=-1)


def _negative(at: ResidualAttention) -> Array:
    return -namespace(at.adjacency).min(at.adjacency, axis=(-3, -2, -1))


def _build(sizes: Chosen, params: Params) -> ResidualAttention:
    value = params["value"] * 2.0 ** sizes["strength"]
    return ResidualAttention(scaled(params["tokens"], sizes), adjacency(params["weights"]), value)


def _domain(heads: Length) -> Domain[ResidualAttention]:
    return Domain(
        sizes={
            "tokens": few_tokens(2, 9),
            "features": few_features(1, 3),
            "heads": heads,
            "scale": Exponent(-480, 460),
            "strength": Exponent(-4, 4, typical=-1),
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weights": Free("graph", ("heads", "tokens", "tokens")),
            "value": Free("matrix", ("heads", "features", "features")),
        },
        make=_build,
    )


def _layer(layer: RealLayer) -> ResidualAttention:
    attention = layer.block.attention
    value = attention.value if attention.output is None else attention.value @ attention.output
    value = namespace(layer.tokens).broadcast_to(value, (layer.tokens.shape[0], *value.shape))
    return ResidualAttention(layer.tokens, layer.heads, value)


def _hubs() -> ResidualAttention:
    """Two hubs, each heard by half of four tokens, and the tokens that they stretch most."""
    hears = np.eye(4)[[0, 0, 3, 3]]
    centred = np.eye(4) - 0.25
    tokens = np.linalg.svd(centred @ (np.eye(4) + hears) @ centred)[2][0]
    return ResidualAttention(tokens[:, None], hears[None], np.ones((1, 1, 1)))


ROWS = Hypothesis("every row of every A sums to one", _rows_miss_one)
WEIGHTS = Hypothesis("no attention weight is negative", _negative)

EXACT = Theorem[ResidualAttention](
    key="residual-attention-exact",
    claim=r"d_M(H + \sum_k A_k H V_k) \le G \, d_M(H),\quad G = \tfrac12 \left("
    r"\sqrt{4 (1 + t) + t^2 \kappa^2} + t \kappa\right),\ t = \sum_k \|V_k\|_2,\ "
    r"\kappa^2 = \tfrac2n \lfloor \tfrac{n^2}4 \rfloor",
    source="derived",
    domain=_domain(Length(1, 3, typical=4)),
    hypotheses=(ROWS, WEIGHTS),
    lhs=lambda at: consensus_distance(at.output),
    rhs=lambda at: _two_hubs(at) * consensus_distance(at.tokens),
    rounding=_rounding,
    tight=True,
    from_layers=each_layer(_layer),
    witness=_hubs,
    outside=lambda: ResidualAttention(
        np.asarray([[1.0], [-1.0]]), np.asarray([[[3.0, -2.0], [-2.0, 3.0]]]), np.ones((1, 1, 1))
    ),
    note="Two hubs reach it, for every n and t. docs/proofs.md has the proof: the smallest ball "
    "around the tokens that are heard, and who must be far out in it. Certificates "
    "(oversmooth prove residual-attention) prove it another way, up to 1e-6, for n = 2 to 8 and "
    "t = 1/4, 1/2, 1, 2. The published coefficient 1 + sqrt(lambda) t is larger: sqrt(lambda) is "
    "kappa at worst.",
)
BY_KAPPA = Theorem[ResidualAttention](
    key="residual-attention-by-kappa",
    claim=r"d_M(H + A H V) \le G \, d_M(H) \text{ with } \kappa = \sqrt{\lambda(A)} \text{ in G "
    r"(if at least 1; else } 1 + \kappa t)",
    source="derived",
    domain=_domain(Length(1, 1)),
    hypotheses=(
        ROWS,
        WEIGHTS,
        Hypothesis(
            "there is one head",
            lambda at: flag(at.value.shape[-3] != 1, like=at.tokens[..., 0, 0]),
        ),
    ),
    lhs=EXACT.lhs,
    rhs=lambda at: _by_kappa(at) * consensus_distance(at.tokens),
    rounding=_rounding,
    expected="refuted",
    witness=lambda: ResidualAttention(
        np.asarray([[37.0], [-28.0], [-17.0], [8.0]]),
        np.eye(4)[None, [1, 0, 0, 2]],
        np.full((1, 1, 1), -0.5),
    ),
    correction="residual-attention-exact: the largest kappa that n tokens allow",
    note="kappa says how far A stretches, not at which angle: here two tokens hear each other, and "
    "V < 0 adds what it does to them.",
)
