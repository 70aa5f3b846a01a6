"""How large is the largest eigenvalue of a symmetric matrix at most, for certain?

Cholesky decides it: if the factorisation of X = mu 1 - S runs to its end in float64, then X + E is
R^T R with |E_ij| <= gamma_(n+1) / (1 - gamma_(n+1)) sqrt(x_ii x_jj), whatever the order of sums,
so that no eigenvalue of X is below -gamma_(n+1) / (1 - gamma_(n+1)) tr X. Where mu comes from does
not matter; here it is a guess from a few Krylov steps, raised until the factorisation succeeds.

Source: rump2006, higham2002 (theorem 10.3)
"""

import numpy as np

from theory.arrays import Floats
from theory.local.enclosed import UNIT, Enclosed, enclosed
from theory.spectra.enclosures import gamma

_STEPS = 24
_FIRST = 1e-3  # how far above the guess the first try is; it enters remainders alone


def top_eigenvalue(matrix: Enclosed) -> float:
    """Return at least the largest eigenvalue of every symmetric matrix enclosed, and at least 0.

    The symmetric matrix meant lies within |rad| of the symmetric part of ``mid`` in the Frobenius
    norm. Infinite if no bound was found.

    Shapes: matrix (p, p)
    """
    mid = matrix.mid
    if not (np.isfinite(mid).all() and np.isfinite(matrix.rad).all()):
        return float("inf")
    half = (mid + mid.T) * 0.5  # of a pair of entries: rounded once, by u times its size
    far = _frobenius_above(matrix.rad)
    size = _frobenius_above(mid)
    if size < 2.0**-450:
        return far + size
    unit = 2.0 ** float(np.frexp(size)[1])  # near one nothing of weight falls below the smallest
    return float(unit * _shifted_out(half / unit, size / unit) * (1 + 4 * UNIT) + far)


def _shifted_out(half: Floats, size: float) -> float:
    """Return at least the largest eigenvalue of a symmetric matrix of Frobenius norm ``size``."""
    p = len(half)
    mu = max(_guess(half), size * 2.0**-40) * (1 + _FIRST)
    for _ in range(60):
        shifted = -half
        diagonal = shifted.diagonal() + mu
        np.fill_diagonal(shifted, diagonal)
        try:
            if not (diagonal > 0).all():
                raise np.linalg.LinAlgError
            np.linalg.cholesky(shifted)
        except np.linalg.LinAlgError:
            mu *= 1.05
            continue
        loss = gamma(p + 1, UNIT) / (1 - gamma(p + 1, UNIT))
        trace = float(diagonal.sum()) * (1 + 2 * p * UNIT)
        # the diagonal is rounded by u (mu + size), the symmetric part by 2 u size
        lost = 1.01 * loss * trace + 2 * UNIT * (mu + 3 * size) * p**0.5 + 2.0**-400
        return float((mu + lost) * (1 + 16 * UNIT))
    return float("inf")


def norm_above(matrix: Enclosed) -> float:
    """Return at least the spectral norm, from the smaller one of the two Gram matrices."""
    p, q = matrix.shape[-2:]
    gram = matrix @ matrix.T if p <= q else matrix.T @ matrix
    return float(np.sqrt(top_eigenvalue(gram)) * (1 + 4 * UNIT))


def factor_above(matrix: Enclosed) -> Enclosed | None:
    """Return B with B B^T >= every symmetric matrix enclosed (semidefinite), hardly larger.

    A float64 Cholesky factor of mid + c 1: by the bound above B B^T is at least mid + c 1 minus
    its loss. None where the factorisation fails.
    """
    mid, p = matrix.mid, matrix.shape[-1]
    half = (mid + mid.T) * 0.5
    size = _frobenius_above(mid)
    far = _frobenius_above(matrix.rad)
    loss = gamma(p + 1, UNIT) / (1 - gamma(p + 1, UNIT))
    for extra in (2.0**-36, 2.0**-26):
        shift = far + size * extra
        trace = (float(np.abs(half.diagonal()).sum()) + p * shift) * (1 + 2 * p * UNIT)
        if not 1.01 * loss * trace + 8 * UNIT * (size + shift) * p**0.5 + far <= shift:
            continue
        try:
            factor = np.linalg.cholesky(half + shift * np.eye(p))
        except np.linalg.LinAlgError:
            continue
        return enclosed(np.asarray(factor, dtype=np.float64))
    return None


def _guess(symmetric: Floats) -> float:
    """Return about the largest eigenvalue, from a Krylov space; nothing relies on it."""
    p = len(symmetric)
    if p <= _STEPS:
        return float(np.linalg.eigvalsh(symmetric)[-1])
    vector = np.cos(np.arange(p) * 1.7 + 0.3)
    basis = [vector / np.linalg.norm(vector)]
    for _ in range(_STEPS):
        next_one = symmetric @ basis[-1]
        for _ in range(2):
            known = np.stack(basis)
            next_one = next_one - known.T @ (known @ next_one)
        size = float(np.linalg.norm(next_one))
        if size < 1e-12:
            break
        basis.append(next_one / size)
    known = np.stack(basis)
    return float(np.linalg.eigvalsh(known @ symmetric @ known.T)[-1])


def _frobenius_above(matrix: Floats) -> float:
    """Return at least the Frobenius norm; 2^-500 an entry is for squares that vanish."""
    lost = 4 * matrix.size * UNIT
    return float(np.linalg.norm(matrix)) * (1 + lost) + matrix.size * 2.0**-500
