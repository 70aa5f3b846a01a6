"""Does a graph convolution bring tokens nearer to the M of its graph's components? (oono2020)"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import device

from theory.arrays import Array, constant, eps, namespace, tiny
from theory.bounds.rounding import product_rounding
from theory.graphs.conversions import symmetric_adjacency
from theory.magnitude import frobenius_norm, gather, rescale
from theory.records import brief_repr
from theory.spectra.norms import spectral_norm, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import FLAG, Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.shi2022_lemmas import scaled
from theory.theorems.common import most_negative


@brief_repr
@dataclass(frozen=True, eq=False)
class GraphConvolution:
    """Tokens (*b, n, d), P (*b, n, n), a basis of M (*b, n, m) and a weight (*b, d, c)."""

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "adjacency": "n n",
        "basis": "n m",
        "weight": "d c",
    }

    tokens: Array
    adjacency: Array
    basis: Array
    weight: Array


def distance_to(basis: Array, tokens: Array) -> Array:
    """Return |(I - E E^T) H|, every member of a batch with a basis of its own."""
    scaled_tokens, units = rescale(tokens, axis=(-2,))
    rest, unit = gather(_outside(basis, scaled_tokens), units)
    return frobenius_norm(rest) * unit[..., 0, 0]


def _outside(basis: Array, tokens: Array) -> Array:
    transposed = namespace(basis).matrix_transpose(basis)
    rest = tokens - basis @ (transposed @ tokens)
    return rest - basis @ (transposed @ rest)


def distance_to_rounding(basis: Array, tokens: Array) -> Array:
    """Two projections, each of two products, by columns of E that are orthonormal to 2 n eps."""
    (n, d), m = tokens.shape[-2:], basis.shape[-1]
    steps = 8 * (n + m + 2) * m + n * d + 8
    return steps * eps(tokens) * frobenius_norm(tokens) + tiny(tokens)


def convolve(at: GraphConvolution) -> Array:
    """Return ReLU(P H W)."""
    xp = namespace(at.tokens)
    return xp.clip(at.adjacency @ at.tokens @ at.weight, min=0.0)


def _off(at: GraphConvolution) -> Array:
    """Return P where it acts on the tokens orthogonal to M: symmetric up to rounding."""
    xp = namespace(at.basis)
    rest = xp.matrix_transpose(_outside(at.basis, at.adjacency))
    return _outside(at.basis, rest)


def _lambda(at: GraphConvolution) -> Array:
    """Return the largest modulus of an eigenvalue of P on the complement of M."""
    xp, rest = namespace(at.adjacency), _off(at)
    values = xp.linalg.eigvalsh((rest + xp.matrix_transpose(rest)) / 2)
    return xp.max(xp.abs(values), axis=-1)


def _steps(at: GraphConvolution) -> float:
    (n, _), m = at.tokens.shape[-2:], at.basis.shape[-1]
    return float((16 * (n + m + 2) * m + 16 * n) * eps(at.tokens))


def _rounding(at: GraphConvolution) -> Array:
    """Two products, the distances, lambda and |W|.

    lambda: four projections and the solver. What `_leaves` and `_asymmetric` forgive is as much
    again: P may send M off itself, and differ from a symmetric matrix, by that.
    """
    size, norm = frobenius_norm(at.tokens), frobenius_norm(at.weight)
    inner = product_rounding(at.adjacency, at.tokens) * (norm + 1)
    left = inner + product_rounding(at.adjacency @ at.tokens, at.weight)
    left = left + distance_to_rounding(at.basis, convolve(at))
    moved = 3 * _steps(at) * frobenius_norm(at.adjacency) * size * norm
    start = distance_to(at.basis, at.tokens)
    loose = spectral_norm_error(at.weight) * _lambda(at) * start
    factor = _lambda(at) * norm
    return left + moved + loose + factor * distance_to_rounding(at.basis, at.tokens)


def _asymmetric(at: GraphConvolution) -> Array:
    xp, p = namespace(at.adjacency), at.adjacency
    return frobenius_norm(p - xp.matrix_transpose(p)) - _steps(at) * frobenius_norm(p)


def _leaves(at: GraphConvolution) -> Array:
    """How far P sends M off itself."""
    moved = frobenius_norm(_outside(at.basis, at.adjacency @ at.basis))
    return moved - _steps(at) * frobenius_norm(at.adjacency)


def _not_orthonormal(at: GraphConvolution) -> Array:
    xp, (n, m) = namespace(at.basis), at.basis.shape[-2:]
    gram = xp.matrix_transpose(at.basis) @ at.basis
    unit = xp.eye(m, dtype=gram.dtype, device=device(gram))
    return xp.max(xp.abs(gram - unit), axis=(-2, -1)) - 2 * (n + 8) * eps(gram)


def _build(sizes: Chosen, params: Params) -> GraphConvolution:
    """A graph with loops and as many parts, and any symmetric matrix that acts off M only."""
    xp, drawn = namespace(params["tokens"]), params["graph"]
    n = sizes["tokens"]
    parts = min(sizes["parts"], n - 1) if n > 1 else 1
    label = xp.arange(n, device=device(drawn)) % parts
    same = label[:, None] == label[None, :]
    squares = drawn * drawn
    squares = xp.where(same, squares + xp.matrix_transpose(squares), xp.zeros_like(squares))
    graph = squares + 0.5 ** sizes["loops"] * xp.eye(n, device=device(drawn), dtype=drawn.dtype)
    root = xp.sqrt(xp.sum(graph, axis=-1))
    member = label[:, None] == xp.arange(parts, device=device(drawn))[None, :]
    basis = xp.where(member, root[..., None], constant(0.0, like=root))
    basis = basis / xp.sqrt(xp.sum(basis * basis, axis=-2, keepdims=True))
    free = params["free"]
    at = GraphConvolution(
        scaled(params["tokens"], sizes),
        free + xp.matrix_transpose(free),
        basis,
        params["weight"],
    )
    off = _off(at) if sizes["signed"] else 0 * graph
    adjacency = symmetric_adjacency(graph) + (off + xp.matrix_transpose(off)) / 2
    return GraphConvolution(at.tokens, adjacency, basis, at.weight)


_EVEN = np.full((2, 1), 0.5**0.5)

CONVOLUTION = Theorem[GraphConvolution](
    key="graph-convolution",
    claim=r"d_M(\mathrm{ReLU}(P H W)) \le \|W\|_2\, \lambda \, d_M(H),\quad"
    r" \lambda = \max |\mathrm{spec}(P|_{M^\perp})|",
    source="oono2020",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 4),
            "width": few_features(1, 4),
            "parts": Length(1, 3),
            "loops": Exponent(0, 8),
            "signed": FLAG,
            "scale": Exponent(-1000, 900),
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "graph": Free("graph", ("tokens", "tokens")),
            "free": Free("matrix", ("tokens", "tokens")),
            "weight": Free("matrix", ("features", "width")),
        },
        make=_build,
    ),
    hypotheses=(
        Hypothesis("P is symmetric", _asymmetric),
        Hypothesis("P maps M into itself", _leaves),
        Hypothesis("the basis of M is orthonormal", _not_orthonormal),
        Hypothesis("the basis of M has no negative entry", lambda at: most_negative(at.basis)),
    ),
    lhs=lambda at: distance_to(at.basis, convolve(at)),
    rhs=lambda at: spectral_norm(at.weight) * _lambda(at) * distance_to(at.basis, at.tokens),
    rounding=_rounding,
    tight=True,
    witness=lambda: GraphConvolution(
        np.asarray([[3.0], [1.0]]),
        np.asarray([[0.75, 0.25], [0.25, 0.75]]),
        _EVEN,
        np.full((1, 1), 2.0),
    ),
    outside=lambda: GraphConvolution(
        np.asarray([[1.0], [-1.0]]),
        np.eye(2) / 2 - (1 - np.eye(2)) / 2,
        np.asarray([[0.5**0.5], [-(0.5**0.5)]]),
        np.ones((1, 1)),
    ),
    note="Proof: P keeps M and, being symmetric, its complement, so that d_M(P H) <= lambda d_M(H)"
    "; the weight acts on features alone. Columns without negative entries that are orthogonal "
    "share no token: a feature is nearest to M at c_j e_j with c_j its product with e_j, one "
    "column for each token. If c_j > 0, ReLU brings each token nearer to c_j e_j, which is not "
    "negative; if not, to 0, and |x_+| is at most the distance of x from c_j e_j. For consensus "
    "P 1 = 1 and lambda is that of shi2022, its root: both bounds are one.",
)
