"""How large are matrices as maps: singular values, norms, and the coupling of attention?

All by LAPACK, with a bound on its error beside it, so that a theorem can be checked against an
upper end that is one. Matrices are rescaled by powers of two first: no scale overflows.
"""

import math
from collections.abc import Callable

from theory.arrays import (
    Array,
    InputError,
    eps,
    namespace,
    require_finite,
    require_float,
    require_mask,
    require_shape,
)
from theory.magnitude import Counted, centre, frobenius_norm, rescale


def singular_values(matrices: Array) -> Array:
    """Return the singular values, largest first.

    Each has an absolute error of at most `spectral_norm_error`: the largest is accurate to a few
    digits less than the dtype holds, one below eps times the largest is noise.

    Shapes: matrices (*b, p, q), p and q positive -> (*b, min(p, q))
    Raises: InputError if an entry is NaN or infinite (with the index of the first), if the
            matrices are empty or their dtype is not float32 or float64
    """
    _require_matrices("matrices", matrices)
    scaled, unit = rescale(matrices, axis=(-2, -1))
    return namespace(matrices).linalg.svdvals(scaled) * unit[..., 0]


def spectral_norm(matrices: Array) -> Array:
    """Return the largest singular value, the norm of the matrix as a map on Euclidean space.

    Shapes: matrices (*b, p, q), p and q positive -> (*b,)
    Raises: InputError as `singular_values` does
    """
    return singular_values(matrices)[..., 0]


def gram_norm(matrices: Array) -> Array:
    """Return the largest singular value to p eps, from the Gram matrix of the shorter side p.

    For 576 x 1536 a tenth of the time of `spectral_norm`, which keeps more digits.

    Shapes: matrices (*b, p, q) -> (*b,)
    Raises: InputError as `spectral_norm` does
    """
    _require_matrices("matrices", matrices)
    xp = namespace(matrices)
    if matrices.shape[-2] > matrices.shape[-1]:
        matrices = xp.matrix_transpose(matrices)
    rows, unit = rescale(matrices, axis=(-2, -1))  # squares neither vanish nor overflow
    largest = xp.linalg.eigvalsh(rows @ xp.matrix_transpose(rows))[..., -1]
    return xp.sqrt(xp.clip(largest, min=0)) * unit[..., 0, 0]


def spectral_norm_error(matrices: Array) -> Array:
    """Bound how far a computed singular value may be from that of the matrices as given.

    The bidiagonal form is reached by at most min(p, q) reflections of vectors of length p and as
    many of length q. Each is backward stable (Higham 2002, Lemma 19.3): together they move the
    matrix by at most c min(p, q) (p + q) u in the Frobenius norm, relative, and so every singular
    value (Weyl). Here u = eps / 2, and the small whole constant c is taken as 8, which also covers
    the singular values of the bidiagonal (high relative accuracy). The last term is for results
    below the smallest normal number.

    Shapes: matrices (*b, p, q) -> (*b,)
    """
    _require_matrices("matrices", matrices)
    p, q = matrices.shape[-2:]
    return 4 * min(p, q) * (p + q) * eps(matrices) * frobenius_norm(matrices) + _grain(matrices)


def product_norm(value: Array, output: Array) -> Array:
    """Return the spectral norm of value @ output from triangular factors of the two.

    value = Q R and output^T = Q' R' have the norm of R R'^T, which is k x k: cheap where the head
    width k is far below d, and the d x d product is never formed.

    Shapes: value (*b, d, k), output (*b, k, c) -> (*b,)
    Raises: InputError if the inner widths k differ, or as `singular_values` does
    """
    left, right, unit = _factors(value, output)
    xp = namespace(left, right)
    triangles = [xp.linalg.qr(factor, mode="reduced")[1] for factor in (left, right)]
    return unit(spectral_norm(triangles[0] @ xp.matrix_transpose(triangles[1])))


def product_norm_error(value: Array, output: Array) -> Array:
    """Bound how far `product_norm` may be from the norm of the exact product.

    With both factors of Frobenius norm one: each QR moves its factor by 8 k u times the length of
    its columns, the product of the triangles errs by k u, and then `spectral_norm_error`.

    Shapes: value (*b, d, k), output (*b, k, c) -> (*b,)
    """
    left, right, unit = _factors(value, output)
    (d, k), c = left.shape[-2:], right.shape[-2]
    steps = 4 * k * (d + c) + k + 8 * k * k
    return unit(steps * eps(left) * frobenius_norm(left) * frobenius_norm(right)) + _grain(left)


def coupling(adjacency: Array, *, token_mask: Array | None = None) -> Array:
    """Return sqrt(lambda) of every head: the spectral norm of (I - e e^T) A.

    lambda is the largest eigenvalue of A^T (I - e e^T) A. d_M(A H) <= sqrt(lambda) d_M(H) for
    consensus as soon as the rows of A have equal sums. Accurate relative to itself however close
    the rows of A are to each other (see `coupling_error`).

    With a token mask, A is restricted to the tokens that count, and e to as many entries. For
    padding, to which nobody listens, this is the A of the single sentence; if tokens that count do
    listen to others (special tokens left out), it is that of a part of the graph, whose rows need
    not have equal sums, and the inequality is not claimed.

    Shapes: adjacency (*b, h, n, n), token_mask boolean (*b, n) -> (*b, h)
    Raises: InputError if adjacency is not square, not finite where it counts, or no token counts
    Source: shi2022
    """
    rows, _, unit = row_deviations(adjacency, token_mask=token_mask)
    return spectral_norm(rows) * unit


def coupling_error(adjacency: Array, *, token_mask: Array | None = None) -> Array:
    """Bound how far `coupling` may be from that of the adjacency as given.

    C, the rows minus their mean, is subtracted twice: what the first mean misses, n u |A|, is
    removed by the second up to (n + 3) u, relative. Then comes the error of the spectral norm.

    Shapes: adjacency (*b, h, n, n), token_mask boolean (*b, n) -> (*b, h)
    """
    rows, size, unit = row_deviations(adjacency, token_mask=token_mask)
    n = adjacency.shape[-1]
    missed = frobenius_norm(rows) + n * eps(rows) * size
    error = spectral_norm_error(rows) + (n + 3) * eps(rows) * missed
    return error * unit + _grain(rows)


def row_deviations(
    adjacency: Array, *, token_mask: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return C, |A|_F and a unit: (I - e e^T) A, zero where it does not count, is C unit.

    Shapes: adjacency (*b, h, n, n), token_mask boolean (*b, n) -> (*b, h, n, n), (*b, h), (*b, h)
    Raises: InputError as `coupling` does
    """
    xp = namespace(adjacency, token_mask)
    require_float("adjacency", adjacency)
    require_shape("adjacency", adjacency, "h", "n", "n")
    n = adjacency.shape[-1]
    if n == 0 or adjacency.shape[-2] != n:
        shape = tuple(adjacency.shape)
        raise InputError(f"adjacency must have shape (..., h, n, n), but has {shape}")
    rows, number = None, xp.full_like(adjacency[..., :1, :1], n)
    if token_mask is not None:
        require_mask("token_mask", token_mask, n)
        rows = token_mask[..., None, :, None]
        both = rows & token_mask[..., None, None, :]
        adjacency = xp.where(both, adjacency, xp.zeros_like(adjacency))
        number = xp.sum(xp.astype(rows, adjacency.dtype), axis=-2, keepdims=True)
        if bool(xp.any(number == 0)):
            raise InputError("token_mask must let at least one token of each sentence count")
    require_finite("adjacency", adjacency)
    scaled, unit = rescale(adjacency, axis=(-2, -1))
    return centre(Counted(scaled, rows, number)), frobenius_norm(scaled), unit[..., 0, 0]


def _require_matrices(name: str, matrices: Array) -> None:
    require_float(name, matrices)
    require_shape(name, matrices, "p", "q")
    if math.prod(matrices.shape[-2:]) == 0:
        raise InputError(f"{name} must not be empty, but have shape {tuple(matrices.shape)}")
    require_finite(name, matrices)


def _factors(value: Array, output: Array) -> tuple[Array, Array, Callable[[Array], Array]]:
    """Return value (*b, d, k), output^T (*b, c, k), both rescaled, and what undoes the scaling."""
    xp = namespace(value, output)
    _require_matrices("value", value)
    _require_matrices("output", output)
    if value.shape[-1] != output.shape[-2] or value.dtype != output.dtype:
        raise InputError(
            f"value (*b, d, k) and output (*b, k, c) must have one inner width and one dtype, but "
            f"have shapes {tuple(value.shape)} and {tuple(output.shape)}, dtypes {value.dtype} "
            f"and {output.dtype}"
        )
    left, unit_left = rescale(value, axis=(-2, -1))
    right, unit_right = rescale(xp.matrix_transpose(output), axis=(-2, -1))
    units = unit_left[..., 0, 0], unit_right[..., 0, 0]
    # The larger unit first: a small product times a small unit could vanish before the other.
    return left, right, lambda size: size * xp.maximum(*units) * xp.minimum(*units)


def _grain(matrices: Array) -> float:
    """What rounding may do to a result below the smallest normal number."""
    xp = namespace(matrices)
    info = xp.finfo(matrices.dtype)
    return float(info.smallest_normal) * float(info.eps)
