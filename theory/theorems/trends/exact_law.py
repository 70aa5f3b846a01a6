"""Is what the linear law near consensus leaves out of second order in the spread?"""

from dataclasses import replace

import numpy as np

from theory.arrays import Floats
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.law.order import next_order
from theory.law.synchronised import linearise
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_TOKENS, _FEATURES, _HIDDEN, _HEADS, _WIDTH = 5, 6, 8, 2, 3
_FAR = 0.5
_SMOOTH = "every ReLU is at least 1/2 away from its kink at the common token"


def _order(rng: np.random.Generator, kink: float) -> tuple[float, float]:
    """Return the order of one block's remainder, and by how much its ReLUs are too near a kink."""

    def gaussian(*shape: int) -> Floats:
        out: Floats = rng.standard_normal(shape) / shape[-2] ** 0.5
        return out

    query, key, value = (gaussian(_HEADS, _FEATURES, _WIDTH) for _ in range(3))
    attention = Attention(query, key, value, output=gaussian(_HEADS, _WIDTH, _FEATURES))
    block = Block(attention, None, Norm(), Norm())
    token = rng.standard_normal(_FEATURES)
    inner = linearise(block, token).token
    weight_in, weight_out = gaussian(_FEATURES, _HIDDEN), gaussian(_HIDDEN, _FEATURES)
    wanted = kink * rng.choice([-1.0, 1.0], _HIDDEN)
    bias = wanted - inner @ weight_in
    block = replace(block, feed_forward=FeedForward(weight_in, weight_out, bias, activation="relu"))
    margin = _FAR - float(np.abs(inner @ weight_in + bias).min())
    mask = np.tril(np.ones((_TOKENS, _TOKENS), dtype=bool))
    found = next_order(block, token, rng.standard_normal((_TOKENS, _FEATURES)), mask=mask)
    return found.order, margin


def _orders(kink: float) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        drawn = np.asarray([_order(rng, kink) for _ in range(runs)]).reshape(runs, 2)
        return Evidence(drawn[:, 0], {_SMOOTH: drawn[:, 1]})

    return experiment


SECOND_ORDER = Trend(
    key="exact-law-second-order",
    claim=r"\|\delta' - (\delta + P \delta S) K\| = O(\|\delta\|^2)",
    source="pecora1998",
    statistic="slope of log(remainder of the linear law) in log(spread), spreads 2e-3 and 1e-3",
    claimed=Interval(1.9, np.inf),
    method="mean",
    experiment=_orders(1.0),
    outside=_orders(0.0),
    hypotheses=(_SMOOTH,),
    resolution=0.0,
    runs=256,
    first=64,
    note="The law for blocks is derived here; the source is of its method. Attention weights "
    "change at first order in the spread and still leave nothing there. A tenth is allowed for "
    "the third order. ReLUs exactly at their kinks leave a first order. Causal post-norm blocks "
    "with five tokens of six features, Gaussian weights.",
)

LAW_TRENDS = (SECOND_ORDER,)
