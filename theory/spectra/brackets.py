"""Between which two numbers does the norm of a matrix lie, for many matrices and for certain?

Theorems need an upper end that is one, and sweeps need millions of them. Three tiers, each for
those members of a batch that the one before left wider than the tolerance: Lanczos on the Gram
matrix; on polynomials of it, a few squarings at a time; in float64, and at last by LAPACK.
`theory.spectra.lanczos` says why the ends are certain, rounding included.

This is the general route: any matrix, any tolerance, every member to its own; the norms of wide
weights go it. `simulations.engine.squaring` is the route of surveys: small matrices in groups of
which only the largest norm counts, to about a per cent. A verdict on a single block takes
neither, but LAPACK and the bound on its error of `theory.spectra.norms`.
"""

import math
from typing import NamedTuple

from theory.arrays import (
    Array,
    InputError,
    eps,
    namespace,
    require_finite,
    require_float,
    require_mask,
    require_shape,
    tiny,
)
from theory.records import brief_repr
from theory.spectra.enclosures import enclose, roundoff, sums
from theory.spectra.gram import MatrixBatch, NotFiniteError, gram, norm_of_rows
from theory.spectra.norms import coupling, coupling_error, spectral_norm, spectral_norm_error
from theory.spectra.polynomials import State, advance, begin, ends, slices, take

EXACT, LANCZOS, SQUARING, FALLBACK = 0, 1, 2, 3


@brief_repr
class Bracket(NamedTuple):
    """Two numbers with the wanted one between them, and which tier narrowed them last.

    ``tier`` is 0 for LAPACK on request, 1 for Lanczos, 2 for squaring and Lanczos, 3 for LAPACK
    where those did not reach the tolerance. If the ends of tier 3 are further apart than asked
    for, rounding does not allow less.

    Shapes: all (*b,)
    Dtype:  lower and upper as the matrices, tier int8
    """

    lower: Array
    upper: Array
    tier: Array


def spectral_bracket(
    matrices: Array, *, tolerance: float = 1e-2, exact: bool = False, chunk_bytes: int = 2**25
) -> Bracket:
    """Enclose the largest singular value, so that upper <= (1 + tolerance) lower.

    Shapes: matrices (*b, p, q), p and q positive -> (*b,)
    Dtype:  kept; about five times ``chunk_bytes`` of memory beside the result
    Raises: InputError if an entry is NaN or infinite, the matrices are empty or not floating, or
            the tolerance or chunk_bytes is not positive
    """
    _require(matrices, "matrices", tolerance, chunk_bytes)
    if exact:
        return _exact(spectral_norm(matrices), spectral_norm_error(matrices))
    xp, shape = namespace(matrices), tuple(matrices.shape)
    wanted = matrices if shape[-2] <= shape[-1] else xp.matrix_transpose(matrices)
    source = MatrixBatch(
        xp.reshape(wanted, (math.prod(shape[:-2]), *wanted.shape[-2:])), None, False
    )
    return _reshape(
        _in_chunks(source, "matrices", wanted.shape, tolerance, chunk_bytes), shape[:-2]
    )


def coupling_bracket(
    adjacency: Array,
    *,
    token_mask: Array | None = None,
    tolerance: float = 1e-2,
    exact: bool = False,
    chunk_bytes: int = 2**25,
) -> Bracket:
    """Enclose sqrt(lambda) of every head: the spectral norm of (I - e e^T) A.

    As `theory.spectra.norms.coupling`, whose remarks on the token mask hold here too.

    Shapes: adjacency (*b, h, n, n), token_mask boolean (*b, n) -> (*b, h)
    Dtype:  kept; about five times ``chunk_bytes`` of memory beside the result
    Raises: InputError if adjacency is not square or not finite where it counts, no token counts,
            or the tolerance or chunk_bytes is not positive
    Source: shi2022
    """
    _require(adjacency, "adjacency", tolerance, chunk_bytes)
    xp, shape = namespace(adjacency, token_mask), tuple(adjacency.shape)
    n = shape[-1]
    require_shape("adjacency", adjacency, "h", n, n)
    if exact:
        value = coupling(adjacency, token_mask=token_mask)
        return _exact(value, coupling_error(adjacency, token_mask=token_mask))
    flat, counts = (math.prod(shape[:-2]), n), None
    if token_mask is not None:
        require_mask("token_mask", token_mask, n)
        if not bool(xp.all(xp.any(token_mask, axis=-1))):
            raise InputError("token_mask must let at least one token of each sentence count")
        counts = xp.broadcast_to(xp.expand_dims(token_mask, axis=-2), shape[:-1])
        counts = xp.astype(xp.reshape(counts, flat), adjacency.dtype)
    source = MatrixBatch(xp.reshape(adjacency, (*flat, n)), counts, True)
    return _reshape(_in_chunks(source, "adjacency", shape, tolerance, chunk_bytes), shape[:-2])


def _schedule(n: int) -> tuple[tuple[int, int], ...]:
    """Return (products, Lanczos steps) one after the other, as measured for the least time.

    A product of small matrices costs little more than a step, so that there one is not tried
    without the other.
    """
    more = ((2, 8), (2, 8), (2, 8), (2, 8))
    return ((3, 4), *more[1:]) if n < 40 else ((0, 6), *more)


def _in_chunks(
    source: MatrixBatch, name: str, shape: tuple[int, ...], tolerance: float, chunk_bytes: int
) -> Bracket:
    xp, dtype, own = namespace(source.matrices), source.matrices.dtype, eps(source.matrices)
    wanted = 1 + max(0.0, tolerance - 8 * own)
    chunks = slices(source.matrices, chunk_bytes)
    try:
        parts = [_narrow(source.part(chunk), wanted) for chunk in chunks]
    except NotFiniteError:
        require_finite(name, xp.reshape(source.counted(), shape))
        raise
    lower, upper, tier = (xp.concat(column) for column in zip(*parts, strict=True))
    grain = own * tiny(source.matrices) * xp.astype(upper > 0, upper.dtype)
    lower, upper = lower * (1 - own) - grain, upper * (1 + own) + grain
    lower = xp.maximum(lower, 0 * lower)
    return Bracket(xp.astype(lower, dtype), xp.astype(upper, dtype), xp.astype(tier, xp.int8))


def _narrow(source: MatrixBatch, wanted: float) -> Bracket:
    """Go through the tiers, with those members whose upper / lower is not yet as wanted.

    All in float64: rounding to float32 comes last. For matrices in float32 the last tier is to
    begin again in float64, where rounding does not stand in the way; LAPACK comes at its end.
    """
    xp = namespace(source.matrices)
    n = source.matrices.shape[-2]
    state: State | None = None
    products = 0
    lower = upper = tier = still = None
    for squarings, steps in (*_schedule(n), (0, 0)):
        if steps:
            state = advance(state, squarings, steps) if state else begin(source, squarings, steps)
            narrowed, products = ends(state), products + squarings
            kind = SQUARING if products else LANCZOS
            found = Bracket(*narrowed, xp.full_like(narrowed[0], kind))
        elif source.matrices.dtype == xp.float64:
            found = _by_lapack(source.take(_members(still)))
        else:
            found = _narrow(source.take(_members(still)).double(), wanted)
        if still is None:
            (lower, upper, tier), still = found, found.lower >= 0
        else:
            lower = xp.where(still, xp.maximum(lower, _spread(found.lower, still)), lower)
            upper = xp.where(still, xp.minimum(upper, _spread(found.upper, still)), upper)
            tier = xp.where(still, _spread(found.tier, still), tier)
        left = still & ~(upper <= wanted * lower)
        if not bool(xp.any(left)):
            break
        kept = xp.take(left, _members(still), axis=0)
        if state is not None and not bool(xp.all(kept)):
            state = take(state, kept)
        still = left
    return Bracket(lower, upper, tier)


def _members(mask: Array) -> Array:
    return namespace(mask).nonzero(mask)[0]


def _spread(values: Array, mask: Array) -> Array:
    """Put the values, one for each True of the mask, in its places."""
    xp = namespace(mask)
    place = xp.cumulative_sum(xp.astype(mask, xp.int64)) - 1
    return xp.take(values, xp.maximum(place, 0 * place), axis=0)


def _by_lapack(source: MatrixBatch) -> Bracket:
    """Return the ends from all eigenvalues of the Gram matrix.

    The tridiagonal form is reached by reflections of length n from both sides: as in
    `spectral_norm_error`, 8 n 2 n u |G|_F covers them and the eigenvalues after. Only one triangle
    is read, so that the error of the copy may count twice.
    """
    product, scale = gram(source)
    xp, n = namespace(product), product.shape[-1]
    known = enclose(sums(product), scale.error, scale.error, n=n, unit=roundoff(product))
    top = xp.linalg.eigvalsh(product)[:, -1]
    error = scale.error + 8 * n * n * eps(top) * known.size
    lower, upper = xp.maximum(known.lower, top - error), xp.minimum(known.upper, top + error)
    around = norm_of_rows(scale, lower, xp.maximum(upper, 0 * upper))
    return Bracket(*around, xp.full_like(top, FALLBACK))


def _exact(value: Array, error: Array) -> Bracket:
    """Return the value by LAPACK plus or minus its error; the two sums round as well."""
    xp, few = namespace(value), 4 * eps(value)
    lower = xp.clip((value - error) * (1 - few), min=0.0)
    return Bracket(lower, (value + error) * (1 + few), xp.zeros_like(value, dtype=xp.int8))


def _reshape(bracket: Bracket, shape: tuple[int, ...]) -> Bracket:
    xp = namespace(bracket.lower)
    return Bracket(*(xp.reshape(field, shape) for field in bracket))


def _require(array: Array, name: str, tolerance: float, chunk_bytes: int) -> None:
    require_float(name, array)
    require_shape(name, array, "p", "q")
    if math.prod(array.shape[-2:]) == 0:
        raise InputError(f"{name} must not be empty, but have shape {tuple(array.shape)}")
    if not tolerance > 0:
        raise InputError(f"tolerance must be positive, but is {tolerance}")
    if not chunk_bytes > 0:
        raise InputError(f"chunk_bytes must be positive, but is {chunk_bytes}")
