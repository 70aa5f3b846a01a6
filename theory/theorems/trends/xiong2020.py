"""How large are the tokens of a Transformer at initialisation? (Xiong et al. 2020, Lemma 2)"""

import numpy as np

from theory.arrays import Floats
from theory.blocks.norms import Norm, apply_norm
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_TOKENS, _FEATURES, _DEPTH = 6, 48, 6
_VARIANCE = "the weights have mean square 1/d (Xavier)"
_NORM = "the first tokens have mean squared norm d"
_ALLOWED = 0.7  # relative, for the mean square of what was drawn in one run


def _matrix(rng: np.random.Generator, runs: int, gain: float) -> Floats:
    matrix = rng.standard_normal((runs, _FEATURES, _FEATURES)) / _FEATURES**0.5
    return np.asarray(gain * matrix)


def _off(values: Floats, wanted: float) -> Floats:
    """By how much a run's mean square differs from what is wanted, beyond what chance allows."""
    mean = np.mean(values**2, axis=tuple(range(1, values.ndim)))
    return np.asarray(np.abs(mean / wanted - 1) - _ALLOWED)


def _layer_norm(tokens: Floats) -> Floats:
    return np.asarray(apply_norm(Norm(eps=0.0), tokens))


def _attend(rng: np.random.Generator, tokens: Floats, gain: float) -> tuple[Floats, Floats]:
    """Attend with random scores: the claim is the same for any row-stochastic weights."""
    runs, d = tokens.shape[0], tokens.shape[-1]
    query, key, value = (_matrix(rng, runs, gain) for _ in range(3))
    scores = (tokens @ query) @ np.swapaxes(tokens @ key, -1, -2) / d**0.5
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights @ tokens @ value, value


def _feed_forward(rng: np.random.Generator, tokens: Floats, gain: float) -> Floats:
    first, second = (_matrix(rng, tokens.shape[0], gain) for _ in range(2))
    return np.asarray(np.maximum(tokens @ first, 0.0) @ second)


def _squared_norm(tokens: Floats) -> Floats:
    """Return the mean over the tokens of their squared norm over d (runs,)."""
    return np.asarray(np.mean(tokens**2, axis=(1, 2)))


def _post_norm(gain: float) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        tokens = start = rng.standard_normal((runs, _TOKENS, _FEATURES))
        before = start
        spread = np.full(runs, -np.inf)
        for _ in range(_DEPTH):
            change, value = _attend(rng, tokens, gain)
            spread = np.maximum(spread, _off(value, 1 / _FEATURES))
            between = _layer_norm(tokens + change)
            before = between + _feed_forward(rng, between, gain)
            tokens = _layer_norm(before)
        return Evidence(_squared_norm(before), {_VARIANCE: spread, _NORM: _off(start, 1.0)})

    return experiment


def _pre_norm(gain: float) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        tokens = start = rng.standard_normal((runs, _TOKENS, _FEATURES))
        spread = np.full(runs, -np.inf)
        for _ in range(_DEPTH):
            change, value = _attend(rng, _layer_norm(tokens), gain)
            spread = np.maximum(spread, _off(value, 1 / _FEATURES))
            tokens = tokens + change
            tokens = tokens + _feed_forward(rng, _layer_norm(tokens), gain)
        growth = (_squared_norm(tokens) - _squared_norm(start)) / _DEPTH
        return Evidence(growth, {_VARIANCE: spread, _NORM: _off(start, 1.0)})

    return experiment


_SETTING = (
    f"{_TOKENS} tokens, {_FEATURES} features, {_DEPTH} layers, one head, random scores, ReLU, no "
    "bias. Samples are means over a whole run: Student's interval assumes that the mean of all "
    "of them is normal."
)

POST_NORM = Trend(
    key="init-post-norm-size",
    claim=r"\text{Post-LN}:\quad E\,|x_l|^2 = \tfrac32 d",
    source="xiong2020",
    statistic="mean squared norm of a token over d, before the last LayerNorm of a block",
    claimed=Interval(1.5, 1.5),
    method="mean",
    experiment=_post_norm(1.0),
    outside=_post_norm(2.0),
    hypotheses=(_VARIANCE, _NORM),
    resolution=0.12,
    runs=2048,
    first=128,
    note="Of what enters the second LayerNorm: what leaves it has squared norm d. " + _SETTING,
)

PRE_NORM = Trend(
    key="init-pre-norm-growth",
    claim=r"\text{Pre-LN}:\quad \left(1 + \tfrac l2\right) d \le E\,|x_l|^2 "
    r"\le \left(1 + \tfrac{3l}2\right) d",
    source="xiong2020",
    statistic="(mean squared norm of a token over d, less that of the first tokens) / l",
    claimed=Interval(0.5, 1.5),
    method="mean",
    experiment=_pre_norm(1.0),
    outside=_pre_norm(2.0),
    hypotheses=(_VARIANCE, _NORM),
    resolution=0.05,
    runs=2048,
    first=128,
    note="The source's E |x_0|^2 = d is subtracted as it was drawn, which has the same mean. "
    + _SETTING,
)

INITIALISATION_TRENDS = (POST_NORM, PRE_NORM)
