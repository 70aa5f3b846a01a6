"""By how much can an activation stretch the distance to consensus? (ReLU: shi2022, lemma 1)"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, tiny
from theory.blocks.activations import ACTIVATIONS
from theory.bounds.rounding import ACTIVATION_STEPS, distance_rounding
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.real_layer import RealLayer, each_layer
from theory.statements.sizes import FLAG, Exponent, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.shi2022_lemmas import scaled

_PROOF = (
    "Proof: n d_M^2 sums the squares of the differences of all pairs of tokens, and phi makes no "
    "difference of two entries larger than c times what it was."
)


@brief_repr
@dataclass(frozen=True, eq=False)
class Activated:
    """Tokens (*b, n, d) and a number that is claimed to bound the activation's slope, (*b,)."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "constant": ""}

    tokens: Array
    constant: Array


def activation_theorem(
    name: str,
    *,
    steepest: tuple[float, float],
    constant: float | None = None,
    key: str = "",
    correction: str = "",
    note: str = "",
) -> Theorem[Activated]:
    """State the lemma for one activation, which is steepest between the two given entries.

    The source states it for ReLU; the others are derived here by the same proof. With a
    ``constant``, that number is claimed whatever the activation's slope is.
    """
    phi = ACTIVATIONS[name]
    claimed = constant is not None

    def build(sizes: Chosen, params: Params) -> Activated:
        slack = 1 + params["slack"] ** 2 * float(sizes.get("loose", True))
        number = phi.lipschitz * slack if constant is None else 0 * slack + constant
        tokens = scaled(params["tokens"], sizes)
        if sizes.get("steep", False):
            tokens = (steepest[0] + steepest[1]) / 2 + params["tokens"] / 8
        return Activated(tokens, number)

    def rounding(at: Activated) -> Array:
        """Allow the activation's own error, two distances and a product."""
        left = ACTIVATION_STEPS * (eps(at.tokens) * frobenius_norm(at.tokens) + tiny(at.tokens))
        left = left + distance_rounding(phi.function(at.tokens))
        return left + 2 * at.constant * distance_rounding(at.tokens)

    def before_it(layer: RealLayer) -> Activated:
        """What enters the activation, whichever one the theorem is about."""
        ffn = layer.block.feed_forward
        assert ffn is not None
        hidden = layer.middle @ ffn.weight_in + ffn.bias_in
        number = phi.lipschitz if constant is None else constant
        return Activated(hidden, 0 * hidden[..., 0, 0] + number)

    entries = np.asarray([[steepest[0]], [steepest[1]]])
    steep = ("c is at least sup |phi'|", lambda at: phi.lipschitz - at.constant)
    return Theorem[Activated](
        key=key or f"activation-{name.replace('_', '-')}",
        claim=r"d_M(\phi(H)) \le c \, d_M(H),\quad \phi = \text{"
        + name.replace("_", " ")
        + r"},\ c = "
        + (f"{constant:g}" if constant is not None else rf"\sup|\phi'| = {phi.lipschitz:.6g}"),
        source="shi2022" if name == "relu" else "derived",
        domain=Domain(
            sizes={
                "tokens": few_tokens(2, 6),
                "features": few_features(1, 4),
                "scale": Exponent(-1070, 300),
                "loose": FLAG,
                "steep": FLAG,
            },
            free={
                "tokens": Free("tokens", ("tokens", "features")),
                "slack": Free("scalar", typical="zeros"),
            },
            make=build,
        ),
        hypotheses=() if claimed else (Hypothesis(*steep),),
        lhs=lambda at: consensus_distance(phi.function(at.tokens)),
        rhs=lambda at: at.constant * consensus_distance(at.tokens),
        rounding=rounding,
        tight=not claimed,
        expected="refuted" if claimed else "holds",
        from_layers=each_layer(before_it),
        witness=lambda: Activated(
            entries, np.float64(phi.lipschitz if constant is None else constant)
        ),
        outside=None if claimed else lambda: Activated(entries, np.float64(0.99 * phi.lipschitz)),
        correction=correction,
        note=note or _PROOF,
    )


# The gates are steepest at one point only, and flat to first order there: a millionth away the
# slope misses its supremum by less than 1e-12, well inside rounding of so small a difference.
# Where x tanh(x / 2) = 2, and the same for the tanh form: roots of theory.symbolic.maps.gate_root.
_SILU_STEEPEST = 2.3993572805154675
_QUICK_GELU_STEEPEST = _SILU_STEEPEST / 1.702
_GELU_TANH_STEEPEST = 1.4185040087908284
ACTIVATION_THEOREMS = (
    activation_theorem("relu", steepest=(1.0, 2.0)),
    activation_theorem("tanh", steepest=(-1e-9, 1e-9)),
    activation_theorem("gelu", steepest=(sqrt(2) - 1e-6, sqrt(2) + 1e-6)),
    activation_theorem(
        "gelu_tanh", steepest=(_GELU_TANH_STEEPEST - 1e-6, _GELU_TANH_STEEPEST + 1e-6)
    ),
    activation_theorem("silu", steepest=(_SILU_STEEPEST - 1e-6, _SILU_STEEPEST + 1e-6)),
    activation_theorem(
        "quick_gelu", steepest=(_QUICK_GELU_STEEPEST - 1e-6, _QUICK_GELU_STEEPEST + 1e-6)
    ),
)
GELU_WITH_RELU_CONSTANT = activation_theorem(
    "gelu",
    steepest=(1.0, 2.0),
    constant=1.0,
    key="activation-gelu-constant-one",
    correction=f"activation-gelu: c = {ACTIVATIONS['gelu'].lipschitz:.6f}",
    note="The published proof is for ReLU; BERT uses GELU, which rises faster than its argument.",
)
