"""Which polynomials of Gram matrices show their largest eigenvalue best, and what is lost in them?

Batches in stages: some products, then Lanczos; each step is remembered, so that an enclosure of
the last polynomial's largest eigenvalue becomes one of the norm wanted. `theory.spectra.lanczos`
has the mathematics.
"""

import math
from typing import Any, NamedTuple, TypeVar

import array_api_compat

from theory.arrays import Array, eps, namespace, tiny
from theory.spectra.enclosures import (
    MIND,
    Enclosure,
    Sums,
    enclose,
    roundoff,
    shifted,
    squared,
    sums,
    times_power_of_two,
)
from theory.spectra.gram import MatrixBatch, Scale, gram, norm_of_rows, product_loss
from theory.spectra.gram import product as multiply
from theory.spectra.lanczos import Krylov, lanczos, refine

SHARE = 0.8
"""How much of [0, lower bound] is kept small by the polynomials.

More makes them steeper just above; less separates the few eigenvalues above from each other.
"""

BLOCK_BYTES, BLOCK_NUMBER = 2**21, 32
"""How much is worked on at a time: what a processor's cache holds, but not too few for Python."""

_RANK_K = 96  # from this size on BLAS forms P P^T faster than P P
_T = TypeVar("_T", bound=tuple[Array, ...])


class Step(NamedTuple):
    """S became (factor S) ** power - centre, and its largest eigenvalue moved by up to ``lost``.

    No eigenvalue of factor S was below -floor. Shapes: (b,)
    """

    factor: Array
    power: int
    centre: Array
    lost: Array
    floor: Array


class State(NamedTuple):
    """Polynomials of Gram matrices, what is known of them, and the steps that led to them.

    ``centre`` (b,): a part [0, 2 c] of the spectrum of G was taken to [-centre, centre], by a shift
    alone as long as nothing was ``squared``.
    """

    blocks: list[Array]
    known: Enclosure
    scale: Scale
    centre: Array
    squared: bool
    steps: tuple[Step, ...]


class _Work(NamedTuple):
    """One block after its products; what was subtracted in each step, the sums before and after.

    Shapes: factor, centre and amounts (b,)
    """

    product: Array
    factor: Array
    centre: Array
    amounts: list[Array]
    found: list[Sums]
    krylov: Krylov


def begin(source: MatrixBatch, squarings: int, steps: int) -> State:
    """Form the Gram matrices, then `advance`, all block by block."""
    xp, work, scales = namespace(source.matrices), [], []
    on_cpu = "cpu" in str(array_api_compat.device(source.matrices)).lower()
    size = BLOCK_BYTES if on_cpu else math.prod(source.matrices.shape) * 8
    for part in slices(source.matrices, size, least=BLOCK_NUMBER):
        product, scale = gram(source.part(part))
        found = sums(product)
        none = 0 * found.trace
        if squarings:
            positive = xp.where(found.trace > 0, found.trace, 1.0)
            target = SHARE / 2 * found.square / positive
        else:
            target = found.trace / product.shape[-1]
        work.append(_work(product, found, none, target, squarings, steps))
        scales.append(scale)
    scale, n, unit = _join(Scale, scales), work[0].product.shape[-1], roundoff(work[0].product)
    known = enclose(
        _join(Sums, [w.found[0] for w in work]), scale.error, scale.error, n=n, unit=unit
    )
    state = State([], known, scale, 0 * scale.unit, False, ())
    return _follow(state, work, squarings)


def advance(state: State, squarings: int, steps: int) -> State:
    """Square ``squarings`` times, then narrow the enclosure by Lanczos steps."""
    work, at = [], 0
    for block in state.blocks:
        part, at = slice(at, at + block.shape[0]), at + block.shape[0]
        centre = state.centre[part]
        target = None if state.squared else _target(state, part)
        work.append(_work(block, sums(block), centre, target, squarings, steps))
    return _follow(state, work, squarings)


def _target(state: State, part: slice) -> Array:
    """Return half the length of the part of the spectrum to keep small.

    Where the bounds are close already, many eigenvalues are close to the largest: all of it.
    """
    lower, upper = state.known.lower[part], state.known.upper[part]
    low, high = lower + state.centre[part], upper + state.centre[part]
    return namespace(low).where(high < 1.1 * low, low, SHARE * low) / 2


def slices(matrices: Array, size: int, *, least: int = 1) -> list[slice]:
    """Cut the batch into parts of about ``size`` bytes, but at least as many matrices."""
    xp = namespace(matrices)
    number, p, q = matrices.shape
    step = max(least, size // (p * q * (4 if matrices.dtype == xp.float32 else 8)))
    return [slice(i, min(i + step, number)) for i in range(0, max(number, 1), step)]


def _work(
    product: Array, found: Sums, centre: Array, target: Array | None, squarings: int, steps: int
) -> _Work:
    """Do what is done to whole matrices, in place: they are our own.

    With a target, the matrices are shifted until that is their centre.
    """
    xp, n, results = namespace(product), product.shape[-1], [found]
    size = xp.maximum(xp.sqrt(found.square), xp.abs(centre if target is None else target))
    factor = _near_one(size, squarings)
    if bool(xp.any(factor != 1)):
        product *= xp.astype(factor, product.dtype)[:, None, None]
    if _symmetrises(n, squarings, squared=target is None):
        product, factor = product + xp.matrix_transpose(product), 2 * factor
    amounts: list[Array] = []
    centre = centre * factor

    def subtract(amount: Array) -> Array:
        """Return the product less what float32 makes of the amount."""
        rounded = xp.astype(amount, product.dtype)
        amounts.append(xp.astype(rounded, xp.float64))
        flat = xp.reshape(product, (product.shape[0], n * n))
        flat[:, :: n + 1] -= rounded[:, None]
        return xp.reshape(flat, product.shape)

    if target is not None:
        product = subtract(target * factor - centre)
        centre = centre + amounts[-1]
        results.append(sums(product))
    for _ in range(squarings):
        product = multiply(product, xp.matrix_transpose(product) if n >= _RANK_K else product)
        product = subtract(centre**2 / 2)
        centre = amounts[-1]
        results.append(sums(product))
    krylov = lanczos(product, results[-1], steps)
    return _Work(product, factor, centre, amounts, results, krylov)


def _symmetrises(n: int, squarings: int, *, squared: bool) -> bool:
    """Tell whether P + P^T takes the place of P before the first P P^T.

    That is symmetric but for rounding, so that once is enough.
    """
    return n >= _RANK_K and squarings > 0 and not squared


def _near_one(size: Array, squarings: int) -> Array:
    """Return powers of two that make room for as many squarings; ones if all have it."""
    xp = namespace(size)
    exponent = xp.round(xp.log2(xp.where(size > 0, size, 1.0)))
    if bool(xp.all(xp.abs(exponent) * 2**squarings < 32)):
        return xp.ones_like(exponent)
    return 2.0**-exponent


def _follow(state: State, work: list[_Work], squarings: int) -> State:
    """Follow what is known through the same steps, for all blocks together."""
    product = work[0].product
    xp, n, unit = namespace(product), product.shape[-1], roundoff(product)
    amounts = [xp.concat(list(column)) for column in zip(*(w.amounts for w in work), strict=True)]
    found = [_join(Sums, list(column)) for column in zip(*(w.found for w in work), strict=True)]
    krylov, factor = _join(Krylov, [w.krylov for w in work]), xp.concat([w.factor for w in work])
    known, zero, one = state.known, 0 * factor, 0 * factor + 1
    twice = _symmetrises(n, squarings, squared=state.squared)
    lost = n * tiny(product) * xp.astype(factor != (2 if twice else 1), xp.float64)
    if twice:
        lost = lost + MIND * unit * factor * known.size
        known = known._replace(skew=zero)
    steps = [*state.steps, Step(factor, 1, zero, lost, known.defect)]
    known, loss = times_power_of_two(known, factor, lost=lost), product_loss(n, unit)
    shifts = len(amounts) - squarings
    for at, amount in enumerate(amounts):
        floor = known.defect
        if at < shifts:
            known, lost = shifted(known, found[at + 1], amount, n=n, unit=unit)
        else:
            known, lost = squared(
                known, found[at + 1], amount, loss=loss, unit=unit, transposed=n >= _RANK_K, n=n
            )
        steps.append(Step(one, 1 if at < shifts else 2, amount, lost, floor))
    blocks, centre = [w.product for w in work], xp.concat([w.centre for w in work])
    done = state.squared or squarings > 0
    state = State(blocks, known, state.scale, centre, done, tuple(steps))
    return state._replace(known=refine(state.known, krylov, n=n, unit=unit))


def ends(state: State) -> tuple[Array, Array]:
    """Return lower and upper for the norm wanted, in float64."""
    xp, lower, upper = namespace(state.known.lower), state.known.lower, state.known.upper
    few = 4 * eps(upper)
    for step in reversed(state.steps):
        around = few * (xp.abs(step.centre) + xp.abs(upper))
        lower = lower - step.lost + step.centre - around
        upper = upper + step.lost + step.centre + around
        if step.power == 2:
            lower, upper = (xp.sqrt(xp.maximum(end, 0 * end)) for end in (lower, upper))
            lower, upper = lower * (1 - few), upper * (1 + few)
            lower = xp.where(lower > step.floor, lower, -step.floor)  # whose square was it?
        lower, upper = lower / step.factor, upper / step.factor
    return norm_of_rows(state.scale, lower, upper)


def take(state: State, kept: Array) -> State:
    """Return the members where ``kept`` (b,) is true."""
    xp, blocks, start = namespace(kept), [], 0
    index = xp.nonzero(kept)[0]
    for block in state.blocks:
        chosen = xp.nonzero(kept[start : start + block.shape[0]])[0]
        start += block.shape[0]
        if chosen.shape[0] > 0:
            blocks.append(xp.take(block, chosen, axis=0))

    def pick(fields: tuple[Any, ...]) -> list[Any]:
        return [f if isinstance(f, int) else xp.take(f, index, axis=0) for f in fields]

    known, scale = Enclosure(*pick(state.known)), Scale(*pick(state.scale))
    steps = tuple(Step(*pick(step)) for step in state.steps)
    (centre,) = pick((state.centre,))
    return State(blocks, known, scale, centre, state.squared, steps)


def _join(kind: type[_T], parts: list[_T]) -> _T:
    """Concatenate the fields of tuples of arrays."""
    if len(parts) == 1:
        return parts[0]
    xp = namespace(parts[0][0])
    return kind(*(xp.concat(column) for column in zip(*parts, strict=True)))
