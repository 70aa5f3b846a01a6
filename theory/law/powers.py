"""By which power of the depth do tokens approach each other where no rate below 1 is left?

In pre-LN and sandwich stacks the tokens' norm grows with depth, so a layer matters less and less:
the factor a layer tends to 1, and what is left is d_M / |H| ~ L^exponent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.fft import dct

from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.law.orbits import Matrix, host_token
from theory.law.rates import host_eigenvalues, tied_orbit
from theory.law.transverse import mask_walk, transverse_eigenvalues
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class PowerLaw:
    """The slope of log(d_M / |H|) over log L, on the interval of depths that it was fitted on.

    ``bend`` is the largest difference between the slope and those of the interval's two halves:
    it says whether there is a power law at all, and is no standard error of the exponent, which
    differs far more from one network to the next. ``log_relative`` is the logarithm of the relative
    size of the slowest mode at ``depths``, zero before the first layer. ``last_rate`` is the
    factor a layer over the interval's second half, next to 1 where the law is a power.

    Shapes: depths, log_relative (k,)
    """

    exponent: float
    bend: float
    interval: tuple[int, int]
    last_rate: float
    eigenvalue: complex
    depths: Matrix
    log_relative: Matrix


def relative_modes(
    blocks: Block | Iterable[Block],
    eigenvalues: Array | Sequence[complex],
    token: Array,
    *,
    layers: int,
) -> Matrix:
    """Return log(|u| / |x|) of one vector in each mode, after every layer, and 0 before them.

    Shapes: eigenvalues (k,), token (d,) -> (layers + 1, k), fewer rows if the blocks end before
    """
    mu = host_eigenvalues(eigenvalues)
    here = host_token(token)
    d = here.size
    # A vector that no symmetry singles out; it is not the token's own direction.
    start = dct(np.eye(d), norm="ortho")[:, -1]
    rows = np.broadcast_to(start, (mu.size, 1, d)).astype(mu.dtype)
    logs = [np.zeros(mu.size)]
    for step, growth in islice(tied_orbit(blocks, here), layers):
        mixed = mu[:, None, None] * (rows @ step.mixed)
        rows = (step.past_attention(rows) + mixed) @ step.after
        size = np.linalg.norm(rows, axis=(-2, -1))
        alive = size > 0
        logs.append(logs[-1] + np.where(alive, np.log(np.where(alive, size, 1)), -np.inf) - growth)
        rows = rows / np.where(alive, size, 1.0)[:, None, None]
    return np.stack(logs)


def power_law(
    blocks: Block | Iterable[Block],
    walk: Array,
    token: Array,
    *,
    interval: tuple[int, int] = (100, 2000),
) -> PowerLaw:
    """Fit the exponent of the slowest mode of a graph, on depths of even logarithmic spacing.

    The slowest mode is the one that is largest at the end of the interval.

    Shapes: walk boolean mask (n, n) or row-stochastic (n, n), n >= 2; token (d,)
    Raises: InputError if the interval is no increasing pair of depths at least a factor of 4
            apart, the blocks end before, or there is nothing transverse
    """
    first, last = interval
    if first < 1 or last < 4 * first:
        raise InputError(f"interval must hold (L, at least 4 L), L >= 1, but is {interval}")
    mu = transverse_eigenvalues(mask_walk(walk))
    if not len(mu):
        raise InputError("walk must have at least two tokens, but has one")
    _, unique = np.unique(np.round(mu, 13), return_index=True)
    logs = relative_modes(blocks, mu[unique], token, layers=last)
    if len(logs) <= last:
        raise InputError(f"blocks must reach depth {last}, but end at {len(logs) - 1}")
    slowest = int(np.argmax(logs[last]))
    depths = np.unique(np.geomspace(first, last, 64).round().astype(int))
    values = logs[depths, slowest]
    if not np.isfinite(values).all():
        raise InputError("the slowest mode vanishes exactly, so that no exponent is left")
    middle = int(np.searchsorted(depths, np.sqrt(first * last)))
    halves = slice(None, middle + 1), slice(middle, None)
    exponent = _slope(depths, values)
    bend = max(abs(_slope(depths[half], values[half]) - exponent) for half in halves)
    centre = int(depths[middle])
    last_rate = float(np.exp((logs[last, slowest] - logs[centre, slowest]) / (last - centre)))
    eigenvalue = complex(mu[unique][slowest])
    return PowerLaw(exponent, bend, (first, last), last_rate, eigenvalue, depths, values)


def _slope(depths: Matrix, values: Matrix) -> float:
    return float(np.polyfit(np.log(depths), values, 1)[0])
