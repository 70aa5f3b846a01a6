"""Between which two numbers lies the largest eigenvalue of a symmetric tridiagonal matrix?

For many small matrices at once: a few dozen operations on whole batches, where LAPACK would be
called for each. All in float64.
"""

from collections.abc import Sequence

from theory.arrays import Array, namespace

_LEAST = 1e-140  # pivots whose inverse squares are far from overflow

_STEPS = 6
"""Convergence is cubic; with fewer steps the two numbers are safe too, only further apart."""


def largest_eigenvalue(diagonal: Sequence[Array], beside: Sequence[Array]) -> tuple[Array, Array]:
    """Return (lower, upper) around the largest eigenvalue of tridiagonal matrices.

    With the pivots d_i(x) of x - T, all positive exactly if x is above all eigenvalues t_i, the
    logarithmic derivatives S_1 = sum 1 / (x - t_i) and S_2 = sum 1 / (x - t_i)^2 of the
    determinant follow by recursion, from terms of one sign. Laguerre's step
    x - k / (S_1 + sqrt((k - 1)(k S_2 - S_1^2))) stays above all eigenvalues and converges
    cubically; x - k / S_1 is below the largest. The computed pivots belong to a matrix whose
    entries are off by a few roundings of x and themselves (Parlett 1998, section 3.3):
    16 eps covers them, by Weyl. A pivot that rounding made negative ends the descent.

    Shapes: diagonal k arrays (*b,), beside k - 1 arrays (*b,): the entries next to it
    Dtype:  float64
    """
    xp = namespace(*diagonal, *beside)
    k, zero = len(diagonal), xp.zeros_like(diagonal[0])
    size = [xp.abs(b) for b in beside]
    reach = [a + b + c for a, b, c in zip(diagonal, [zero, *size], [*size, zero], strict=True)]
    upper = lower = diagonal[0]
    largest = zero
    for entry, disc in zip(diagonal, reach, strict=True):
        lower, upper = xp.maximum(lower, entry), xp.maximum(upper, disc)  # Rayleigh, Gershgorin
        largest = xp.maximum(largest, xp.maximum(xp.abs(entry), xp.abs(disc)))
    squares = [b * b for b in beside]
    whole = zero
    for square in (*(a * a for a in diagonal), *squares, *squares):
        whole = whole + square
    slack = 16 * float(xp.finfo(upper.dtype).eps) * largest
    safe = whole > _LEAST**2  # or squares vanished
    upper = xp.where(safe, xp.minimum(upper, xp.sqrt(whole)), upper) + slack  # Frobenius
    at = upper
    for _ in range(_STEPS):
        first, second, above = _log_derivatives(diagonal, squares, at)
        upper = xp.where(above, at, upper)
        lower = xp.where(above, xp.maximum(lower, at - k / first), lower)
        root = xp.sqrt((k - 1) * xp.clip(k * second - first * first, min=0))
        at = xp.where(above, at - k / (first + root) + slack / 2, upper)
    return lower - slack, upper + slack


def _log_derivatives(
    diagonal: Sequence[Array], squares: Sequence[Array], at: Array
) -> tuple[Array, Array, Array]:
    """Return sum 1 / (x - t_i), sum 1 / (x - t_i)^2, and whether x is above all t_i."""
    xp = namespace(at)
    one = xp.ones_like(at)
    pivot = at - diagonal[0]
    above = pivot > _LEAST
    inverse = one / xp.where(above, pivot, one)
    first = slope = inverse  # slope = d' / d
    bend = 0 * one  # -d'' / d
    second = slope * slope
    for entry, square in zip(diagonal[1:], squares, strict=True):
        share = square * inverse
        pivot = at - entry - share
        above = above & (pivot > _LEAST)
        inverse = one / xp.where(above, pivot, one)
        bend = share * (bend + 2 * slope * slope) * inverse
        slope = (1 + share * slope) * inverse
        first = first + slope
        second = second + slope * slope + bend
    return first, second, above
