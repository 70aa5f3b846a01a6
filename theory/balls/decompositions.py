"""Which enclosures are there of the factors of small matrices?"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from flint import arb, fmpq, fmpq_mat

from theory.arrays import Array, UndecidedError
from theory.balls.matrices import decompose, eigenvalues, gram, length, rational, singular_values
from theory.balls.numbers import Number, root, root_of_square
from theory.extended.array import Entries
from theory.extended.decompositions import EighResult
from theory.extended.reductions import Reductions

_FEW = 12  # columns up to which rationals are taken apart as such at once


class Triangle(NamedTuple):
    """The triangle of a QR decomposition; the orthonormal columns, which no kernel asks for, not.

    R is any with R^T R = A^T A: where columns depend on each other there are several.
    """

    Q: None
    R: Array


class Decompositions:
    """The extension linalg of the standard, those parts that kernels call."""

    def __init__(self, library: Reductions) -> None:
        self._library = library

    def svdvals(self, x: Array, /) -> Array:
        """Return the singular values, largest first."""
        return self._each(lambda a: (singular_values(a),), x)[0]

    def eigvalsh(self, x: Array, /) -> Array:
        """Return the eigenvalues of symmetric matrices, smallest first."""
        return self._each(lambda a: (eigenvalues(a),), x)[0]

    def eigh(self, x: Array, /) -> EighResult:
        """Return eigenvalues and eigenvectors of symmetric matrices.

        A vector's sine to the eigenvector is at most its residual over the gap to the other
        eigenvalues (Davis and Kahan). Of one whose eigenvalue is not told from the next no more
        is known than that it has norm one.
        """
        return EighResult(*self._each(_eigh, x))

    def qr(self, x: Array, /, *, mode: str = "reduced") -> Triangle:
        """Return the triangle."""
        del mode
        return Triangle(None, self._each(lambda a: (_triangle(a),), x)[0])

    def diagonal(self, x: Array, /, *, offset: int = 0) -> Array:
        """Return the diagonals of the matrices in the last two axes."""
        return self._library.wrap(np.linalg.diagonal(x.data, offset=offset))

    def vector_norm(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """Return the Euclidean length of all entries, or along some axes."""
        squares = self._library.sum(x * x, axis=axis, keepdims=keepdims)
        return self._library.wrap(np.frompyfunc(root_of_square, 1, 1)(squares.data))

    def _each(self, function: Callable[[Entries], tuple[Any, ...]], x: Array) -> list[Array]:
        """Apply a function to every matrix of a batch, and stack what it returns."""
        batch = x.shape[:-2]
        results = [function(x.data[i]) for i in np.ndindex(*batch)]
        stacked = []
        for parts in zip(*results, strict=True):
            shape = np.shape(np.asarray(parts[0], dtype=object))
            found = np.empty((len(parts), *shape), dtype=object)
            for j, part in enumerate(parts):
                found[j] = part
            stacked.append(self._library.wrap(found.reshape(*batch, *shape)))
        return stacked


def _eigh(matrix: Entries) -> tuple[list[Number], Entries]:
    values, vectors, residuals = decompose(matrix)
    found, balls = np.empty(vectors.shape, dtype=object), [arb(x) for x in values]
    for j, value in enumerate(balls):
        gaps = [abs(value - x).lower() for i, x in enumerate(balls) if i != j]
        found[:, j] = [arb(0, 1)] * len(vectors)
        if all(gap > 0 for gap in gaps):
            sine = residuals[j] / min(gaps) if gaps else arb(0)
            away = arb(0, 1) * sine * arb(2).sqrt()  # |u - v| <= 2 sin(angle / 2)
            found[:, j] = [x + away for x in vectors[:, j] / length(vectors[:, j])]
    return values, found


def _triangle(matrix: Entries) -> Entries:
    """Return R with R^T R = A^T A, from the Gram matrix, which is taken apart by rows."""
    (p, k), exact = matrix.shape, rational(matrix)
    whole = gram(matrix.T) if not (exact and k <= _FEW) else _exact_gram(matrix)
    try:
        rows = _rows(whole)
    except UndecidedError:
        if not exact:
            raise
        rows = _rows(_exact_gram(matrix))
    found = np.full((min(p, k), k), fmpq(0), dtype=object)
    for i, row in enumerate(rows):
        found[i] = row
    return found


def _exact_gram(matrix: Entries) -> Entries:
    p, k = matrix.shape
    whole = fmpq_mat(p, k, list(matrix.flat))
    return np.asarray((whole.transpose() * whole).tolist(), dtype=object).reshape(k, k)


def _rows(whole: Entries) -> list[list[Number]]:
    """Return the rows of the triangle that are not zero, by Cholesky's method.

    A pivot of a semidefinite matrix that is zero has a row of zeros, and is passed over.
    """
    rest, rows, k = whole.copy(), [], len(whole)
    for a in range(k):
        pivot = rest[a, a]
        if pivot == 0:
            continue
        if not pivot > 0:
            raise UndecidedError("the rank of a matrix")
        rows.append([fmpq(0)] * a + list(rest[a, a:] / root(pivot)))
        shares = rest[a, a:] / pivot
        for i in range(a + 1, k):
            rest[i, i:] = rest[i, i:] - rest[a, i] * shares[i - a :]
    return rows
