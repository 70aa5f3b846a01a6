"""How far from consensus is what a gate fuses: for each token its own mixture? (derived here)"""

import numpy as np

from theory.arrays import Array, InputError, eps, namespace, tiny
from theory.bounds.rounding import distance_rounding
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import FLAG, Exponent, Length
from theory.statements.theorem import Theorem
from theory.theorems.remedies.fusion_bounds import (
    FUSION_SIZES,
    LAYER_STACK,
    NO_BIAS,
    ONE_SHIFT,
    PAIR,
    TWO_LAYERS,
    Fusion,
    build_fusion,
    fused_by,
    layer_batch,
    root_of_squares,
    weighted_sum,
)


def _gate_norm(at: Fusion) -> Array:
    """The longest gate vector, from above."""
    if at.gate is None:
        raise InputError("there is no gate")
    xp, d = namespace(at.gate), at.gate.shape[-1]
    return (1 + (d + 5) * eps(at.gate)) * xp.max(xp.linalg.vector_norm(at.gate, axis=-1), axis=-1)


def _spread(at: Fusion) -> Array:
    """The largest distance between the states of one token in two layers, from above."""
    xp, d = namespace(at.tokens), at.tokens.shape[-1]
    differences = at.tokens[..., :, None, :, :] - at.tokens[..., None, :, :, :]
    longest = xp.max(xp.linalg.vector_norm(differences, axis=-1), axis=(-3, -2, -1))
    return (1 + (d + 5) * eps(at.tokens)) * longest


def _gate_bound(at: Fusion) -> Array:
    return (1 + _gate_norm(at) * _spread(at) / 2) * root_of_squares(at)


def _gate_rounding(at: Fusion) -> Array:
    """The scores, the average, the bias, and the distances.

    Scores lose (d + 1) eps |g| |h|, which moves a token by so much times the spread of its
    states; the average loses (L + 5) eps of the states.
    """
    (number, n, d), unit = at.tokens.shape[-3:], eps(at.tokens)
    size = frobenius_norm(at.tokens[..., 0, :, :])
    for k in range(1, number):
        size = size + frobenius_norm(at.tokens[..., k, :, :])
    scores = (d + 1) * unit * _gate_norm(at) * size
    lost = n**0.5 * scores * _spread(at) + (number + 8) * unit * size
    lost = lost + unit * frobenius_norm(at.fused) + distance_rounding(at.fused)
    right = (n * d + n + 16 + number) * unit * _gate_bound(at)
    return lost + right + 4 * number * n * d * tiny(at.tokens) * (1 + _gate_norm(at) * _spread(at))


_APART = Fusion(  # tokens one apart in the first layer, equal in the second, choose different ones
    np.asarray([[[1.0], [0.0]], [[100.0], [100.0]]]), NO_BIAS, gate=np.asarray([[60.0], [0.3]])
)


def _build_gate(sizes: Chosen, params: Params) -> Fusion:
    """Layers that are each close to consensus, or not, and far from each other, or not."""
    centre = params["centre"][..., None, :] * float(sizes["apart"])
    if sizes["shared"]:
        centre = centre[..., :1, :, :] + 0 * centre
    tokens = centre + params["tokens"] * 0.5 ** sizes["near"]
    return build_fusion("gate")(sizes, {**params, "tokens": tokens})


def _nearly_together() -> Fusion:
    """Two layers a little apart, but where they both are the gate prefers the one that varies."""
    step = 2.0**-22
    first = np.asarray([[20 + step], [20 - step]])
    tokens = np.stack([first, np.full((2, 1), 20.0)])
    return Fusion(tokens, NO_BIAS, gate=np.asarray([[1.0], [-1.0]]))


_GATES = Domain[Fusion](
    sizes={
        **FUSION_SIZES,
        "layers": Length(2, 4, typical=2),
        "scale": Exponent(-200, 300),
        "near": Exponent(0, 12),
        "apart": Length(0, 9),
        "shared": FLAG,
    },
    free={
        **LAYER_STACK,
        "gate": Free("matrix", ("layers", "features")),
        "centre": Free("matrix", ("layers", "features")),
    },
    make=_build_gate,
)
GATE_THEOREMS: tuple[Theorem[Fusion], ...] = (
    Theorem[Fusion](
        key="fusion-gate",
        claim=r"d_M(\mathrm{gate}(H_1, \ldots, H_L)) \le (1 + \max_k |g_k| \, \Delta / 2)"
        r" (\sum_k d_M(H_k)^2)^{1/2},\quad \Delta = \max_{i,k,l} |h_{ik} - h_{il}|",
        source="derived",
        domain=_GATES,
        hypotheses=(fused_by("gate"), ONE_SHIFT),
        lhs=lambda at: consensus_distance(at.fused),
        rhs=_gate_bound,
        rounding=_gate_rounding,
        tight=True,
        witness=_nearly_together,
        outside=lambda: Fusion(TWO_LAYERS[:1], 3 * PAIR, gate=np.zeros((1, 1))),
        note="Two tokens' averages differ by at most max_k |h_ik - h_jk| under the same shares. "
        "Other shares move them by half the l1 difference of the shares times Delta; softmax "
        "shares differ in l1 by at most max_k |g_k| |h_ik - h_jk|. If all layers are in M, "
        "so is the result. Sharp in the limit |g| Delta -> 0, where a gate can still prefer the "
        "one layer that varies, by what the layers have in common.",
        batch=layer_batch,
    ),
    Theorem[Fusion](
        key="fusion-gate-distances-alone",
        claim=r"d_M(\mathrm{gate}(H_1, \ldots, H_L)) \le \sum_k d_M(H_k)",
        source="derived",
        domain=_GATES,
        hypotheses=(fused_by("gate"), ONE_SHIFT),
        lhs=lambda at: consensus_distance(at.fused),
        rhs=weighted_sum,
        rounding=_gate_rounding,
        expected="refuted",
        witness=lambda: _APART,
        correction="fusion-gate: the gate's length and the distance between layers belong in it",
        note="Tokens that differ a little can choose different layers, and these may be as far "
        "apart as one likes: no function of the d_M(H_k) alone is a bound.",
        batch=layer_batch,
    ),
)
