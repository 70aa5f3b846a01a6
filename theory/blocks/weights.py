"""What is one Transformer block made of?"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from theory.arrays import Array, InputError, namespace, require_float, require_shape
from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import Positions, position_shapes
from theory.records import brief_repr

Placement: TypeAlias = Literal["post", "pre", "sandwich", "parallel"]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
"""Where the norms may stand; `theory.blocks.wiring` says what each name means."""
NORM_NAMES = ("1", "2", "1_out", "2_out")
"""The names of the norms that a block has room for; a placement uses some of them."""

_PLAIN = Norm()


@brief_repr
@dataclass(frozen=True, eq=False)
class Attention:
    """The weights of h attention heads on d features, row-vector convention (x W).

    ``bias`` is all that is added whatever the tokens are: the value biases through the output
    matrices, summed over the heads, plus the output bias. ``scale`` multiplies the scores;
    None stands for 1 / sqrt(k). Query and key may be None where the attention weights come from
    elsewhere. ``query_norm`` and ``key_norm`` act on every head's queries and keys, biases added;
    ``positions`` on what comes of that, and on the scores.

    Shapes: query, key (*b, h, d, k); value (*b, h, d, m); output (*b, h, m, d), or None where
            value already is the product, (*b, h, d, d); query_bias, key_bias (*b, h, k);
            bias (*b, d)
    Source: vaswani2017, henry2020qknorm
    """

    query: Array | None
    key: Array | None
    value: Array
    output: Array | None = None
    query_bias: Array | None = None
    key_bias: Array | None = None
    bias: Array | None = None
    scale: float | None = None
    query_norm: HeadNorm | None = None
    key_norm: HeadNorm | None = None
    positions: Positions | None = None

    @property
    def plain(self) -> bool:
        """Whether scores are products of queries and keys, and nothing else."""
        return self.query_norm is None and self.key_norm is None and self.positions is None

    @property
    def score_scale(self) -> float:
        """The factor on the scores."""
        if self.scale is not None:
            return self.scale
        if self.key is None:
            raise InputError("an attention without query and key has no scores to scale")
        return 1 / math.sqrt(self.key.shape[-1])


@brief_repr
@dataclass(frozen=True, eq=False)
class FeedForward:
    """phi(x W_in + b_in) W_out + b_out on single tokens, or its gated form.

    Gated, with ``weight_gate``: (phi(x W_gate + b_gate) * (x W_in + b_in)) W_out + b_out; with
    silu it is called SwiGLU, with gelu GeGLU.

    Shapes: weight_in, weight_gate (*b, d, f), weight_out (*b, f, d), bias_in, bias_gate (*b, f),
            bias_out (*b, d)
    Source: vaswani2017, shazeer2020glu
    """

    weight_in: Array
    weight_out: Array
    bias_in: Array | None = None
    bias_out: Array | None = None
    activation: str = "relu"
    weight_gate: Array | None = None
    bias_gate: Array | None = None

    @property
    def gated(self) -> bool:
        """Whether a gate multiplies the hidden features."""
        return self.weight_gate is not None


@brief_repr
@dataclass(frozen=True, eq=False)
class Block:
    """One Transformer block: an attention and a feed-forward sublayer around a residual stream.

    post:     y = norm_1(r x + attention(x)),      out = norm_2(r y + feed_forward(y))
    pre:      y = r x + attention(norm_1(x)),      out = r y + feed_forward(norm_2(y))
    sandwich: as pre, each sublayer's output through norm_1_out / norm_2_out before the sum
    parallel: out = r x + attention(norm_1(x)) + feed_forward(norm_2(x))

    with the residual scale r, which is ``residual``; ``residual_attention`` and ``residual_ffn``
    take its place in the sum after attention and in that after the feed-forward sublayer. A
    parallel block has one sum, and so one scale. Without a feed-forward sublayer the block ends
    at y. The order itself is told in `theory.blocks.wiring`.

    Raises: InputError for an unknown placement, or a second scale for a parallel block
    Source: shi2022, xiong2020, ding2021cogview, wang2022deepnet, wang2021gptj
    """

    attention: Attention
    feed_forward: FeedForward | None = None
    norm_1: Norm = _PLAIN
    norm_2: Norm = _PLAIN
    placement: Placement = "post"
    residual: float = 1.0
    norm_1_out: Norm = _PLAIN
    norm_2_out: Norm = _PLAIN
    residual_attention: float | None = None
    residual_ffn: float | None = None

    def __post_init__(self) -> None:
        require_placement(self.placement)
        if self.placement == "parallel" and self.residual_ffn is not None:
            raise InputError(
                f"residual_ffn must be left out, but is {self.residual_ffn}: a parallel block has "
                "one residual sum, and residual or residual_attention scales it"
            )

    def residual_scale(self, number: str) -> float:
        """Return what multiplies the stream in the sum after sublayer "1" or "2"."""
        own = self.residual_attention if number == "1" else self.residual_ffn
        return self.residual if own is None else own

    @property
    def residual_scales(self) -> tuple[float, ...]:
        """What multiplies the stream in each sum that the block has, in order."""
        sums = "1" if self.feed_forward is None or self.placement == "parallel" else "12"
        return tuple(map(self.residual_scale, sums))

    def norm(self, name: str) -> Norm:
        """Return the norm called "1", "2", "1_out" or "2_out"."""
        norm: Norm = getattr(self, f"norm_{name}")
        return norm


def require_placement(placement: str) -> None:
    """Raise InputError unless there is a placement of this name."""
    if placement not in PLACEMENTS:
        *others, last = map(repr, PLACEMENTS)
        raise InputError(f"placement must be {', '.join(others)} or {last}, but is {placement!r}")


def arrays_of(
    part: Block | Attention | FeedForward | Norm | Positions | None,
) -> tuple[Array | None, ...]:
    """Return the arrays of a block or a part of it, None where one is left out."""
    if part is None:
        return ()
    if isinstance(part, Positions):
        return tuple(part.arrays.values())
    if isinstance(part, Norm):
        return (part.gain, part.shift)
    if isinstance(part, FeedForward):
        gate = (part.weight_gate, part.bias_gate)
        return (part.weight_in, part.weight_out, part.bias_in, part.bias_out, *gate)
    if isinstance(part, Attention):
        biases = (part.query_bias, part.key_bias, part.bias)
        parts = (part.query_norm, part.key_norm, part.positions)
        inner = tuple(array for each in parts for array in arrays_of(each))
        return (part.query, part.key, part.value, part.output, *biases, *inner)
    whole = (part.attention, part.feed_forward, *map(part.norm, NORM_NAMES))
    return tuple(array for each in whole for array in arrays_of(each))


@brief_repr
class BlockStep(NamedTuple):
    """What `apply_block` saw: all that the theorems and the measures need.

    ``hidden`` and ``gate`` are the two factors that a gated feed-forward sublayer multiplies:
    x W_in + b_in and phi(x W_gate + b_gate); None where nothing is gated.

    Shapes: output (*b, n, d), adjacency (*b, h, n, n), std_* (*b, n), the values that norm_1,
            norm_2, norm_1_out and norm_2_out divide by, without tau; None where a norm is absent;
            hidden, gate (*b, n, f)
    """

    output: Array
    adjacency: Array
    std_1: Array | None = None
    std_2: Array | None = None
    std_1_out: Array | None = None
    std_2_out: Array | None = None
    hidden: Array | None = None
    gate: Array | None = None

    @property
    def stds(self) -> dict[str, Array]:
        """Return what the norms that there are divide by, under the names std_*."""
        every = {f"std_{name}": getattr(self, f"std_{name}") for name in NORM_NAMES}
        return {name: std for name, std in every.items() if std is not None}


def require_fits(block: Block, tokens: Array, *, adjacency: Array | None = None) -> None:
    """Raise InputError unless the weights, the tokens and a given adjacency fit together.

    Heads above all: a single A would be used by every head, but counted once in a coefficient.

    Shapes: tokens (*b, n, d), adjacency (*b, h, n, n)
    """
    require_float("tokens", tokens)
    namespace(tokens, adjacency, *arrays_of(block))
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
    for name in ("query_norm", "key_norm"):
        head_norm: HeadNorm | None = getattr(attention, name)
        if head_norm is not None:
            path = f"attention.{name}"
            wanted |= {
                f"{path}.gain": (head_norm.gain, (h, k)),
                f"{path}.shift": (head_norm.shift, (h, k)),
            }
    if attention.positions is not None:
        features = None if attention.query is None else attention.query.shape[-1]
        wanted |= position_shapes(attention.positions, h, features)
    if ffn is not None:
        require_shape("feed_forward.weight_in", ffn.weight_in, d, "f")
        f = ffn.weight_in.shape[-1]
        wanted |= {
            "feed_forward.weight_in": (ffn.weight_in, (d, f)),
            "feed_forward.weight_out": (ffn.weight_out, (f, d)),
            "feed_forward.bias_in": (ffn.bias_in, (f,)),
            "feed_forward.bias_out": (ffn.bias_out, (d,)),
            "feed_forward.weight_gate": (ffn.weight_gate, (d, f)),
            "feed_forward.bias_gate": (ffn.bias_gate, (f,)),
        }
    for name in NORM_NAMES:
        norm = block.norm(name)
        wanted |= {f"norm_{name}.gain": (norm.gain, (d,)), f"norm_{name}.shift": (norm.shift, (d,))}
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
