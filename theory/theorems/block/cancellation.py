"""Where do the sublayers of a bias-free block cancel, so that v is not below 1? (derived here)"""

from dataclasses import replace

import numpy as np

from theory.arrays import Array, eps, namespace
from theory.blocks.norms import Norm, apply_norm, norm_std
from theory.blocks.weights import Attention, Block
from theory.bounds.block_rounding import coefficient_bounds
from theory.magnitude import frobenius_norm
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import Choice, Exponent, Length
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.input import (
    STDS,
    WEIGHT_SIZES,
    WEIGHTS,
    BlockInput,
)
from theory.theorems.block.post_norm import RMS, plain_post_norm, post_norm_block
from theory.theorems.common import flag


def _not_opposite(at: BlockInput) -> Array:
    """How much more often a token x than -x is there, or the other way round, at most."""
    xp = namespace(at.tokens)
    one, other = at.tokens[..., :, None, :], at.tokens[..., None, :, :]
    like = at.tokens[..., 0]
    same, opposite = (
        xp.sum(xp.astype(xp.all(one == sign * other, axis=-1), like.dtype), axis=-1)
        for sign in (1, -1)
    )
    return xp.max(xp.abs(same - opposite), axis=-1)


def _hears_less(at: BlockInput) -> Array:
    """Positive unless all listen to all, by products of queries and keys without biases."""
    attention = at.block.attention
    free = at.mask is None and at.adjacency is None and attention.query_bias is None
    free = free and attention.plain
    free = free and attention.query is not None and attention.key is not None
    return flag(not free, like=at.tokens[..., 0, 0])


def _too_long(at: BlockInput) -> Array:
    """By how much a token's rms exceeds that of norm_2's range, known to (d + 8) eps."""
    xp = namespace(at.tokens)
    rms = xp.max(norm_std(RMS, at.tokens), axis=-1)
    return rms * at.block.norm_2.tau - 1 - (at.tokens.shape[-1] + 8) * eps(rms)


def _gained(at: BlockInput) -> Array:
    broken = at.block.norm_2.gain is not None or 0 in at.block.residual_scales
    return flag(broken, like=at.tokens[..., 0, 0])


def _rounding(at: BlockInput) -> Array:
    """How far the computed v may be below 1.

    Below the true v: its lower end. The range of the tokens: (d + 8) eps, twice. Weights that
    are mirror images only up to rounding leave a mean to Z: a score errs by (d + k) eps of the
    product of the norms it is made of, a weight by twice the error of two scores and 2 n eps,
    relative, and a sum of values by as much of h s |x|, beside the residual's |x| <= sigma_1.
    """
    xp, tokens = namespace(at.tokens), at.tokens
    n, d = tokens.shape[-2:]
    attention, found = at.block.attention, at.coefficients
    if attention.query is None or attention.key is None:  # then a hypothesis is not met
        return xp.zeros_like(found.v)
    k = attention.query.shape[-1]
    sizes = frobenius_norm(attention.query) * frobenius_norm(attention.key)
    longest = xp.max(norm_std(RMS, tokens), axis=-1) ** 2 * d
    scores = abs(attention.score_scale) * xp.max(sizes, axis=-1) * longest
    heads = attention.value.shape[-3]
    mirror = (4 * (d + k) * scores + 2 * n) * eps(tokens) * heads * found.s
    mirror = mirror / abs(at.block.residual_scale("1"))
    ends = coefficient_bounds(at.block, tokens, at.step, found)
    return found.v - ends.v_lower + 2 * (d + 8) * eps(tokens) + mirror


def _pairs(params: Params) -> Array:
    xp = namespace(params["tokens"])
    half = params["tokens"]
    zero = xp.all(half == 0, axis=-1, keepdims=True)
    return apply_norm(RMS, xp.where(zero, xp.ones_like(half), half))


def _interleaved(half: Array) -> Array:
    """Return x_1, -x_1, x_2, -x_2, ... of x_1, x_2, ..."""
    xp = namespace(half)
    both = xp.stack([half, -half], axis=-2)
    return xp.reshape(both, (*half.shape[:-2], 2 * half.shape[-2], half.shape[-1]))


def _build(sizes: Chosen, params: Params) -> BlockInput:
    whole = {"listening": "to all", **sizes, "tokens": 2 * sizes["pairs"]}
    norms = Norm(tau=10.0 ** (sizes["tau"] / 4)), Norm()
    tokens = _interleaved(_pairs(params))
    at = post_norm_block(whole, {**params, "tokens": tokens}, tokens, norms)
    # where a std would vanish, the builder has put other tokens: again in pairs
    return replace(at, tokens=_interleaved(at.tokens[..., ::2, :]))


_SIZES = {
    **{name: size for name, size in WEIGHT_SIZES.items() if name not in ("tokens", "listening")},
    "pairs": Length(1, 3, typical=16),
    "tau": Exponent(-4, 4),
}
_FREE = {
    **{name: free for name, free in WEIGHTS.items() if name != "weights"},
    "tokens": Free("tokens", ("pairs", "features")),
}
_PAIR = np.asarray([[1.0, -1.0], [-1.0, 1.0]])
_STILL = Attention(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), np.zeros((1, 2, 2)))


def _biased() -> BlockInput:
    """A bias carries sigma, where V = 0 leaves nothing else to do."""
    attention = replace(_STILL, bias=np.asarray([9.0, -9.0]))
    return BlockInput(Block(attention), _PAIR)


def _hub() -> BlockInput:
    """All listen to the first token alone, and ten times as loud as to themselves."""
    mask = np.zeros((4, 4), dtype=np.bool_)
    mask[:, 0] = True
    attention = replace(_STILL, value=10 * np.eye(2)[None])
    return BlockInput(Block(attention), np.concat([_PAIR, _PAIR]), mask=mask)


_ABOUT = (
    Hypothesis("post-LN with true LayerNorm, eps = 0, no bias", plain_post_norm),
    Hypothesis("norm_2 has no gain; the residual scale is not zero", _gained),
    STDS,
    Hypothesis("tokens come in pairs x, -x", _not_opposite),
    Hypothesis("no token is longer than norm_2 makes it", _too_long),
)

CANCELLATION = Theorem[BlockInput](
    key="bias-free-cancellation",
    claim=r"1 \le v(H) \quad\text{for tokens in pairs } x, -x \text{ of which all hear all}",
    source="derived",
    domain=Domain(sizes=_SIZES, free=_FREE, make=_build),
    hypotheses=(*_ABOUT, Hypothesis("all listen to all, without biases", _hears_less)),
    lhs=lambda at: namespace(at.tokens).ones_like(at.coefficients.v),
    rhs=lambda at: at.coefficients.v,
    rounding=_rounding,
    tight=True,
    witness=lambda: BlockInput(Block(_STILL), _PAIR),
    outside=_biased,
    note="Attention keeps the pairs, so Z = r H + attention(H) has mean zero, and some row of it a "
    "std of at most d_M(Z) / sqrt(n d) <= (|r| + a) / tau_2, a the attention factor of v. On that "
    "row sigma_1 sigma_2 <= (|r| + f) / tau_1 times the std, f the feed-forward factor. So no "
    "bound on v below 1 holds for all tokens that such a block puts out; docs/verdicts.md says "
    "for which blocks none does.",
)
CANCELLATION_ANY_MASK = Theorem[BlockInput](
    key="bias-free-cancellation-any-mask",
    claim=r"1 \le v(H) \quad\text{for tokens in pairs } x, -x",
    source="derived",
    domain=Domain(
        sizes={**_SIZES, "listening": Choice(("to all", "causally"))}, free=_FREE, make=_build
    ),
    hypotheses=_ABOUT,
    lhs=CANCELLATION.lhs,
    rhs=CANCELLATION.rhs,
    rounding=_rounding,
    expected="refuted",
    witness=_hub,
    correction="bias-free-cancellation: all listen to all",
    note="That no block without biases has v < 1 on all that its norm puts out is false: if all "
    "listen to one token only, lambda = 0 and V = g I gives v <= |r| / (g - |r|).",
)
