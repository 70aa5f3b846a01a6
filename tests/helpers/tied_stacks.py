"""Which tied stacks tempt a verdict: large inputs, opposite tokens, several components, biases."""

from dataclasses import replace
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tests.helpers.blocks import Floats
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward, Placement
from theory.graphs.masks import block_mask, causal_mask, window_mask


class TiedStack(NamedTuple):
    """One block that comes again and again, its mask, and the tokens that enter it."""

    block: Block
    mask: NDArray[np.bool_] | None
    tokens: Floats


def draw_tied_stack(seed: int) -> TiedStack:
    rng = np.random.default_rng([7, seed])
    n, d = int(rng.integers(2, 7)), int(rng.choice([2, 3, 4, 6, 8]))
    heads, hidden = int(rng.choice([1, 1, 2])), int(rng.choice([d, 2 * d]))
    size = float(rng.choice([0, 0, 0.3, 1, 3, 10, 30]))

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def weight(p: int, q: int) -> Floats:
        turned = p == q and rng.random() < 0.5
        drawn = rng.choice((-1, 1)) * np.eye(p) if turned else rng.standard_normal((p, q)) / p**0.5
        return np.asarray(drawn)

    def each(gain: float) -> Floats:
        return gain * np.stack([weight(d, d) for _ in range(heads)])

    def bias(width: int) -> Floats | None:
        return None if size == 0 or rng.random() < 0.3 else size * rng.standard_normal(width)

    scores = float(rng.choice([0, 0.01, 0.1, 1, 3]))
    biased = rng.random() < 0.3
    attention = Attention(
        each(scores),
        each(scores),
        each(between(0.02, 4)),
        query_bias=rng.standard_normal((heads, d)) if biased else None,
        key_bias=rng.standard_normal((heads, d)) if biased else None,
        bias=bias(d),
    )
    ffn = None
    if rng.random() < 0.6:
        gain = between(0.05, 3) ** 0.5
        phi = str(rng.choice(["relu", "gelu", "tanh", "identity", "silu"]))
        weights = gain * weight(d, hidden), gain * weight(hidden, d)
        ffn = FeedForward(*weights, bias(hidden), bias(d), activation=phi)
    kind = str(rng.choice(["layer", "layer", "layer", "rms", "fixed", "none", "mixed"]))

    def norm() -> Norm:
        own = kind if kind != "mixed" else str(rng.choice(["layer", "rms", "fixed", "none"]))
        if own == "none":
            return Norm("none")
        gain = None if rng.random() < 0.6 else rng.uniform(0.3, 1.5, d) * rng.choice([-1, 1], d)
        shift = None if rng.random() < 0.8 else rng.standard_normal(d) * rng.choice([0.1, 1, 10])
        if own == "fixed":
            return Norm("layer", gain=gain, shift=shift, fixed_std=between(0.3, 10))
        eps, tau = rng.choice([0, 0, 1e-5, 0.1, 3.0]), rng.choice([1, 1, 0.25, 4, 16])
        return Norm(
            "rms" if own == "rms" else "layer",
            gain=gain,
            shift=shift,
            eps=float(eps),
            tau=float(tau),
        )

    placements = get_args(Placement)
    placement = placements[0] if rng.random() < 0.8 else placements[int(rng.integers(1, 3))]
    masks = (
        None,
        causal_mask(n),
        block_mask([n // 2, n - n // 2]),
        np.eye(n) > 0,
        window_mask(n, 1),
        (rng.random((n, n)) < 0.4) | (np.eye(n) > 0),
    )
    block = Block(
        attention,
        ffn,
        norm(),
        norm(),
        placement=placement,
        residual=float(rng.choice([1, 1, 1, 0.5, 2, 0])),
        norm_1_out=norm(),
        norm_2_out=norm(),
    )
    tokens = rng.standard_normal((n, d)) * rng.choice([1, 10, 1e3, 1e5])
    if rng.random() < 0.2:  # two groups of opposite tokens
        tokens[::2], tokens[1::2] = tokens[0].copy(), -tokens[0]
        tokens = tokens + 1e-3 * rng.standard_normal((n, d))
    mask = masks[int(rng.integers(len(masks)))]
    if rng.random() < 0.2:  # drawn last: all else is as it was
        block = replace(block, residual_ffn=float(rng.choice([0.3, -1.5, 0])))
    return TiedStack(block, mask, tokens)
