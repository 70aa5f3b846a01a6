"""How far can rounding move the two sides of the block theorem, on given tokens?"""

from theory.arrays import Array, eps
from theory.coefficients import WeightNorms
from theory.layers import Block, BlockStep
from theory.normalisation import Norm
from theory.roundoff import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    distance_rounding,
    exactly,
    weight_errors,
)
from theory.subspace import consensus_distance

_NO_NORM = Norm(kind="none")


def block_rounding(
    block: Block, tokens: Array, step: BlockStep, v: Array, *, norms: WeightNorms | None = None
) -> Array:
    """Bound by how much rounding alone can lift d_M(output) above v d_M(tokens).

    The block's own error, the two distances, and the assembly of v. v_stacked takes norms from
    Gram matrices of p rows: 4 p^1.5 eps for the eigenvalue and h p^2 / 2 for the sums, for p = n
    and p = d. Products and maxima add fewer than 30.

    Shapes: tokens (*b, n, d), v (*b,) -> (*b,)
    """
    n, d = tokens.shape[-2:]
    steps = 30 + 4 * (n**1.5 + d**1.5) + step.adjacency.shape[-3] * (n**2 + d**2)
    right = v * (2 * distance_rounding(tokens) + steps * eps(v) * consensus_distance(tokens))
    left = _block_error(block, tokens, step, norms) + distance_rounding(step.output)
    return left + right


def _block_error(block: Block, tokens: Array, step: BlockStep, norms: WeightNorms | None) -> Array:
    """Follow the rounding of output and coefficient through the block, stage by stage."""
    shape = tuple(tokens.shape)
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)

    def norm(which: Norm, std: Array | None, run: Running, *, wanted: bool) -> Running:
        return after_norm(which if wanted else _NO_NORM, std, run, shape=shape)

    def add(stream: Running, change: Running) -> Running:
        return after_sum(stream, change, factor=block.residual, like=tokens)

    stream = exactly(tokens)
    change = norm(block.norm_1, step.std_1, stream, wanted=not post)
    change = after_attention(block.attention, step.adjacency, change, weights)
    change = norm(block.norm_1_out, step.std_1_out, change, wanted=sandwich)
    stream = norm(block.norm_1, step.std_1, add(stream, change), wanted=post)
    if block.feed_forward is None:
        return stream.error
    change = norm(block.norm_2, step.std_2, stream, wanted=not post)
    change = after_feed_forward(block.feed_forward, change, weights, tokens=shape[-2])
    change = norm(block.norm_2_out, step.std_2_out, change, wanted=sandwich)
    return norm(block.norm_2, step.std_2, add(stream, change), wanted=post).error
