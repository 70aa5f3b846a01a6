"""How a stack acts on tokens whose differences are far below round-off."""

from collections.abc import Iterable, Iterator

from simulations.centred_maps import (
    Centred,
    add,
    attend,
    feed_forward,
    from_tokens,
    normalise_centred,
    settle,
)
from theory.arrays import Array, InputError, namespace
from theory.layers import Block, BlockStep, Norm


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
