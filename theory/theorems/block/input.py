"""A block and the tokens that enter it: what is assumed of them, and how are they drawn?"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from theory.arrays import Array, namespace, rounds, tiny
from theory.blocks.activations import ACTIVATIONS
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import PLACEMENTS, Attention, Block, BlockStep, FeedForward
from theory.bounds.coefficients import Coefficients, block_coefficients
from theory.bounds.rounding import row_sum_allowance
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params, adjacency
from theory.statements.sizes import (
    FLAG,
    TYPICAL_FEATURES,
    Choice,
    Exponent,
    Length,
    Size,
    few_features,
    few_tokens,
)
from theory.statements.theorem import Hypothesis
from theory.theorems.block.shi2022_lemmas import sums_to_one
from theory.theorems.common import flag


@brief_repr
@dataclass(frozen=True, eq=False)
class BlockInput:
    """A block and the tokens (*b, n, d) that enter it.

    ``mask`` (*b, n, n) says who may listen to whom; an ``adjacency`` (*b, h, n, n) takes the
    place of the attention that the block's queries and keys would compute.
    """

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "mask": "n n", "adjacency": "h n n"}

    block: Block
    tokens: Array
    mask: Array | None = None
    adjacency: Array | None = None

    @cached_property
    def step(self) -> BlockStep:
        """What the block does to the tokens."""
        return apply_block(self.block, self.tokens, mask=self.mask, adjacency=self.adjacency)

    @cached_property
    def coefficients(self) -> Coefficients:
        """lambda, s, sigma_1, sigma_2 and the three forms of v."""
        return block_coefficients(self.block, self.step)


def _is_softmax(at: BlockInput) -> bool:
    """Say whether rows sum to one by construction: where nothing rounds they then do exactly."""
    return at.adjacency is None and not rounds(at.tokens)


def _rows_miss_one(at: BlockInput) -> Array:
    """Return by how much the rows of any head miss one."""
    xp = namespace(at.tokens)
    if _is_softmax(at):
        return flag(broken=False, like=at.tokens[..., 0, 0])
    return xp.max(sums_to_one(at.step.adjacency), axis=-1)


def _rows_differ(at: BlockInput) -> Array:
    """Return by how much the sums of two rows of one head differ, beyond what is allowed."""
    xp, weights = namespace(at.tokens), at.step.adjacency
    if _is_softmax(at):
        return flag(broken=False, like=at.tokens[..., 0, 0])
    sums = xp.sum(weights, axis=-1)
    spread = xp.max(sums, axis=-1) - xp.min(sums, axis=-1)
    return xp.max(spread, axis=-1) - row_sum_allowance(weights)


def _smallest_std(at: BlockInput) -> Array:
    """Return what is missing to a normal number in the smallest std that is divided by."""
    xp = namespace(at.tokens)
    worst = xp.zeros_like(at.tokens[..., 0, 0]) - 1.0
    for std in at.step.stds.values():
        worst = xp.maximum(worst, tiny(std) - xp.min(std, axis=-1))
    return worst


ROWS = Hypothesis("every row of every A sums to one", _rows_miss_one)
SAME_SUMS = Hypothesis("all rows of an A have one sum", _rows_differ)
"""All that keeps M where it is: A 1 = r 1, with any r and weights of any sign."""
STDS = Hypothesis("every std that a norm divides by is positive", _smallest_std)


def attention_weights(params: Params, sizes: Chosen) -> Attention:
    """Build an attention sublayer; "factored" keeps value and output matrix apart.

    Then "balance" makes one of the two huge and the other tiny, with the same product.
    """
    biased, factored = sizes.get("biased", False), sizes.get("factored", False)
    balance = sizes.get("balance", 0)
    return Attention(
        query=params["query"],
        key=params["key"],
        value=params["value"] * 2.0**balance if factored else params["value"] @ params["output"],
        output=params["output"] * 2.0**-balance if factored else None,
        query_bias=params["query_bias"] if biased else None,
        bias=params["bias"] if biased else None,
    )


def listening(params: Params, sizes: Chosen) -> dict[str, Array | None]:
    """Choose softmax attention, the same under a causal mask, or any adjacency.

    A signed one has weights of both signs, whose rows have another sum than one.
    """
    if sizes["listening"] == "as given":
        return {"adjacency": adjacency(params["weights"])}
    if sizes["listening"] == "signed":
        return {"adjacency": 1.5 * adjacency(params["weights"], signed=True)}
    if sizes["listening"] == "to all":
        return {"mask": None}
    xp = namespace(params["tokens"])
    ones = xp.ones_like(params["tokens"] @ xp.matrix_transpose(params["tokens"]))
    return {"mask": xp.tril(ones) > 0}


def _build(sizes: Chosen, params: Params) -> BlockInput:
    """The norms' eps, mostly too small to matter, keeps every std above zero.

    A domain with a "weight_gate" has gated blocks; one with a "second_residual" another scale in
    the sum after the feed-forward sublayer, where there is one.
    """
    gained, biased = sizes["gained"], sizes["biased"]

    def norm(i: int) -> Norm:
        return Norm(
            kind=sizes["kind"],
            gain=params[f"gain_{i}"] if gained else None,
            shift=params[f"shift_{i}"] if biased else None,
            eps=10.0 ** sizes["ln_eps"],
            tau=10.0 ** (sizes[f"tau_{i}"] / 4),
            fixed_std=2.0 ** sizes["fixed_std"] if sizes["fixed_std"] else None,
        )

    ffn = FeedForward(
        params["weight_in"],
        params["weight_out"],
        params["bias_in"] if biased else None,
        params["bias_out"] if biased else None,
        activation=sizes["activation"],
        weight_gate=params.get("weight_gate"),
        bias_gate=params.get("bias_gate") if biased else None,
    )
    second = sizes.get("second_residual") if sizes["placement"] != "parallel" else None
    block = Block(
        attention_weights(params, sizes),
        ffn if sizes["ffn"] else None,
        norm(1),
        norm(2),
        placement=sizes["placement"],
        residual=1 + sizes["residual"] / 2,
        norm_1_out=norm(2),
        norm_2_out=norm(1),
        residual_ffn=None if second is None else 1 + second / 2,
    )
    tokens = params["tokens"] * 2.0 ** sizes["scale"]
    return BlockInput(block, tokens, **listening(params, sizes))


WEIGHT_SIZES: dict[str, Size] = {
    "tokens": few_tokens(2, 6),
    "features": few_features(2, 5),
    "heads": Length(1, 3, typical=3),
    "head_width": Length(1, 4, typical=16),
    "hidden": Length(1, 5, typical=4 * TYPICAL_FEATURES),
    "activation": Choice(tuple(ACTIVATIONS), typical="relu"),
    "listening": Choice(("to all", "causally", "as given")),
}
WEIGHTS = {
    "tokens": Free("tokens", ("tokens", "features")),
    "query": Free("matrix", ("heads", "features", "head_width")),
    "key": Free("matrix", ("heads", "features", "head_width")),
    "value": Free("matrix", ("heads", "features", "head_width")),
    "output": Free("matrix", ("heads", "head_width", "features")),
    "weights": Free("graph", ("heads", "tokens", "tokens")),
    "weight_in": Free("matrix", ("features", "hidden")),
    "weight_out": Free("matrix", ("hidden", "features")),
}
_VECTORS = {
    "query_bias": Free("matrix", ("heads", "head_width"), typical="zeros"),
    "bias": Free("vector", ("features",), typical="zeros"),
    "bias_in": Free("vector", ("hidden",), typical="zeros"),
    "bias_out": Free("vector", ("features",), typical="zeros"),
    **dict.fromkeys(("gain_1", "gain_2"), Free("vector", ("features",), typical="ones")),
    **dict.fromkeys(("shift_1", "shift_2"), Free("vector", ("features",), typical="zeros")),
}
BLOCK_DOMAIN = Domain[BlockInput](
    sizes={
        **WEIGHT_SIZES,
        "features": few_features(1, 5),
        "scale": Exponent(-200, 100),
        "ln_eps": Exponent(-60, 0, typical=-12),
        "tau_1": Exponent(-4, 4),
        "tau_2": Exponent(-4, 4),
        "fixed_std": Exponent(-3, 3),
        "residual": Exponent(-3, 3),
        **dict.fromkeys(("biased", "gained", "factored"), FLAG),
        "ffn": Choice((False, True), typical=True),
        "kind": Choice(("layer", "rms", "none")),
        "placement": Choice(PLACEMENTS),
        "balance": Exponent(-900, 800),
    },
    free={**WEIGHTS, **_VECTORS},
    make=_build,
)
SIGNED: dict[str, Size] = {
    "listening": Choice(("to all", "causally", "as given", "signed")),
}
GATED_DOMAIN = Domain[BlockInput](
    sizes={
        **BLOCK_DOMAIN.sizes,
        **SIGNED,
        "scale": Exponent(-100, 50),
        "ffn": Choice((True,)),
        "second_residual": Exponent(-3, 3),
    },
    free={
        **BLOCK_DOMAIN.free,
        "weight_gate": Free("matrix", ("features", "hidden")),
        "bias_gate": Free("vector", ("hidden",), typical="zeros"),
    },
    make=_build,
)
PARALLEL_DOMAIN = Domain[BlockInput](
    sizes={
        **BLOCK_DOMAIN.sizes,
        **SIGNED,
        "ffn": Choice((True,)),
        "placement": Choice(("parallel",)),
    },
    free=BLOCK_DOMAIN.free,
    make=_build,
)
