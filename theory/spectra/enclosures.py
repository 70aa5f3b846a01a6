"""What do the trace and the norm of a matrix tell of its largest eigenvalue, rounding included?

One function for each thing that is done to a matrix in memory: each says how far rounding may have
moved the largest eigenvalue of its symmetric part, and what is certain of the result. The whole
argument stands at the top of `theory.spectra.lanczos`.
"""

from typing import NamedTuple

from theory.arrays import Array, namespace

MIND = 1.01  # covers products of (1 + a few roundings) in first-order bounds
WIDE = 2.0**-52  # eps of float64, in which all numbers per matrix are kept


class Sums(NamedTuple):
    """Sum of squares and trace of computed matrices, as computed: (b,), float64."""

    square: Array
    trace: Array


class Enclosure(NamedTuple):
    """What is certain of the symmetric parts S of computed matrices P.

    Shapes: all (b,), float64: skew, at least |P - S|_F; defect, so that no eigenvalue of S is
            below -defect; size, at least |P|_F; trace_low and trace_high around tr S; lower and
            upper around the largest eigenvalue of S
    """

    skew: Array
    defect: Array
    size: Array
    trace_low: Array
    trace_high: Array
    lower: Array
    upper: Array


def gamma(terms: int, unit: float) -> float:
    """Return the relative error of a sum of as many rounded products, in any order of summation.

    Higham 2002, section 3.1.
    """
    lost = terms * unit
    return lost / (1 - lost) if lost < 1 else float("inf")


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
    """Return the shortest length from 256 on that divides n^2."""
    return next(length for length in range(min(256, n * n), n * n + 1) if n * n % length == 0)


def enclose(found: Sums, skew: Array, defect: Array, *, n: int, unit: float) -> Enclosure:
    """Enclose the norms from sums over matrices of size n, computed with round-off ``unit``."""
    xp = namespace(skew)
    own = gamma(_row(n) + 1, unit) + 2 * n * n * WIDE
    size = xp.sqrt(found.square) * (1 + own * MIND)
    least = found.square * (1 - own) - skew * skew
    spread = 2 * n**1.5 * WIDE * size  # |tr X| <= sqrt(n) |X|_F
    low, high = found.trace - spread, found.trace + spread
    total = high + 2 * n * defect  # at least the sum of |eigenvalues|
    largest = xp.maximum(least, 0 * least) / xp.where(total > 0, total, 1.0)
    lower = xp.where(largest > defect, largest, -defect)
    upper = xp.minimum(high + (n - 1) * defect, wolkowicz_styan(low, high, size * size, n))
    return Enclosure(skew, defect, size, low, high, lower, upper)


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
    return bound + 16 * WIDE * root


def times_power_of_two(known: Enclosure, factor: Array, *, lost: Array) -> Enclosure:
    """Follow a multiplication by powers of two, in which at most ``lost`` vanishes."""
    known = Enclosure(*(field * factor for field in known))
    more = {name: getattr(known, name) + lost for name in ("skew", "defect", "upper")}
    return known._replace(lower=known.lower - lost, **more)


def shifted(
    known: Enclosure, found: Sums, centre: Array, *, n: int, unit: float
) -> tuple[Enclosure, Array]:
    """Enclose P - centre, rounded; also return how much is lost."""
    lost = MIND * unit * (known.size + n**0.5 * namespace(centre).abs(centre))
    return enclose(found, known.skew, known.defect + centre + lost, n=n, unit=unit), lost


def squared(
    known: Enclosure,
    found: Sums,
    centre: Array,
    *,
    loss: float,
    unit: float,
    transposed: bool,
    n: int,
) -> tuple[Enclosure, Array]:
    """Enclose the rounded P @ P - centre, or P @ P^T - centre; also return how much is lost.

    ``loss`` is the relative error of the product. With P = S + K, K skew, the symmetric part of
    P P is S S + K K: what is skew enters by its square only, but passes on. P P^T is
    S S + K S - S K - K K, all symmetric: what is skew enters, but the next is so by rounding only.
    """
    xp = namespace(centre)
    rounding = MIND * ((loss + 2 * unit) * known.size**2 + 2 * unit * n**0.5 * centre)
    norm = xp.minimum(known.size, xp.maximum(known.upper, known.defect))
    across = 2 * norm * known.skew
    lost = rounding + known.skew**2 + (across if transposed else 0.0)
    skew = rounding if transposed else across + rounding
    return enclose(found, skew, lost + centre, n=n, unit=unit), lost
