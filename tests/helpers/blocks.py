"""Which blocks and tokens do the tests of kernels, coefficients and rollouts try?"""

from dataclasses import replace
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeVar

import hypothesis.strategies as st
import numpy as np

from theory.arrays import Array
from theory.blocks.activations import ACTIVATIONS
from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import LAYOUTS, Layout, Positions
from theory.blocks.weights import Attention, Block, FeedForward, Placement
from theory.statements.instances import map_arrays

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Tree = TypeVar("Tree")
PLACEMENTS: tuple[Placement, ...] = ("post", "pre", "sandwich", "parallel")


def random_tokens(seed: int, *shape: int) -> Floats:
    return np.random.default_rng([seed, 1]).standard_normal(shape)


def random_block(
    seed: int,
    *,
    batch: tuple[int, ...] = (),
    d: int = 6,
    heads: int = 2,
    f: int = 8,
    placement: Placement = "post",
    kind: Literal["layer", "rms", "none"] = "layer",
    activation: str = "gelu",
    residual: float = 1.0,
    plain: bool = False,
    factored: bool = True,
    feed_forward: bool = True,
    weight: float = 1.0,
    eps: float = 0.0,
    tau: float = 1.0,
    fixed_std: float | None = None,
    gated: bool = False,
    residual_attention: float | None = None,
    residual_ffn: float | None = None,
) -> Block:
    """Draw a block with Gaussian weights; with gains, shifts and biases unless ``plain``.

    ``gated`` gives the feed-forward sublayer a gate; a ``residual_ffn`` is left out where there is
    one sum. ``factored`` splits value and output matrix, with a head width other than d / heads;
    ``weight`` multiplies the value and the second feed-forward matrix.
    """
    rng = np.random.default_rng([seed, 2])
    k = 3

    def draw(*shape: int) -> Floats:
        matrix: Floats = rng.standard_normal((*batch, *shape)) / shape[-2] ** 0.5
        return matrix

    def bias(*shape: int) -> Floats | None:
        return None if plain else 0.3 * rng.standard_normal((*batch, *shape))

    def norm() -> Norm:
        gain = None if plain else rng.uniform(0.5, 1.5, (*batch, d)) * rng.choice((-1, 1), d)
        return Norm(kind, gain=gain, shift=bias(d), eps=eps, tau=tau, fixed_std=fixed_std)

    attention = Attention(
        query=draw(heads, d, k),
        key=draw(heads, d, k),
        value=weight * (draw(heads, d, k) if factored else draw(heads, d, d)),
        output=draw(heads, k, d) if factored else None,
        query_bias=bias(heads, k),
        key_bias=bias(heads, k),
        bias=bias(d),
    )
    ffn = None
    if feed_forward:
        ffn = FeedForward(
            weight_in=draw(d, f),
            weight_out=weight * draw(f, d),
            bias_in=bias(f),
            bias_out=bias(d),
            activation=activation,
        )
    block = Block(
        attention,
        ffn,
        norm_1=norm(),
        norm_2=norm(),
        placement=placement,
        residual=residual,
        norm_1_out=norm(),
        norm_2_out=norm(),
        residual_attention=residual_attention,
        residual_ffn=None if placement == "parallel" else residual_ffn,
    )
    if ffn is None or not gated:
        return block
    # Drawn last: all else is as without a gate.
    return replace(block, feed_forward=replace(ffn, weight_gate=draw(d, f), bias_gate=bias(f)))


def positioned(
    block: Block,
    seed: int,
    n: int,
    *,
    bias: Literal["", "pairs", "one", "offsets", "both"] = "both",
    rotary: Literal["", "frequencies", "angles"] = "frequencies",
    layout: Layout = "half",
    window: int | None = None,
    soft_cap: float | None = None,
    head_norms: bool = False,
) -> Block:
    """Give a block's scores positions for n tokens, and queries and keys of 5 features."""
    rng = np.random.default_rng([seed, 3])
    h, d = block.attention.value.shape[-3:-1]
    batch, k = block.attention.value.shape[:-3], 5

    def norm() -> HeadNorm | None:
        gain, shift = rng.uniform(0.5, 2.0, (*batch, h, k)), rng.standard_normal((*batch, h, k))
        return HeadNorm("rms", gain=gain, shift=shift, eps=1e-3) if head_norms else None

    def draw(*shape: int) -> Floats:
        drawn: Floats = rng.standard_normal((*batch, *shape))
        return drawn

    positions = Positions(
        bias=draw(1 if bias == "one" else h, n, n) if bias in ("pairs", "one", "both") else None,
        by_offset=draw(h, 2 * n + 1) if bias in ("offsets", "both") else None,
        frequencies=draw(2) if rotary == "frequencies" else None,
        angles=3 * draw(n, 2) if rotary == "angles" else None,
        layout=layout,
        window=window,
        soft_cap=soft_cap,
    )
    attention = replace(
        block.attention,
        query=draw(h, d, k),
        key=draw(h, d, k),
        query_bias=draw(h, k),
        key_bias=draw(h, k),
        query_norm=norm(),
        key_norm=norm(),
        positions=positions,
    )
    return replace(block, attention=attention)


@st.composite
def positioned_blocks(draw: st.DrawFn, n: int, /, **fixed: Any) -> Block:
    """Draw a block of any kind whose scores have positions of any kind, for n tokens."""
    options: dict[str, Any] = {
        "bias": draw(st.sampled_from(("", "pairs", "one", "offsets", "both"))),
        "rotary": draw(st.sampled_from(("", "frequencies", "angles"))),
        "layout": draw(st.sampled_from(LAYOUTS)),
        "window": draw(st.sampled_from((None, 1, 2, 3, 9))),
        "soft_cap": draw(st.sampled_from((None, 0.5, 20.0))),
        "head_norms": draw(st.booleans()),
    }
    return positioned(draw(blocks(**fixed)), draw(st.integers(0, 999)), n, **options)


@st.composite
def blocks(draw: st.DrawFn, /, **fixed: Any) -> Block:
    """Draw a block of any kind; what is fixed is not drawn."""
    options: dict[str, Any] = {
        "placement": draw(st.sampled_from(PLACEMENTS)),
        "kind": draw(st.sampled_from(("layer", "rms", "none"))),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "heads": draw(st.integers(1, 3)),
        "residual": draw(st.sampled_from((1.0, 0.0, -0.7, 2.5))),
        "eps": draw(st.sampled_from((0.0, 1e-5, 0.3))),
        "tau": draw(st.sampled_from((1.0, 0.4, 3.0))),
        "fixed_std": draw(st.sampled_from((None, None, 1.7))),
        "weight": draw(st.sampled_from((1.0, 0.1, 5.0))),
        "residual_attention": draw(st.sampled_from((None, None, 0.6))),
        "residual_ffn": draw(st.sampled_from((None, None, -1.4))),
    }
    for name in ("plain", "factored", "feed_forward", "gated"):
        options[name] = draw(st.booleans())
    options |= fixed
    if options["activation"] == "relu":
        options["plain"] = False  # without biases ReLU may leave zero, which has no direction
    return random_block(draw(st.integers(0, 2**32)), **options)


@st.composite
def masks(draw: st.DrawFn, n: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Draw who may listen to whom; every token may listen to itself, at least."""
    flags = draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))
    return np.asarray(flags).reshape(n, n) | np.eye(n, dtype=bool)


def move(tree: Tree, xp: ModuleType, *, dtype: str = "float64", device: Any = None) -> Tree:
    """Bring a block's arrays to a library, dtype and device."""

    def carry(array: Array, _: tuple[str, ...]) -> Array:
        return xp.asarray(array, dtype=getattr(xp, dtype), device=device)

    return map_arrays(carry, tree)
