"""What is the Gram matrix of a batch of matrices, or of their rows minus the mean, and how exact?

First step of the brackets in `theory.brackets`: the exact Gram matrix G is semidefinite, its
largest eigenvalue the square of the norm; the computed one comes with a bound on |P - G|_F.
"""

from typing import NamedTuple

import array_api_compat

from theory.arrays import Array, eps, namespace, tiny
from theory.lanczos import gamma, roundoff, wide
from theory.magnitude import rescale

_BLOCK = 256  # products are summed in blocks: the bound grows with this and their number


class Source(NamedTuple):
    """Matrices (b, p, q), p <= q; with ``counts`` (b, n) the rows' deviations of those that count.

    ``deviations``: the norm wanted is that of (I - e e^T) A, A restricted to what counts.
    """

    matrices: Array
    counts: Array | None
    deviations: bool

    def part(self, where: slice) -> "Source":
        """Return some members, a view where the library has views."""
        counts = None if self.counts is None else self.counts[where, ...]
        return self._replace(matrices=self.matrices[where, ...], counts=counts)

    def take(self, index: Array) -> "Source":
        """Return the members with these indices."""
        xp = namespace(self.matrices)
        counts = None if self.counts is None else xp.take(self.counts, index, axis=0)
        return self._replace(matrices=xp.take(self.matrices, index, axis=0), counts=counts)

    def double(self) -> "Source":
        """Return the same in float64."""
        counts = None if self.counts is None else wide(self.counts)
        return self._replace(matrices=wide(self.matrices), counts=counts)

    def counted(self) -> Array:
        """Return the matrices, with zeros where they do not count."""
        xp = namespace(self.matrices)
        if self.counts is None:
            return self.matrices
        both = (self.counts[:, :, None] * self.counts[:, None, :]) > 0
        return xp.where(both, self.matrices, xp.zeros_like(self.matrices))


class Scale(NamedTuple):
    """How to get from the norm of the computed G back to the norm wanted: all (b,), float64.

    norm = sqrt(norm of G) unit, up to ``error`` below the root (at least the Frobenius norm of what
    G is off by) and ``rough`` below the unit; and if the rows were not quite orthogonal to e, by at
    most ``drift``, the norm of G may be larger by drift (norm + drift).
    """

    error: Array
    unit: Array
    rough: Array
    drift: Array


def gram(source: Source) -> tuple[Array, Scale]:
    """Return Gram matrices (b, p, p), and how to get back from their norms.

    Rows of deviations are centred twice. What the first mean misses (for attention near consensus:
    everything) is removed by the second, but for (n + 3) u of what was left. As it lies along e,
    C = C_0 + e r^T with e^T C_0 = 0, it can only raise the norm of C C^T, by at most
    |r| (norm + |r|): nothing but rounding of single entries enters the upper end.

    That e is mapped to zero is made use of. A multiple c of e e^T added to G changes its largest
    eigenvalue only if c exceeds it; the mean of the other eigenvalues does not. Then a flat
    spectrum, as of attention near a permutation, is flat in all n dimensions, and the bound from
    trace and norm exact. Directions outside the token mask are filled in the same way.
    """
    xp, half = namespace(source.matrices), roundoff(source.matrices)
    rows, unit = rescale(source.counted(), axis=(-2, -1))
    n, q = rows.shape[-2:]
    drift = xp.zeros_like(wide(unit[:, 0, 0]))
    rough = drift
    ones = None
    if source.deviations:
        ones = xp.ones_like(rows[:, :1, :]) if source.counts is None else source.counts[:, None, :]
        weights = ones / xp.sum(ones, axis=-1, keepdims=True)
        rows = _minus(rows, weights @ rows, source.counts)
        mean = weights @ rows
        rows, more = rescale(_minus(rows, mean, source.counts), axis=(-2, -1))
        unit, drift = unit * more, n**0.5 * _norm((mean / more)[:, 0, :])
    product = _products(rows)
    trace = xp.sum(wide(xp.linalg.diagonal(product)), axis=-1)
    lost = gamma(min(q, _BLOCK) + q // _BLOCK + 1, half)
    size = xp.sqrt(trace * (1 + 2 * lost))
    error = lost * size**2 + xp.where(trace > 0, n * q * tiny(rows), 0.0)
    if ones is not None:
        before = 1.01 * (size + drift)  # the rows between the two means
        rough, drift = 2 * half * before, (n + 5) * half * before
        number = xp.sum(wide(ones[:, 0, :]), axis=-1)
        mean = xp.clip(trace - error - drift**2, min=0.0) / xp.clip(number - 1, min=1.0)
        mean = mean * (1 - 8 * half)
        product = _fill(product, mean, number, source.counts)
        error = error + 4 * half * (size**2 + mean * n**0.5)
    return product, Scale(1.01 * error, wide(unit[:, 0, 0]), rough, drift)


def norm_of_rows(scale: Scale, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return the ends for the norm wanted from those for the norm of the computed G."""
    xp, few = namespace(lower), 8 * eps(lower)
    upper = xp.sqrt(upper + scale.error)
    lower = lower - scale.error - scale.drift * (upper + scale.drift)
    lower = xp.sqrt(xp.maximum(lower, 0 * lower)) * (1 - few) - scale.rough
    upper = (upper + scale.rough) * (1 + few)
    return xp.maximum(lower, 0 * lower) * scale.unit, upper * scale.unit


def _minus(rows: Array, mean: Array, counts: Array | None) -> Array:
    return rows - mean if counts is None else (rows - mean) * counts[:, :, None]


def _norm(vectors: Array) -> Array:
    xp = namespace(vectors)
    return xp.sqrt(wide(xp.vecdot(vectors, vectors))) * (1 + gamma(vectors.shape[-1] + 2, roundoff(vectors)))


def _products(rows: Array) -> Array:
    """Return rows @ rows^T, summed over blocks of columns."""
    xp = namespace(rows)
    total = None
    for start in range(0, rows.shape[-1], _BLOCK):
        block = rows[:, :, start : start + _BLOCK]
        product = block @ xp.matrix_transpose(block)
        total = product if total is None else total + product
    return total


def _fill(product: Array, mean: Array, number: Array, counts: Array | None) -> Array:
    """Add mean e e^T, and the mean to the diagonal where tokens do not count."""
    xp = namespace(product)
    share = xp.astype(mean / number, product.dtype)[:, None, None]
    if counts is None:
        return product + share
    outside = xp.astype(mean, product.dtype)[:, None] * (1 - counts)
    n = product.shape[-1]
    one = xp.eye(n, dtype=product.dtype, device=array_api_compat.device(product))
    return product + share * counts[:, :, None] * counts[:, None, :] + one * outside[:, None, :]
