"""Do a weight and an activation raise the Dirichlet energy of the tokens? (cai2020)"""

from theory.arrays import Array, eps, namespace, tiny
from theory.bounds.rounding import product_rounding
from theory.magnitude import frobenius_norm
from theory.spectra.norms import spectral_norm, spectral_norm_error
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.graph_networks.cai2020 import (
    DOMAIN,
    EDGE_WEIGHTS,
    TWO_NODES,
    UNDIRECTED,
    GraphTokens,
    energy,
    energy_rounding,
    on_graph,
)

_SIGNED = [[0.0, 0.5, 0.0], [0.5, 0.0, -0.5], [0.0, -0.5, 0.0]]


def _product(at: GraphTokens) -> Array:
    return at.tokens @ at.weight


def _product_rounding(at: GraphTokens) -> Array:
    """Both energies, the product, and the square of the norm."""
    norm, error = spectral_norm(at.weight), spectral_norm_error(at.weight)
    left = energy_rounding(at, _product(at), product_rounding(at.tokens, at.weight))
    right = _twice(norm + error, norm + error, energy_rounding(at, at.tokens, 0 * at.slope))
    value = namespace(at.tokens).abs(energy(at, at.tokens))
    square = _twice(2 * norm + error, error, value) + 4 * eps(norm) * _twice(norm, norm, value)
    return left + right + square + tiny(norm) * (1 + norm)


def _twice(one: Array, other: Array, value: Array) -> Array:
    """Return one * other * value: the product of two small norms alone could vanish."""
    return one * (other * value)


def _largest(at: GraphTokens) -> Array:
    norm = spectral_norm(at.weight)
    return _twice(norm, norm, energy(at, at.tokens))


LINEAR_ENERGY = Theorem[GraphTokens](
    key="dirichlet-energy-linear",
    claim=r"E(H W) \le \|W\|_2^2 \, E(H)",
    source="cai2020",
    domain=DOMAIN,
    hypotheses=(EDGE_WEIGHTS, UNDIRECTED),
    lhs=lambda at: energy(at, _product(at)),
    rhs=_largest,
    rounding=_product_rounding,
    tight=True,
    witness=lambda: on_graph(TWO_NODES, [1.0, -1.0], weight=[[2.0]]),
    outside=lambda: on_graph(
        _SIGNED, [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], weight=[[2.0, 0.0], [0.0, 0.0]]
    ),
    note="E(H W) = |L^1/2 H W|^2 with L = I - P, which no edge of negative weight may make "
    "indefinite.",
)


def leaky_relu(at: GraphTokens) -> Array:
    """Return the tokens where they are positive, and slope times them elsewhere."""
    xp = namespace(at.tokens)
    return xp.where(at.tokens > 0, at.tokens, at.slope[..., None, None] * at.tokens)


def _relu_rounding(at: GraphTokens) -> Array:
    """Both energies; a product with the slope is one rounding of a token."""
    lost = eps(at.tokens) * frobenius_norm(leaky_relu(at)) + tiny(at.tokens)
    left = energy_rounding(at, leaky_relu(at), lost)
    return left + energy_rounding(at, at.tokens, 0 * at.slope)


RELU_ENERGY = Theorem[GraphTokens](
    key="dirichlet-energy-relu",
    claim=r"E(\phi(H)) \le E(H),\quad \phi \text{ ReLU, or leaky with slope } |a| \le 1",
    source="cai2020",
    domain=DOMAIN,
    hypotheses=(
        EDGE_WEIGHTS,
        Hypothesis("the slope is at most one", lambda at: namespace(at.slope).abs(at.slope) - 1),
    ),
    lhs=lambda at: energy(at, leaky_relu(at)),
    rhs=lambda at: energy(at, at.tokens),
    rounding=_relu_rounding,
    tight=True,
    witness=lambda: on_graph(TWO_NODES, [1.0, 3.0]),
    outside=lambda: on_graph(TWO_NODES, [-1.0, -3.0], slope=2.0),
    note="phi(h) / sqrt D = phi(h / sqrt D), since phi is positively homogeneous, and phi moves no "
    "two numbers apart. Tanh and GELU do not commute with the degrees: for them the energy may "
    "grow on graphs of unequal degrees.",
)
