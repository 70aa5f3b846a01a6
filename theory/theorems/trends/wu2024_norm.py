"""Does LayerNorm prevent the collapse of attention? (Wu et al. 2024, on LayerNorm)"""

import numpy as np

from theory.arrays import Floats
from theory.statements.flows import draw_on_sphere, flow_weights
from theory.statements.intervals import slopes
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_TOKENS, _FEATURES = 8, 6
_LAYERS = np.arange(8, 25)
_ORTHOGONAL = "values are orthogonal"
_CONE = "the first tokens lie in an acute cone"
_FITTED = "the value matrix is the one that belongs to the tokens"
_SEVERAL = "the tokens have a rank of at least two"
_MASK = np.tril(np.ones((_TOKENS, _TOKENS)))


def _scale(tokens: Floats) -> Floats:
    """Divide every token by its norm: the LayerNorm of the source, without the centring."""
    return np.asarray(tokens / np.linalg.norm(tokens, axis=-1, keepdims=True))


def _layer(tokens: Floats, form: Floats, value: Floats, mask: Floats | None) -> Floats:
    weights = flow_weights(tokens @ form @ np.swapaxes(tokens, -1, -2), mask)
    return _scale(weights @ tokens @ value)


def _apart(tokens: Floats) -> Floats:
    """Return the largest of 1 - cosine over all pairs, from differences: no digit is lost."""
    gaps = tokens[..., :, None, :] - tokens[..., None, :, :]
    return np.asarray(np.sum(gaps**2, axis=-1).max(axis=(-1, -2)) / 2)


def _orthogonal(rng: np.random.Generator, runs: int) -> Floats:
    return np.asarray(np.linalg.qr(rng.standard_normal((runs, _FEATURES, _FEATURES)))[0])


def _orthogonality(value: Floats) -> Floats:
    gram = np.swapaxes(value, -1, -2) @ value
    return np.asarray(np.abs(gram - np.eye(_FEATURES)).max(axis=(-1, -2)) - 1e-12)


def _in_cone(rng: np.random.Generator, runs: int) -> Floats:
    """Draw tokens with positive entries, then turn them: all cosines are positive."""
    positive = np.abs(rng.standard_normal((runs, _TOKENS, _FEATURES)))
    return np.asarray(_scale(positive) @ _orthogonal(rng, runs))


def _opposite(rng: np.random.Generator, runs: int) -> Floats:
    """Draw tokens that are all one direction or its opposite: no cone holds them."""
    signs = np.where(np.arange(_TOKENS) % 2 == 0, 1.0, -1.0)
    return np.asarray(signs[:, None] * draw_on_sphere(rng, runs, 1, _FEATURES))


def _collapse(cone: bool) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        tokens = (_in_cone if cone else _opposite)(rng, runs)
        least = (tokens @ np.swapaxes(tokens, -1, -2)).min(axis=(-1, -2))
        value = _orthogonal(rng, runs)
        form = rng.standard_normal((runs, _FEATURES, _FEATURES)) / _FEATURES**0.5
        if not cone:  # each token prefers its own side, so that the two sides stay apart
            form = 4.0 * np.eye(_FEATURES)
        history = []
        for _ in range(int(_LAYERS[-1]) + 1):
            history.append(_apart(tokens))
            tokens = _layer(tokens, form, value, _MASK)
        logs = np.log(np.stack(history, axis=-1)[:, _LAYERS])
        margins = {_ORTHOGONAL: _orthogonality(value), _CONE: -least}
        return Evidence(slopes(_LAYERS.astype(np.float64), logs), margins)

    return experiment


def _equilibrium(fitted: bool) -> Experiment:
    """Sample by how much one layer moves tokens, over what rounding can explain.

    r different tokens X of full rank, each as often as there is room; A X has rank r too, and
    V = (A X)^+ X makes A X V = X. The pseudo-inverse errs by its condition times eps.
    """

    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        samples, ranks = np.empty(runs), np.empty(runs)
        mismatch = np.empty(runs)
        for i in range(runs):
            rank = int(rng.integers(2, min(_TOKENS, _FEATURES) + 1))
            distinct = draw_on_sphere(rng, rank, _FEATURES)
            tokens = distinct[np.arange(_TOKENS) % rank]
            form = rng.standard_normal((_FEATURES, _FEATURES)) / _FEATURES**0.5
            heard = flow_weights(tokens @ form @ tokens.T) @ tokens
            value = np.linalg.pinv(heard[:rank]) @ distinct
            if not fitted:
                value = _orthogonal(rng, 1)[0]
            condition = np.linalg.cond(heard[:rank]) * np.linalg.cond(distinct)
            allowed = 64 * _TOKENS * _FEATURES * np.finfo(np.float64).eps * condition
            moved = np.linalg.norm(_layer(tokens, form, value, None) - tokens)
            samples[i] = moved / allowed
            ranks[i] = np.linalg.matrix_rank(tokens)
            mismatch[i] = np.linalg.norm(heard @ value - tokens) - 1e-3
        return Evidence(samples, {_FITTED: mismatch, _SEVERAL: 2 - ranks})

    return experiment


COLLAPSE = Trend(
    key="norm-orthogonal-values-collapse",
    claim=r"V \text{ orthogonal},\ \min_{ij} \cos(x_i, x_j) > 0:\quad "
    r"1 - \min_{ij} \cos(x_i^{(t)}, x_j^{(t)}) \le C e^{-c t}",
    source="wu2024role",
    statistic="slope in depth of log(1 - smallest cosine), layers 8 to 24",
    claimed=Interval(-np.inf, -0.5),
    method="mean",
    experiment=_collapse(True),
    outside=_collapse(False),
    hypotheses=(_ORTHOGONAL, _CONE),
    resolution=0.0,
    runs=256,
    first=32,
    note=f"{_TOKENS} tokens, {_FEATURES} features, causal mask, LayerNorm as division by the norm "
    "(as the source has it), no residual. The source leaves the rate open; -2 log 2 = -1.39 is "
    "derived here for a causal mask, whose second token hears two. That it is exponential is read "
    "as a slope below -0.5: at these layers t^-7 is not as steep.",
)

EQUILIBRIA = Trend(
    key="norm-equilibria-of-higher-rank",
    claim=r"\exists V:\quad \mathrm{LN}(A(X) X V) = X,\ \mathrm{rank}\, X = r, "
    r"\quad 1 \le r \le \min(n, d)",
    source="wu2024role",
    statistic="how far one layer moves the tokens, over what rounding allows; every run",
    claimed=Interval(0.0, 1.0),
    method="every",
    experiment=_equilibrium(True),
    outside=_equilibrium(False),
    hypotheses=(_FITTED, _SEVERAL),
    resolution=0.0,
    runs=512,
    first=64,
    note="Existence, so the construction is derived here: V = (A X)^+ X for any tokens of rank r, "
    "full mask, equal tokens allowed. Nothing is said of stability: most such equilibria are not "
    "approached.",
)

NORM_TRENDS = (COLLAPSE, EQUILIBRIA)
