"""Which numbers certainly enclose the norm of a matrix that is all but positive semidefinite?

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
   polynomials of degree 2, 4, 8, ..., that grow fastest beyond an interval.) Begun with
   X = G - c and [0, 2 c] a little shorter than [0, norm], four products separate any largest
   eigenvalue to a percent; with c = 0 they are powers, which need seven.

Rounding. What is enclosed is the norm of S, the symmetric part of the matrix P in memory:
S is exact, and only nearly semidefinite (see ``Known.defect``), so that "at most the trace" becomes
"at most the trace and N times the defect". From one power to the next, `squared` bounds what the
product loses; roots are taken back through that chain (`theory.brackets`). A loss that is made early
is thus not magnified by later, looser bounds.

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
from theory.tridiagonal import largest_eigenvalue

_MIND = 1.01  # covers products of (1 + a few roundings) in first-order bounds
_WIDE = 2.0**-52  # eps of float64, in which all numbers per matrix are kept


class Sums(NamedTuple):
    """Sum of squares and trace of computed matrices, as computed: (b,), float64."""

    square: Array
    trace: Array


class Known(NamedTuple):
    """What is certain of the symmetric parts S of computed matrices P.

    Shapes: all (b,), float64: skew, at least |P - S|_F; defect, so that no eigenvalue of S is below
            -defect; size, at least |P|_F; trace_low and trace_high around tr S; lower and upper around
            the largest eigenvalue of S
    """

    skew: Array
    defect: Array
    size: Array
    trace_low: Array
    trace_high: Array
    lower: Array
    upper: Array


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


def gamma(terms: int, unit: float) -> float:
    """Return the relative error of a sum of as many rounded products, in any order of summation.

    Source: higham2002, section 3.1
    """
    lost = terms * unit
    return lost / (1 - lost) if lost < 1 else math.inf


def wide(array: Array) -> Array:
    """Return the array in float64: there are few of these numbers, and errors add up."""
    xp = namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def roundoff(array: Array) -> float:
    """Return u, half the spacing of floating-point numbers at 1."""
    return float(namespace(array).finfo(array.dtype).eps) / 2


def sums(matrix: Array) -> Sums:
    """Sum squares in rows of moderate length in the own precision, and these in float64."""
    xp, n = namespace(matrix), matrix.shape[-1]
    length = _row(n)
    rows = xp.reshape(matrix, (matrix.shape[0], n * n // length, length))
    square = xp.sum(xp.vecdot(rows, rows), axis=-1, dtype=xp.float64)
    return Sums(square, xp.sum(xp.linalg.diagonal(matrix), axis=-1, dtype=xp.float64))


def _row(n: int) -> int:
    """Return the shortest length from 64 on that divides n^2."""
    return next(length for length in range(min(64, n * n), n * n + 1) if n * n % length == 0)


def enclose(found: Sums, skew: Array, defect: Array, *, n: int, unit: float) -> Known:
    """Enclose the norms from sums over matrices of size n, computed with round-off ``unit``."""
    xp = namespace(skew)
    own = gamma(_row(n) + 1, unit) + 2 * n * n * _WIDE
    size = xp.sqrt(found.square) * (1 + own * _MIND)
    least = found.square * (1 - own) - skew * skew
    spread = 2 * n**1.5 * _WIDE * size  # |tr X| <= sqrt(n) |X|_F
    low, high = found.trace - spread, found.trace + spread
    total = high + 2 * n * defect  # at least the sum of |eigenvalues|
    largest = xp.maximum(least, 0 * least) / xp.where(total > 0, total, 1.0)
    lower = xp.where(largest > defect, largest, -defect)
    upper = xp.minimum(high + (n - 1) * defect, wolkowicz_styan(low, high, size * size, n))
    return Known(skew, defect, size, low, high, lower, upper)


def wolkowicz_styan(low: Array, high: Array, square: Array, number: Array | int) -> Array:
    """Bound the largest of ``number`` real numbers whose squares sum to at most ``square``.

    Their sum t is between low and high. The bound grows with t up to the root of ``square``, and
    falls from there on.
    """
    xp = namespace(square)
    root = xp.sqrt(square)
    worst = xp.minimum(xp.maximum(root, low), high)
    rest = square - worst * worst / number
    bound = worst / number + xp.sqrt((number - 1) / number * xp.maximum(rest, 0 * rest))
    return bound + 16 * _WIDE * root


def scaled(known: Known, factor: Array, *, lost: float) -> Known:
    """Follow a multiplication by powers of two, in which at most ``lost`` vanishes."""
    known = Known(*(field * factor for field in known))
    more = {name: getattr(known, name) + lost for name in ("skew", "defect", "upper")}
    return known._replace(lower=known.lower - lost, **more)


def shifted(known: Known, found: Sums, centre: Array, *, n: int, unit: float) -> tuple[Known, Array]:
    """Enclose P - centre, rounded; also return how much is lost."""
    lost = _MIND * unit * (known.size + n**0.5 * namespace(centre).abs(centre))
    return enclose(found, known.skew, known.defect + centre + lost, n=n, unit=unit), lost


def squared(
    known: Known, found: Sums, centre: Array, *, loss: float, n: int, unit: float
) -> tuple[Known, Array]:
    """Enclose the rounded P @ P - centre, the product with relative ``loss``; return what is lost.

    With P = S + K, K skew, the symmetric part of P P is S S + K K: what is skew enters by its
    square only, and the largest eigenvalue is the squared norm of S up to what is lost.
    """
    xp = namespace(centre)
    lost = _MIND * ((loss + 2 * unit) * known.size**2 + 2 * unit * n**0.5 * centre)
    norm = xp.minimum(known.size, xp.maximum(known.upper, known.defect))
    skew = 2 * norm * known.skew + lost
    lost = lost + known.skew**2
    return enclose(found, skew, lost + centre, n=n, unit=unit), lost


def symmetrised(known: Known, found: Sums, *, n: int, unit: float) -> tuple[Known, Array]:
    """Enclose the rounded P + P^T, twice S; also return how much is lost."""
    lost = 2 * _MIND * unit * known.size
    return enclose(found, 0 * lost, 2 * known.defect + lost, n=n, unit=unit), lost


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
    vectors[:, 0, :] = constant(_start(n), like=matrix)
    parts = xp.zeros((b, k, k), dtype=xp.float64, device=place)
    lengths = xp.zeros((b, k), dtype=xp.float64, device=place)
    dropped = xp.zeros((b, k), dtype=xp.float64, device=place)
    for j in range(k):
        basis = vectors[:, : j + 1, :]
        across = xp.matrix_transpose(basis)
        image = matrix @ vectors[:, j, :, None]
        part = basis @ image
        image -= across @ part
        again = basis @ image
        image -= across @ again
        image = image[..., 0]
        length = wide(xp.sqrt(xp.vecdot(image, image)))
        keep = length > shortest
        inverse = xp.where(keep, 1 / xp.where(keep, length, 1.0), 0.0)
        vectors[:, j + 1, :] = image * xp.astype(inverse, matrix.dtype)[:, None]
        parts[:, j, : j + 1] = wide(part[..., 0]) + wide(again[..., 0])
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
    return loss * _MIND, xp.sum(used[..., :-1], axis=-1)


def refine(known: Known, found: Krylov, *, n: int, unit: float) -> Known:
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
    off = _MIND * (found.loss * (xp.sqrt(inner + outer) + norm) + outside)

    doubt = k**0.5 * (off + 64 * _WIDE * known.size)
    least, most = known.trace_low - trace - doubt, known.trace_high - trace + doubt
    whole = inner + 2 * outer
    left = known.size**2 * (1 + 64 * _WIDE) - whole + 2 * (2 * whole) ** 0.5 * off
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


def _start(n: int) -> list[float]:
    """Return a unit vector without structure: cosines at a steadily growing frequency.

    Such a chirp holds all frequencies alike, so that it misses no subspace that attention prefers
    (consensus, halves, alternation, waves).
    """
    golden = (5**0.5 - 1) / 2
    entries = [math.cos(2 * math.pi * math.fmod((i + 0.5) ** 2 * golden, 1.0)) for i in range(n)]
    size = math.sqrt(math.fsum(x * x for x in entries))
    return [x / size for x in entries]
