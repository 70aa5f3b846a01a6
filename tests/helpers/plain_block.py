"""What does one block do to the tokens, in plain NumPy that shares nothing with theory.blocks?"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from tests.helpers.blocks import Floats
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward

FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "identity": lambda x: x,
    "gelu": lambda x: 0.5 * x * (1 + erf(x / 2**0.5)),
    "silu": lambda x: x / (1 + np.exp(-np.clip(x, -700, 700))),
    "quick_gelu": lambda x: x / (1 + np.exp(-np.clip(1.702 * x, -700, 700))),
}


def block_output(block: Block, tokens: Floats, mask: NDArray[np.bool_] | None = None) -> Floats:
    """Send tokens (n, d) through a block without batch axes."""
    first, second = block.residual_attention, block.residual_ffn
    first = block.residual if first is None else first
    second = block.residual if second is None else second
    if block.placement == "post":
        out = first * tokens + _attend(block.attention, tokens, mask)
        out = _normalise(block.norm_1, out)
        if block.feed_forward is None:
            return out
        out = second * out + _feed(block.feed_forward, out)
        return _normalise(block.norm_2, out)
    sandwich = block.placement == "sandwich"
    change = _attend(block.attention, _normalise(block.norm_1, tokens), mask)
    out = first * tokens + (_normalise(block.norm_1_out, change) if sandwich else change)
    if block.feed_forward is None:
        return out
    if block.placement == "parallel":
        return out + _feed(block.feed_forward, _normalise(block.norm_2, tokens))
    change = _feed(block.feed_forward, _normalise(block.norm_2, out))
    return second * out + (_normalise(block.norm_2_out, change) if sandwich else change)


def _normalise(norm: Norm, x: Floats) -> Floats:
    if norm.kind == "none":
        return x
    x = x - x.mean(-1, keepdims=True) if norm.kind == "layer" else x
    std = norm.fixed_std or np.sqrt((x * x).mean(-1, keepdims=True) + norm.eps)
    out = x / (norm.tau * std)
    out = out if norm.gain is None else out * norm.gain
    return np.asarray(out if norm.shift is None else out + norm.shift)


def _attend(attention: Attention, x: Floats, mask: NDArray[np.bool_] | None) -> Floats:
    assert attention.query is not None
    assert attention.key is not None
    total = np.zeros_like(x) if attention.bias is None else 0 * x + attention.bias
    for k, value in enumerate(attention.value):
        query, key = x @ attention.query[k], x @ attention.key[k]
        query = query if attention.query_bias is None else query + attention.query_bias[k]
        key = key if attention.key_bias is None else key + attention.key_bias[k]
        scores = attention.score_scale * (query @ key.T)
        scores = scores if mask is None else np.where(mask, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ x @ value
        total = total + (mixed if attention.output is None else mixed @ attention.output[k])
    return np.asarray(total)


def _feed(sublayer: FeedForward, x: Floats) -> Floats:
    hidden = x @ sublayer.weight_in
    hidden = hidden if sublayer.bias_in is None else hidden + sublayer.bias_in
    active = FUNCTIONS[sublayer.activation](hidden)
    if sublayer.weight_gate is not None:
        gate = x @ sublayer.weight_gate
        gate = gate if sublayer.bias_gate is None else gate + sublayer.bias_gate
        active = FUNCTIONS[sublayer.activation](gate) * hidden
    out = active @ sublayer.weight_out
    return np.asarray(out if sublayer.bias_out is None else out + sublayer.bias_out)
