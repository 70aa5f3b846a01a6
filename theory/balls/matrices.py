"""What are the product and the eigenvalues of matrices of rationals and balls?"""

from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from theory.arrays import UndecidedError
from theory.balls.numbers import NO, Number, brief, equal, in_order, root_of_square, square
from theory.extended.array import Entries

_EXACT = 2**15  # products of single numbers up to which rationals stay exact: more take too long
_SMALL, _SHORT = 8, 64  # rows, and bits of an entry, of matrices with a characteristic polynomial
_MOST_STEPS = 12  # from float64 to 512 bits it takes four, more where eigenvalues are close


def rational(*matrices: Entries) -> bool:
    """Say whether every entry is known exactly, as a rational."""
    return all(type(x) is fmpq for matrix in matrices for x in matrix.flat)


def product(left: Entries, right: Entries) -> Entries:
    """Return a product of two matrices, (p, q) and (q, r), exact where that is no great work."""
    (p, q), r = left.shape, right.shape[-1]
    found = np.empty((p, r), dtype=object)
    if p * q * r <= _EXACT and rational(left, right):
        exact = fmpq_mat(p, q, list(left.flat)) * fmpq_mat(q, r, list(right.flat))
        found[...] = [[brief(x) for x in row] for row in exact.tolist()]
    elif found.size:
        found[...] = (arb_mat(left.tolist()) * arb_mat(right.tolist())).tolist()
    return found


def gram(rows: Entries) -> Entries:
    """Return A A^T, whose diagonal is not negative."""
    found = product(rows, rows.T)
    for i in range(len(rows)):
        if type(found[i, i]) is not fmpq:
            found[i, i] = sum((square(x) for x in rows[i]), fmpq(0))
    return found


def eigenvalues(matrix: Entries) -> list[Number]:
    """Return enclosures of the eigenvalues of a symmetric matrix, the smallest first.

    Of a small one of short rationals, those that are rational are exact: as many enclosures as the
    characteristic polynomial has roots of that value hold it, and no others do.
    """
    found = decompose(matrix)[0]
    if len(matrix) > _SMALL or not rational(matrix):
        return found
    if max(x.height_bits() for x in matrix.flat) > _SHORT:
        return found
    whole = fmpq_mat(*matrix.shape, list(matrix.flat))
    for factor, times in whole.charpoly().factor()[1]:
        if factor.degree() == 1:
            value = -fmpq(factor[0]) / factor[1]
            holding = [i for i, x in enumerate(found) if equal(x, value) != NO]
            if len(holding) == times:
                found = [value if i in holding else x for i, x in enumerate(found)]
    return found


def decompose(matrix: Entries) -> tuple[list[Number], Entries, list[Number]]:
    """Return the eigenvalues, vectors near the eigenvectors, and |A v - m v| / |v| of each.

    With exact vectors V near orthonormal, |V^T V - 1| <= e, the eigenvalues of V^T A V are those
    of A times numbers between 1 - e and 1 + e (Ostrowski), and its diagonal in order is off by at
    most the norm of what stands beside it (Weyl). Norms of symmetric matrices are at most their
    largest sums of sizes of a row. Clusters need no care. Where all beside the diagonal is zero,
    the eigenvalues stand there. As LAPACK does, only the lower triangle is read.

    Shapes: matrix (k, k) -> k numbers, (k, k) with the vectors as columns, k residuals
    """
    k = len(matrix)
    matrix = np.where(np.tri(k).astype(np.bool_), matrix, matrix.T)
    one = np.full((k, k), fmpq(0), dtype=object)
    one[np.diag_indices(k)] = fmpq(1)
    if all(matrix[i, j] == 0 for i in range(k) for j in range(k) if i != j):
        diagonal = [matrix[i, i] for i in range(k)]
        return in_order(diagonal), one[:, _order(diagonal)], [fmpq(0)] * k
    whole = arb_mat(matrix.tolist())
    if not all(x.is_finite() for x in whole.entries()):
        raise UndecidedError("the eigenvalues of a matrix of which not all is known")
    unit = _power_of_two(whole)
    scaled = whole * (1 / unit)
    vectors = _refined(scaled.mid(), _vectors(scaled))
    across = vectors.transpose()
    off, inner = across * vectors - arb_mat(one.tolist()), across * scaled * vectors
    lost = _norm(off.tolist())
    if not lost < 1:
        raise UndecidedError("the eigenvectors of a matrix are not found well enough")
    diagonal = [inner[i, i] for i in range(k)]
    beside = inner.tolist()
    for i in range(k):
        beside[i][i] = arb(0)
    doubt, stretch = arb(0, _norm(beside)), 1 + arb(0, lost)
    values = [unit * ((x + doubt) / stretch) for x in in_order(diagonal)]
    order = _order(diagonal)
    found = np.asarray(vectors.tolist(), dtype=object).reshape(k, k)[:, order]
    images = np.asarray((scaled * vectors).tolist(), dtype=object).reshape(k, k)[:, order]
    residuals = []
    for j, i in enumerate(order):
        rest = images[:, j] - diagonal[i] * found[:, j]
        residuals.append(unit * length(rest) / length(found[:, j]))
    return values, found, residuals


def _power_of_two(matrix: Any) -> Any:
    """Return a power of two near the largest entry, so that float64 holds the scaled ones."""
    largest = max(abs(x).upper() for x in matrix.entries())
    mantissa, exponent = largest.man_exp()
    return arb(2) ** (int(exponent) + int(mantissa).bit_length())


def _norm(rows: list[list[Any]]) -> Any:
    """Return a number that the norm of a symmetric matrix does not exceed."""
    sums = [sum((abs(x) for x in row), arb(0)).upper() for row in rows]
    return max(sums)


def _vectors(matrix: Any) -> Any:
    """Return the eigenvectors that float64 finds: a start, of which nothing is claimed."""
    plain = np.asarray([[float(x.mid()) for x in row] for row in matrix.tolist()])
    try:
        return arb_mat(np.linalg.eigh((plain + plain.T) / 2)[1].tolist())
    except np.linalg.LinAlgError as error:
        raise UndecidedError("the eigenvectors of a matrix are not found") from error


def _refined(matrix: Any, vectors: Any) -> Any:
    """Bring vectors nearer to the eigenvectors, until they have as many bits as the balls.

    Each step leaves the square of what it moves them by (Ogita and Aishima 2018, algorithm 1);
    nothing is claimed of the result.
    """
    k = matrix.nrows()
    one, noise = arb_mat([[int(i == j) for j in range(k)] for i in range(k)]), _noise()
    for _ in range(_MOST_STEPS):
        rest = vectors.transpose() * vectors - one
        vectors = (vectors - vectors * rest * arb("0.5")).mid()  # nearer to orthonormal
        across = vectors.transpose()
        rest = (across * vectors - one).mid().tolist()
        inner = (across * matrix * vectors).mid().tolist()
        values = [inner[i][i] / (1 + rest[i][i]) for i in range(k)]
        beside = max((abs(inner[i][j]) for i in range(k) for j in range(k) if i != j), default=0)
        if _turned(inner, turned := vectors.tolist()):
            vectors = arb_mat(turned)
            continue
        close = 2 * k * (beside + max(abs(x) for row in rest for x in row))
        moved = [[-rest[i][j] / 2 for j in range(k)] for i in range(k)]
        for i in range(k):
            for j in range(k):
                gap, off = values[j] - values[i], inner[i][j] - values[j] * rest[i][j]
                if i != j and abs(gap) > close and abs(off) > noise:
                    moved[i][j] = off / gap
        vectors = (vectors + vectors * arb_mat(moved).mid()).mid()
        if max(abs(x) for row in moved for x in row) < arb(2) ** -(ctx.prec // 2 + 4):
            break
    return vectors


def _order(numbers: list[Number]) -> list[int]:
    """Return the order of the rationals, or of the midpoints, which are exact too."""
    exact = all(type(x) is fmpq for x in numbers)
    keys = numbers if exact else [arb(x).mid() for x in numbers]
    return sorted(range(len(keys)), key=keys.__getitem__)


def length(vector: Entries) -> Any:
    """Return the Euclidean length."""
    squares = arb(sum((square(x) for x in vector), fmpq(0)))
    return root_of_square(squares)


def _noise() -> Any:
    """Return what rounding leaves of entries near one."""
    return arb(2) ** (8 - ctx.prec)


def _turned(inner: list[list[Any]], vectors: list[list[Any]]) -> bool:
    """Turn those pairs of vectors, in place, whose eigenvalues are too close for a small step.

    Jacobi's rotation, for which none is too close. Return whether there were any.
    """
    k, noise, found = len(inner), _noise(), False
    for i in range(k):
        for j in range(i):
            beside, gap = inner[i][j], inner[j][j] - inner[i][i]
            if abs(beside) > noise and 256 * abs(beside) > abs(gap):
                found, half = True, gap / (2 * beside)
                tangent = 1 / (abs(half) + (1 + half * half).sqrt()).mid()
                tangent = tangent if half > 0 else -tangent
                cosine = (1 / (1 + tangent * tangent).sqrt()).mid()
                sine = (tangent * cosine).mid()
                _turn(inner, i, j, cosine, sine)
                _turn(vectors, i, j, cosine, sine)
                across = [list(column) for column in zip(*inner, strict=True)]
                _turn(across, i, j, cosine, sine)
                inner[:] = [list(row) for row in zip(*across, strict=True)]
    return found


def _turn(rows: list[list[Any]], i: int, j: int, cosine: Any, sine: Any) -> None:
    """Rotate two columns, in place."""
    for row in rows:
        one, two = row[i], row[j]
        row[i], row[j] = (cosine * one - sine * two).mid(), (sine * one + cosine * two).mid()


def singular_values(matrix: Entries) -> list[Number]:
    """Return enclosures of the singular values, the largest first."""
    rows = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return [root_of_square(x) for x in reversed(eigenvalues(gram(rows)))]
