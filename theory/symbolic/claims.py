"""Which claims of the catalogue can be written in sympy, and what do their symbols measure?

A claim is lhs <= rhs between closed forms in few numbers of an instance: distances, norms,
lambda, sigma. Those whose sides are no such form (identities of matrices, statements about all
layers or along a flow) stay LaTeX in the theorem's own `claim`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import sympy as sp

from theory.arrays import Array, InputError, namespace
from theory.blocks.activations import ACTIVATIONS, activation
from theory.blocks.forward import feed_forward, softmax
from theory.blocks.norms import apply_norm
from theory.graphs.stochastic import dobrushin_coefficient
from theory.measures.diameters import projective_diameter, token_diameter
from theory.measures.subspace import consensus_distance
from theory.spectra.norms import coupling, spectral_norm
from theory.symbolic.coefficient import (
    GATE_PEAK,
    GROWTH,
    HEADS,
    HIDDEN_PEAK,
    LAMBDA,
    LIPSCHITZ,
    PLAIN,
    ROW,
    SIGMA_1,
    SIGMA_2,
    S,
    block_coefficient,
    coefficient_floor,
    gated_coefficient,
)
from theory.symbolic.lemmas import Expr
from theory.symbolic.maps import lipschitz_constant

Measure: TypeAlias = Callable[[Any], Array]

BEFORE, AFTER, OTHER = sp.symbols("D_0 D_1 D_B", nonnegative=True)
"""d_M of what goes in, of what comes out, and of the second summand."""
NORM_W, NORM_V = sp.symbols("W V", nonnegative=True)
"""Spectral norms."""
A, B = sp.symbols("a b", real=True)
GAIN, TAU, SIGMA = sp.symbols("g tau sigma", positive=True)
DOBRUSHIN, BIRKHOFF = sp.symbols("tau_A Delta", nonnegative=True)
RANGE_0, RANGE_1 = sp.symbols("R_0 R_1", nonnegative=True)
"""Largest distance between two tokens, before and after."""
TOKENS = sp.Symbol("n", integer=True, positive=True)
BOUND, RADIUS, ENTROPY, COEFFICIENT = sp.symbols("beta R E v", nonnegative=True)
"""Bound of all scores, radius of a ball, smallest entropy of a row, v of a block."""


@dataclass(frozen=True)
class Formula:
    """A claim as a sympy relation, and what each of its symbols is on an instance."""

    relation: sp.Rel
    measures: Mapping[sp.Symbol, Measure]

    def sides(self, instance: Any) -> tuple[float, float]:
        """Return both sides for one instance (no batch), symbols replaced by what they measure."""
        used = sorted(self.relation.free_symbols, key=str)
        values = [float(self.measures[symbol](instance)) for symbol in used]
        sides = sp.lambdify(used, [self.relation.lhs, self.relation.rhs], modules="numpy")
        left, right = sides(*values)
        return float(left), float(right)


@cache
def formula(key: str) -> Formula:
    """Return the claim of the catalogue's theorem with this key.

    Raises: InputError if it is not written in sympy; see `FORMULAS`
    """
    if key not in FORMULAS:
        raise InputError(f"key must be one of {', '.join(FORMULAS)}, but is {key!r}")
    return FORMULAS[key]()


def _inequality(lower: Expr, upper: Expr, measures: Mapping[sp.Symbol, Measure]) -> Formula:
    return Formula(sp.Le(lower, upper, evaluate=False), measures)


_IN: dict[sp.Symbol, Measure] = {BEFORE: lambda at: consensus_distance(at.tokens)}
_HEARD: dict[sp.Symbol, Measure] = {
    **_IN,
    AFTER: lambda at: consensus_distance(at.adjacency @ at.tokens),
    LAMBDA: lambda at: coupling(at.adjacency[None])[0] ** 2,
    DOBRUSHIN: lambda at: dobrushin_coefficient(at.adjacency),
    BIRKHOFF: lambda at: projective_diameter(at.adjacency),
    RANGE_0: lambda at: token_diameter(at.tokens),
    RANGE_1: lambda at: token_diameter(at.adjacency @ at.tokens),
    TOKENS: lambda at: at.tokens.shape[-2],
}


def _linear() -> Formula:
    measures: dict[sp.Symbol, Measure] = {
        **_IN,
        AFTER: lambda at: consensus_distance(at.tokens @ at.weight + at.bias),
        NORM_W: lambda at: spectral_norm(at.weight),
    }
    return _inequality(AFTER, NORM_W * BEFORE, measures)


def _weighted_sum() -> Formula:
    measures: dict[sp.Symbol, Measure] = {
        **_IN,
        OTHER: lambda at: consensus_distance(at.other),
        A: lambda at: at.weights[0],
        B: lambda at: at.other_weights[0],
        AFTER: lambda at: consensus_distance(
            at.weights[:, None] * at.tokens + at.other_weights[:, None] * at.other
        ),
    }
    return _inequality(AFTER, sp.Abs(A) * BEFORE + sp.Abs(B) * OTHER, measures)


def _activation(name: str) -> Formula:
    """The constant is that of the domain's instances: at least the supremum that sympy derives."""
    measures: dict[sp.Symbol, Measure] = {
        **_IN,
        AFTER: lambda at: consensus_distance(ACTIVATIONS[name].function(at.tokens)),
    }
    return _inequality(AFTER, lipschitz_constant(name).value * BEFORE, measures)


def _norm() -> Formula:
    def gain(at: Any) -> Array:
        if at.norm.gain is None:
            return 1.0
        return namespace(at.tokens).max(namespace(at.tokens).abs(at.norm.gain))

    measures: dict[sp.Symbol, Measure] = {
        **_IN,
        AFTER: lambda at: consensus_distance(apply_norm(at.norm, at.tokens)),
        GAIN: gain,
        TAU: lambda at: at.norm.tau,
        SIGMA: lambda at: at.sigma,
    }
    return _inequality(AFTER, GAIN * BEFORE / (TAU * SIGMA), measures)


def _gated() -> Formula:
    def largest(at: Any) -> Array:
        ffn = at.sublayer
        weights = (ffn.weight_in, ffn.weight_out, ffn.weight_gate)
        return max(float(spectral_norm(weight)) for weight in weights)

    measures: dict[sp.Symbol, Measure] = {
        **_IN,
        AFTER: lambda at: consensus_distance(feed_forward(at.sublayer, at.tokens)),
        S: largest,
        LIPSCHITZ: lambda at: activation(at.sublayer.activation).lipschitz,
        GATE_PEAK: lambda at: at.gate_peak,
        HIDDEN_PEAK: lambda at: at.hidden_peak,
    }
    return _inequality(AFTER, gated_coefficient() * BEFORE, measures)


_BLOCK: dict[sp.Symbol, Measure] = {
    **_IN,
    AFTER: lambda at: consensus_distance(at.step.output),
    LAMBDA: lambda at: at.coefficients.lambda_,
    S: lambda at: at.coefficients.s,
    HEADS: lambda at: at.step.adjacency.shape[-3],
    SIGMA_1: lambda at: at.coefficients.sigma_1,
    SIGMA_2: lambda at: at.coefficients.sigma_2,
    COEFFICIENT: lambda at: at.coefficients.v,
}
"""Of a plain block: ReLU, tanh or identity, no gains, tau and the residual scale one."""


def _high_frequency(factor: Expr) -> Formula:
    measures = {
        **_HEARD,
        AFTER: lambda at: consensus_distance(at.adjacency[0] @ at.tokens),
        BOUND: lambda at: at.bound,
    }
    return _inequality(AFTER, factor * BEFORE, measures)


def _largest_weight() -> Expr:
    return sp.exp(2 * BOUND) / (sp.exp(2 * BOUND) + TOKENS - 1)


def _entropy() -> Formula:
    def smallest(at: Any) -> Array:
        xp, weights = namespace(at.tokens), softmax(at.scores)
        logs = xp.log(xp.where(weights > 0, weights, xp.ones_like(weights)))
        return xp.min(-xp.sum(weights * logs, axis=-1))

    share = sp.exp(-SIGMA * sp.sqrt(TOKENS / (TOKENS - 1)))
    total = 1 + (TOKENS - 1) * share
    spread = SIGMA * sp.sqrt(TOKENS * (TOKENS - 1)) * share / total
    measures = {**_HEARD, SIGMA: lambda at: at.sigma, ENTROPY: smallest}
    return _inequality(sp.log(total) + spread, ENTROPY, measures)


def _ball(coefficient: Expr) -> Formula:
    measures: dict[sp.Symbol, Measure] = {
        TOKENS: lambda at: at.tokens.shape[-2],
        NORM_W: lambda at: spectral_norm(at.weight),
        NORM_V: lambda at: spectral_norm(at.value),
        RADIUS: lambda at: at.radius,
        AFTER: lambda at: at.moved,
        BEFORE: lambda at: at.apart,
    }
    return _inequality(AFTER, coefficient * BEFORE, measures)


def _ball_sharp() -> Formula:
    strength = NORM_W * RADIUS**2
    heard = TOKENS * _largest_weight().subs(BOUND, strength)
    return _ball(NORM_V * (sp.sqrt(heard * (1 + strength**2)) + strength))


_ROOT_OF_N_P = sp.sqrt(TOKENS * _largest_weight())

FORMULAS: dict[str, Callable[[], Formula]] = {
    "linear": _linear,
    "weighted-sum": _weighted_sum,
    **{
        f"activation-{name.replace('_', '-')}": lambda name=name: _activation(name)  # type: ignore[misc]
        for name in ACTIVATIONS
        if name != "identity"
    },
    "attention": lambda: _inequality(AFTER, sp.sqrt(LAMBDA) * BEFORE, _HEARD),
    "layer-norm": _norm,
    "rms-norm": _norm,
    "block-v": lambda: _inequality(AFTER, block_coefficient().subs(PLAIN) * BEFORE, _BLOCK),
    "gated-feed-forward": _gated,
    "block-v-parallel": lambda: _inequality(
        AFTER, block_coefficient("parallel").subs(PLAIN) * BEFORE, _BLOCK
    ),
    "block-v-lower-bound": lambda: _inequality(
        coefficient_floor().subs(PLAIN).subs({GROWTH: 1, LIPSCHITZ: 1, ROW: 1}), COEFFICIENT, _BLOCK
    ),
    "dobrushin-contraction": lambda: _inequality(RANGE_1, DOBRUSHIN * RANGE_0, _HEARD),
    "birkhoff-contraction": lambda: _inequality(RANGE_1, sp.tanh(BIRKHOFF / 4) * RANGE_0, _HEARD),
    "dobrushin-coupling": lambda: _inequality(
        AFTER, sp.sqrt(TOKENS / 2) * DOBRUSHIN * BEFORE, _HEARD
    ),
    "high-frequency-one-step": lambda: _high_frequency(_ROOT_OF_N_P),
    "high-frequency-one-step-sharp": lambda: _high_frequency(
        sp.sqrt(sp.Min(_ROOT_OF_N_P**2 / 2, _ROOT_OF_N_P**2 - 1))
    ),
    "attention-entropy": _entropy,
    "attention-lipschitz-ball": lambda: _ball(
        sp.sqrt(3) * NORM_V * sp.sqrt(NORM_W**2 * RADIUS**4 * (4 * TOKENS + 1) + TOKENS)
    ),
    "attention-lipschitz-ball-sharp": _ball_sharp,
}
"""What makes each claim, by the theorem's key; see `formula`."""
