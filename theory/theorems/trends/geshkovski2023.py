"""What does attention tend to when tokens are numbers? (Geshkovski et al. 2023, Theorem 2.1)"""

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Floats
from theory.statements.flows import flow_weights, solve
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_TOKENS, _LONG = 10, 12.0
_NEAR = 1e-3
_SIGNS = "the value V and the product of query and key are positive"


def _scores(time: float, scaled: Floats, value: float, product: float) -> Floats:
    """Return the scores of x = e^(V t) scaled, kept finite: the softmax is saturated by then."""
    growth = product * np.exp(min(2 * value * time, 300.0))
    return np.asarray(growth * scaled[..., :, None] * scaled[..., None, :])


def _attention(rng: np.random.Generator, runs: int, value: float, product: float) -> Floats:
    """Return the attention matrices (runs, n, n) that tokens in one dimension end with.

    x_i' = V sum_j P_ij x_j. In z = e^(-V t) x that is z_i' = V (sum_j P_ij z_j - z_i): the same
    attention, and no growth.
    """

    def velocity(time: float, scaled: Floats) -> Floats:
        weights = flow_weights(_scores(time, scaled, value, product))
        return np.asarray(value * ((weights @ scaled[..., None])[..., 0] - scaled))

    start = rng.standard_normal((runs, _TOKENS))
    _, states = solve(velocity, start, np.asarray([0.0, _LONG]))
    return flow_weights(_scores(_LONG, states[-1], value, product))


def _is_boolean(adjacency: Floats) -> NDArray[np.bool_]:
    """Say which matrices (*b,) have only entries near zero and one."""
    return np.asarray(np.abs(adjacency - np.round(adjacency)).max(axis=(-1, -2)) < _NEAR)


def _rank(adjacency: Floats) -> NDArray[np.int_]:
    """Count the different tokens that are attended to: the rank of the Boolean matrix."""
    return np.asarray((np.round(adjacency).max(axis=-2) > 0).sum(axis=-1))


def _low_rank(value: float) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        product = float(rng.uniform(0.5, 2.0))
        adjacency = _attention(rng, runs, value, product)
        low = _is_boolean(adjacency) & (_rank(adjacency) <= 2)
        return Evidence(low.astype(float), {_SIGNS: np.asarray(-min(value, product))})

    return experiment


BOOLEAN = Trend(
    key="attention-becomes-boolean",
    claim=r"d = 1,\ V > 0,\ QK > 0:\quad P(t) \to P^* \in \{0, 1\}^{n \times n} "
    r"\text{ of rank at most two}",
    source="geshkovski2023emergence",
    statistic=f"share of runs whose attention is within {_NEAR} of a Boolean matrix of rank at "
    f"most two by t = {_LONG:g}",
    claimed=Interval(0.9, 1.0),
    method="proportion",
    experiment=_low_rank(1.0),
    outside=_low_rank(-1.0),
    hypotheses=(_SIGNS,),
    resolution=0.0,
    runs=512,
    first=64,
    note=f"{_TOKENS} tokens. The claim is for almost every start and infinite time; a token that "
    "has not chosen by then is within e^-20 of zero or so. The tenth that is allowed is what this "
    "many runs can tell at a level of 1e-9, of which none need fail: 256 without a failure show "
    "91 %. 'Low rank' is read as two, the number of leaders, the largest and the smallest token.",
)

LINE_TRENDS = (BOOLEAN,)
