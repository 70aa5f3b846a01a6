"""By how much can one whole block stretch the distance to consensus? (shi2022, theorem 2)"""

from dataclasses import replace

import numpy as np

from theory.arrays import Array
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.block_rounding import block_rounding
from theory.measures.subspace import consensus_distance
from theory.statements.real_layer import each_layer
from theory.statements.theorem import Theorem
from theory.theorems.block.input import BLOCK_DOMAIN, SAME_SUMS, SIGNED, STDS, BlockInput

_NO_NORM = Norm(kind="none")


def rounding(at: BlockInput) -> Array:
    """Bound by how much rounding lifts d_M(output) above v d_M(input)."""
    return block_rounding(at.block, at.tokens, at.step, at.coefficients.v)


def _distance_in(at: BlockInput) -> Array:
    return consensus_distance(at.tokens)


def outside() -> BlockInput:
    """Equal tokens, of which attention to nobody changes one: distance from nothing."""
    zero, one = np.zeros((1, 2, 1)), np.eye(2)[None]
    block = Block(Attention(zero, zero, one))
    tokens = np.asarray([[1.0, -1.0], [1.0, -1.0]])
    return BlockInput(replace(block, norm_1=_NO_NORM), tokens, adjacency=np.diag([1.0, 0.0])[None])


def _witness() -> BlockInput:
    """Opposite tokens, which identity weights and attention to oneself only stretch."""
    unit = np.eye(2)
    block = Block(
        Attention(None, None, np.stack([unit, unit])),
        FeedForward(unit, unit, activation="identity"),
    )
    tokens = np.asarray([[2.0, -2.0], [-2.0, 2.0]])
    return BlockInput(block, tokens, adjacency=np.stack([unit, unit]))


_SCOPE = (
    "The formula is that of post-LN with residual scale, gains and tau one. What is tried is v as "
    "theory.bounds.coefficients.compose puts it together for every placement (post, pre, "
    "sandwich, parallel), residual scale r, gain and tau: post-LN max|g_1| max|g_2| (|r| + ...)"
    "(|r| + ...) / (tau_1 tau_2 sigma_1 sigma_2); pre-LN and sandwich (|r| + N_1 ...)"
    "(|r| + N_2 ...), N_i the product of max|g| / (tau sigma) of the norms in that sublayer; "
    "parallel |r| + N_1 ... + N_2 ... . Of A only A 1 = r 1 is needed: weights may be negative. "
    "Gated feed-forward sublayers have theorems of their own."
)


def _theorem(name: str, symbol: str, claim: str, source: str, note: str) -> Theorem[BlockInput]:
    return Theorem[BlockInput](
        key=name,
        claim=rf"d_M(H') \le {symbol}\,d_M(H),\quad {symbol} = {claim}"
        r"\quad\text{(post-LN, no gains; other blocks: see the note)}",
        source=source,
        domain=replace(BLOCK_DOMAIN, sizes={**BLOCK_DOMAIN.sizes, **SIGNED}),
        hypotheses=(SAME_SUMS, STDS),
        lhs=lambda at: consensus_distance(at.step.output),
        rhs=lambda at: (
            getattr(at.coefficients, name.removeprefix("block-").replace("-", "_"))
            * _distance_in(at)
        ),
        rounding=rounding,
        tight=True,
        from_layers=each_layer(lambda layer: BlockInput(layer.block, layer.tokens)),
        witness=_witness,
        outside=outside,
        note=f"{note} {_SCOPE}",
    )


BLOCK_THEOREMS = (
    _theorem(
        "block-v",
        "v",
        r"\frac{(1 + c s^2)(1 + \sqrt\lambda\, h s)}{\sigma_1 \sigma_2}",
        "shi2022",
        "As published for ReLU (c = 1) and post-LN; c is the activation's Lipschitz constant.",
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
        r"\frac{(1 + c \|W_1\| \|W_2\|)(1 + \|[t_1 C_1 \dots t_h C_h]\| \, "
        r"\|[V_1 / t_1 \dots V_h / t_h]\|)}{\sigma_1 \sigma_2}",
        "derived",
        "With C_k = (I - e e^T) A_k, sum_k C_k H V_k = [C_1 ... C_h] Z, Z the H V_k on top of each "
        "other; C_k 1 = 0, so H may be taken without its mean. Z has the entries of "
        "H [V_1 ... V_h], so |Z| <= d_M(H) norm([V_1 ... V_h]).",
    ),
)
