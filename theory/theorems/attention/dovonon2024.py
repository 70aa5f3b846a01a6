"""Which pair of eigenvalues rules linear attention with a residual stream? (dovonon2024)"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.bounds.rounding import distance_rounding
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import asymmetry, most_negative


class Spectrum(NamedTuple):
    """Eigenvalues and orthonormal eigenvectors: of D^-1/2 W D^-1/2 without e, and of H.

    Shapes: mixing (*b, n - 1), modes (*b, n, n - 1), features (*b, d), directions (*b, d, d)
    """

    mixing: Array
    modes: Array
    features: Array
    directions: Array


@brief_repr
@dataclass(frozen=True, eq=False)
class LinearStack:
    """Tokens (*b, n, d), edge weights (*b, n, n), the feature map H (*b, d, d), and the depth.

    One layer is X + A X H with the random walk A = D^-1 W. With W symmetric, A is similar to a
    symmetric matrix, D^1/2 A D^-1/2.
    """

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "adjacency": "n n", "weight": "d d"}

    tokens: Array
    adjacency: Array
    weight: Array
    depth: int

    @cached_property
    def root(self) -> Array:
        """The square roots of the degrees: (*b, n, 1)."""
        xp = namespace(self.adjacency)
        return xp.sqrt(xp.sum(self.adjacency, axis=-1, keepdims=True))

    @cached_property
    def walk(self) -> Array:
        """The random walk A."""
        return self.adjacency / self.root**2

    @cached_property
    def output(self) -> Array:
        """The tokens after all layers."""
        tokens = self.tokens
        for _ in range(self.depth):
            tokens = tokens + self.walk @ tokens @ self.weight
        return tokens

    @cached_property
    def spectrum(self) -> Spectrum:
        """The eigenvalues; e, the eigenvector of consensus, is moved to -2 and left out."""
        xp = namespace(self.adjacency)
        unit = self.root / xp.sqrt(xp.sum(self.root**2, axis=-2, keepdims=True))
        symmetric = self.adjacency / self.root / xp.matrix_transpose(self.root)
        mixing, modes = xp.linalg.eigh(symmetric - 3 * unit @ xp.matrix_transpose(unit))
        features, directions = xp.linalg.eigh(self.weight)
        return Spectrum(mixing[..., 1:], modes[..., 1:], features, directions)

    @cached_property
    def growth(self) -> Array:
        """The factors |1 + lambda_A lambda_H| of all pairs with a mode across M: (*b, n - 1, d)."""
        spectrum = self.spectrum
        pairs = 1 + spectrum.mixing[..., :, None] * spectrum.features[..., None, :]
        return namespace(pairs).abs(pairs)

    @cached_property
    def uneven(self) -> Array:
        """The root of the largest over the smallest degree: (*b,)."""
        xp = namespace(self.root)
        return xp.max(self.root, axis=(-2, -1)) / xp.min(self.root, axis=(-2, -1))


def _largest(at: LinearStack) -> Array:
    """Return the largest factor across M, zero for a single token."""
    xp = namespace(at.tokens)
    if at.tokens.shape[-2] == 1:
        return 0 * at.tokens[..., 0, 0]
    return xp.max(at.growth, axis=(-2, -1))


def _upper(at: LinearStack) -> Array:
    return at.uneven * _largest(at) ** at.depth * consensus_distance(at.tokens)


def _all_pairs(at: LinearStack) -> Array:
    """Return the norm of |1 + lambda_A lambda_H|^L |u^T D^1/2 X v| over pairs, / largest root."""
    xp = namespace(at.tokens)
    if at.tokens.shape[-2] == 1:
        return 0 * at.tokens[..., 0, 0]
    modes = xp.matrix_transpose(at.spectrum.modes)
    shares = xp.abs(modes @ (at.root * at.tokens) @ at.spectrum.directions)
    longest = xp.max(at.root, axis=(-2, -1))
    return frobenius_norm(at.growth**at.depth * shares) / longest


def _rounding(at: LinearStack) -> Array:
    """What a layer loses, and what eigenvalues and eigenvectors miss, grown by all other layers.

    A layer loses (n + d + 8) eps (1 + |A| |H|) of its input, and l layers stretch by at most
    uneven (1 + |H|)^l in any direction, or by the largest of all |1 + lambda_A lambda_H|. The
    eigenvectors are exact for matrices 16 n (d) eps away, whose stack differs by as much.
    """
    xp, (n, d) = namespace(at.tokens), at.tokens.shape[-2:]
    unit, depth = eps(at.tokens), at.depth
    features = frobenius_norm(at.weight)
    values = xp.abs(1 + at.spectrum.features)
    largest = xp.maximum(_largest(at), xp.max(values, axis=-1))
    steps = ((n + d + 24) + 16 * (n**2 + d**2)) * unit * (1 + n**0.5 * at.uneven * features)
    largest = largest + steps
    grown = largest ** max(depth - 1, 0) * at.uneven**2
    size = frobenius_norm(at.tokens)
    lost = depth * steps * grown * size
    lost = lost + (16 * (n**2 + d**2) + 8) * unit * largest**depth * at.uneven * size
    ends = distance_rounding(at.output) + at.uneven * largest**depth * tiny(at.tokens)
    return 2 * lost + ends + tiny(at.tokens) * n * d * (1 + depth * grown) * (1 + features)


def _not_symmetric(at: LinearStack) -> Array:
    """By how much W or H is not symmetric, or a weight of W negative, or a degree zero."""
    xp = namespace(at.tokens)
    worst = tiny(at.tokens) - xp.min(at.root, axis=(-2, -1))
    for matrix in (at.adjacency, at.weight):
        worst = xp.maximum(worst, asymmetry(matrix))
    return xp.maximum(worst, most_negative(at.adjacency))


def _build(sizes: Chosen, params: Params) -> LinearStack:
    """Any symmetric graph with self-loops and any symmetric H, as strong as the sizes say."""
    xp, weights = namespace(params["weights"]), params["weights"]
    squares = weights**2 + xp.matrix_transpose(weights) ** 2
    loops = xp.eye(sizes["tokens"], dtype=weights.dtype) * 4.0 ** sizes["loop"]
    feature = params["weight"] + xp.matrix_transpose(params["weight"])
    size = frobenius_norm(feature)[..., None, None]
    feature = feature / xp.where(size > 0, size, xp.ones_like(size)) * 2.0 ** sizes["strength"]
    tokens = params["tokens"] * 2.0 ** sizes["scale"]
    return LinearStack(tokens, squares + loops, feature, sizes["depth"])


_DOMAIN = Domain[LinearStack](
    sizes={
        "tokens": few_tokens(2, 6),
        "features": few_features(1, 4),
        "depth": Length(0, 12, typical=4),
        "loop": Exponent(-3, 2),
        "strength": Exponent(-3, 3),
        "scale": Exponent(-200, 200),
    },
    free={
        "tokens": Free("tokens", ("tokens", "features")),
        "weights": Free("graph", ("tokens", "tokens")),
        "weight": Free("matrix", ("features", "features")),
    },
    make=_build,
)
_REGULAR = np.asarray([[1.0, 3.0], [3.0, 1.0]])  # eigenvalues 1 and -1/2
_SYMMETRIC = Hypothesis("W and H are symmetric, and W is not negative", _not_symmetric)


def _pair(weight: float) -> LinearStack:
    return LinearStack(np.asarray([[1.0], [-1.0]]), _REGULAR, np.full((1, 1), weight), 5)


def _jordan(*, below: bool) -> LinearStack:
    """A feature map whose eigenvalues are all 0, not the 0, 0 or 9, -9 that one half of it has."""
    weight = np.asarray([[0.0, 0.0], [9.0, 0.0]])
    tokens = np.asarray([[1.0, 0.0], [-1.0, 0.0]])
    return LinearStack(tokens, _REGULAR, weight if below else weight.T, 2)


TRANSVERSE = Theorem[LinearStack](
    key="linear-stack",
    claim=r"d_M(X_L) \le \kappa \, \max_{i \ge 2, j} |1 + \lambda_i \theta_j|^L \, d_M(X_0),\quad"
    r" X_{l+1} = X_l + A X_l H,\ A = D^{-1} W,\ \kappa = (\max D / \min D)^{1/2}",
    source="dovonon2024",
    domain=_DOMAIN,
    hypotheses=(_SYMMETRIC,),
    lhs=lambda at: consensus_distance(at.output),
    rhs=_upper,
    rounding=_rounding,
    tight=True,
    witness=lambda: _pair(-3.0),
    outside=lambda: _jordan(below=False),
    note="In the coordinates D^1/2 X V both maps are diagonal, and M is the mode of e, with "
    "eigenvalue one. kappa is what D^1/2 costs. theta_j are the eigenvalues of H.",
)
RULING_PAIR = Theorem[LinearStack](
    key="linear-stack-pair",
    claim=r"(\sum_{i \ge 2, j} |1 + \lambda_i \theta_j|^{2L} (u_i^\top D^{1/2} X_0 v_j)^2)^{1/2}"
    r" / (\max D)^{1/2} \le d_M(X_L),\quad X_{l+1} = X_l + A X_l H,\ A = D^{-1} W",
    source="dovonon2024",
    domain=_DOMAIN,
    hypotheses=(_SYMMETRIC,),
    lhs=_all_pairs,
    rhs=lambda at: consensus_distance(at.output),
    rounding=_rounding,
    tight=True,
    witness=lambda: _pair(-3.0),
    outside=lambda: _jordan(below=True),
    note="Every pair but those of e lies across M and keeps its share, so each alone is a bound. "
    "|X_L| is at most kappa mu^L |X_0| with mu the largest of all |1 + lambda_i theta_j|: where "
    "that is reached with lambda_i other than one and a share that is not zero, d_M / |X| stays "
    "above a positive number at every depth. So tokens merge only if the ruling pair has "
    "lambda_A = 1.",
)
