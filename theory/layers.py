"""What one Transformer block does to the tokens: attention, normalisation, feed-forward."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from theory.activations import activation
from theory.arrays import (
    Array,
    InputError,
    eps,
    namespace,
    require_float,
    require_mask,
    require_shape,
)

Placement: TypeAlias = Literal["post", "pre", "sandwich"]
StdMode: TypeAlias = Literal["true", "tau", "fixed"]


@dataclass(frozen=True)
class Norm:
    """A normalisation of single tokens: gain * (x - mean) / (tau * std) + shift.

    kind "layer" centres the features and divides by std = sqrt(variance + eps); "rms" does not
    centre and divides by sqrt(mean square + eps); "none" changes nothing.
    ``tau`` is the LN std scale. ``fixed_std`` replaces the token's own std by a constant: the
    map whose contraction the proofs use, and no longer a normalisation.

    Shapes: gain, shift (*b, d) or None for ones and zeros
    Raises: InputError for an unknown kind, a negative eps, a tau or fixed_std that is not positive
    Source: ba2016, zhang2019rmsnorm
    """

    kind: Literal["layer", "rms", "none"] = "layer"
    gain: Array | None = None
    shift: Array | None = None
    eps: float = 0.0
    tau: float = 1.0
    fixed_std: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("layer", "rms", "none"):
            raise InputError(f"kind must be 'layer', 'rms' or 'none', but is {self.kind!r}")
        if not 0 <= self.eps < float("inf"):
            raise InputError(f"eps must be finite and not negative, but is {self.eps}")
        for name, value in (("tau", self.tau), ("fixed_std", self.fixed_std)):
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} must be finite and positive, but is {value}")

    @property
    def mode(self) -> StdMode:
        """What the tokens are divided by: their true std, tau times it, or a fixed constant."""
        if self.fixed_std is not None:
            return "fixed"
        return "true" if self.tau == 1 else "tau"


@dataclass(frozen=True)
class Attention:
    """The weights of h attention heads on d features, row-vector convention (x W).

    ``bias`` is all that is added whatever the tokens are: the value biases through the output
    matrices, summed over the heads, plus the output bias. ``scale`` multiplies the scores;
    None stands for 1 / sqrt(k). Query and key may be None where the attention weights come from
    elsewhere.

    Shapes: query, key (*b, h, d, k); value (*b, h, d, m); output (*b, h, m, d), or None where
            value already is the product, (*b, h, d, d); query_bias, key_bias (*b, h, k);
            bias (*b, d)
    Source: vaswani2017
    """

    query: Array | None
    key: Array | None
    value: Array
    output: Array | None = None
    query_bias: Array | None = None
    key_bias: Array | None = None
    bias: Array | None = None
    scale: float | None = None

    @property
    def score_scale(self) -> float:
        """The factor on the scores."""
        if self.scale is not None:
            return self.scale
        if self.key is None:
            raise InputError("an attention without query and key has no scores to scale")
        return 1 / math.sqrt(self.key.shape[-1])


@dataclass(frozen=True)
class FeedForward:
    """phi(x W_in + b_in) W_out + b_out on single tokens.

    Shapes: weight_in (*b, d, f), weight_out (*b, f, d), bias_in (*b, f), bias_out (*b, d)
    """

    weight_in: Array
    weight_out: Array
    bias_in: Array | None = None
    bias_out: Array | None = None
    activation: str = "relu"


@dataclass(frozen=True)
class Block:
    """One Transformer block: an attention and a feed-forward sublayer around a residual stream.

    post:     y = norm_1(r x + attention(x)),      out = norm_2(r y + feed_forward(y))
    pre:      y = r x + attention(norm_1(x)),      out = r y + feed_forward(norm_2(y))
    sandwich: as pre, each sublayer's output through norm_1_out / norm_2_out before the sum

    with the residual scale r. Without a feed-forward sublayer the block ends at y.

    Source: shi2022, xiong2020, ding2021cogview, wang2022deepnet
    """

    attention: Attention
    feed_forward: FeedForward | None = None
    norm_1: Norm = Norm()
    norm_2: Norm = Norm()
    placement: Placement = "post"
    residual: float = 1.0
    norm_1_out: Norm = Norm()
    norm_2_out: Norm = Norm()

    def __post_init__(self) -> None:
        if self.placement not in ("post", "pre", "sandwich"):
            raise InputError(
                f"placement must be 'post', 'pre' or 'sandwich', but is {self.placement!r}"
            )


class BlockStep(NamedTuple):
    """What `apply_block` saw: all that the theorems and the measures need.

    Shapes: output (*b, n, d), adjacency (*b, h, n, n), std_* (*b, n), the values that norm_1,
            norm_2, norm_1_out and norm_2_out divide by, without tau; None where a norm is absent
    """

    output: Array
    adjacency: Array
    std_1: Array | None
    std_2: Array | None
    std_1_out: Array | None = None
    std_2_out: Array | None = None


def norm_std(norm: Norm, tokens: Array) -> Array:
    """Return what each token is divided by, without tau: tokens (*b, n, d) -> (*b, n)."""
    return _centred_and_std(norm, tokens)[1][..., 0]


def apply_norm(norm: Norm, tokens: Array) -> Array:
    """Normalise every token.

    Shapes: tokens (*b, n, d) -> (*b, n, d)
    Raises: InputError if a token's std is zero, so that its direction is undefined
    Source: ba2016
    """
    return normalise(norm, tokens)[0]


def attention_adjacency(attention: Attention, tokens: Array, *, mask: Array | None = None) -> Array:
    """Return the attention weights A[i, j]: how much token i listens to token j.

    Each head's A is the random-walk normalised adjacency D^-1 W of a weighted directed graph
    with W = exp(scores).

    Shapes: tokens (*b, n, d), mask boolean (*b, n, n) or (*b, 1, n), True where i may listen
            to j -> (*b, h, n, n), every row sums to one
    Raises: InputError if the mask is not boolean, does not fit, or leaves a token nobody to
            listen to
    Source: vaswani2017, shi2022
    """
    if attention.query is None or attention.key is None:
        raise InputError("this attention has no query and key: give the adjacency itself")
    xp = namespace(tokens)
    heads = xp.expand_dims(tokens, axis=-3)
    queries = _add_bias(heads @ attention.query, attention.query_bias)
    keys = _add_bias(heads @ attention.key, attention.key_bias)
    return softmax(attention.score_scale * (queries @ xp.matrix_transpose(keys)), mask=mask)


def softmax(scores: Array, *, mask: Array | None = None) -> Array:
    """Return the row-stochastic softmax of scores (*b, h, n, n), zero where the mask is False.

    Raises: InputError if the mask is not boolean, does not fit, or a row of it has no True
    """
    xp = namespace(scores)
    if mask is not None:
        n = scores.shape[-1]
        require_mask("mask", mask, 1 if mask.shape[-2:-1] == (1,) else n, n)
        if not bool(xp.all(xp.any(mask, axis=-1))):
            raise InputError("mask must leave every token at least one token to listen to")
        scores = xp.where(xp.expand_dims(mask, axis=-3), scores, -xp.inf)
    weights = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def attend(attention: Attention, adjacency: Array, tokens: Array) -> Array:
    """Return sum_k A_k X V_k + bias for given attention weights.

    Shapes: adjacency (*b, h, n, n), tokens (*b, n, d) -> (*b, n, d)
    """
    xp = namespace(tokens)
    mixed = adjacency @ (xp.expand_dims(tokens, axis=-3) @ attention.value)
    if attention.output is not None:
        mixed = mixed @ attention.output
    return _add_bias(xp.sum(mixed, axis=-3), attention.bias)


def feed_forward(sublayer: FeedForward, tokens: Array) -> Array:
    """Return phi(X W_in + b_in) W_out + b_out: tokens (*b, n, d) -> (*b, n, d)."""
    hidden = _add_bias(tokens @ sublayer.weight_in, sublayer.bias_in)
    active = activation(sublayer.activation).function(hidden)
    return _add_bias(active @ sublayer.weight_out, sublayer.bias_out)


def apply_block(
    block: Block, tokens: Array, *, mask: Array | None = None, adjacency: Array | None = None
) -> BlockStep:
    """Send the tokens through one block.

    A given ``adjacency`` takes the place of the one that queries, keys and mask make.

    Shapes: tokens (*b, n, d), mask as for `attention_adjacency`, adjacency (*b, h, n, n)
    Raises: InputError if tokens are not floating or not as wide as the weights, or as
            `attention_adjacency` and `apply_norm` do
    """
    require_float("tokens", tokens)
    require_shape("tokens", tokens, "n", block.attention.value.shape[-2])
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    none = Norm(kind="none")
    norm_1_in, norm_2_in = (none, none) if post else (block.norm_1, block.norm_2)
    norm_1_out, norm_2_out = (block.norm_1_out, block.norm_2_out) if sandwich else (none, none)

    sublayer_in, std_1 = normalise(norm_1_in, tokens)
    if adjacency is None:
        adjacency = attention_adjacency(block.attention, sublayer_in, mask=mask)
    change = attend(block.attention, adjacency, sublayer_in)
    change, std_1_out = normalise(norm_1_out, change)
    middle = block.residual * tokens + change
    if post:
        middle, std_1 = normalise(block.norm_1, middle)
    if block.feed_forward is None:
        return BlockStep(middle, adjacency, std_1, None, std_1_out)

    sublayer_in, std_2 = normalise(norm_2_in, middle)
    change, std_2_out = normalise(norm_2_out, feed_forward(block.feed_forward, sublayer_in))
    out = block.residual * middle + change
    if post:
        out, std_2 = normalise(block.norm_2, out)
    return BlockStep(out, adjacency, std_1, std_2, std_1_out, std_2_out)


def normalise(norm: Norm, tokens: Array) -> tuple[Array, Array | None]:
    """Normalise every token and return what each was divided by, as `norm_std` does.

    Shapes: tokens (*b, n, d) -> (*b, n, d), (*b, n); the latter None for a norm of kind "none"
    Raises: InputError if a token's std is zero, so that its direction is undefined
    """
    if norm.kind == "none":
        return tokens, None
    centred, std = _centred_and_std(norm, tokens)
    xp = namespace(tokens)
    if bool(xp.any(std == 0)):
        raise InputError(
            f"tokens must not have zero {'variance' if norm.kind == 'layer' else 'norm'} where "
            f"they are normalised with eps = 0, but {int(xp.sum(xp.astype(std == 0, xp.int64)))} "
            "of them have"
        )
    out = centred / (norm.tau * std)
    if norm.gain is not None:
        out = out * xp.expand_dims(norm.gain, axis=-2)
    return _add_bias(out, norm.shift), std[..., 0]


def _centred_and_std(norm: Norm, tokens: Array) -> tuple[Array, Array]:
    """Return what is divided, (*b, n, d), and what divides it, (*b, n, 1)."""
    xp = namespace(tokens)
    if norm.kind == "none":
        return tokens, xp.ones_like(tokens[..., :1])
    centred = tokens
    if norm.kind == "layer":
        centred = tokens - xp.mean(tokens, axis=-1, keepdims=True)
    if norm.fixed_std is not None:
        return centred, xp.full_like(tokens[..., :1], norm.fixed_std)
    # Squares of entries beyond 1e154 overflow and below 1e-162 vanish: scale them first.
    peak = xp.max(xp.abs(centred), axis=-1, keepdims=True)
    # What centring leaves of a constant token is rounding, not a direction.
    noise = 8 * eps(tokens) * xp.max(xp.abs(tokens), axis=-1, keepdims=True)
    centred = xp.where(peak > noise, centred, xp.zeros_like(centred))
    peak = xp.where(peak > noise, peak, xp.ones_like(peak))
    mean_square = xp.mean((centred / peak) ** 2, axis=-1, keepdims=True)
    std = peak * xp.sqrt(mean_square)
    if norm.eps > 0:
        std = xp.hypot(std, xp.full_like(std, norm.eps**0.5))
    return centred, std


def _add_bias(tokens: Array, bias: Array | None) -> Array:
    return tokens if bias is None else tokens + namespace(tokens).expand_dims(bias, axis=-2)
