"""What does a block do to given tokens, and to a direction behind them, enclosed step by step?

The forward pass with all that its linearisation needs, and the way back: how does the length of
the outputs' deviation from consensus change with what each part gives out?
"""

from dataclasses import dataclass

import numpy as np

from theory.arrays import Floats
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.local.elementary import density, distribution, exponential
from theory.local.enclosed import Enclosed, enclosed
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Heads:
    """What attention sees: biased queries and keys, weights, and values through the output.

    Shapes: queries, keys (h, n, k); adjacency (h, n, n); values (h, n, d), without a bias;
            means (h, n, d), what each token hears; maps (h, d, d), from tokens to values;
            asked (h, n, d): the gradient of score ij by token j is asked[i], by token i told[j]
    """

    queries: Enclosed
    keys: Enclosed
    adjacency: Enclosed
    values: Enclosed
    means: Enclosed
    maps: Enclosed
    asked: Enclosed
    told: Enclosed


@brief_repr
@dataclass(frozen=True, eq=False)
class Normed:
    """A norm at work: unit rows before gain and shift, the std, and the rows that come out.

    Shapes: unit, out (n, d); std (n,); gain (d,)
    """

    unit: Enclosed
    std: Enclosed
    out: Enclosed
    gain: Floats
    layer: bool

    def back(self, covectors: Enclosed) -> Enclosed:
        """Return the gradients (n, d) by the tokens of sum_i <covector_i, out_i>."""
        q = covectors * self.gain
        along = (self.unit * q).sum(-1, keepdims=True) / float(len(self.gain))
        found = (q - self.unit * along) / self.std[:, None]
        return found.centred(-1) if self.layer else found

    def slope(self, i: int) -> Enclosed:
        """Return the derivative (d, d) at token i: a change w of it becomes w @ slope."""
        d = len(self.gain)
        unit = self.unit[i]
        flat = np.eye(d) - 1 / d if self.layer else np.eye(d)
        start = enclosed(flat, within=2.0**-52 if self.layer else 0.0)
        slope = (start - unit[:, None] * unit[None, :] / float(d)) / self.std[i]
        return slope * self.gain[None, :]


@brief_repr
@dataclass(frozen=True, eq=False)
class Forward:
    """All parts of a post-norm block at work on tokens (n, d).

    Shapes: before_1, before_2 (n, d), the sums that the norms get; hidden (n, f), what GELU gets;
            bend (n, f), gelu' there
    """

    tokens: Floats
    heads: Heads
    norm_1: Normed
    hidden: Enclosed
    bend: Enclosed
    norm_2: Normed


def forward(block: Block, tokens: Floats) -> Forward:
    """Send tokens (n, d) through a block that `theory.local.supported` lets pass."""
    sublayer = block.feed_forward
    assert sublayer is not None, "theory.local.supported asks for one"
    heads = listen(block.attention, tokens)
    summed = tokens + heads.means.sum(0)
    if block.attention.bias is not None:
        summed = summed + block.attention.bias
    first = normed(block.norm_1, summed)
    hidden = first.out @ sublayer.weight_in + _or_zero(sublayer.bias_in)
    share, bell = distribution(hidden), density(hidden)
    summed = first.out + (hidden * share) @ sublayer.weight_out + _or_zero(sublayer.bias_out)
    bend = share + hidden * bell
    return Forward(tokens, heads, first, hidden, bend, normed(block.norm_2, summed))


def listen(attention: Attention, tokens: Floats) -> Heads:
    """Enclose what attention sees of tokens (n, d)."""
    assert attention.query is not None, "theory.local.supported asks for one"
    assert attention.key is not None, "theory.local.supported asks for one"
    held = enclosed(tokens)[None]
    queries = held @ attention.query
    keys = held @ attention.key
    if attention.query_bias is not None:
        queries = queries + attention.query_bias[:, None, :]
    if attention.key_bias is not None:
        keys = keys + attention.key_bias[:, None, :]
    scaled = queries * attention.score_scale
    scores = scaled @ keys.T
    weights = exponential(scores - scores.mid.max(axis=-1, keepdims=True))
    adjacency = weights / weights.sum(-1, keepdims=True)
    values = held @ attention.value
    maps = enclosed(attention.value)
    if attention.output is not None:
        values, maps = values @ attention.output, maps @ attention.output
    asked = scaled @ np.swapaxes(attention.key, -1, -2)
    told = (keys * attention.score_scale) @ np.swapaxes(attention.query, -1, -2)
    return Heads(queries, keys, adjacency, values, adjacency @ values, maps, asked, told)


def normed(norm: Norm, tokens: Enclosed) -> Normed:
    """Enclose a norm of tokens (n, d)."""
    d = tokens.shape[-1]
    layer = norm.kind == "layer"
    rows = tokens.centred(-1) if layer else tokens
    std = ((rows * rows).sum(-1) / float(d) + norm.eps).root()
    unit = rows / std[:, None]
    gain = np.ones(d) if norm.gain is None else np.asarray(norm.gain, dtype=np.float64)
    out = unit * gain + _or_zero(norm.shift)
    return Normed(unit, std, out, gain, layer)


@brief_repr
@dataclass(frozen=True, eq=False)
class Backward:
    """The gradients of <direction, output> by what each part of a block gives out.

    Shapes: after_2, after_ffn, after_1, after_attention, tokens (n, d): by the output, by what
            norm_2 gets, by what norm_1 gives, by what it gets, by the tokens
    """

    after_2: Enclosed
    after_ffn: Enclosed
    after_1: Enclosed
    after_attention: Enclosed
    tokens: Enclosed


def backward(block: Block, at: Forward, direction: Enclosed) -> Backward:
    """Take a direction (n, d) back through the block."""
    ffn = block.feed_forward
    assert ffn is not None, "theory.local.supported asks for one"
    before_2 = at.norm_2.back(direction)
    after_1 = before_2 + _ffn_back(ffn, at.bend, before_2)
    before_1 = at.norm_1.back(after_1)
    return Backward(
        direction, before_2, after_1, before_1, before_1 + _heads_back(at.heads, before_1)
    )


def _ffn_back(ffn: FeedForward, bend: Enclosed, covectors: Enclosed) -> Enclosed:
    found: Enclosed = ((covectors @ ffn.weight_out.T) * bend) @ ffn.weight_in.T
    return found


def _heads_back(heads: Heads, covectors: Enclosed) -> Enclosed:
    """Return what all tokens contribute through what others, and they, listen to."""
    seen = covectors[None] @ heads.values.T  # (h, n, n): <g_i, x_j>
    mean = (heads.adjacency * seen).sum(-1, keepdims=True)
    scores = heads.adjacency * (seen - mean)
    found = scores @ heads.told + scores.T @ heads.asked
    found = found + (heads.adjacency.T @ covectors[None]) @ heads.maps.T
    return found.sum(0)


def _or_zero(array: Floats | None) -> Floats | float:
    return 0.0 if array is None else array
