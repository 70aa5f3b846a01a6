"""What does one Transformer block do to the tokens: attention, normalisation, feed-forward?"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from theory.activations import activation
from theory.arrays import (
    Array,
    InputError,
    namespace,
    require_float,
    require_mask,
    require_shape,
)
from theory.normalisation import Norm, normalise

Placement: TypeAlias = Literal["post", "pre", "sandwich"]
_PLAIN = Norm()


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class FeedForward:
    """phi(x W_in + b_in) W_out + b_out on single tokens.

    Shapes: weight_in (*b, d, f), weight_out (*b, f, d), bias_in (*b, f), bias_out (*b, d)
    """

    weight_in: Array
    weight_out: Array
    bias_in: Array | None = None
    bias_out: Array | None = None
    activation: str = "relu"


@dataclass(frozen=True, eq=False)
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
    norm_1: Norm = _PLAIN
    norm_2: Norm = _PLAIN
    placement: Placement = "post"
    residual: float = 1.0
    norm_1_out: Norm = _PLAIN
    norm_2_out: Norm = _PLAIN

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
    scores = attention.score_scale * (queries @ xp.matrix_transpose(keys))
    if not bool(xp.all(xp.isfinite(scores))):
        raise InputError(
            "the scores of query and key must be finite, but some are not: "
            "are the tokens, the query or the key not finite, or too large?"
        )
    return softmax(scores, mask=mask)


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


def require_fits(block: Block, tokens: Array, *, adjacency: Array | None = None) -> None:
    """Raise InputError unless the weights, the tokens and a given adjacency fit together.

    Heads above all: a single A would be used by every head, but counted once in a coefficient.

    Shapes: tokens (*b, n, d), adjacency (*b, h, n, n)
    """
    require_float("tokens", tokens)
    attention, ffn = block.attention, block.feed_forward
    require_shape("attention.value", attention.value, "h", "d", "m")
    h, d, m = attention.value.shape[-3:]
    require_shape("tokens", tokens, "n", d)
    n = tokens.shape[-2]
    k = "k" if attention.query is None else attention.query.shape[-1]
    wanted: dict[str, tuple[Array | None, tuple[int | str, ...]]] = {
        "attention.value": (attention.value, (h, d, d if attention.output is None else m)),
        "attention.output": (attention.output, (h, m, d)),
        "attention.query": (attention.query, (h, d, "k")),
        "attention.key": (attention.key, (h, d, k)),
        "attention.query_bias": (attention.query_bias, (h, k)),
        "attention.key_bias": (attention.key_bias, (h, k)),
        "attention.bias": (attention.bias, (d,)),
        "adjacency": (adjacency, (h, n, n)),
    }
    if ffn is not None:
        require_shape("feed_forward.weight_in", ffn.weight_in, d, "f")
        f = ffn.weight_in.shape[-1]
        wanted |= {
            "feed_forward.weight_in": (ffn.weight_in, (d, f)),
            "feed_forward.weight_out": (ffn.weight_out, (f, d)),
            "feed_forward.bias_in": (ffn.bias_in, (f,)),
            "feed_forward.bias_out": (ffn.bias_out, (d,)),
        }
    for name in ("norm_1", "norm_2", "norm_1_out", "norm_2_out"):
        norm: Norm = getattr(block, name)
        wanted |= {f"{name}.gain": (norm.gain, (d,)), f"{name}.shift": (norm.shift, (d,))}
    batch = tuple(tokens.shape[:-2])
    for name, (array, shape) in wanted.items():
        if array is None:
            continue
        require_shape(name, array, *shape)
        own = tuple(array.shape[: array.ndim - len(shape)])
        try:
            batch = np.broadcast_shapes(batch, own)
        except ValueError:
            message = f"{name} must have batch axes that fit {batch}, but has {own}"
            raise InputError(message) from None


def apply_block(
    block: Block, tokens: Array, *, mask: Array | None = None, adjacency: Array | None = None
) -> BlockStep:
    """Send the tokens through one block.

    A given ``adjacency`` takes the place of the one that queries, keys and mask make.

    Shapes: tokens (*b, n, d), mask as for `attention_adjacency`, adjacency (*b, h, n, n)
    Raises: InputError as `require_fits`, `attention_adjacency` and `apply_norm` do
    """
    require_fits(block, tokens, adjacency=adjacency)
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


def _add_bias(tokens: Array, bias: Array | None) -> Array:
    return tokens if bias is None else tokens + namespace(tokens).expand_dims(bias, axis=-2)
