"""By how much can one whole block stretch the distance to consensus? (shi2022, theorem 2)"""

from dataclasses import replace

import numpy as np

from theory.arrays import Array, eps
from theory.layers import Attention, Block, Norm
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
from theory.statements import Theorem
from theory.subspace import consensus_distance
from theory.theorems.block_input import BLOCK_DOMAIN, ROWS, STDS, BlockInput

_NO_NORM = Norm(kind="none")


def block_error(at: BlockInput) -> Array:
    """Follow the rounding of output and coefficient through the block, stage by stage."""
    block, step, shape = at.block, at.step, tuple(at.tokens.shape)
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    weights = weight_errors(block.attention, block.feed_forward)

    def norm(which: Norm, std: Array | None, run: Running, *, wanted: bool) -> Running:
        return after_norm(which if wanted else _NO_NORM, std, run, shape=shape)

    def add(stream: Running, change: Running) -> Running:
        return after_sum(stream, change, factor=block.residual, like=at.tokens)

    stream = exactly(at.tokens)
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


def _rounding(at: BlockInput) -> Array:
    """The block's own error, the two distances, and the assembly of v.

    v_stacked takes norms from Gram matrices of p rows: 4 p^1.5 eps for the eigenvalue and
    h p^2 / 2 for the sums, for p = n and p = d. Products and maxima add fewer than 30.
    """
    n, d = at.tokens.shape[-2:]
    steps = 30 + 4 * (n**1.5 + d**1.5) + at.step.adjacency.shape[-3] * (n**2 + d**2)
    v = at.coefficients.v
    right = 2 * v * distance_rounding(at.tokens) + steps * eps(v) * v * _distance_in(at)
    return block_error(at) + distance_rounding(at.step.output) + right


def _distance_in(at: BlockInput) -> Array:
    return consensus_distance(at.tokens)


def _outside() -> BlockInput:
    """Equal tokens, of which attention to nobody changes one: distance from nothing."""
    zero, one = np.zeros((1, 2, 1)), np.eye(2)[None]
    block = Block(Attention(zero, zero, one))
    tokens = np.asarray([[1.0, -1.0], [1.0, -1.0]])
    return BlockInput(replace(block, norm_1=_NO_NORM), tokens, adjacency=np.diag([1.0, 0.0])[None])


def _theorem(name: str, symbol: str, claim: str, source: str, note: str) -> Theorem[BlockInput]:
    return Theorem[BlockInput](
        key=name,
        claim=rf"d_M(H') \le {symbol}\,d_M(H),\quad {symbol} = {claim}",
        source=source,
        domain=BLOCK_DOMAIN,
        hypotheses=(ROWS, STDS),
        lhs=lambda at: consensus_distance(at.step.output),
        rhs=lambda at: (
            getattr(at.coefficients, name.removeprefix("block-").replace("-", "_"))
            * _distance_in(at)
        ),
        rounding=_rounding,
        outside=_outside,
        note=note,
    )


BLOCK_THEOREMS = (
    _theorem(
        "block-v",
        "v",
        r"\frac{(1 + c s^2)(1 + \sqrt\lambda\, h s)}{\sigma_1 \sigma_2}",
        "shi2022",
        "As published for ReLU (c = 1) and post-LN; with the activation's Lipschitz constant c, "
        "residual scale, gains, tau, and the other placements of the norms where they stand.",
    ),
    _theorem(
        "block-v-sharp",
        "v'",
        r"\frac{(1 + c \|W_1\| \|W_2\|)(1 + \sum_k \sqrt{\lambda_k} \|V_k\|)}{\sigma_1 \sigma_2}",
        "derived",
        "The same proof with every matrix's own norm.",
    ),
    _theorem(
        "block-v-stacked",
        "v''",
        r"\frac{(1 + c \|W_1\| \|W_2\|)(1 + \|[t_k C_k]\| \, \|[V_k / t_k]\|)}{\sigma_1 \sigma_2}",
        "derived",
        "sum_k C_k H V_k is [C_1 ... C_h] times the stacked H V_k, with C_k = (I - e e^T) A_k.",
    ),
)
