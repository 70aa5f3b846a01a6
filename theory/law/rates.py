"""At which rate does the mode of an eigenvalue mu of the random walk grow or shrink a layer?

A mode u evolves by u' = u (r I + mu S_l) K_l, whatever the graph is: rho(mu) is a function of the
stack alone, and a graph picks the points at which it is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import numpy as np
from scipy.fft import dct
from scipy.linalg import eig

from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.law.orbits import (
    Attractor,
    Matrix,
    find_attractor,
    host_array,
    host_block,
    host_token,
    is_homogeneous,
)
from theory.law.synchronised import Linearised, linearise, synchronised_orbit, transverse_factor
from theory.records import brief_repr

_EPS = float(np.finfo(np.float64).eps)
_FEWEST = 8  # block means that an error bar is taken from


@brief_repr
@dataclass(frozen=True, eq=False)
class ModeRates:
    """The rates rho(mu) at some eigenvalues, factors a layer, and how they were found.

    ``method``: "fixed point", "cycle of k" (spectral radius, exact up to rounding) or "lyapunov"
    (the mean of logarithms along an orbit). ``errors`` are standard errors, no less than the
    rounding of a layer, or the bound on that of a spectral radius, to first order. ``seconds`` are
    the rates of each mode's next eigenvalue or exponent: equal to its rate where a complex pair
    turns. ``finite_rates`` are the largest growth over the first ``depth`` layers from the token
    given, |product|^(1/depth): no smaller than the limit if the stack is at its fixed point, far
    above it where the modes are not normal.
    ``token_growth`` is by which factor the token grows a layer.

    Shapes: eigenvalues, rates, errors, seconds, finite_rates (k,)
    """

    eigenvalues: Matrix
    rates: Matrix
    errors: Matrix
    seconds: Matrix
    finite_rates: Matrix
    method: str
    depth: int
    token_growth: float
    attractor: Attractor | None

    @property
    def relative_rates(self) -> Matrix:
        """The rates of d_M / |H|: rho over the growth of the token."""
        return self.rates / self.token_growth


def host_eigenvalues(eigenvalues: Array | Sequence[complex] | complex) -> Matrix:
    """Return numbers, real or complex, in one row.

    Raises: InputError if they are none, or not finite
    """
    if isinstance(eigenvalues, list | tuple | int | float | complex):
        mu = np.atleast_1d(np.asarray(eigenvalues))
    else:
        mu = np.atleast_1d(host_array("eigenvalues", eigenvalues))
    if mu.ndim != 1 or mu.dtype.kind not in "iufc" or not np.isfinite(mu).all():
        raise InputError(
            f"eigenvalues must be finite numbers, one axis, but have shape {mu.shape} and dtype "
            f"{mu.dtype}"
        )
    return mu


def mode_rates(
    blocks: Block | Iterable[Block],
    eigenvalues: Array | Sequence[complex],
    token: Array,
    *,
    depth: int = 24,
    layers: int = 2000,
) -> ModeRates:
    """Return rho(mu) at the given eigenvalues, for the synchronised orbit that starts at a token.

    One block stands for a stack of tied weights: its fixed point or cycle is looked for, and
    where there is none the rates are averages over ``layers`` layers. Several blocks are a stack
    as it is: its rates are averages over all of them, or the first ``layers``.

    Shapes: eigenvalues (k,) real or complex, token (d,)
    Raises: InputError if there is no block, a weight has batch axes, or the orbit stops
    """
    mu = host_eigenvalues(eigenvalues)
    for name, value in (("depth", depth), ("layers", layers)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, but is {value}")
    here = host_token(token)
    # Conjugates have one rate, and a graph repeats its eigenvalues: one of each will do.
    folded = mu.real + 1j * np.abs(mu.imag) if np.iscomplexobj(mu) else mu
    _, first, back = np.unique(np.round(folded, 13), return_index=True, return_inverse=True)
    single = folded[first]

    attractor = None
    if isinstance(blocks, Block):
        attractor = find_attractor(blocks, here)
        layers = depth if attractor is not None else layers
        layers = max(layers, depth)
    rates, errors, seconds, finite, growth, seen = _along(blocks, single, here, depth, layers)
    method = "lyapunov"
    if attractor is not None:
        assert isinstance(blocks, Block)
        rates, errors, seconds = _attractor_rates(host_block(blocks), attractor, single)
        growth = attractor.growth
        method = "fixed point" if attractor.period == 1 else f"cycle of {attractor.period}"
    return ModeRates(
        eigenvalues=mu,
        rates=rates[back],
        errors=errors[back],
        seconds=seconds[back],
        finite_rates=finite[back],
        method=method,
        depth=min(depth, seen),
        token_growth=growth,
        attractor=attractor,
    )


def tied_orbit(
    blocks: Block | Iterable[Block], token: Matrix
) -> Iterator[tuple[Linearised, float]]:
    """Yield each linearised layer of a stack, and the logarithm of the token's growth in it.

    A single block is repeated for ever. Where it has no scale, only the token's direction counts,
    and the token is kept at norm one.
    """
    if isinstance(blocks, Block):
        block = host_block(blocks)
        if is_homogeneous(block):
            fits = False
            while True:
                step = linearise(block, token, fits=fits)
                fits = True
                size = float(np.linalg.norm(step.token))
                log = _log(size) - _log(float(np.linalg.norm(token)))
                yield step, log
                token = step.token / (size or 1.0)
        stack: Iterable[Block] = repeat(block)
    else:
        stack = map(host_block, blocks)
    before = _log(float(np.linalg.norm(token)))
    with np.errstate(over="ignore", invalid="ignore"):
        for step in synchronised_orbit(stack, token):
            after = _log(float(np.linalg.norm(step.token)))
            yield step, after - before
            before = after


def standard_error(values: Matrix) -> Matrix:
    """Return the standard error of the mean of correlated values (t, *k) along the first axis.

    Neighbours are averaged in pairs, again and again: the error of the mean grows until the
    averages no longer know of each other. The largest is taken, and no less than half of what
    the two halves differ by.

    Source: flyvbjerg1989
    """
    half = len(values) // 2
    if half == 0:
        return np.full(values.shape[1:], np.inf)
    error: Matrix = np.abs(values[:half].mean(axis=0) - values[half:].mean(axis=0)) / 2
    while len(values) >= _FEWEST:
        error = np.maximum(error, values.std(axis=0, ddof=1) / np.sqrt(len(values)))
        even = len(values) // 2 * 2
        values = (values[0:even:2] + values[1:even:2]) / 2
    return error


def _along(
    blocks: Block | Iterable[Block], mu: Matrix, token: Matrix, depth: int, layers: int
) -> tuple[Matrix, Matrix, Matrix, Matrix, float, int]:
    """Return rates, errors, seconds, finite rates, the token's growth and the layers seen."""
    d = token.size
    columns = min(d, 2)
    start = dct(np.eye(d), norm="ortho")[:, -columns:].T  # any start that no symmetry singles out
    rows = np.broadcast_to(start, (mu.size, columns, d)).astype(mu.dtype)
    product = np.broadcast_to(np.eye(d), (mu.size, d, d)).astype(mu.dtype)
    log_product = np.zeros(mu.size)
    logs, growths = [], []
    for layer, (step, growth) in enumerate(islice(tied_orbit(blocks, token), layers)):
        growths.append(growth)
        if layer < depth:
            product = product @ transverse_factor(step, mu)
            size = np.abs(product).max(axis=(-2, -1))
            log_product += np.where(size > 0, np.log(np.where(size > 0, size, 1.0)), -np.inf)
            product = product / np.where(size > 0, size, 1.0)[:, None, None]
        mixed = mu[:, None, None] * (rows @ step.mixed)
        rows = (step.past_attention(rows) + mixed) @ step.after
        q, r = np.linalg.qr(np.swapaxes(rows, -2, -1))
        stretch = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
        logs.append(np.where(stretch > 0, np.log(np.where(stretch > 0, stretch, 1.0)), -np.inf))
        rows = np.swapaxes(q, -2, -1)
    if not logs:
        raise InputError("blocks must hold at least one block, but is empty")
    norms = np.linalg.norm(product, ord=2, axis=(-2, -1))
    finite = np.where(
        norms > 0,
        np.exp((log_product + np.log(np.where(norms > 0, norms, 1.0))) / min(depth, len(logs))),
        0.0,
    )
    kept = np.stack(logs)[len(logs) // 5 :]
    dead = ~np.isfinite(kept).all(axis=0)
    kept = np.where(dead, 0.0, kept)
    means = np.where(dead, -np.inf, kept.mean(axis=0))
    top = np.argmax(means, axis=-1)[:, None]
    rates = np.exp(np.take_along_axis(means, top, axis=-1)[:, 0])
    seconds = np.exp(np.min(means, axis=-1)) if columns > 1 else np.zeros(mu.size)
    spread = np.take_along_axis(standard_error(kept), top, axis=-1)[:, 0]
    growth = float(np.exp(np.mean(growths[len(logs) // 5 :])))
    spread = np.maximum(spread, d * _EPS)  # equal layers leave no spread, but each rounds
    return rates, rates * spread, seconds, finite, growth, len(logs)


def _attractor_rates(
    block: Block, attractor: Attractor, mu: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """Return spectral radii over one period, how far rounding moved them, and the runners-up."""
    steps = [linearise(block, point) for point in attractor.points]
    d, period = attractor.points.shape[-1], attractor.period
    rates, errors, seconds = np.zeros((3, mu.size))
    for k, value in enumerate(mu):
        product = np.eye(d, dtype=mu.dtype)
        for step in steps:
            product = product @ transverse_factor(step, value)
        found: Any = eig(product, left=True, right=True)
        values, left, right = found
        top, *others = np.argsort(-np.abs(values), kind="stable")
        seconds[k] = float(np.abs(values[others]).max(initial=0.0)) ** (1 / period)
        radius = float(np.abs(values[top]))
        overlap = float(np.abs(np.vdot(left[:, top], right[:, top])))
        size = float(np.linalg.norm(product))
        lost = size * (d * period * _EPS + 10 * attractor.residual)
        # The condition of an eigenvalue is one over that overlap; a defective one has none, and
        # moves by no more than the d-th root that a Jordan block allows.
        moved = min(lost / max(overlap, _EPS), size * (lost / size) ** (1 / d) if size else 0.0)
        rates[k] = radius ** (1 / period)
        errors[k] = moved / period * (rates[k] / radius if radius > 0 else 1.0)
    return rates, errors, seconds


def _log(size: float) -> float:
    return float(np.log(size)) if size > 0 else -np.inf
