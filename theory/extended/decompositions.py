"""What are the singular values, eigenvalues and factors of small matrices, to many digits?

mpmath's, with a few digits more inside than outside, so that the error bounds of the kernels
(multiples of eps that LAPACK keeps) hold here too.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from theory.arrays import Array
from theory.extended.numbers import guarded
from theory.extended.reductions import Reductions


class QRResult(NamedTuple):
    """Orthonormal columns and a triangle."""

    Q: Array
    R: Array


class EighResult(NamedTuple):
    """Eigenvalues, smallest first, and the orthonormal eigenvectors as columns."""

    eigenvalues: Array
    eigenvectors: Array


class Decompositions:
    """The extension linalg of the standard, those parts that kernels call."""

    def __init__(self, library: Reductions) -> None:
        self._library, self._inside = library, guarded(library.digits)
        self._rounded = np.frompyfunc(library.reals.number, 1, 1)

    def svdvals(self, x: Array, /) -> Array:
        """Return the singular values, largest first."""
        return self._each(lambda a: (_flat(self._inside.svd_r(a, compute_uv=False)),), x)[0]

    def eigvalsh(self, x: Array, /) -> Array:
        """Return the eigenvalues of symmetric matrices, smallest first."""
        return self._each(lambda a: (sorted(self._inside.eigsy(a, eigvals_only=True)),), x)[0]

    def eigh(self, x: Array, /) -> EighResult:
        """Return eigenvalues and eigenvectors of symmetric matrices."""

        def factors(a: Any) -> tuple[Any, ...]:
            values, vectors = self._inside.eigsy(a)
            order = sorted(range(len(values)), key=lambda i: values[i])
            columns = [[vectors[i, j] for j in order] for i in range(a.rows)]
            return [values[j] for j in order], columns

        return EighResult(*self._each(factors, x))

    def qr(self, x: Array, /, *, mode: str = "reduced") -> QRResult:
        """Return orthonormal columns and a triangle whose product is the matrix."""

        def factors(a: Any) -> tuple[Any, ...]:
            square = a[:, : a.rows] if a.cols > a.rows else a  # wide: the rest is Q^T times it
            q, r = self._inside.qr(square, mode="skinny" if mode == "reduced" else "full")
            return q, (q.T * a if a.cols > a.rows else r)

        return QRResult(*self._each(factors, x))

    def diagonal(self, x: Array, /, *, offset: int = 0) -> Array:
        """Return the diagonals of the matrices in the last two axes."""
        return self._library.wrap(np.linalg.diagonal(x.data, offset=offset))

    def vector_norm(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """Return the Euclidean length of all entries, or along some axes."""
        squares = self._library.sum(x * x, axis=axis, keepdims=keepdims)
        return self._library.sqrt(squares)

    def _each(
        self, function: Callable[[Any], tuple[Any, ...]], operand: Array
    ) -> tuple[Array, ...]:
        """Apply to every matrix of a batch a function of mpmath's matrices, and stack."""
        batch = operand.shape[:-2]
        results = []
        for i in product(*map(range, batch)):
            parts = function(self._inside.matrix(operand.data[i].tolist()))
            results.append([np.asarray(self._rounded(_entries(part))) for part in parts])
        stacked = []
        for parts in zip(*results, strict=True):
            data = np.empty((len(parts), *parts[0].shape), dtype=object)
            for j, part in enumerate(parts):
                data[j] = part
            stacked.append(self._library.wrap(data.reshape(*batch, *data.shape[1:])))
        return tuple(stacked)


def _flat(column: Any) -> list[Any]:
    return [column[i] for i in range(len(column))]


def _entries(part: Any) -> Any:
    """Return a matrix of mpmath, or lists of numbers, as an array of objects."""
    if isinstance(part, list):
        return np.asarray(part, dtype=object)
    return np.asarray(part.tolist(), dtype=object)
