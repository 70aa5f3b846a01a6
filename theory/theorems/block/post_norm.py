"""How small can v be in a bias-free post-LN block? (derived here)"""

from dataclasses import replace
from typing import Any

import numpy as np

from theory.arrays import Array, InputError, constant, eps, namespace
from theory.blocks.norms import Norm, apply_norm, norm_std
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.gates import gate_peaks
from theory.bounds.rounding import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    exactly,
    weight_errors,
)
from theory.statements.domains import Chosen, Domain, Params
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.input import (
    ROWS,
    STDS,
    WEIGHT_SIZES,
    WEIGHTS,
    BlockInput,
    attention_weights,
    listening,
)
from theory.theorems.common import flag

RMS = Norm(kind="rms")
_NEGLIGIBLE = 1e-100  # an eps below all that matters, so that the std of no token is zero


def plain_post_norm(at: BlockInput) -> Array:
    """Positive unless the block is post-LN with true LayerNorms, eps = 0 and no bias."""
    block = at.block
    norms = (block.norm_1, block.norm_2)
    biases: list[Any] = [block.attention.bias, *(norm.shift for norm in norms)]
    if block.feed_forward is not None:
        biases += [block.feed_forward.bias_in, block.feed_forward.bias_out]
    broken = block.placement != "post" or any(
        norm.kind != "layer" or norm.eps > 0 or norm.fixed_std is not None for norm in norms
    )
    broken = broken or any(bias is not None for bias in biases)
    broken = broken or (block.feed_forward is not None and block.feed_forward.gated)
    return flag(broken, like=at.tokens[..., 0, 0])


def _unit_norms(at: BlockInput) -> Array:
    norms = (at.block.norm_1, at.block.norm_2)
    same = all(norm.gain is None and norm.tau == 1 for norm in norms)
    broken = not same or at.block.feed_forward is None
    broken = broken or any(scale != 1 for scale in at.block.residual_scales)
    return flag(broken, like=at.tokens[..., 0, 0])


def _too_long(at: BlockInput) -> Array:
    """By how much the largest rms of a token exceeds one; it is known to (d + 8) eps."""
    xp = namespace(at.tokens)
    rms = xp.max(norm_std(RMS, at.tokens), axis=-1)
    return rms - 1 - (at.tokens.shape[-1] + 8) * eps(rms)


def _lowest(at: BlockInput) -> Array:
    return -namespace(at.tokens).min(at.step.adjacency, axis=(-3, -2, -1))


def _hs(at: BlockInput) -> Array:
    return at.step.adjacency.shape[-3] * at.coefficients.s


def _lower_bound(at: BlockInput) -> Array:
    root = namespace(at.tokens).sqrt(at.coefficients.lambda_)
    return (1 + root * _hs(at)) / (1 + _hs(at))


def _lower_bound_rounding(at: BlockInput) -> Array:
    """How far sigma_1 and sigma_2 may exceed 1 + h s and 1 + c s^2, both relative to these.

    Each is a std of one token, so at most the norm of the sublayer's error over sqrt d.
    The first sublayer starts from tokens whose rms is one up to (d + 8) eps, the second from
    normalised ones, with the same error and norm sqrt(n d). Assembling both sides: 40 eps.
    """
    n, d = at.tokens.shape[-2:]
    block, c, s = at.block, at.coefficients, at.coefficients.s
    if block.feed_forward is None:
        raise InputError("the lower bound of v needs a block with a feed-forward sublayer")
    weights = weight_errors(block.attention, block.feed_forward)
    size = (n * d) ** 0.5
    inexact = (d + 8) * eps(at.tokens) * size
    start = Running(inexact + 0 * s, size + 0 * s)
    change = after_attention(block.attention, at.step.adjacency, start, weights)
    first = after_sum(start, change, factor=1.0, like=at.tokens).error / (1 + _hs(at))
    peaks = gate_peaks(at.step) if block.feed_forward.gated else None
    change = after_feed_forward(block.feed_forward, start, weights, tokens=n, peaks=peaks)
    second = after_sum(start, change, factor=1.0, like=at.tokens).error / (1 + s**2)
    return c.v * ((first + second) / d**0.5 + (40 + 4 * d) * eps(at.tokens))


def _is_clear(std: Array, at: Running) -> Array:
    """Whether every std stands far above both rounding and the negligible eps."""
    return namespace(std).min(std, axis=-1) > 1e-9 * at.size + 1e9 * _NEGLIGIBLE**0.5


def post_norm_block(
    sizes: Chosen, params: Params, tokens: Array, norms: tuple[Norm, Norm]
) -> BlockInput:
    """Build a block without biases; a member with a vanishing std becomes a plain residual.

    A std counts as vanishing where cancellation in the sublayer has eaten nine digits of it.
    """
    xp = namespace(tokens)
    d = sizes["features"]
    phi = sizes["activation" if "activation" in sizes else "phi"]
    attention = attention_weights(params, sizes)
    ffn = FeedForward(params["weight_in"], params["weight_out"], activation=phi)
    residual = 1 + sizes.get("residual", 0) / 4
    norm_1, norm_2 = (replace(norm, eps=_NEGLIGIBLE) for norm in norms)
    block = Block(attention, ffn, norm_1, norm_2, residual=residual)
    step = BlockInput(block, tokens, **listening(params, sizes)).step

    weights = weight_errors(attention, ffn)
    stream = exactly(tokens)
    change = after_attention(attention, step.adjacency, stream, weights)
    works = _is_clear(step.std_1, after_sum(stream, change, factor=residual, like=tokens))
    stream = after_norm(norm_1, step.std_1, exactly(tokens), shape=tuple(tokens.shape))
    change = after_feed_forward(ffn, stream, weights, tokens=sizes["tokens"])
    works = works & _is_clear(step.std_2, after_sum(stream, change, factor=residual, like=tokens))

    works = works[..., None, None]
    zigzag = constant(
        [[1.0 - 2.0 * (i % 2) if i < d - d % 2 else 0.0 for i in range(d)]], like=tokens
    )
    tokens = xp.where(works, tokens, apply_norm(RMS, zigzag))
    attention = replace(attention, value=xp.where(works[..., None], attention.value, 0.0))
    ffn = replace(ffn, weight_out=xp.where(works, ffn.weight_out, 0.0))
    first, second = (
        norm if norm.gain is None else replace(norm, gain=xp.where(works[..., 0], norm.gain, 1.0))
        for norm in norms
    )
    block = Block(attention, ffn, first, second, residual=residual)
    return BlockInput(block, tokens, **listening(params, sizes))


def _build_unit(sizes: Chosen, params: Params) -> BlockInput:
    xp = namespace(params["tokens"])
    zero = xp.all(params["tokens"] == 0, axis=-1, keepdims=True)
    tokens = apply_norm(RMS, xp.where(zero, xp.ones_like(params["tokens"]), params["tokens"]))
    return post_norm_block(sizes, params, tokens, (Norm(), Norm()))


def equal_tokens(*, scale: float, h: int = 2) -> BlockInput:
    """Build identity weights on equal tokens: sigma_1 = 1 + h and sigma_2 = 2 at scale one."""
    unit, zero = np.eye(2), np.zeros((h, 2, 1))
    attention = Attention(zero, zero, np.stack([unit] * h))
    block = Block(attention, FeedForward(unit, unit, activation="identity"))
    tokens = scale * np.asarray([[1.0, -1.0], [1.0, -1.0]])
    return BlockInput(block, tokens, adjacency=np.stack([unit] * h))


V_LOWER_BOUND = Theorem[BlockInput](
    key="block-v-lower-bound",
    claim=r"\frac{1 + \sqrt\lambda\, h s}{1 + h s} \le v",
    source="derived",
    domain=Domain(sizes=WEIGHT_SIZES, free=WEIGHTS, make=_build_unit),
    hypotheses=(
        Hypothesis("post-LN with true LayerNorm, eps = 0, no bias", plain_post_norm),
        Hypothesis("gains, tau and residual scale are one; there is a feed-forward", _unit_norms),
        ROWS,
        STDS,
        Hypothesis("no attention weight is negative", _lowest),
        Hypothesis("no token's root mean square exceeds one", _too_long),
    ),
    lhs=_lower_bound,
    rhs=lambda at: at.coefficients.v,
    rounding=_lower_bound_rounding,
    tight=True,
    witness=lambda: equal_tokens(scale=1.0),
    outside=lambda: equal_tokens(scale=4.0),
    note="Tokens of norm sqrt d give sigma_1 <= 1 + h s, normalised ones sigma_2 <= 1 + s^2 "
    "since |phi(x)| <= |x|. So v < 1 is out of reach unless lambda < 1.",
)
