"""Which numbers certainly enclose the largest eigenvalue of a matrix, after a few Lanczos steps?

Three enclosures for whole batches, from cheapest to sharpest. First for an exact semidefinite G:

1. From the trace t and the Frobenius norm f alone. f^2 / t is a weighted mean of eigenvalues, so
   below the largest. m real eigenvalues with sum t and sum of squares f^2 have a largest of at most
   w(t, f^2, m) = t/m + sqrt((m-1)/m (f^2 - t^2/m)) (Wolkowicz and Styan 1980), which grows with t
   up to t = f and then falls. Adding a multiple of the unit matrix adds that multiple to w; so G
   minus its mean eigenvalue is treated, and what is lost by rounding is small if G is nearly flat.

2. After k Lanczos steps G Q = Q T + b q e_k^T; in the basis [Q, q, rest], G is
       [ T             b e_k e_1^T ]
       [ b e_1 e_k^T   R           ]
   R is the compression of G to m = N - k dimensions: semidefinite, with trace tr G - tr T and
   squared Frobenius norm |G|^2 - |T|^2 - 2 b^2. Hence its norm is at most
   mu = min(trace, w). With x = (y, z): x^T G x <= y^T T y + 2 b |y_k| |z| + mu |z|^2, so the
   largest eigenvalue of [[T, b e_k], [b e_k^T, mu]] is an upper bound, that of T a lower one.

3. The same for polynomials of G. X -> X^2 - c^2/2 takes [-c, c] to itself on a smaller scale,
   c^2/2, and moves what lies beyond c away. (With 2 X^2 - 1 these would be the Chebyshev
   polynomials of degree 2, 4, 8, ..., that grow fastest beyond an interval.) Begun with X = G - c,
   2 c a little less than the lower bound, four products separate the largest eigenvalue of most
   spectra to a percent; powers of G need seven. Squaring divides relative widths by two.

Rounding. What is enclosed is the largest eigenvalue of S, the symmetric part of the matrix P in
memory: exact by definition. It need not be semidefinite; no eigenvalue is below -defect, so that
in 2. "at most the trace" becomes "at most the trace and m - 1 times the defect". From one
polynomial to the next the product loses something (`theory.spectra.enclosures`), and the bounds are
taken back through that chain (`theory.spectra.polynomials.ends`): what was lost early is not
magnified by what was bounded loosely later.

In Lanczos, let V be the k + 1 computed vectors, d = |V^T V - 1|_F < 1 measured, and D the measured
and bounded error of S V = V T + b v e_k^T + D. With [Q, q] = V (V^T V)^(-1/2), exactly orthonormal
and off from V by at most d, S Q = Q T + b q e_k^T + Y with
    |Y|_F <= e = d (|[T; b e_k^T]|_F + |S|) + |D|_F.
So S is the matrix above up to a symmetric one of norm at most sqrt(2) e: the upper bound grows by
sqrt(2) e, the lower one falls by e, the trace of R is known to sqrt(k) e and its squared Frobenius
norm to 2 sqrt(2) |[T, sqrt(2) b]|_F e. D consists of (P - S) V, the coefficients that
orthogonalisation found beside T, last vectors that were dropped, and rounding.
"""

import math
from typing import NamedTuple

import array_api_compat

from theory.arrays import Array, constant, namespace
from theory.spectra.enclosures import (
    MIND,
    WIDE,
    Enclosure,
    Sums,
    gamma,
    roundoff,
    wide,
    wolkowicz_styan,
)
from theory.spectra.tridiagonal import largest_eigenvalue


class Krylov(NamedTuple):
    """What Lanczos computed, as computed, in float64.

    ``parts[:, j, i]`` is the part of the image of vector j along vector i <= j, ``lengths[:, j]``
    that of what is left, ``dropped`` those that were too short to go on with, ``loss`` how far the
    vectors are from orthonormal at most (Frobenius), ``used`` how many of the first k are not zero.

    Shapes: parts (b, k, k), lengths and dropped (b, k), loss and used (b,)
    """

    parts: Array
    lengths: Array
    dropped: Array
    loss: Array
    used: Array


def lanczos(matrix: Array, found: Sums, steps: int) -> Krylov:
    """Run Lanczos with full orthogonalisation, twice, from a fixed start; at most N - 1 steps.

    What is left of an image and no longer than rounding is dropped: the space is complete, and a
    vector of zeros stands in the place of the next.
    """
    xp, (b, n) = namespace(matrix), matrix.shape[:2]
    unit, place = roundoff(matrix), array_api_compat.device(matrix)
    k = min(steps, n - 1)
    shortest = 4 * n * unit * xp.sqrt(found.square)
    vectors = xp.zeros((b, k + 1, n), dtype=matrix.dtype, device=place)
    vectors[:, 0, :] = constant(start(n), like=matrix)
    parts = xp.zeros((b, k, k), dtype=xp.float64, device=place)
    lengths = xp.zeros((b, k), dtype=xp.float64, device=place)
    dropped = xp.zeros((b, k), dtype=xp.float64, device=place)

    def widen(array: Array) -> Array:
        return xp.astype(array, xp.float64)  # without looking up the namespace each time

    for j in range(k):
        basis = vectors[:, : j + 1, :]
        across = xp.matrix_transpose(basis)
        image = matrix @ vectors[:, j, :, None]
        part = basis @ image
        image -= across @ part
        again = basis @ image
        image -= across @ again
        image = image[..., 0]
        length = widen(xp.sqrt(xp.vecdot(image, image)))
        keep = length > shortest
        inverse = xp.where(keep, 1 / xp.where(keep, length, 1.0), 0.0)
        vectors[:, j + 1, :] = image * xp.astype(inverse, matrix.dtype)[:, None]
        parts[:, j, : j + 1] = widen(part[..., 0]) + widen(again[..., 0])
        lengths[:, j] = xp.where(keep, length, 0.0)
        dropped[:, j] = xp.where(keep, 0.0, length)
    return Krylov(parts, lengths, dropped, *_orthogonality(vectors))


def _orthogonality(vectors: Array) -> tuple[Array, Array]:
    xp = namespace(vectors)
    number, n = vectors.shape[-2:]
    products = wide(vectors @ xp.matrix_transpose(vectors))
    used = xp.astype(xp.linalg.diagonal(products) > 0.5, xp.float64)
    one = xp.eye(number, dtype=xp.float64, device=array_api_compat.device(vectors))
    away = xp.reshape(products - used[..., None] * one, (-1, number * number))
    loss = xp.sqrt(xp.vecdot(away, away)) + number * gamma(n, roundoff(vectors))
    return loss * MIND, xp.sum(used[..., :-1], axis=-1)


def refine(known: Enclosure, found: Krylov, *, n: int, unit: float) -> Enclosure:
    """Return the enclosure narrowed by what Lanczos found (see the top of this file)."""
    xp, k = namespace(known.skew), found.lengths.shape[-1]
    if k == 0:
        return known
    diagonal = [found.parts[:, j, j] for j in range(k)]
    beside = [found.lengths[:, j] for j in range(k)]
    trace, inner, missed = 0 * known.skew, 0 * known.skew, 0 * known.skew
    for j in range(k):
        trace, inner = trace + diagonal[j], inner + diagonal[j] ** 2
        missed = missed + found.dropped[:, j] ** 2
        if j > 0:
            inner = inner + 2 * beside[j - 1] ** 2
            missed = missed + (found.parts[:, j, j - 1] - beside[j - 1]) ** 2
        if j > 1:
            missed = missed + xp.vecdot(found.parts[:, j, : j - 1], found.parts[:, j, : j - 1])
    outer = beside[-1] ** 2
    rounding = k**0.5 * (gamma(n, unit) + 4 * (k + 5) ** 1.5 * unit) * known.size
    outside = (xp.sqrt(missed) + known.skew) * (1 + found.loss) + rounding
    norm = xp.minimum(known.size, xp.maximum(known.upper, known.defect))
    off = MIND * (found.loss * (xp.sqrt(inner + outer) + norm) + outside)

    doubt = k**0.5 * (off + 64 * WIDE * known.size)
    least, most = known.trace_low - trace - doubt, known.trace_high - trace + doubt
    whole = inner + 2 * outer
    left = known.size**2 * (1 + 64 * WIDE) - whole + 2 * (2 * whole) ** 0.5 * off
    left, number = xp.maximum(left, 0 * left), n - found.used
    beyond = wolkowicz_styan(least, most, left, number)
    beyond = xp.minimum(beyond, most + (number - 1) * known.defect)

    # Both eigenvalue problems at once. Where there is no vector, -defect changes neither.
    zero, low = 0 * beyond, -known.defect
    for j in range(1, k):
        diagonal[j] = xp.where(beside[j - 1] > 0, diagonal[j], low)
    pairs = [xp.stack((entry, entry)) for entry in [*diagonal, *beside[:-1]]]
    lower, upper = largest_eigenvalue(
        [*pairs[:k], xp.stack((low, beyond))],
        [*pairs[k:], xp.stack((zero, beside[-1]))],
    )
    valid = found.loss < 0.5
    lower = xp.where(valid, lower[0, :] - off, low)
    upper = xp.where(valid, upper[1, :] + 2**0.5 * off, known.upper)
    return known._replace(
        lower=xp.maximum(known.lower, lower), upper=xp.minimum(known.upper, upper)
    )


def start(n: int) -> list[float]:
    """Return a unit vector without structure: cosines at a steadily growing frequency.

    Such a chirp holds all frequencies alike, so that it misses no subspace that attention prefers
    (consensus, halves, alternation, waves).
    """
    golden = (5**0.5 - 1) / 2
    entries = [math.cos(2 * math.pi * math.fmod((i + 0.5) ** 2 * golden, 1.0)) for i in range(n)]
    size = math.sqrt(math.fsum(x * x for x in entries))
    return [x / size for x in entries]
