"""How far are the tokens from a subspace M: all tokens equal, or equal within each class?"""

from collections.abc import Sequence
from dataclasses import dataclass

import array_api_compat

from theory.arrays import (
    Array,
    InputError,
    constant,
    eps,
    known,
    namespace,
    require_finite,
    require_float,
    require_plain,
    require_shape,
)
from theory.magnitude import count_tokens, deviations, frobenius_norm, gather, rescale
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Subspace:
    """M = { E C : C any m x d matrix }, given by the orthonormal columns E = ``basis``.

    M is a set of token matrices, though E lives on the n tokens: each feature, read as a vector
    over the tokens, has to lie in the span of E.

    Shapes: basis (n, m), 1 <= m <= n
    Raises: InputError if the columns are not orthonormal within the error of a QR decomposition
    Source: oono2020, shi2022
    """

    basis: Array

    def __post_init__(self) -> None:
        n, m = _require_columns("basis", self.basis)
        xp = namespace(self.basis)
        gram = xp.matrix_transpose(self.basis) @ self.basis
        unit = xp.eye(m, dtype=gram.dtype, device=array_api_compat.device(gram))
        error = xp.max(xp.abs(gram - unit))
        # Householder QR is orthonormal to m**1.5 n eps with a small constant (Higham, Theorem
        # 19.4); the Gram matrix here errs by n eps more, and 8 covers both constants.
        allowed = 8 * n * m**1.5 * eps(gram)
        if known(error <= allowed) is False:
            raise InputError(
                f"basis must have orthonormal columns, but its Gram matrix differs from the unit "
                f"matrix by {float(error):.3g} (allowed: {allowed:.3g}); general() orthonormalises"
            )

    @property
    def size(self) -> int:
        """The number n of tokens."""
        return int(self.basis.shape[0])

    @property
    def rank(self) -> int:
        """The dimension m of the span of E over the tokens (M itself has dimension m d)."""
        return int(self.basis.shape[1])


def consensus(n: int, *, like: Array) -> Subspace:
    """Return the subspace where all n tokens are equal: E = e = n^(-1/2) (1, ..., 1).

    Dtype:  that of ``like``, and its library and device
    Raises: InputError if n is not positive
    """
    if n < 1:
        raise InputError(f"n must be positive, but is {n}")
    require_float("like", like)
    return Subspace(constant([[float(n)]] * n, like=like) ** -0.5)  # to all the digits of like


def partition(labels: Array | Sequence[int], *, like: Array) -> Subspace:
    """Return the subspace where tokens with equal labels are equal: normalised class indicators.

    The columns are in the order of the sorted labels. This is the M of a graph with several
    components, and a kind for which the LayerNorm lemma holds as it does for consensus.

    Shapes: labels (n,), whole numbers
    Dtype:  that of ``like``, and its library and device
    Raises: InputError if labels are empty, not whole numbers or have more than one axis
    """
    require_float("like", like)
    xp = namespace(like)
    require_plain(labels)
    labels = xp.asarray(labels, device=array_api_compat.device(like))
    if labels.ndim != 1 or labels.shape[0] == 0 or not xp.isdtype(labels.dtype, "integral"):
        raise InputError(
            f"labels must be a non-empty row of whole numbers, one per token, but have shape "
            f"{tuple(labels.shape)} and dtype {labels.dtype}"
        )
    classes = xp.unique_values(labels)
    member = xp.astype(labels[:, None] == xp.sort(classes)[None, :], like.dtype)
    return Subspace(member / xp.sqrt(xp.sum(member, axis=0, keepdims=True)))


def general(vectors: Array) -> Subspace:
    """Return the subspace spanned by the columns of ``vectors``, orthonormalised by QR.

    Shapes: vectors (n, m), 1 <= m <= n
    Raises: InputError if the columns are linearly dependent within rounding, once each is scaled
            to norm one: then the dimension of M would be a guess
    """
    n, m = _require_columns("vectors", vectors)
    xp = namespace(vectors)
    scaled, _ = rescale(vectors, axis=(-2,))
    lengths = xp.sqrt(xp.sum(scaled * scaled, axis=-2, keepdims=True))
    if bool(xp.any(lengths == 0)):
        raise InputError("vectors must be linearly independent, but a column is zero")
    scaled = scaled / lengths
    smallest = float(xp.linalg.svdvals(scaled)[-1])
    if smallest <= max(n, m) * m**0.5 * eps(scaled):  # numpy's matrix_rank, with |.|_2 <= sqrt m
        raise InputError(
            f"vectors must be linearly independent, but the smallest singular value of the "
            f"normalised columns is {smallest:.3g}"
        )
    return Subspace(xp.linalg.qr(scaled, mode="reduced")[0])


def project(subspace: Subspace, tokens: Array) -> Array:
    """Return the point E E^T H of M that is nearest to the tokens.

    Shapes: tokens (*b, n, d) -> (*b, n, d)
    Raises: InputError if the tokens' number, dtype or library does not fit the basis
    """
    scaled, units = _fit(subspace, tokens)
    return _nearest(subspace, scaled) * units


def distance(subspace: Subspace, tokens: Array) -> Array:
    """Return d_M(H), the smallest Frobenius norm of H - Y over Y in M: that of (I - E E^T) H.

    Projected out twice, so that what is left in M by rounding does not count. For consensus and
    partitions the rounding of the first pass lies in M, and the result is accurate relative to
    itself; for another basis the error is of the order of eps times the norm of H. What rounding
    leaves in M itself has a slope of its own: to train on, `consensus_distance` has none there.

    Shapes: tokens (*b, n, d) -> (*b,)
    Raises: InputError if the tokens' number, dtype or library does not fit the basis
    Source: oono2020, shi2022
    """
    rest, units = _fit(subspace, tokens)
    for _ in range(2):
        rest = rest - _nearest(subspace, rest)
    rest, unit = gather(rest, units)
    return frobenius_norm(rest) * unit[..., 0, 0]


def consensus_distance(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return d_M(H) for consensus: the Frobenius norm of the tokens minus their mean.

    n d_M^2 is the sum of |h_i - h_j|^2 over all pairs i < j. The relative error is at most
    (n d + n + 8) eps however close to consensus the tokens are, beside the rounding of a
    subnormal result; the result is infinite only if d_M is beyond the largest number.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite, or none counts
    Source: shi2022
    """
    rest, unit = deviations(count_tokens(tokens, token_mask=token_mask))
    return frobenius_norm(rest) * unit[..., 0, 0]


def _nearest(subspace: Subspace, tokens: Array) -> Array:
    basis = subspace.basis
    return basis @ (namespace(basis).matrix_transpose(basis) @ tokens)


def _fit(subspace: Subspace, tokens: Array) -> tuple[Array, Array]:
    """Check tokens against the basis, and rescale every feature: each is projected for itself."""
    namespace(subspace.basis, tokens)
    require_shape("tokens", tokens, subspace.size, "d")
    if tokens.dtype != subspace.basis.dtype:
        kinds = f"{tokens.dtype} and {subspace.basis.dtype}"
        raise InputError(f"tokens and basis must have one dtype, but have {kinds}")
    return rescale(count_tokens(tokens).tokens, axis=(-2,))


def _require_columns(name: str, vectors: Array) -> tuple[int, int]:
    require_float(name, vectors)
    require_shape(name, vectors, "n", "m")
    shape = tuple(vectors.shape)
    if len(shape) != 2 or not 1 <= shape[1] <= shape[0]:
        raise InputError(f"{name} must have shape (n, m) with 1 <= m <= n, but has {shape}")
    require_finite(name, vectors)
    return int(shape[0]), int(shape[1])
