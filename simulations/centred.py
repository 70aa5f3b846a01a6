"""How a stack acts on tokens whose differences are far below round-off."""

from collections.abc import Iterable, Iterator

import numpy as np

from simulations.centred_maps import (
    Centred,
    add,
    attend,
    feed_forward,
    from_tokens,
    normalise_centred,
    settle,
)
from theory.activations import activation
from theory.arrays import Array, InputError, eps, namespace
from theory.coefficients import compose
from theory.layers import Block, BlockStep
from theory.magnitude import frobenius_norm
from theory.normalisation import Norm
from theory.roundoff import ACTIVATION_STEPS


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
        if not bool(xp.all(xp.isfinite(after.centre)) & xp.all(xp.isfinite(after.deviations))):
            raise InputError(
                f"at layer {layer}: the tokens left the range of {tokens.dtype}; "
                "a norm, or smaller gains, would keep them in it"
            )
        yield block, state, step, after
        state = after


def centred_block(
    block: Block, state: Centred, *, mask: Array | None = None
) -> tuple[Centred, BlockStep]:
    """Send centred tokens through one block; the step is as `theory.layers.apply_block` gives it.

    The step's output is in plain coordinates; its adjacency is as `rollout` describes it.
    """
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    none = Norm(kind="none")
    norm_1_in, norm_2_in = (none, none) if post else (block.norm_1, block.norm_2)
    norm_1_out, norm_2_out = (block.norm_1_out, block.norm_2_out) if sandwich else (none, none)

    inner, std_1 = normalise_centred(norm_1_in, state)
    change, adjacency = attend(block.attention, inner, mask)
    change, std_1_out = normalise_centred(norm_1_out, change)
    middle = settle(add(block.residual, state, change))
    if post:
        middle, std_1 = normalise_centred(block.norm_1, middle)
    if block.feed_forward is None:
        after = settle(middle)
        return after, BlockStep(after.tokens, adjacency, std_1, None, std_1_out)

    inner, std_2 = normalise_centred(norm_2_in, middle)
    change, std_2_out = normalise_centred(norm_2_out, feed_forward(block.feed_forward, inner))
    after = settle(add(block.residual, middle, change))
    if post:
        after, std_2 = normalise_centred(block.norm_2, after)
        after = settle(after)
    return after, BlockStep(after.tokens, adjacency, std_1, std_2, std_1_out, std_2_out)


def relative_rounding(block: Block, state: Centred, step: BlockStep) -> Array:
    """Bound how far rounding moves the measured ratio of distances, and v: both of order v.

    Deviations are sent through the block as tokens are, so that every stage loses its number of
    roundings times eps, of what it would give if all norms were Frobenius norms; what later
    stages make of it is at most their own product of norms. The logarithms of the two distances
    err by eps of themselves.

    Shapes: -> (*b,)
    """
    xp = namespace(state.centre)
    n, d = state.deviations.shape[-2:]
    attention, ffn = block.attention, block.feed_forward
    value = frobenius_norm(attention.value)
    if attention.output is not None:
        value = value * frobenius_norm(attention.output)
    mixing = xp.sum(frobenius_norm(step.adjacency) * value, axis=-1)
    hidden, steps = mixing * 0, 2 * (d + n) + attention.value.shape[-3] + 40
    if ffn is not None:
        lipschitz = activation(ffn.activation).lipschitz
        hidden = lipschitz * frobenius_norm(ffn.weight_in) * frobenius_norm(ffn.weight_out)
        steps += 2 * ffn.weight_in.shape[-1] + ACTIVATION_STEPS
    steps += 4 * int((d + 10) * d**0.5 + 2 * (d + 8))  # up to four norms, see after_norm
    # The spectral norms in v come from LAPACK: p(n) eps of the Frobenius norm, see spectra.
    steps += 8 * (n * n + d * d)
    stretch = compose(block, step, mixing, hidden)
    logarithm = xp.abs(xp.where(xp.isfinite(state.log_scale), state.log_scale, 0.0))
    return (steps + 8 * (1 + logarithm)) * eps(state.centre) * stretch
