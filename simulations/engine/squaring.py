"""Between which two numbers does the largest norm of each group of matrices lie, for certain?

`theory.spectra.brackets` narrows every matrix to the tolerance. Of the heads of a layer, though,
only the one with the largest norm sets lambda: here a matrix is done as soon as its upper end is
below the largest lower end of its group. And all is done by products, which batches of small
matrices are quick at, on a processor or a GPU: P = C^T C, then P^T P again and again.

The exact product H = P^T P is semidefinite whatever P, its norm the square of that of P, its
trace t the sum of squares of P. With the sum of squares f of H itself, the norm of H is at least
f / t and at most t/n + sqrt((n-1)/n (f - t^2/n)) (Wolkowicz and Styan 1980): bounds of the norm
of P with a root that brings them together, and so on back to C.

Rounding: the computed product is off by E with |E|_F <= gamma_n |P|_F^2. Each product has its own,
which is added before its root is taken, so that an early loss is not magnified by later ones.
"""

import math
from typing import NamedTuple

import numpy as np
from array_api_compat import is_numpy_array

from theory.arrays import Array, namespace, tiny
from theory.spectra.brackets import SQUARING, Bracket

_BLOCK_BYTES = 2**22
_LOOKS = ((1, 1, 1, 2, 2, 2), (2, 1, 2, 2, 2))
"""Products between two looks, for large and for small matrices, whose products cost less than a
look. Nine of them leave n^(1/2048) of a norm at most."""

_WORTH = 0.9
"""Leaving matrices out copies the others, which costs a sixth of a product."""

_SMALL = 32
"""Up to here BLAS takes twice as long for X^T X as for a product of two different matrices."""

_FAR = 2.0**24
_MORE = 1 + 2.0**-40  # float64 roundings of a few dozen operations on single numbers


class _Power(NamedTuple):
    """The last computed product, and what leads back from it to the norm wanted.

    Shapes: matrix (b, n, n), all else (b,) in float64: square and trace, at least the sums of
            squares of matrix and of the factors of the exact product; loss, at least |E|_F; each
            of steps (factor, loss): the norm squared was that of factor times the one before;
            drift, rough and unit as `_gram` has them
    """

    matrix: Array
    square: Array
    trace: Array
    loss: Array
    drift: Array
    rough: Array
    unit: Array
    steps: tuple[tuple[Array, Array], ...]

    def take(self, kept: Array) -> "_Power":
        """Return the members where ``kept`` (b,) is true."""
        steps = tuple((factor[kept], loss[kept]) for factor, loss in self.steps)
        fields = {name: getattr(self, name)[kept] for name in self._fields if name != "steps"}
        return _Power(**fields, steps=steps)


def group_bracket(matrices: Array, *, tolerance: float, deviations: bool = False) -> Bracket:
    """Enclose the norms: those that may be the largest of their group to the tolerance.

    The others are enclosed as well, only less tightly, and lie below the largest. With
    ``deviations`` the norms are those of (I - e e^T) A. NumPy looks which matrices are done;
    elsewhere, where that would stall a device, eight products of all are formed.

    Shapes: matrices (*b, g, p, q), finite -> (*b, g)
    Dtype:  lower and upper as the matrices, rounded outwards; tier int8
    Source: wolkowicz1980
    """
    xp, shape = namespace(matrices), tuple(matrices.shape)
    flat = xp.reshape(matrices, (-1, *shape[-2:]))
    eager, group = is_numpy_array(matrices), shape[-3]
    step = max(1, flat.shape[0])
    if eager:
        step = group * max(1, _BLOCK_BYTES // (math.prod(shape[-3:]) * matrices.dtype.itemsize))
    own = float(xp.finfo(matrices.dtype).eps)
    wanted = 1 + max(0.0, tolerance - 8 * own)
    low, high = [], []
    for start in range(0, flat.shape[0], step):
        power = _gram(flat[start : start + step, ...], deviations=deviations)
        lower, upper = _narrow_eagerly(power, group, wanted) if eager else _narrow(power)
        low.append(lower)
        high.append(upper)
    lower, upper = (x[0] if len(x) == 1 else xp.concat(x) for x in (low, high))
    lower = _positive(lower * (1 - own) - tiny(matrices))
    upper = upper * (1 + own) + tiny(matrices)
    lower, upper = (xp.reshape(xp.astype(x, matrices.dtype), shape[:-2]) for x in (lower, upper))
    return Bracket(lower, upper, xp.full_like(lower, SQUARING, dtype=xp.int8))


def _narrow(power: _Power) -> tuple[Array, Array]:
    """Form eight products and look once, since each small step costs a device a launch."""
    for _ in range(4):
        power = _squared(power, 2)
    return _norm_from_last_product(power)


def _narrow_eagerly(power: _Power, group: int, wanted: float) -> tuple[Array, Array]:
    """Go on with those matrices only that may be the largest of their group, and are not done."""
    lower, upper = _norm_from_last_product(power)
    index = np.arange(len(lower))
    for times in _LOOKS[power.matrix.shape[-1] < 48]:
        largest = np.repeat(lower.reshape(-1, group).max(axis=-1), group)
        left = ~(upper[index] <= wanted * largest[index])
        if not left.any():
            break
        if np.count_nonzero(left) < _WORTH * len(left):
            index, power = index[left], power.take(left)
        power = _squared(power, times)
        low, high = _norm_from_last_product(power)
        lower[index], upper[index] = np.maximum(lower[index], low), np.minimum(upper[index], high)
    return lower, upper


def _gram(rows: Array, *, deviations: bool) -> _Power:
    """Return the first product.

    The rows are exact but for deviations: these are C + e r^T, C what is wanted and |r| the
    drift, for the mean of n numbers errs by gamma_n of their size; as C is orthogonal to e that
    can only raise the norm, by the drift at most. The last subtraction errs by ``rough``, with
    what was so small beside the largest entry that it vanished.
    """
    xp = namespace(rows)
    p, q = rows.shape[-2:]
    rows, unit, trace = at_safe_scale(rows)
    drift = rough = 0 * trace
    if deviations:
        drift = _gamma(p + 2, rows) * xp.sqrt(trace) * unit
        rows = rows - xp.full_like(xp.matrix_transpose(rows[0, :, :1]), 1 / p) @ rows
        rows, more, trace = at_safe_scale(rows)
        rough = (_gamma(2, rows) * xp.sqrt(trace) * more + (p * q) ** 0.5 * tiny(rows)) * unit
        unit = unit * more
    turned = xp.matrix_transpose(rows)
    matrix = turned @ rows if q <= p else rows @ turned
    loss = _loss(trace, max(p, q), matrix)
    return _Power(matrix, square_sum(matrix), trace, loss, drift, rough, unit, ())


def _squared(power: _Power, times: int) -> _Power:
    """Return the product of the last one with itself, so many times over."""
    xp, steps, loss = namespace(power.matrix), power.steps, power.loss
    matrix, factor = _near_one(power.matrix, power.square)
    square, trace = power.square * factor**2, power.trace
    for i in range(times):
        steps = (*steps, (factor if i == 0 else xp.ones_like(factor), loss))
        turned = xp.matrix_transpose(matrix)
        matrix = turned @ (+matrix if matrix.shape[-1] <= _SMALL else matrix)
        trace, loss = square, _loss(square, matrix.shape[-1], matrix)
        square = square_sum(matrix)
    return power._replace(matrix=matrix, square=square, trace=trace, loss=loss, steps=steps)


def _norm_from_last_product(power: _Power) -> tuple[Array, Array]:
    """Enclose the norm of the last exact product, and go back from it to the norm wanted."""
    xp, n = namespace(power.matrix), power.matrix.shape[-1]
    trace, root = power.trace, xp.sqrt(power.square)
    sums = 2 * _gamma(n * n, power.matrix)
    low, least = trace * (1 - sums), _positive(root * (1 - sums) - power.loss)
    most = (root + power.loss) ** 2
    lower = least**2 / xp.where(trace > 0, trace, 1.0) / _MORE
    spread = xp.sqrt((n - 1) / n * _positive(most - low * low / n))
    upper = xp.where(low * low <= most, xp.sqrt(most), low / n + spread)
    upper = xp.minimum(upper, trace) * _MORE
    for factor, loss in reversed(power.steps):
        lower = _positive(xp.sqrt(lower) / factor / _MORE - loss)
        upper = xp.sqrt(upper) / factor * _MORE + loss
    lower = xp.sqrt(lower) * power.unit / _MORE - power.drift - power.rough
    return _positive(lower), xp.sqrt(upper) * power.unit * _MORE + power.rough * _MORE


def at_safe_scale(rows: Array) -> tuple[Array, Array, Array]:
    """Return the rows with their largest entry near one, the unit taken out, the sum of squares.

    The unit, a power of two, is 2^-149 for the smallest float32, whose inverse is none: it is
    taken out in two parts. NumPy saves the pass where the squares are moderate for all.

    Shapes: (b, p, q) -> (b, p, q), (b,) and (b,) in float64
    """
    xp = namespace(rows)
    if is_numpy_array(rows):
        with np.errstate(over="ignore"):
            square = square_sum(rows)
        if bool(np.all((square < _FAR) & (square > 1 / _FAR))):
            return rows, np.ones_like(square), square
    peak = xp.astype(xp.max(xp.abs(rows), axis=(-2, -1)), xp.float64)
    exponent = xp.floor(xp.log2(xp.where(peak > 0, peak, 1.0)))
    highest = -math.log2(tiny(rows)) - 24
    first = xp.clip(exponent, min=-highest, max=highest)
    units = 2.0**first, 2.0 ** (exponent - first)
    for unit in units:
        rows = rows / xp.astype(unit, rows.dtype)[:, None, None]
    return rows, units[0] * units[1], square_sum(rows)


def _near_one(matrix: Array, size: Array) -> tuple[Array, Array]:
    """Multiply by powers of two, returned too, so that two products stay in the dtype's range.

    ``size`` is the sum of squares. NumPy saves the pass where it is moderate for all.
    """
    xp = namespace(matrix)
    if is_numpy_array(matrix) and bool(np.all((size < _FAR) & (size > 1 / _FAR))):
        return matrix, np.ones_like(size)
    factor = 2.0 ** -xp.round(0.5 * xp.log2(xp.where(size > 0, size, 1.0)))
    return matrix * xp.astype(factor, matrix.dtype)[:, None, None], factor


def _loss(trace: Array, terms: int, matrix: Array) -> Array:
    n = matrix.shape[-1]
    return _gamma(terms, matrix) * trace * _MORE + n * n * tiny(matrix)


def square_sum(matrix: Array) -> Array:
    """Bound the sum of squares from above, by as much as its own rounding; in float64."""
    xp, entries = namespace(matrix), math.prod(matrix.shape[-2:])
    flat = xp.reshape(matrix, (-1, entries))
    return xp.astype(xp.vecdot(flat, flat), xp.float64) * (1 + _gamma(entries, matrix))


def _positive(x: Array) -> Array:
    """Return max(x, 0), NaN for NaN; a fraction of the time that clip takes on a few numbers."""
    return namespace(x).where(x < 0, 0.0, x)


def _gamma(terms: int, like: Array) -> float:
    """Bound the relative error of a sum of so many rounded products: terms u / (1 - terms u)."""
    lost = terms * float(namespace(like).finfo(like.dtype).eps) / 2
    return lost / (1 - lost) if lost < 1 else math.inf
