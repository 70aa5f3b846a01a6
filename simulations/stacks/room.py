"""How much memory does a random stack take at least, and is there as much?"""

from dataclasses import replace

from simulations.machine.limits import require_memory
from simulations.stacks.stack import Stack
from simulations.stacks.weights import weights_bytes


def require_room(stack: Stack, *, seeds: int = 1, itemsize: int = 8) -> None:
    """Raise InputError, which names the size at fault, if a stack can never fit in memory here.

    Counted are the weights of a layer as they are drawn and as they are used, the scores and the
    weights of attention, the tokens before and after, and what is hidden in the feed-forward
    sublayer: at the most demanding moment there is more.
    """

    def needed(tokens: int, width: int, ffn_width: int, heads: int, seeds: int) -> int:
        shape = {"heads": 1, "width": width, "ffn_width": ffn_width, "tokens": 2, "rank": 1}
        shape["gated"] = stack.gated and ffn_width > 0
        weights = 2 * weights_bytes(replace(Stack(), **shape), itemsize)  # type: ignore[arg-type]
        hidden = tokens * ffn_width * (2 if stack.gated else 1)
        numbers = 2 * heads * tokens**2 + 2 * tokens * width + hidden
        return seeds * (weights + itemsize * numbers)

    require_memory(
        needed,
        tokens=stack.tokens,
        width=stack.width,
        ffn_width=stack.ffn_width,
        heads=stack.heads,
        seeds=seeds,
    )


def require_law_room(stack: Stack) -> None:
    """Raise InputError if the exact law of a stack can never fit in memory here.

    Counted are the graph's walk, its copy that eigenvalues are taken of, and two to work in; and
    the weights of all layers, unless they are the same ones.
    """

    def needed(n: int, width: int, ffn_width: int, depth: int) -> int:
        shape = {"heads": 1, "width": width, "ffn_width": ffn_width, "tokens": 2, "rank": 1}
        shape["gated"] = stack.gated and ffn_width > 0
        weights = weights_bytes(replace(Stack(), **shape), 8)  # type: ignore[arg-type]
        return 4 * 8 * n**2 + (1 if stack.tied else depth) * weights

    require_room(replace(stack, tokens=2))
    require_memory(
        needed, n=stack.tokens, width=stack.width, ffn_width=stack.ffn_width, depth=stack.depth
    )
