"""Does a graph convolution lower the Dirichlet energy of the tokens? (cai2020)"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import device

from theory.arrays import Array, eps, namespace, tiny
from theory.bounds.rounding import product_rounding
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import FLAG, Choice, Exponent, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.shi2022_lemmas import scaled
from theory.theorems.common import asymmetry, most_negative


@brief_repr
@dataclass(frozen=True, eq=False)
class GraphTokens:
    """Tokens (*b, n, d) on a graph with edge weights (*b, n, n), and what is done to them.

    A loop of weight one is added to every token. ``weight`` (*b, d, c) multiplies the tokens from
    the right; ``slope`` (*b,) is that of a leaky ReLU on negative numbers, 0 for ReLU.
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "adjacency": "n n",
        "weight": "d c",
        "slope": "",
    }

    tokens: Array
    adjacency: Array
    weight: Array
    slope: Array


def _degrees(at: GraphTokens) -> Array:
    return 1 + namespace(at.adjacency).sum(at.adjacency, axis=-1)


def energy(at: GraphTokens, tokens: Array) -> Array:
    """Return E = 1/2 sum_ij w_ij |h_i / sqrt D_i - h_j / sqrt D_j|^2, D with the loops."""
    xp = namespace(tokens)
    scaled_tokens = tokens / xp.sqrt(_degrees(at))[..., None]
    total = 0 * tokens[..., 0, 0]
    for i in range(tokens.shape[-2]):
        gaps = scaled_tokens - scaled_tokens[..., i : i + 1, :]
        total = total + xp.sum(at.adjacency[..., i, :] * xp.sum(gaps * gaps, axis=-1), axis=-1)
    return total / 2


def convolution(at: GraphTokens) -> Array:
    """Return P = D^-1/2 (W + I) D^-1/2."""
    xp, n = namespace(at.adjacency), at.adjacency.shape[-1]
    unit = xp.eye(n, dtype=at.adjacency.dtype, device=device(at.adjacency))
    root = xp.sqrt(_degrees(at))
    return (at.adjacency + unit) / root[..., :, None] / root[..., None, :]


def _cut(at: GraphTokens) -> float:
    """Eigenvalues of I - P below this are zeros or cannot be told from them: |P| <= 1."""
    return float(64 * at.adjacency.shape[-1] ** 2 * eps(at.adjacency))


def _others(at: GraphTokens) -> tuple[Array, Array]:
    """Return the eigenvalues of P, and which of them are not one."""
    xp, p = namespace(at.adjacency), convolution(at)
    values = xp.linalg.eigvalsh((p + xp.matrix_transpose(p)) / 2)
    return values, 1 - values > _cut(at)


def _worst_factor(at: GraphTokens) -> Array:
    values, counts = _others(at)
    xp = namespace(values)
    return xp.max(xp.where(counts, values * values, 0.0), axis=-1)


def _smallest_factor(at: GraphTokens) -> Array:
    values, counts = _others(at)
    xp = namespace(values)
    largest = xp.max(xp.where(counts, values, -1.0), axis=-1)
    return xp.where(xp.any(counts, axis=-1), largest * largest, 0.0)


def energy_rounding(at: GraphTokens, tokens: Array, error: Array) -> Array:
    """Let tokens be off by an error, and each of them by 4 eps of itself when scaled.

    E is |L^1/2 H|^2 with |L| <= 2 (so sqrt E moves by at most sqrt 2 times that), n^2 + d sums.
    """
    n, d = tokens.shape[-2:]
    xp, value = namespace(tokens), energy(at, tokens)
    moved = error + (n + 8) * eps(tokens) * frobenius_norm(tokens)
    root = xp.sqrt(xp.abs(value))
    return (
        4 * root * moved
        + 4 * moved**2
        + (n * n + d + 8) * eps(tokens) * xp.abs(value)
        + tiny(tokens)
    )


def _product_error(at: GraphTokens) -> Array:
    p = convolution(at)
    entries = 8 * eps(p) * frobenius_norm(p) * frobenius_norm(at.tokens)
    return product_rounding(p, at.tokens) + entries


def _convolution_rounding(at: GraphTokens) -> Array:
    """Both energies, the factor, and what modes that count as zeros may keep of E, all of it."""
    left = energy_rounding(at, convolution(at) @ at.tokens, _product_error(at))
    right = energy_rounding(at, at.tokens, 0 * at.slope)
    kept = _cut(at) * (frobenius_norm(at.tokens) ** 2 + 4 * energy(at, at.tokens))
    return left + right + kept


EDGE_WEIGHTS = Hypothesis[GraphTokens](
    "no edge weight is negative", lambda at: most_negative(at.adjacency)
)
UNDIRECTED = Hypothesis[GraphTokens]("the graph is undirected", lambda at: asymmetry(at.adjacency))


def _build(sizes: Chosen, params: Params) -> GraphTokens:
    xp, drawn = namespace(params["tokens"]), params["graph"]
    squares, n = drawn * drawn, sizes["tokens"]
    weights = squares + xp.matrix_transpose(squares)
    place = xp.arange(n, device=device(drawn))
    if sizes["simple"]:
        loops = place[:, None] == place[None, :]
        weights = xp.where((weights > 1) & ~loops, 1.0, xp.zeros_like(weights))
    if sizes["path"]:
        near = xp.abs(place[:, None] - place[None, :]) == 1
        weights = xp.where(near, xp.clip(weights, min=1.0 if sizes["simple"] else 2.0), weights)
    slope = params["slope"] / (1 + xp.abs(params["slope"]))
    return GraphTokens(scaled(params["tokens"], sizes), weights, params["weight"], slope)


DOMAIN: Domain[GraphTokens] = Domain(
    sizes={
        "tokens": few_tokens(2, 6),
        "features": few_features(1, 3),
        "width": few_features(1, 3),
        "simple": FLAG,
        "path": Choice((False, True, True)),
        "scale": Exponent(-480, 460),
    },
    free={
        "tokens": Free("tokens", ("tokens", "features")),
        "graph": Free("graph", ("tokens", "tokens")),
        "weight": Free("matrix", ("features", "width")),
        "slope": Free("scalar"),
    },
    make=_build,
)


def on_graph(
    weights: object, tokens: object, *, weight: object = ((1.0,),), slope: float = 0.0
) -> GraphTokens:
    """Return tokens with one feature each, or rows of them, on a graph given as lists."""
    rows = np.asarray(tokens, dtype=np.float64)
    return GraphTokens(
        rows[:, None] if rows.ndim == 1 else rows,
        np.asarray(weights, dtype=np.float64),
        np.asarray(weight, dtype=np.float64),
        np.float64(slope),
    )


TWO_NODES = [[0.0, 3.0], [3.0, 0.0]]
_PARTS = np.asarray([0, 0, 0, 1, 1, 1])
_K33 = np.where(_PARTS[:, None] != _PARTS, 1.0, 0.0)
_K33_TOKENS = [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]

SMOOTHING = Theorem[GraphTokens](
    key="dirichlet-energy-smoothing",
    claim=r"E(P H) \le \max_{\lambda_i \ne 0} (1 - \lambda_i)^2 \, E(H),\quad"
    r" E(H) = \mathrm{tr}(H^\top (I - P) H),\ \lambda_i \text{ the eigenvalues of } I - P",
    source="cai2020",
    domain=DOMAIN,
    hypotheses=(EDGE_WEIGHTS, UNDIRECTED),
    lhs=lambda at: energy(at, convolution(at) @ at.tokens),
    rhs=lambda at: _worst_factor(at) * energy(at, at.tokens),
    rounding=_convolution_rounding,
    tight=True,
    witness=lambda: on_graph(TWO_NODES, [1.0, -1.0]),
    outside=lambda: on_graph([[0.0, 3.0], [0.0, 0.0]], [1.0, -1.0]),  # one listens, one does not
    note="P = D^-1/2 (W + I) D^-1/2. Proof: in eigenvectors of P, E is sum lambda_i c_i^2 and P "
    "multiplies c_i by 1 - lambda_i; modes with lambda_i = 0 have no energy.",
)
SMALLEST = Theorem[GraphTokens](
    key="dirichlet-energy-smallest-eigenvalue",
    claim=r"E(P H) \le (1 - \lambda)^2 \, E(H),\quad"
    r" \lambda \text{ the smallest non-zero eigenvalue of } I - P",
    source="cai2020",
    domain=DOMAIN,
    hypotheses=(EDGE_WEIGHTS, UNDIRECTED),
    lhs=SMOOTHING.lhs,
    rhs=lambda at: _smallest_factor(at) * energy(at, at.tokens),
    rounding=_convolution_rounding,
    expected="refuted",
    witness=lambda: on_graph(_K33, _K33_TOKENS),
    correction="dirichlet-energy-smoothing: the non-zero eigenvalue farthest from one, which may "
    "be the largest",
    note="Nearly bipartite graphs have an eigenvalue of P near -1, in spite of the loops. "
    "K_3,3, the witness, has degrees whose roots are whole: 1/4 stands for 1/2. K_2,3 is the "
    "smallest graph without edge weights that refutes it (1/3 stands for 5/12); with weights, "
    "three tokens do; K_5,5 has 1/6 for 2/3.",
)
