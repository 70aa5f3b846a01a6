"""What does a stack compute whose layers share one attention matrix over a range of them?"""

from collections.abc import Iterable

from theory.arrays import Array, InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block, BlockStep


def apply_shared(
    blocks: Iterable[Block], tokens: Array, *, first: int, last: int, mask: Array | None = None
) -> tuple[BlockStep, ...]:
    """Send tokens through blocks of which those from ``first`` to ``last`` share a matrix.

    Blocks count from 1. The attention matrix that block ``first`` makes of its own input takes
    the place of queries and keys in the blocks after it up to ``last``; values and all else stay
    each block's own. With first = last nothing is shared.

    Shapes: tokens (*b, n, d), mask as for `theory.blocks.forward.attention_adjacency`
    Raises: InputError if the range does not lie within the blocks, or as `apply_block` does
    Source: shi2022
    """
    stack = tuple(blocks)
    _require_range(first, last, len(stack))
    steps: list[BlockStep] = []
    shared: Array | None = None
    for number, block in enumerate(stack, start=1):
        reuse = shared if first < number <= last else None
        step = apply_block(block, tokens, mask=mask, adjacency=reuse)
        if number == first:
            shared = step.adjacency
        tokens = step.output
        steps.append(step)
    return tuple(steps)


def attention_flops(*, depth: int, n: int, d: int, first: int = 1, last: int = 1) -> int:
    """Return the multiply-adds of attention in one pass, sharing from ``first`` to ``last``.

    Each layer maps values and outputs, 2 n d^2, and averages them, n^2 d. A layer with a matrix
    of its own also maps queries and keys, 2 n d^2, and multiplies them, n^2 d. Softmax and biases
    are left out, being of lower order.

    Raises: InputError if a size is not positive or the range does not lie within the layers
    Source: shi2022
    """
    for name, value in (("depth", depth), ("n", n), ("d", d)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, but is {value}")
    _require_range(first, last, depth)
    half = 2 * n * d**2 + n**2 * d
    return half * (2 * depth - (last - first))


def _require_range(first: int, last: int, depth: int) -> None:
    if not 1 <= first <= last <= depth:
        raise InputError(
            f"first and last must be a range of blocks from 1 to {depth}, but are {first} and "
            f"{last}"
        )
