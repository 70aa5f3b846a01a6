"""How near to its subspace does a graph convolution with biases bring nodes? (huang2020)"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.spectra.norms import spectral_norm, spectral_norm_error
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import asymmetry, most_negative, varies


@brief_repr
@dataclass(frozen=True, eq=False)
class Convolution:
    """Nodes (*b, n, d), edge weights with self-loops (*b, n, n), a weight (*b, d, c) and a bias.

    The bias (*b, n, c) is what is added to every node. M is spanned by e, which has entries
    sqrt(degree): the eigenvector of P = D^-1/2 A D^-1/2 for the eigenvalue one.
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "adjacency": "n n",
        "weight": "d c",
        "bias": "n c",
    }

    tokens: Array
    adjacency: Array
    weight: Array
    bias: Array

    @cached_property
    def leading(self) -> Array:
        """The unit vector e that spans M: (*b, n, 1)."""
        xp = namespace(self.adjacency)
        degree = xp.sum(self.adjacency, axis=-1, keepdims=True)
        return xp.sqrt(degree) / xp.sqrt(xp.sum(degree, axis=-2, keepdims=True))

    @cached_property
    def propagation(self) -> Array:
        """The matrix P: (*b, n, n)."""
        xp = namespace(self.adjacency)
        root = xp.sqrt(xp.sum(self.adjacency, axis=-1, keepdims=True))
        return self.adjacency / root / xp.matrix_transpose(root)

    @cached_property
    def output(self) -> Array:
        """ReLU(P H W + bias)."""
        inner = self.propagation @ self.tokens @ self.weight + self.bias
        return namespace(inner).clip(inner, min=0.0)

    @cached_property
    def rate(self) -> Array:
        """The coefficient v = lambda s."""
        return self.second * spectral_norm(self.weight)

    @cached_property
    def second(self) -> Array:
        """The eigenvalue lambda of P that is largest in absolute value beside that of e."""
        xp = namespace(self.adjacency)
        return spectral_norm(self.propagation - self.leading @ xp.matrix_transpose(self.leading))

    def distance(self, tokens: Array) -> Array:
        """Return d_M of any features of the nodes."""
        e = self.leading
        return frobenius_norm(tokens - e @ (namespace(e).matrix_transpose(e) @ tokens))


def _bound(at: Convolution) -> Array:
    """V d_M(H) + (1 - v) r, where (1 - v) r = d_M(bias) of the first node's bias for all."""
    same = at.bias[..., :1, :] + 0 * at.bias
    return at.rate * at.distance(at.tokens) + at.distance(same)


def _rounding(at: Convolution) -> Array:
    """P and e are good to (n + 6) eps, entry by entry; |P|_2 = 1, and |P|_F <= sqrt n.

    Then two products and a sum, and the projection of what comes out of them; on the right, the
    error of lambda, of s, and of two projections.
    """
    (n, d), unit, small = at.tokens.shape[-2:], eps(at.tokens), tiny(at.tokens)
    c = at.weight.shape[-1]
    size, weight = frobenius_norm(at.tokens), frobenius_norm(at.weight)
    bias = frobenius_norm(at.bias)
    entries = (n + 6) * unit * n**0.5
    left = (entries + (n + d) * unit * n**0.5) * size * weight + unit * bias
    projection = 4 * (n + 6) * unit
    second = 2 * entries + spectral_norm_error(at.propagation) + unit
    right = (second * weight + spectral_norm_error(at.weight)) * size
    right = right + projection * (weight * size + bias)
    below = small * (1 + weight + size) * n * (d + c)
    return left + projection * (frobenius_norm(at.output) + bias) + right + below


def _not_a_graph(at: Convolution) -> Array:
    """By how much weights are not symmetric or negative, or a node has no weight."""
    xp, weights = namespace(at.adjacency), at.adjacency
    isolated = tiny(weights) - xp.min(xp.sum(weights, axis=-1), axis=-1)
    return xp.maximum(xp.maximum(asymmetry(weights), most_negative(weights)), isolated)


def _build(sizes: Chosen, params: Params) -> Convolution:
    """Any graph with weights from squares and self-loops, and the same bias for every node."""
    xp, weights = namespace(params["weights"]), params["weights"]
    squares = weights**2 + xp.matrix_transpose(weights) ** 2
    loops = xp.eye(sizes["tokens"], dtype=weights.dtype) * 4.0 ** sizes["loop"]
    scale, tokens = 2.0 ** sizes["scale"], params["tokens"]
    bias = 0 * (tokens @ params["weight"]) + params["bias"][..., None, :]
    return Convolution(
        (tokens + sizes["offset"]) * scale, squares + loops, params["weight"], bias * scale
    )


def _reaching() -> Convolution:
    """Two nodes with degrees 4 and 2, a second eigenvalue of 1/4, and values far above zero."""
    tokens = np.asarray([[2 * 50.0 - 2**0.5], [2**0.5 * 50.0 + 2.0]])
    return Convolution(
        tokens, np.asarray([[3.0, 1.0], [1.0, 1.0]]), np.ones((1, 1)), np.ones((2, 1))
    )


def _varying() -> Convolution:
    at = _reaching()
    return Convolution(at.tokens, at.adjacency, at.weight, np.asarray([[1.0], [100.0]]))


BIASED_CONVOLUTION = Theorem[Convolution](
    key="graph-convolution-bias",
    claim=r"d_M(H') - r \le v \, (d_M(H) - r),\quad H' = \mathrm{ReLU}(P H W + \mathbf{1} b^\top),"
    r"\ v = \lambda \|W\|_2,\ r = d_M(\mathbf{1} b^\top) / (1 - v)",
    source="huang2020",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 4),
            "width": few_features(1, 4),
            "scale": Exponent(-300, 300),
            "loop": Exponent(-3, 2),
            "offset": Length(0, 9),
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weights": Free("graph", ("tokens", "tokens")),
            "weight": Free("matrix", ("features", "width")),
            "bias": Free("vector", ("width",), typical="zeros"),
        },
        make=_build,
    ),
    hypotheses=(
        Hypothesis("edge weights are symmetric, not negative, and at every node", _not_a_graph),
        Hypothesis("the bias is the same for every node", lambda at: varies(at.bias)),
    ),
    lhs=lambda at: at.distance(at.output),
    rhs=_bound,
    rounding=_rounding,
    tight=True,
    witness=_reaching,
    outside=_varying,
    note="Checked as d_M(H') <= v d_M(H) + (1 - v) r, the same for every v but 1, where r is "
    "infinite; only for v < 1 is r a radius that the nodes approach. P H W shrinks by v, the bias "
    "adds d_M(1 b^T), and ReLU does no harm because e has no negative entry. M is the span "
    "of e here: with several components lambda is 1, and the statement weak, not false.",
)
