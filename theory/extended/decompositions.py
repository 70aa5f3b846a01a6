"""What are the singular values, eigenvalues and factors of small matrices, to many digits?

mpmath's, with a few digits more inside than outside, so that the error bounds of the kernels
(multiples of eps that LAPACK keeps) hold here too.
"""

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from theory.arrays import Array
from theory.extended.numbers import guarded

if TYPE_CHECKING:
    from theory.extended.library import Library


class QRResult(NamedTuple):
    """Orthonormal columns and a triangle."""

    Q: Array
    R: Array


class EighResult(NamedTuple):
    """Eigenvalues, smallest first, and the orthonormal eigenvectors as columns."""

    eigenvalues: Array
    eigenvectors: Array


class SVDResult(NamedTuple):
    """The factors U diag(S) Vh."""

    U: Array
    S: Array
    Vh: Array


def decompositions(xp: "Library") -> dict[str, Callable[..., Any]]:
    """Return the extension linalg of the standard, as far as it goes with real numbers."""
    ctx, more = xp.context, guarded(xp.digits)
    rounded = np.frompyfunc(ctx.mpf, 1, 1)

    def each(function: Callable[..., tuple[Any, ...]], *operands: Array) -> tuple[Array, ...]:
        """Apply to every matrix of a batch a function of mpmath's matrices, and stack."""
        batch = operands[0].shape[:-2]
        results = []
        for i in product(*map(range, batch)):
            matrices = [more.matrix(x.data[i].tolist()) for x in operands]
            parts = function(*matrices)
            results.append([np.asarray(rounded(_entries(part))) for part in parts])
        stacked = []
        for parts in zip(*results, strict=True):
            data = np.empty((len(parts), *parts[0].shape), dtype=object)
            for j, part in enumerate(parts):
                data[j] = part
            stacked.append(xp.wrap(data.reshape(*batch, *data.shape[1:])))
        return tuple(stacked)

    def svdvals(x: Array, /) -> Array:
        return each(lambda a: (_flat(more.svd_r(a, compute_uv=False)),), x)[0]

    def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
        def factors(a: Any) -> tuple[Any, ...]:
            u, s, v = more.svd_r(a, full_matrices=full_matrices)
            return u, _flat(s), v

        return SVDResult(*each(factors, x))

    def eigvalsh(x: Array, /) -> Array:
        return each(lambda a: (sorted(more.eigsy(a, eigvals_only=True)),), x)[0]

    def eigh(x: Array, /) -> EighResult:
        def factors(a: Any) -> tuple[Any, ...]:
            values, vectors = more.eigsy(a)
            order = sorted(range(len(values)), key=lambda i: values[i])
            columns = [[vectors[i, j] for j in order] for i in range(a.rows)]
            return [values[j] for j in order], columns

        return EighResult(*each(factors, x))

    def qr(x: Array, /, *, mode: str = "reduced") -> QRResult:
        def factors(a: Any) -> tuple[Any, ...]:
            square = a[:, : a.rows] if a.cols > a.rows else a  # wide: the rest is Q^T times it
            q, r = more.qr(square, mode="skinny" if mode == "reduced" else "full")
            return q, (q.T * a if a.cols > a.rows else r)

        return QRResult(*each(factors, x))

    def cholesky(x: Array, /, *, upper: bool = False) -> Array:
        lower = each(lambda a: (more.cholesky(a),), x)[0]
        return lower.mT if upper else lower

    def inv(x: Array, /) -> Array:
        return each(lambda a: (more.inverse(a),), x)[0]

    def solve(x: Array, y: Array, /) -> Array:
        return xp.matmul(inv(x), y)

    def det(x: Array, /) -> Array:
        return each(lambda a: ([more.det(a)],), x)[0][..., 0]

    def diagonal(x: Array, /, *, offset: int = 0) -> Array:
        return xp.wrap(np.linalg.diagonal(x.data, offset=offset))

    def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
        return xp.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)

    def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
        size = abs(x)
        if ord in (float("inf"), float("-inf")):
            return (xp.max if ord > 0 else xp.min)(size, axis=axis, keepdims=keepdims)
        if ord == 0:
            return xp.sum(xp.astype(x != 0, xp.float64), axis=axis, keepdims=keepdims)
        powers = xp.sum(size**ord, axis=axis, keepdims=keepdims)
        return xp.sqrt(powers) if ord == 2 else powers ** (ctx.one / ord)

    def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
        if ord == "fro":
            return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
        if ord in (2, -2, "nuc"):
            values: Any = svdvals(x)
            norm = {2: xp.max, -2: xp.min, "nuc": xp.sum}[ord](values, axis=-1)
            return norm[..., None, None] if keepdims else norm
        sums = xp.sum(abs(x), axis=-2 if abs(ord) == 1 else -1, keepdims=True)
        return (xp.max if ord > 0 else xp.min)(sums, axis=(-2, -1), keepdims=keepdims)

    functions: tuple[Any, ...] = (svdvals, svd, eigvalsh, eigh, qr, cholesky, inv, solve, det)
    functions += (diagonal, trace, vector_norm, matrix_norm)
    return {function.__name__: function for function in functions}


def _flat(column: Any) -> list[Any]:
    return [column[i] for i in range(len(column))]


def _entries(part: Any) -> Any:
    """Return a matrix of mpmath, or lists of numbers, as an array of objects."""
    if isinstance(part, list):
        return np.asarray(part, dtype=object)
    return np.asarray(part.tolist(), dtype=object)
