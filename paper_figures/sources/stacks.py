"""What does a random stack do to its tokens, layer by layer, and on average once it has settled?"""

from paper_figures.workshop.data import Values
from simulations.instruments.trace import Trace, trace_centred
from simulations.numbers import geometric_mean
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import Array


def trace(stack: Stack, *, seeds: range, mask: Array | None = None) -> Trace:
    """Send the stack's own tokens through its blocks, precise however close to consensus.

    Shapes: with S seeds, tokens[name] (depth + 1, S) and blocks[name] (depth, S)
    """
    blocks, tokens = draw_blocks(stack, seeds=seeds), draw_tokens(stack, seeds=seeds)
    return trace_centred(blocks, tokens, mask=mask)


def late_mean(values: Values) -> Values:
    """Return the geometric mean over the second half of the layers, by when a stack has settled.

    Shapes: values positive (depth, *b) -> (*b)
    """
    return geometric_mean(values[len(values) // 2 :], axis=0)
