"""How far has rounding moved what a block computes by the time it reaches each of its stages?"""

from typing import NamedTuple

from theory.arrays import Array
from theory.blocks.weights import Block, BlockStep
from theory.blocks.wiring import Reading, read_through
from theory.bounds.coefficients import WeightNorms
from theory.bounds.gates import gate_peaks
from theory.bounds.rounding import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    exactly,
    factor_errors,
    std_error,
    weight_errors,
)
from theory.records import brief_repr


@brief_repr
class Followed(NamedTuple):
    """Errors of the output, and of the std values by their names in the step, all (*b,).

    And of the two factors of a gated sublayer, |phi(gate)| and |hidden|.
    """

    output: Array
    stds: dict[str, Array]
    gate: Array
    hidden: Array


def follow_rounding(
    block: Block, tokens: Array, step: BlockStep, norms: WeightNorms | None
) -> Followed:
    """Follow the rounding of output and coefficient through the block, stage by stage.

    Shapes: tokens (*b, n, d)
    """
    shape = tuple(tokens.shape)
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)
    errors: dict[str, Array] = {}
    start = exactly(tokens)
    gate, hidden = start.error, start.error

    def norm(name: str, run: Running) -> Running:
        which, std = block.norm(name), step.stds.get(f"std_{name}")
        if std is None:
            return run
        errors[f"std_{name}"] = std_error(which, std, run, d=shape[-1])
        return after_norm(which, std, run, shape=shape)

    def listen(run: Running) -> Running:
        return after_attention(block.attention, step.adjacency, run, weights)

    def feed(run: Running) -> Running:
        nonlocal gate, hidden
        ffn, n = block.feed_forward, shape[-2]
        assert ffn is not None  # otherwise nobody asks
        if not ffn.gated:
            return after_feed_forward(ffn, run, weights, tokens=n)
        gate, hidden = factor_errors(ffn, run, tokens=n)
        return after_feed_forward(ffn, run, weights, tokens=n, peaks=gate_peaks(step))

    def add(number: str, stream: Running, change: Running) -> Running:
        return after_sum(stream, change, factor=block.residual_scale(number), like=tokens)

    def both(first: Running, second: Running) -> Running:
        return after_sum(first, second, factor=1.0, like=tokens)

    out = read_through(block, start, Reading(norm, listen, feed, add, both))
    return Followed(out.error, errors, gate, hidden)
