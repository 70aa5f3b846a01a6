"""Which number is certainly no smaller than the largest eigenvalue, for a quarter of its price?

Lanczos guesses it and Cholesky proves it: where the factorisation of u - G comes to its end, no
eigenvalue of G is above u, whatever the guess was worth. For many matrices of a hundred rows or
more that are wanted to a few digits; `theory.spectra.brackets` has the ends of all others.
"""

from collections.abc import Callable

import array_api_compat

from theory.arrays import Array, eps, namespace
from theory.spectra.lanczos import start

TOLERANCE = 1e-6
"""By how much an upper end may be above the eigenvalue, relative: printed digits stay true."""

_STEPS = 24  # between two looks at the guess, each of which costs as much as many steps
_LOOKS = 3


def upper_end(grams: Array, *, image: Callable[[Array], Array] | None = None) -> Array:
    """Return an upper end of the largest eigenvalue, at most `TOLERANCE` above it, relative.

    Cholesky of the computed u - G ends only if the exact matrix is definite but for
    (p + 1) eps times its trace (Rump 2006, from Higham 2002, Theorem 10.3), which is at most p u:
    so p (p + 2) eps are added. Where it does not end, one of the guesses was too low, or the
    matrix is smaller than rounding, and LAPACK finds all eigenvalues of all matrices; their upper
    end is good to 4 p^1.5 eps, as that of any Gram matrix here.

    ``image`` may give G x for all matrices at once, where they have a common factor say.

    Shapes: grams (*b, p, p) semidefinite, image (*b, p) -> (*b, p); -> (*b,)
    Dtype:  float64
    Source: higham2002, rump2006
    """
    xp, p = namespace(grams), grams.shape[-1]
    trace = xp.sum(xp.linalg.diagonal(grams), axis=-1)
    guess = _guess(grams, image, trace)
    least = trace * (0.5 / p)  # the largest is at least the mean; a matrix of zeros has none
    upper = xp.maximum(guess * (1 + TOLERANCE / 2), xp.where(trace > 0, least, 1.0))
    place = array_api_compat.device(grams)
    unit = xp.eye(p, dtype=grams.dtype, device=place)
    if _all_definite(upper[..., None, None] * unit - grams):
        return xp.where(trace > 0, upper * (1 + p * (p + 2) * eps(grams)), 0.0)
    return xp.linalg.eigvalsh(grams)[..., -1]


def _all_definite(matrices: Array) -> bool:
    """Tell whether Cholesky comes to its end; NumPy and torch raise, CuPy gives NaN."""
    xp = namespace(matrices)
    try:
        factors = xp.linalg.cholesky(matrices)
    except (ValueError, RuntimeError):  # LinAlgError is the one here and the other there
        return False
    return bool(xp.all(xp.isfinite(xp.linalg.diagonal(factors))))


def _guess(grams: Array, image: Callable[[Array], Array] | None, trace: Array) -> Array:
    """Return what Lanczos without orthogonalisation takes for the largest eigenvalue: (*b,).

    Vectors that are found again do no harm to a guess. At a trace of one no length overflows.
    """
    xp, p = namespace(grams), grams.shape[-1]
    place = array_api_compat.device(grams)
    unit = xp.where(trace > 0, trace, 1.0)
    first = xp.asarray(start(p), dtype=grams.dtype, device=place)
    vector, before = xp.broadcast_to(first, grams.shape[:-1]), 0.0
    diagonal: list[Array] = []
    beside: list[Array] = []
    guess = 0 * trace
    shortest = p * eps(grams)
    for step in range(_STEPS * _LOOKS):
        found = (grams @ vector[..., None])[..., 0] if image is None else image(vector)
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
