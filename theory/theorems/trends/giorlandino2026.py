"""When does a random softmax attend to a few tokens only? (Giorlandino and Goldt 2026)"""

import numpy as np

from theory.arrays import Floats
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_TOKENS = 4096
_SCALED = "the scores of a row have the variance beta^2 (1 - p) log T"
_ALLOWED = 0.5  # relative, for the sample variance of thousands of scores


def _rows(
    rng: np.random.Generator, runs: int, *, ratio: float, scaled: bool
) -> tuple[Floats, Evidence]:
    """Draw rows of attention (runs, T) at ratio = beta / beta_c; no samples yet.

    Tokens with overlap p are sqrt(p) x_0 + sqrt(1 - p) z_j. The part with x_0 moves all scores of
    a row alike and leaves the softmax; given the query, the rest is Gaussian and independent.
    """
    overlap = rng.uniform(0.0, 0.8, (runs, 1))
    beta = ratio * np.sqrt(2 / (1 - overlap))
    log_tokens = np.log(_TOKENS)
    scores = beta * np.sqrt(1 - overlap) * rng.standard_normal((runs, _TOKENS))
    if scaled:
        scores *= np.sqrt(log_tokens)
    wanted = (beta**2 * (1 - overlap))[:, 0] * log_tokens
    margin = np.abs(scores.var(axis=1) / wanted - 1) - _ALLOWED
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights, Evidence(np.zeros(runs), {_SCALED: margin})


def _below(scaled: bool) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        weights, drawn = _rows(rng, runs, ratio=0.5, scaled=scaled)
        logs = np.log(np.maximum(weights, np.finfo(np.float64).tiny))
        entropy = -np.sum(weights * logs, axis=1) / np.log(_TOKENS)
        return Evidence(np.minimum(entropy, 1.0), drawn.margins)

    return experiment


def _above(scaled: bool) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        weights, drawn = _rows(rng, runs, ratio=2.0, scaled=scaled)
        largest = np.minimum(np.sum(weights**2, axis=1), 1.0)
        return Evidence(2.0 * (1 - largest), drawn.margins)

    return experiment


_SETTING = (
    f"T = {_TOKENS}, overlaps p drawn from [0, 0.8], scores Gaussian as for many features. What is "
    "checked is the random energy model that the threshold comes from, on both sides of it."
)

BELOW = Trend(
    key="entropy-collapse-below",
    claim=r"\beta < \beta_c = \sqrt{2 / (1 - p)}:\quad "
    r"\frac{\text{entropy}}{\log T} \to 1 - (\beta / \beta_c)^2",
    source="giorlandino2026",
    statistic="entropy of a row over log T, at half the threshold",
    claimed=Interval(0.70, 0.80),
    method="bounded mean",
    experiment=_below(True),
    outside=_below(False),
    hypotheses=(_SCALED,),
    resolution=0.0,
    runs=4096,
    first=256,
    bounds=Interval(0.0, 1.0),
    note="The value is 3/4 for infinite T. At half the threshold the sum of T weights has a "
    "relative variance near T^(-1/2), 0.016; 0.05 is allowed. " + _SETTING,
)

ABOVE = Trend(
    key="entropy-collapse-above",
    claim=r"\beta > \beta_c = \sqrt{2 / (1 - p)}:\quad "
    r"E \sum_j A_{ij}^2 \to 1 - \beta_c / \beta > 0",
    source="giorlandino2026",
    statistic="beta / beta_c (1 - sum of squared weights of a row), at twice the threshold",
    claimed=Interval(0.75, 1.25),
    method="bounded mean",
    experiment=_above(True),
    outside=_above(False),
    hypotheses=(_SCALED,),
    resolution=0.0,
    runs=8192,
    first=512,
    bounds=Interval(0.0, 2.0),
    note="The value, 1 for infinite T, is where the threshold lies in units of beta_c. It is "
    "reached as 1 / log T, which is 0.12: the tail of a Gaussian has a slope of 3.8 where one of T "
    "draws is expected, and not sqrt(2 log T) = 4.08, which alone makes 0.93 of it. Twice "
    "1 / log T is allowed: an order, not a bound. " + _SETTING,
)

ENTROPY_TRENDS = (BELOW, ABOVE)
