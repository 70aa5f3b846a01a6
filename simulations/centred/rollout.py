"""How does a stack act on tokens whose differences are far below round-off?"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from simulations.centred.maps import (
    Centred,
    add_centred,
    attend_centred,
    feed_forward_centred,
    from_tokens,
    settle,
)
from simulations.centred.norm import normalise_centred
from theory.arrays import Array, InputError, eps, namespace, tiny
from theory.blocks.activations import activation
from theory.blocks.weights import Block, BlockStep
from theory.blocks.wiring import Reading, read_through
from theory.bounds.coefficients import compose
from theory.bounds.gates import gate_peaks
from theory.bounds.rounding import ACTIVATION_STEPS
from theory.magnitude import frobenius_norm


def rollout(
    blocks: Iterable[Block], tokens: Array, *, mask: Array | None = None
) -> Iterator[tuple[Block, Centred, BlockStep, Centred]]:
    """Yield (block, state before, step, state after) for one block after the other.

    The step's adjacency is A - 1 p, with p a row that all heads' rows share near consensus,
    where every token may listen to every other; it has the same (I - e e^T) A without its
    cancellation. With a mask it is A itself. Nothing is kept: memory does not grow with depth.

    Shapes: tokens (*b, n, d); mask boolean (n, n) or (*b, n, n)
    Dtype:  float64 is meant; float32 works, with its range
    Raises: InputError if a token's std is zero, or the tokens leave the range of the dtype
    """
    xp = namespace(tokens)
    if mask is not None and bool(xp.all(mask)):
        mask = None
    state = from_tokens(tokens)
    for layer, block in enumerate(blocks):
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # refused below, with a reason
                after, step = centred_block(block, state, mask=mask)
        except InputError as error:
            raise InputError(f"at layer {layer}: {error}") from error
        _require_range(layer, after)
        yield block, state, step, after
        state = after


def _require_range(layer: int, after: Centred) -> None:
    """Raise InputError if tokens overflowed, or are too small for their digits to be kept."""
    xp, dtype = namespace(after.centre), after.centre.dtype
    if not bool(xp.all(xp.isfinite(after.centre)) & xp.all(xp.isfinite(after.deviations))):
        raise InputError(
            f"at layer {layer}: the tokens left the range of {dtype}; "
            "a norm, or smaller gains, would keep them in it"
        )
    least = tiny(after.centre)
    if bool(xp.any(after.log_norm < math.log(least))):
        raise InputError(
            f"at layer {layer}: the tokens underflowed: their norm is below {least:.3g}, the "
            f"smallest normal {dtype}; a norm, or larger gains, would keep them in its range"
        )


def centred_block(
    block: Block, state: Centred, *, mask: Array | None = None
) -> tuple[Centred, BlockStep]:
    """Send centred tokens through one block.

    The step is as `theory.blocks.forward.apply_block` gives it. Its output is in plain
    coordinates; its adjacency is as `rollout` describes it.
    """
    found: dict[str, Array | None] = {}
    adjacency: Array | None = None
    settled = False

    def norm(name: str, at: Centred) -> Centred:
        nonlocal settled
        settled = False
        out, found[f"std_{name}"] = normalise_centred(block.norm(name), at)
        return out

    def listen(at: Centred) -> Centred:
        nonlocal adjacency
        change, adjacency = attend_centred(block.attention, at, mask)
        return settle(change)

    def feed(at: Centred) -> Centred:
        assert block.feed_forward is not None  # otherwise nobody asks
        out, found["hidden"], found["gate"] = feed_forward_centred(block.feed_forward, at)
        return settle(out)

    def add(number: str, stream: Centred, change: Centred) -> Centred:
        nonlocal settled
        settled = block.feed_forward is not None  # without one, it is done once more below
        return settle(add_centred(block.residual_scale(number), stream, change))

    def both(first: Centred, second: Centred) -> Centred:
        return settle(add_centred(1.0, first, second))

    after = read_through(block, state, Reading(norm, listen, feed, add, both))
    after = after if settled else settle(after)
    return after, BlockStep(after.tokens, adjacency, **found)


def relative_rounding(block: Block, state: Centred, step: BlockStep) -> Array:
    """Bound by how much rounding alone can lift the measured ratio of distances above v.

    Two kinds of rounding cannot. That of a centre moves all tokens alike: the theorem holds for
    the moved tokens too, which are as far apart, so that nothing is lost however much of the
    centre cancels (an offset of all features, a large bias). That of attention weights is in v.
    What is left is relative to the deviations: a stage loses its number of roundings times eps,
    of what it would give if all norms were Frobenius norms, and later stages make of it at most
    their own product of norms. Every sum of logarithms errs by eps of the largest on the way,
    which stds, norms and, in attention, the third power of the distance may lengthen.

    Shapes: -> (*b,)
    """
    xp = namespace(state.centre)
    n, d = state.deviations.shape[-2:]
    attention, ffn = block.attention, block.feed_forward
    value = frobenius_norm(attention.value)
    if attention.output is not None:
        value = value * frobenius_norm(attention.output)
    small = tiny(value) / eps(value)  # what underflows of A - 1 p, in units of eps
    mixing = xp.sum((frobenius_norm(step.adjacency) + small) * value, axis=-1)
    hidden, steps = mixing * 0, 2 * (d + n) + attention.value.shape[-3] + 40
    if ffn is not None:
        lipschitz = activation(ffn.activation).lipschitz
        hidden = lipschitz * frobenius_norm(ffn.weight_in) * frobenius_norm(ffn.weight_out)
        if ffn.gated:
            gate, features = (xp.max(peak, axis=-1) for peak in gate_peaks(step))
            inner = gate * frobenius_norm(ffn.weight_in)
            inner = inner + lipschitz * features * frobenius_norm(ffn.weight_gate)
            hidden = frobenius_norm(ffn.weight_out) * inner
        steps += 2 * ffn.weight_in.shape[-1] + ACTIVATION_STEPS
    steps += 4 * int((d + 10) * d**0.5 + 2 * (d + 8))  # up to four norms, see after_norm
    # The spectral norms in v come from LAPACK: p(n) eps of the Frobenius norm, see spectra.
    steps += 8 * (n * n + d * d)
    stretch = compose(block, step, mixing, hidden)
    logs = 3 * xp.abs(xp.where(xp.isfinite(state.log_scale), state.log_scale, 0.0))
    logs = logs + xp.abs(xp.log(xp.where(stretch > 0, stretch, 1.0)))
    for std in step.stds.values():
        logs = logs + xp.max(xp.abs(xp.log(std)), axis=-1)
    return (steps + 16 * (1 + logs)) * eps(value) * stretch + tiny(value)
