"""By how much can a block, or a stack of them, stretch the largest distance of two tokens?"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from theory.arrays import Array, constant, eps, namespace
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.block_rounding import block_diameter_rounding
from theory.bounds.envelopes import DIAMETER_PER_DISTANCE, distance_per_diameter
from theory.bounds.rounding import distance_rounding
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Params
from theory.statements.real_layer import each_layer
from theory.statements.sizes import FLAG, Exponent, Length
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.input import (
    BLOCK_DOMAIN,
    GATED_DOMAIN,
    SAME_SUMS,
    SIGNED,
    STDS,
    BlockInput,
)
from theory.theorems.block.shi2022_block import outside


def build_maybe_gated(sizes: Chosen, params: Params) -> BlockInput:
    """Build a block of any placement, with a gate where "gated" says so."""
    kept = dict(params)
    if not sizes["gated"]:
        del kept["weight_gate"], kept["bias_gate"]
    return GATED_DOMAIN.make(sizes, kept)


def _rounding(at: BlockInput) -> Array:
    return block_diameter_rounding(at.block, at.tokens, at.step, at.coefficients.v_diameter)


def _hubs(*, residual: float, feed_forward: bool) -> BlockInput:
    """Two opposite hubs, each heard by half of the tokens; one feature, and no norm."""
    one, none = np.ones((1, 1)), Norm(kind="none")
    ffn = FeedForward(one, one, activation="identity") if feed_forward else None
    block = Block(Attention(None, None, one[None]), ffn, none, none, residual=residual)
    tokens = np.asarray([[1.0], [-1.0], [1.0 * feed_forward], [-1.0 * feed_forward]])
    return BlockInput(block, tokens, adjacency=np.eye(4)[None, [0, 1, 0, 1]])


BLOCK_V_DIAMETER = Theorem[BlockInput](
    key="block-v-diameter",
    claim=r"\max_{i,j} |h'_i - h'_j| \le v_\Delta \max_{i,j} |h_i - h_j|,\quad v_\Delta = "
    r"\frac{(1 + c \|W_1\| \|W_2\|)(1 + \sum_k \tau(A_k) \|V_k\|)}{\sigma_1 \sigma_2}"
    r"\quad\text{(post-LN, no gains; other blocks: see the note)}",
    source="derived",
    domain=Domain(
        sizes={**GATED_DOMAIN.sizes, **dict.fromkeys(("ffn", "gated"), FLAG)},
        free=GATED_DOMAIN.free,
        make=build_maybe_gated,
    ),
    hypotheses=(SAME_SUMS, STDS),
    lhs=lambda at: token_diameter(at.step.output),
    rhs=lambda at: at.coefficients.v_diameter * token_diameter(at.tokens),
    rounding=_rounding,
    tight=True,
    from_layers=each_layer(lambda layer: BlockInput(layer.block, layer.tokens)),
    witness=lambda: _hubs(residual=1.0, feed_forward=True),
    outside=outside,
    note="tau is Dobrushin's coefficient. Take two tokens. dobrushin-contraction: the rows a_i, "
    "a_j of an A with one row sum r, of any signs, differ by tau_ij times a mean of differences "
    "e_k - e_l, so what attention adds differs by tau(A_k) |V_k| diam(H) a head. A linear map, an "
    "activation, a gate and a norm stretch the difference of any two tokens by no more than their "
    "factor in v (that is how the lemmas on d_M are proved: n d_M^2 sums these differences), a "
    "shift or bias drops out, and a residual sum adds. So every placement is covered, each chained "
    "as theory.bounds.coefficients.compose does for v. tau is at most 1 where sqrt(lambda) may be "
    "sqrt(n / 2), as in the witness, but it may also be the larger of the two.",
)


@brief_repr
@dataclass(frozen=True, eq=False)
class TwoBlocks:
    """Two blocks that come in turn, ``times`` times, and the tokens (*b, n, d) that enter.

    Attention is that of the blocks under a mask (*b, n, n), or given to both, (*b, h, n, n).
    """

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "mask": "n n", "adjacency": "h n n"}

    first: Block
    second: Block
    tokens: Array
    mask: Array | None = None
    adjacency: Array | None = None
    times: int = 1

    @cached_property
    def inputs(self) -> list[BlockInput]:
        """Each block with the tokens that enter it."""
        found: list[BlockInput] = []
        tokens = self.tokens
        for block in (self.first, self.second) * self.times:
            found.append(BlockInput(block, tokens, self.mask, self.adjacency))
            tokens = found[-1].step.output
        return found


def _worst(violation: Hypothesis[BlockInput]) -> Hypothesis[TwoBlocks]:
    """Return the same hypothesis about every block."""

    def worst(at: TwoBlocks) -> Array:
        found = violation.violation(at.inputs[0])
        for each in at.inputs[1:]:
            found = namespace(found).maximum(found, violation.violation(each))
        return found

    return Hypothesis(violation.name, worst)


def _constant(at: TwoBlocks) -> Array:
    """The largest d_M for one diameter, times the largest diameter for one d_M."""
    n, d = at.tokens.shape[-2:]
    two = constant(DIAMETER_PER_DISTANCE**2, like=at.tokens) ** 0.5
    return distance_per_diameter(n, d, like=at.tokens) * two


def _product(at: TwoBlocks) -> Array:
    found = _constant(at)
    for each in at.inputs:
        found = found * each.coefficients.v_diameter
    return found


def _stack_rounding(at: TwoBlocks) -> Array:
    """What each block may add to the diameter, stretched by all later ones; both distances.

    And the assembly of the factor: a product for each block, and 8 eps for the constants.
    """
    error = 0 * _constant(at)
    for each in at.inputs:
        error = each.coefficients.v_diameter * error + _rounding(each)
    n, d = at.tokens.shape[-2:]
    left = distance_per_diameter(n, d, like=at.tokens) * error
    left = left + distance_rounding(at.inputs[-1].step.output)
    steps = (len(at.inputs) + 8) * eps(at.tokens) * consensus_distance(at.tokens)
    return left + _product(at) * (distance_rounding(at.tokens) + steps)


_NEXT = ("value", "output", "weight_in", "weight_out")


def _build(sizes: Chosen, params: Params) -> TwoBlocks:
    """The second block has weights of its own, and the same norms and scores."""
    one = BLOCK_DOMAIN.make(sizes, params)
    other = BLOCK_DOMAIN.make(sizes, {**params, **{name: params[f"next_{name}"] for name in _NEXT}})
    return TwoBlocks(one.block, other.block, one.tokens, one.mask, one.adjacency, sizes["times"])


def _witness() -> TwoBlocks:
    """Hubs among tokens in the middle; after the first block half of all stand at either hub."""
    at = _hubs(residual=0.0, feed_forward=False)
    return TwoBlocks(at.block, at.block, at.tokens, adjacency=at.adjacency, times=3)


def _outside() -> TwoBlocks:
    at = outside()
    return TwoBlocks(at.block, at.block, at.tokens, adjacency=at.adjacency)


STACK_ENVELOPE = Theorem[TwoBlocks](
    key="stack-envelope-diameter",
    claim=r"d_M(H_L) \le \sqrt{\tfrac{n k}{k + 1}}\ \prod_{\ell=1}^{L} v_\Delta(\ell)\ d_M(H_0),"
    r"\quad k = \min(d, n - 1)",
    source="derived",
    domain=Domain(
        sizes={
            **BLOCK_DOMAIN.sizes,
            **SIGNED,
            "scale": Exponent(-30, 30),
            "balance": Exponent(-200, 200),
            "ln_eps": Exponent(-10, 0, typical=-10),  # or a product of factors overflows
            "times": Length(1, 2, typical=1),
        },
        free={
            **BLOCK_DOMAIN.free,
            **{f"next_{name}": BLOCK_DOMAIN.free[name] for name in _NEXT},
        },
        make=_build,
    ),
    hypotheses=(_worst(SAME_SUMS), _worst(STDS)),
    lhs=lambda at: consensus_distance(at.inputs[-1].step.output),
    rhs=lambda at: _product(at) * consensus_distance(at.tokens),
    rounding=_stack_rounding,
    tight=True,
    witness=_witness,
    outside=_outside,
    note="block-v-diameter in every block, with the price of passing from d_M to diameters and "
    "back paid once: diam <= sqrt 2 d_M, and d_M <= sqrt(n k / (2 (k + 1))) diam, for n tokens "
    "lie in a ball whose squared radius is at most k / (2 (k + 1)) of the squared diameter "
    "(jung1901). A product of v pays up to sqrt(n / 2) in every block. Two hubs among n tokens, "
    "all the rest in the middle, reach it in any number of blocks.",
)
