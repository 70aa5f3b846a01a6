"""For which subspaces and scalings does the LayerNorm lemma fail? (derived here)"""

import numpy as np

from theory.arrays import Array, eps, namespace
from theory.blocks.norms import Norm, norm_std
from theory.bounds.rounding import distance_rounding
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance, partition
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import FLAG, Exponent, Length, Size, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.norms import (
    CONSENSUS,
    LAYER_NORM,
    NORM_FREE,
    NORM_SIZES,
    SIGMA,
    Normalised,
    norm_builder,
    norm_from,
    norm_rounding,
    normalised,
    normalised_by,
)

NEAR_M: dict[str, Size] = {
    "tokens": few_tokens(2, 6),
    "near": Exponent(0, 12),
    "classes": Length(1, 3),
}
FREE_NEAR_M = {**NORM_FREE, "inside": Free("matrix", ("tokens", "features"))}


def _not_a_partition(at: Normalised) -> Array:
    """How far M is from containing 1 and the products of its members, entry by entry.

    Exactly the spans of the indicators of a partition do. Rounding: a column has entries up to
    one, so that each product, projected twice, errs by 4 (n + m) m eps.
    """
    xp, basis = namespace(at.tokens), at.basis
    if basis is None:
        return 0 * at.sigma
    n, m = basis.shape[-2:]
    products = [basis[..., i : i + 1] * basis[..., j : j + 1] for i in range(m) for j in range(m)]
    vectors = xp.concat([xp.ones_like(basis[..., :1]), *products], axis=-1)
    rest = vectors - basis @ (xp.matrix_transpose(basis) @ vectors)
    return xp.max(xp.abs(rest), axis=(-2, -1)) - 4 * (n + m) * m * eps(basis) * n**0.5


def _build_partition(sizes: Chosen, params: Params) -> Normalised:
    n = sizes["tokens"]
    classes = min(sizes["classes"], n - 1) if n > 1 else 1
    labels = [min(i, classes - 1) if sizes["uneven"] else i % classes for i in range(n)]
    like = params["tokens"]
    basis = partition(labels, like=like).basis
    return normalised(sizes, params, norm_from(sizes, params, kind="layer"), basis)


def _build_general(sizes: Chosen, params: Params) -> Normalised:
    """M spanned by e = sqrt(degree) / its norm, as for a graph convolution."""
    xp = namespace(params["tokens"])
    root = xp.abs(params["root_degree"]) + 0.1
    basis = (root / xp.sqrt(xp.sum(root**2, axis=-1, keepdims=True)))[..., None]
    return normalised(sizes, params, norm_from(sizes, params, kind="layer"), basis)


_TWO_CLASSES = partition([0, 0, 1], like=np.empty(0)).basis
_WEIGHTED = np.asarray([[3.0], [2.0], [1.0], [1.0], [1.0]]) / 4  # of norm one, exactly
_IN_WEIGHTED_M = _WEIGHTED @ np.asarray([[1.0, -1.0]])


def _outside_partition() -> Normalised:
    return Normalised(_IN_WEIGHTED_M, Norm(), np.float64(0.25), _WEIGHTED)


LAYER_NORM_PARTITION = Theorem[Normalised](
    key="layer-norm-partition",
    claim=r"d_M(\mathrm{LN}(H)) \le \frac{\max|\gamma|}{\tau \sigma} d_M(H)"
    r"\quad\text{for } M \text{ spanned by the indicators of a partition}",
    source="derived",
    domain=Domain(
        sizes={**NORM_SIZES, **NEAR_M, "uneven": FLAG}, free=FREE_NEAR_M, make=_build_partition
    ),
    hypotheses=(
        normalised_by("layer"),
        SIGMA,
        Hypothesis("M is spanned by a partition's indicators", _not_a_partition),
    ),
    lhs=LAYER_NORM.lhs,
    rhs=LAYER_NORM.rhs,
    rounding=norm_rounding,
    tight=True,
    witness=lambda: Normalised(
        np.asarray([[2.0, -2.0], [-2.0, 2.0], [3.0, -3.0]]), Norm(), np.float64(2.0), _TWO_CLASSES
    ),
    outside=_outside_partition,
    note="The layer-norm proof, applied to the pairs within each class.",
)
LAYER_NORM_GENERAL = Theorem[Normalised](
    key="layer-norm-general-subspace",
    claim=r"d_M(\mathrm{LN}(H)) \le \frac{\max|\gamma|}{\tau \sigma} d_M(H)"
    r"\quad\text{for any subspace } M",
    source="derived",
    domain=Domain(
        sizes={**NORM_SIZES, **NEAR_M},
        free={**FREE_NEAR_M, "root_degree": Free("vector", ("tokens",))},
        make=_build_general,
    ),
    hypotheses=(normalised_by("layer"), SIGMA),
    lhs=LAYER_NORM.lhs,
    rhs=LAYER_NORM.rhs,
    rounding=norm_rounding,
    expected="refuted",
    witness=_outside_partition,
    correction="layer-norm-partition: M must be spanned by the indicators of a partition",
    note="LN sends tokens c_i x in M, x fixed, to tokens that are all equal: out of M unless the "
    "c_i are. With a degree-weighted e, ratios have no limit.",
)


def _over_std(at: Normalised) -> Array:
    return at.tokens / norm_std(at.norm, at.tokens)[..., None]


def _over_std_rounding(at: Normalised) -> Array:
    """The quotient; the std may be off by (d + 10) sqrt(d) eps of the row's norm over sigma."""
    d = at.tokens.shape[-1]
    size = frobenius_norm(at.tokens)
    relative = eps(at.tokens) * (1 + (d + 10) * size / at.sigma)
    left = relative * frobenius_norm(_over_std(at)) + distance_rounding(_over_std(at))
    return left + 2 / at.sigma * distance_rounding(at.tokens) + relative * size / at.sigma


ROW_SCALING = Theorem[Normalised](
    key="row-scaling-without-centring",
    claim=r"d_M(D^{-1} H) \le d_M(H) / \sigma,\quad D = \mathrm{diag}(\text{std of each token})",
    source="derived",
    domain=Domain(
        sizes=NORM_SIZES | {"tau": Exponent(0, 0), "fixed_std": Exponent(0, 0)},
        free=NORM_FREE,
        make=norm_builder("layer"),
    ),
    hypotheses=(normalised_by("layer"), CONSENSUS, SIGMA),
    lhs=lambda at: consensus_distance(_over_std(at)),
    rhs=lambda at: consensus_distance(at.tokens) / at.sigma,
    rounding=_over_std_rounding,
    expected="refuted",
    witness=lambda: Normalised(np.asarray([[101.0, 99.0], [102.0, 98.0]]), Norm(), np.float64(1.0)),
    correction="layer-norm (centre the features first) or rms-norm (divide by the rms)",
    note="An offset that all features share is divided by different stds: in the witness d_M "
    "grows from 1 to 50, and nothing limits it.",
)
