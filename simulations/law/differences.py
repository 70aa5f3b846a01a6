"""What do small differences do in a stack, in a simulation and by its linear part, at equal depth?

The differences are infinitely small throughout: centred coordinates carry them at 1e-26 of the
token or less, where nothing but the linear part is left in float64, and after each layer they are
put back there, their logarithm kept. So no depth is too large, whether they vanish or grow.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice, repeat
from typing import Any

import numpy as np

from simulations.centred.maps import Centred, settle
from simulations.centred.rollout import centred_block, relative_rounding
from simulations.numbers import Numbers
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import WeightNorms, block_coefficients, weight_norms
from theory.law.cocycle import apply_step
from theory.law.orbits import host_block, is_homogeneous
from theory.law.synchronised import linearise
from theory.records import brief_repr

_BELOW = 60.0  # differences are e^-60 of the token, 1e-26, and of one over it if that is less
_CUBIC = 40.0  # a fall by e^-40 in one layer leaves nothing linear: attention is cubic then
_STEP = 1e-5  # of the token; see `_differences`
_LARGEST = 250.0  # log |token| at which a run stops: nothing overflows before


@brief_repr
@dataclass(frozen=True, eq=False)
class Differences:
    """One run: logarithms of d_M at every depth, simulated and by the linear part, from the same.

    ``rounding`` is what a layer's ratio may have lost, to first order, relative to it. The
    ``tokens`` are those that all tokens are close to, before each layer; both runs follow them.
    A run ends early where no difference is left, or the token is about to leave float64's range.

    Shapes: simulated, linear (k + 1,), rounding (k,), tokens (k, d), k layers
    """

    simulated: Numbers
    linear: Numbers
    rounding: Numbers
    tokens: Numbers

    @property
    def depth(self) -> int:
        """The number of layers that were run."""
        return len(self.rounding)


def simulate_differences(
    blocks: Block | Iterable[Block],
    walk: Numbers,
    token: Numbers,
    deviations: Numbers,
    *,
    layers: int,
    judged: int | None = None,
    on_layer: Callable[[int], None] = lambda layer: None,
) -> Differences:
    """Follow infinitely small deviations from equal tokens through at most ``layers`` layers.

    A boolean walk is a mask, and attention runs in full on it; weights stand in the place of
    attention's own, as they are, and differences are taken at a finite step. One block is
    repeated. Rounding is bounded in the first ``judged`` layers only, all if not given; it is
    NaN in the others. ``on_layer`` is told the number of each layer when its turn comes.

    Shapes: walk boolean mask or row-stochastic (n, n), token (d,), deviations (n, d)
    Raises: InputError as `theory.law.synchronised.linearise` and `simulations.centred.maps` do, or
            if the deviations have no part transverse to consensus
    """
    masked = walk.dtype == np.bool_
    weights = (walk / walk.sum(axis=1, keepdims=True) if masked else walk)[None]
    mask = None if masked and walk.all() else walk
    tied = isinstance(blocks, Block)
    sequence = repeat(host_block(blocks)) if isinstance(blocks, Block) else map(host_block, blocks)
    state = settle(_near(token, deviations))
    if not np.isfinite(state.log_scale):
        raise InputError("deviations must differ from their mean, but all are equal")
    linear = np.asarray(state.deviations)
    simulated, predicted, lost, tokens = [0.0], [0.0], list[float](), list[Numbers]()
    for layer, block in enumerate(islice(sequence, layers)):
        on_layer(layer)
        centre = state.centre[0]
        size = float(np.linalg.norm(centre))
        if tied and is_homogeneous(block) and size > 0:  # the scale of the token does nothing
            state, centre = replace(state, centre=state.centre / size), centre / size
            size = 1.0
        if abs(math.log(size or 1.0)) > _LARGEST:
            break
        # Scores grow with the square of the tokens: large tokens need far smaller differences.
        log_before = -abs(math.log(size or 1.0)) - _BELOW
        state = replace(state, log_scale=np.asarray(log_before))
        with np.errstate(over="ignore", invalid="ignore"):
            if masked:
                after, step = centred_block(block, state, mask=mask)
                wanted = judged is None or layer < judged
                error = float(relative_rounding(block, state, step)) if wanted else math.nan
            else:
                after, error = _differences(block, state, walk)
        if not np.isfinite(after.centre).all():
            break
        growth = float(after.log_scale) - log_before
        image = apply_step(linearise(block, centre), weights, linear)
        image = image - image.mean(axis=0)
        stretch = float(np.linalg.norm(image))
        if growth < -_CUBIC or not stretch > math.exp(-_CUBIC):
            simulated.append(-math.inf)
            predicted.append(-math.inf)
            lost.append(0.0)
            tokens.append(centre)
            break
        simulated.append(simulated[-1] + growth)
        predicted.append(predicted[-1] + math.log(stretch))
        lost.append(error / math.exp(growth))
        tokens.append(centre)
        state, linear = after, image / stretch
    if not tokens:
        raise InputError("blocks must hold at least one block, and the token be in float64's range")
    return Differences(
        np.asarray(simulated), np.asarray(predicted), np.asarray(lost), np.stack(tokens)
    )


def consensus_coefficients(
    block: Block, walk: Numbers, tokens: Numbers, *, norms: WeightNorms | None = None
) -> tuple[Numbers, Numbers]:
    """Return (v, v_sharp) of the block theorem at equal tokens, with the weights they give.

    Shapes: walk row-stochastic (n, n), (1, n, n) or (h, n, n); tokens (t, d), one synchronised
            state each -> (t,), (t,)
    """
    block = host_block(block)
    heads = block.attention.value.shape[-3]
    step = apply_block(block, tokens[:, None, :], adjacency=np.ones((heads, 1, 1)))
    step = step._replace(adjacency=np.broadcast_to(walk, (heads, *walk.shape[-2:])))
    norms = weight_norms(block) if norms is None else norms
    found = block_coefficients(block, step, norms=norms)
    shape = (len(tokens),)
    return np.broadcast_to(found.v, shape), np.broadcast_to(found.v_sharp, shape)


def _near(token: Numbers, deviations: Numbers) -> Centred:
    return Centred(token[None, :], np.asarray(deviations, dtype=np.float64), np.asarray(-_BELOW))


def _differences(block: Block, state: Centred, walk: Numbers) -> tuple[Centred, float]:
    """Send both x + t D and x - t D through a block with given weights, and halve what differs.

    t = 1e-5 of the token leaves t^2 = 1e-10 of curvature, and eps / t = 1e-11 of rounding; what
    twice the step changes says how much it was.
    """
    heads = block.attention.value.shape[-3]
    weights = np.broadcast_to(walk, (heads, *walk.shape))
    centre = np.asarray(state.centre)
    shape = np.asarray(state.deviations)
    unit = _STEP * (float(np.linalg.norm(centre)) or 1.0)

    def image(t: float) -> Any:
        plus, minus = (
            apply_block(block, centre + sign * t * shape, adjacency=weights).output
            for sign in (1, -1)
        )
        slope = (plus - minus) / (2 * t)
        return slope - slope.mean(axis=0)

    near = image(unit)
    size = float(np.linalg.norm(near))
    error = float(np.linalg.norm(image(2 * unit) - near))
    middle = apply_block(block, centre, adjacency=np.ones((heads, 1, 1))).output
    log = float(state.log_scale) + math.log(size) if size > 0 else -math.inf
    return Centred(middle, near / (size or 1.0), np.asarray(log)), error
