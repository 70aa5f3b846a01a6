"""What is the Gram matrix of a batch of matrices, or of their rows minus the mean, and how exact?

First step of the brackets in `theory.spectra.brackets`: the exact Gram matrix G is semidefinite,
its largest eigenvalue the square of the norm; the computed one comes with a bound on |P - G|_F.
"""

import math
from typing import NamedTuple

import array_api_compat

from theory.arrays import Array, eps, namespace, tiny
from theory.magnitude import rescale
from theory.spectra.enclosures import gamma, roundoff, wide

_FAR = 1e150  # a drift beyond any norm at a safe scale: no lower end is left, its square is finite
_BLOCK = 256  # products are summed in blocks: the bound grows with this and their number


class NotFiniteError(ArithmeticError):
    """A matrix holds a NaN or an infinity; whoever knows its name says where."""


class MatrixBatch(NamedTuple):
    """Matrices (b, p, q), p <= q; with ``counts`` (b, n) the rows' deviations of those that count.

    ``deviations``: the norm wanted is that of (I - e e^T) A, A restricted to what counts.
    """

    matrices: Array
    counts: Array | None
    deviations: bool

    def part(self, where: slice) -> "MatrixBatch":
        """Return some members, a view where the library has views."""
        counts = None if self.counts is None else self.counts[where, ...]
        return self._replace(matrices=self.matrices[where, ...], counts=counts)

    def take(self, index: Array) -> "MatrixBatch":
        """Return the members with these indices."""
        xp = namespace(self.matrices)
        counts = None if self.counts is None else xp.take(self.counts, index, axis=0)
        return self._replace(matrices=xp.take(self.matrices, index, axis=0), counts=counts)

    def double(self) -> "MatrixBatch":
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


def gram(source: MatrixBatch) -> tuple[Array, Scale]:
    """Return Gram matrices (b, p, p), and how to get back from their norms.

    Rows of deviations are centred twice. What the first mean misses (for attention near consensus:
    everything) is removed by the second, but for (n + 3) u of what was left. As it lies along e,
    C = C_0 + e r^T with e^T C_0 = 0, it can only raise the norm of C C^T, by at most
    |r| (norm + |r|): nothing but rounding of single entries enters the upper end. Beside an entry
    near one, what is below the smallest number vanishes: ``gone`` where the matrix was scaled
    down, ``strayed`` where n products with 1/n were summed to a mean. Where all else is equal in
    all rows, that is seen.

    That e is mapped to zero is made use of. A multiple c of e e^T added to G changes its largest
    eigenvalue only if c exceeds it; the mean of the other eigenvalues does not. Then a flat
    spectrum, as of attention near a permutation, is flat in all n dimensions, and the bound from
    trace and norm exact. Directions outside the token mask are filled in the same way.
    """
    xp, half = namespace(source.matrices), roundoff(source.matrices)
    counts = source.counts
    rows, unit = _at_safe_scale(source.counted())
    n, q = rows.shape[-2:]
    grain = eps(rows) * tiny(rows) * (n * q) ** 0.5 * xp.ones_like(unit[:, 0, 0])
    gone, strayed = xp.where(unit[:, 0, 0] > 1, grain, 0 * grain), n * grain
    drift = rough = 0 * grain
    ones = None
    if source.deviations:
        ones = xp.ones_like(rows[:, :1, :]) if counts is None else counts[:, None, :]
        weights = ones / xp.sum(ones, axis=-1, keepdims=True)
        rows = rows - weights @ rows
        if counts is not None:
            rows *= counts[:, :, None]
        mean = weights @ rows
        rows -= mean
        if counts is not None:
            rows *= counts[:, :, None]
    products = product(rows, xp.matrix_transpose(rows))
    trace = _trace(products)
    if ones is not None:
        if bool(xp.any(trace < n * q * tiny(rows) ** 0.375)):  # nearly equal rows: squares vanish
            rows, more = _rescale(rows)
            unit, mean = unit * more, wide(mean) / more
            gone, strayed = gone / more[:, 0, 0], strayed / more[:, 0, 0]
            products = product(rows, xp.matrix_transpose(rows))
            trace = _trace(products)
        drift = n**0.5 * _norm(mean[:, 0, :])
    lost = product_loss(q, half)
    size = xp.sqrt(trace * (1 + 2 * lost))
    # Of products that vanish, n q tiny at most, a thousandth of lost size^2 would hold 2^40: the
    # trace is zero or above n q tiny^(3/8).
    error = lost * size**2
    if ones is not None:
        before = 1.01 * (size + drift)  # the rows between the two means
        rough, drift = 2 * half * before + gone, (n + 5) * half * before + strayed
        drift = xp.clip(drift, max=_FAR)
        number = xp.sum(wide(ones[:, 0, :]), axis=-1)
        mean = xp.maximum(trace - error - drift**2, 0 * trace) / xp.clip(number - 1, min=1.0)
        mean = mean * (1 - 8 * half)
        _fill(products, mean, number, counts)
        error = error + 4 * half * (size**2 + mean * n**0.5)
    return products, Scale(1.01 * error, unit[:, 0, 0], rough, drift)


def _at_safe_scale(matrices: Array) -> tuple[Array, Array]:
    """Return `_rescale` of the matrices; one pass finds what is not finite as well."""
    xp, few = namespace(matrices), -math.log2(tiny(matrices)) / 8
    high, low = (f(matrices, axis=(-2, -1), keepdims=True) for f in (xp.max, xp.min))
    peak = xp.maximum(high, -low)
    if bool(xp.all((peak < 2.0**few) & (peak > 2.0**-few))):
        return matrices, xp.ones_like(wide(peak))
    if not bool(xp.all(xp.isfinite(peak))):
        raise NotFiniteError
    return _rescale(matrices)


def _rescale(matrices: Array) -> tuple[Array, Array]:
    """Return `rescale` with the unit in float64.

    A unit whose inverse is a number leaves the smallest float32 at 2^-47, whose fourth powers
    vanish: so it is taken out twice.
    """
    scaled, unit = rescale(matrices, axis=(-2, -1))
    scaled, more = rescale(scaled, axis=(-2, -1))
    return scaled, wide(unit) * wide(more)


def _trace(matrices: Array) -> Array:
    xp = namespace(matrices)
    return xp.sum(xp.linalg.diagonal(matrices), axis=-1, dtype=xp.float64)


def norm_of_rows(scale: Scale, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return the ends for the norm wanted from those for the norm of the computed G."""
    xp, few = namespace(lower), 8 * eps(lower)
    upper = xp.sqrt(upper + scale.error)
    lower = lower - scale.error - scale.drift * (upper + scale.drift)
    lower = xp.sqrt(xp.maximum(lower, xp.zeros_like(lower))) * (1 - few) - scale.rough
    upper = (upper + scale.rough) * (1 + few)
    return xp.maximum(lower, xp.zeros_like(lower)) * scale.unit, upper * scale.unit


def _norm(vectors: Array) -> Array:
    """Return at least the norms: (b, n) -> (b,), float64, where squares would overflow too."""
    xp = namespace(vectors)
    peak = wide(xp.max(xp.abs(vectors), axis=-1))
    peak = xp.where((peak > 0) & (peak < math.inf), peak, xp.ones_like(peak))
    shares = wide(vectors) / peak[:, None]
    lost = gamma(vectors.shape[-1] + 5, roundoff(shares))
    return xp.sqrt(xp.vecdot(shares, shares)) * peak * (1 + lost)


def product(left: Array, right: Array) -> Array:
    """Return left @ right, summed over blocks of columns: (b, p, q), (b, q, r) -> (b, p, r)."""
    total, q = None, left.shape[-1]
    for start in range(0, q, _BLOCK):
        block = slice(start, min(start + _BLOCK, q))
        part = left[:, :, block] @ right[:, block, :]
        total = part if total is None else total + part
    return total


def product_loss(q: int, unit: float) -> float:
    """Return what `product` loses at most, relative to |left|_F |right|_F."""
    return gamma(min(q, _BLOCK) + -(-q // _BLOCK), unit)


def _fill(product: Array, mean: Array, number: Array, counts: Array | None) -> None:
    """Add mean e e^T in place, and the mean to the diagonal where tokens do not count."""
    xp = namespace(product)
    share = xp.astype(mean / number, product.dtype)[:, None, None]
    if counts is None:
        product += share
        return
    outside = xp.astype(mean, product.dtype)[:, None] * (1 - counts)
    n = product.shape[-1]
    one = xp.eye(n, dtype=product.dtype, device=array_api_compat.device(product))
    product += share * counts[:, :, None] * counts[:, None, :]
    product += one * outside[:, None, :]
