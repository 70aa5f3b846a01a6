"""Which number is certainly no smaller than the largest eigenvalue, for a quarter of its price?

Lanczos guesses it and Cholesky proves it: where the factorisation of u - G comes to its end, no
eigenvalue of G is above u, whatever the guess was worth. For many matrices of a hundred rows or
more that are wanted to a few digits; `theory.spectra.brackets` has the ends of all others.
"""

import array_api_compat

from theory.arrays import Array, eps, namespace
from theory.spectra.lanczos import start

TOLERANCE = 1e-6
"""By how much an upper end may be above the eigenvalue, relative: printed digits stay true."""

_STEPS = 24  # between two looks at the guess, each of which costs as much as many steps
_LOOKS = 3


def upper_end(grams: Array) -> Array:
    """Return an upper end of the largest eigenvalue, at most `TOLERANCE` above it, relative.

    Cholesky of the computed u - G ends only if the exact matrix is definite but for
    (p + 1) eps times its trace (Rump 2006, from Higham 2002, Theorem 10.3), which is at most p u:
    so p (p + 8) eps are added, for the rounding of u - G too. Where it does not end, the guess was
    too low, or the matrix is smaller than rounding, and LAPACK finds all eigenvalues; their upper
    end is good to 4 p^1.5 eps, as that of any Gram matrix here.

    Shapes: grams (*b, p, p) semidefinite -> (*b,)
    Dtype:  float64
    Source: higham2002, rump2006
    """
    return _upper_end(grams, None)


def scaled_upper_end(gram: Array, scale: Array) -> Array:
    """As `upper_end`, of all s_i G_ij s_j for one G: Lanczos multiplies all vectors by it at once.

    Shapes: gram (p, p), or (*b, p, p) one each; scale (*b, p) -> (*b,)
    Dtype:  float64
    Source: higham2002, rump2006
    """
    if gram.ndim > 2:
        return upper_end(scale[..., :, None] * gram * scale[..., None, :])
    return _upper_end(gram, scale)


def _upper_end(grams: Array, scale: Array | None) -> Array:
    xp, p = namespace(grams), grams.shape[-1]
    diagonal = xp.linalg.diagonal(grams)
    trace = xp.sum(diagonal if scale is None else diagonal * scale * scale, axis=-1)
    # The largest is at least the mean; a matrix of zeros has none.
    least = xp.where(trace > 0, trace * (0.5 / p), 1.0)
    upper = xp.maximum(_guess(grams, scale, trace) * (1 + TOLERANCE / 2), least)
    inverse = (1 / xp.sqrt(upper))[..., None]
    inverse = inverse + xp.zeros_like(diagonal) if scale is None else inverse * scale
    unit = xp.eye(p, dtype=grams.dtype, device=array_api_compat.device(grams))
    # One by one: a matrix of some hundred rows fits into the cache, and a batch of them does not.
    each, found = xp.reshape(inverse, (-1, p)), []
    many, ends = xp.reshape(grams, (-1, p, p)), xp.reshape(upper, (-1,))
    for i in range(each.shape[0]):
        at_most_one = _scaled(many[i if scale is None else 0, ...], each[i, :])
        end = ends[i] * (1 + p * (p + 8) * eps(grams))
        if not _definite(unit - at_most_one):
            end = ends[i] * xp.linalg.eigvalsh(at_most_one)[-1]
        found.append(end)
    return xp.where(trace > 0, xp.reshape(xp.stack(found), trace.shape), 0.0)


def _scaled(gram: Array, scale: Array) -> Array:
    return scale[:, None] * gram * scale[None, :]


def _definite(matrix: Array) -> bool:
    """Tell whether Cholesky comes to its end; NumPy and torch raise, CuPy gives NaN."""
    xp = namespace(matrix)
    try:
        factors = xp.linalg.cholesky(matrix)
    except (ValueError, RuntimeError):  # LinAlgError is the one here and the other there
        return False
    return bool(xp.all(xp.isfinite(xp.linalg.diagonal(factors))))


def _guess(grams: Array, scale: Array | None, trace: Array) -> Array:
    """Return what Lanczos without orthogonalisation takes for the largest eigenvalue: (*b,).

    Vectors that are found again do no harm to a guess. At a trace of one no length overflows.
    """
    xp, p = namespace(grams), grams.shape[-1]
    place = array_api_compat.device(grams)
    unit = xp.where(trace > 0, trace, 1.0)
    first = xp.asarray(start(p), dtype=grams.dtype, device=place)
    vector, before = xp.broadcast_to(first, (*trace.shape, p)), 0.0
    diagonal: list[Array] = []
    beside: list[Array] = []
    guess = 0 * trace
    shortest = p * eps(grams)
    for step in range(_STEPS * _LOOKS):
        if scale is None:
            found = (grams @ vector[..., None])[..., 0]
        else:
            found = scale * ((scale * vector) @ grams)
        found = found / unit[..., None]
        entry = xp.vecdot(vector, found)
        found = found - entry[..., None] * vector - before
        length = xp.linalg.vector_norm(found, axis=-1)
        some = length > shortest
        length = xp.where(some, length, 0.0)
        inverse = xp.where(some, 1 / xp.where(some, length, 1.0), 0.0)
        before = length[..., None] * vector
        vector = inverse[..., None] * found
        diagonal.append(entry)
        beside.append(length)
        if (step + 1) % _STEPS == 0:
            known, guess = guess, _largest(diagonal, beside)
            if bool(xp.all(guess - known <= TOLERANCE / 10 * guess)):
                break
    return guess * unit


def _largest(diagonal: list[Array], beside: list[Array]) -> Array:
    """Return the largest eigenvalue of tridiagonal matrices: k entries (*b,) each -> (*b,)."""
    xp, k = namespace(diagonal[0]), len(diagonal)
    options = {"dtype": diagonal[0].dtype, "device": array_api_compat.device(diagonal[0])}
    upper = xp.stack(beside, axis=-1)[..., None] * xp.eye(k, k=1, **options)
    whole = xp.stack(diagonal, axis=-1)[..., None] * xp.eye(k, **options) + upper
    return xp.linalg.eigvalsh(whole + xp.matrix_transpose(upper))[..., -1]
