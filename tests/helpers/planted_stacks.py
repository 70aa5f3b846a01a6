"""Blocks of which it is known whether their tokens become alike: docs/verdicts.md tells them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.helpers.blocks import Floats
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.graphs.masks import block_mask, causal_mask

D = 6
UNIT = np.eye(D)
TWO = block_mask([3, 3])
NONE = Norm("none")
BIAS = 10 * np.random.default_rng(1).standard_normal(D)


class Planted(NamedTuple):
    """A block that is repeated, and what must be said of d_M and of d_M / |H|.

    ``bound`` is the bound on later v to two digits, None where none is below 1; ``apart`` is the
    relative distance of the tokens after 200 layers, 0 where they become alike. ``tempts`` says
    that v is below 1 on the first tokens.
    """

    block: Block
    mask: NDArray[np.bool_] | None
    n: int
    scale: float
    distance: str
    alike: str
    bound: float | None
    apart: float
    tempts: bool = True


def attention(
    value: Floats, *, scores: float = 0.0, bias: Floats | None = None, query: Floats | None = None
) -> Attention:
    """One head with scores ``scores`` <x_i, x_j>, or those of a query matrix."""
    unit = np.eye(len(value))
    query = scores * unit if query is None else query
    return Attention(query[None], unit[None], value[None], bias=bias, scale=1.0)


def feed_forward(bias: Floats | None = None) -> FeedForward:
    return FeedForward(0.3 * UNIT, 0.3 * UNIT, bias_out=bias)


def _biased(size: float) -> Block:
    return Block(attention(0.5 * UNIT, bias=size * BIAS), feed_forward(size * BIAS))


_PLAIN = Block(attention(0.5 * UNIT), feed_forward())
_FIXED = Norm(fixed_std=1.25)
_LARGE = Norm(tau=100.0)
_HUB = np.zeros((5, 5), dtype=np.bool_)
_HUB[:, 0] = True
_QUERY = 0.05 * np.random.default_rng(2).standard_normal((D, D))

_TWO_HUBS = np.zeros((16, 16), dtype=np.bool_)
_TWO_HUBS[:8, 0] = _TWO_HUBS[8:, 8] = True
_WIDER = Norm(fixed_std=1.6)

NO, YES = "not implied", "yes"
PLANTED: dict[str, Planted] = {
    "large inputs, two components": Planted(_PLAIN, TWO, 6, 100, NO, NO, None, 0.775),
    "each token alone": Planted(_PLAIN, np.eye(5) > 0, 5, 100, NO, NO, None, 0.930),
    "fixed sigma": Planted(
        Block(attention(-0.5 * UNIT), None, _FIXED, _FIXED), None, 6, 1, YES, NO, 0.80, 1.0
    ),
    "attention alone, two components": Planted(
        Block(attention(0.5 * UNIT), None, residual=0.0), TWO, 6, 100, NO, NO, None, 0.493
    ),
    "attention alone, no norm, two components": Planted(
        Block(attention(0.5 * UNIT), None, NONE, NONE, residual=0.0),
        TWO,
        6,
        100,
        YES,
        NO,
        0.50,
        0.633,
    ),
    "attention alone, no norm": Planted(
        Block(attention(0.5 * UNIT), None, NONE, NONE, residual=0.0),
        None,
        6,
        100,
        YES,
        YES,
        0.0,
        0.0,
    ),
    "large tau, two components": Planted(
        Block(attention(0.5 * UNIT), feed_forward(), _LARGE, _LARGE),
        TWO,
        6,
        100,
        NO,
        NO,
        None,
        0.775,
    ),
    "large eps, two components": Planted(
        Block(attention(0.5 * UNIT), None, Norm(eps=10.0)), TWO, 6, 100, YES, NO, 0.474, 0.506
    ),
    "small eps, two components": Planted(
        Block(attention(0.5 * UNIT), None, Norm(eps=1e-5)), TWO, 6, 100, NO, NO, 474.0, 0.502
    ),
    "pre-LN": Planted(
        Block(attention(0.5 * UNIT), feed_forward(), placement="pre"),
        None,
        6,
        100,
        NO,
        NO,
        None,
        0.643,
        tempts=False,
    ),
    "pre-LN, weak residual": Planted(
        Block(attention(0.1 * UNIT), feed_forward(), placement="pre", residual=0.5),
        None,
        6,
        100,
        NO,
        NO,
        None,
        0.0,
    ),
    "biases of 3": Planted(_biased(0.3), None, 6, 100, YES, YES, 0.105, 0.0),
    "biases of 10": Planted(_biased(1.0), None, 6, 100, YES, YES, 0.0170, 0.0),
    "biases of 10, two components": Planted(_biased(1.0), TWO, 6, 100, YES, YES, 0.0254, 0.0),
    "biases of 50": Planted(_biased(5.0), None, 6, 100, YES, YES, 0.000870, 0.0),
    "biases of 10, causal, scores": Planted(
        Block(attention(0.5 * UNIT, query=_QUERY, bias=BIAS), feed_forward(BIAS)),
        causal_mask(6),
        6,
        100,
        YES,
        YES,
        0.0235,
        0.0,
    ),
    "a shift of 10": Planted(
        Block(attention(0.5 * UNIT), None, Norm(shift=BIAS)), None, 6, 100, YES, YES, 0.0801, 0.0
    ),
    "two hubs, fixed sigma, biases of 10": Planted(
        Block(attention(0.5 * UNIT, bias=BIAS), None, _WIDER),
        _TWO_HUBS,
        16,
        1,
        YES,
        YES,
        0.9375,
        0.0,
        tempts=False,
    ),
    "hub, no bias": Planted(Block(attention(10 * UNIT)), _HUB, 5, 100, NO, NO, None, 0.0),
    "causal pair, no bias": Planted(
        Block(attention(10 * UNIT, scores=-4.0)), causal_mask(2), 2, 100, NO, NO, None, 0.0
    ),
}
