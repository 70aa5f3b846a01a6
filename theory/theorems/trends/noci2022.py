"""Does scaling the residual branch by 1 / sqrt(L) keep tokens apart? (Noci et al. 2022)"""

import numpy as np

from theory.arrays import Floats
from theory.statements.intervals import slopes
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_TOKENS, _FEATURES, _DEPTH = 16, 64, 24
_DEPTHS = np.asarray([4, 8, 16, 32, 64])
_SCALED = "the attention branch is scaled by at most 1 / sqrt(L)"
_INDEPENDENT = "the first tokens are uncorrelated"
_FIRST_COSINE = 0.2  # of the mean over so many runs; for equal tokens it is 1


def expected_cosine(n: int, alpha: float, depth: int) -> float:
    """Return the expected inner product of two tokens over the expected squared norm of one.

    For uniform attention, values with variance 1/d, x <- x + alpha A x W, uncorrelated start:
    the sum of all inner products grows by 1 + alpha^2 a layer, and each squared norm by 1/n-th of
    what that sum grows by over n tokens.
    """
    growth = (1 + alpha**2) ** depth
    return (growth - 1) / (n + growth - 1)


def _expected_norm(n: int, alpha: float, depth: int) -> float:
    return 1 + ((1 + alpha**2) ** depth - 1) / n


def _run(rng: np.random.Generator, runs: int, *, alpha: float, depth: int) -> tuple[Floats, ...]:
    """Return the tokens (runs, n, d) at the start and at the end."""
    start = rng.standard_normal((runs, _TOKENS, _FEATURES))
    tokens = start
    for _ in range(depth):
        value = rng.standard_normal((runs, _FEATURES, _FEATURES)) / _FEATURES**0.5
        tokens = tokens + alpha * tokens.mean(axis=1, keepdims=True) @ value
    return start, tokens


def _products(tokens: Floats) -> Floats:
    """Return the mean inner product of two different tokens (runs,), over d."""
    total = np.sum(tokens.sum(axis=1) ** 2, axis=-1) - np.sum(tokens**2, axis=(1, 2))
    return np.asarray(total / (_TOKENS * (_TOKENS - 1) * _FEATURES))


def _apart(tokens: Floats) -> Floats:
    """Return 1 - mean cosine (runs,), with all its digits where the cosine is nearly one."""
    unit = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)
    centred = unit - unit.mean(axis=1, keepdims=True)
    return np.asarray(np.sum(centred**2, axis=(1, 2)) / (_TOKENS - 1))


def _margins(start: Floats, alpha: float, depth: int) -> dict[str, Floats]:
    """Compare with what was asked; the first tokens are read off what was drawn."""
    return {
        _SCALED: np.asarray(alpha * depth**0.5 - 1 - 1e-12),
        _INDEPENDENT: np.abs(_products(start)) - _FIRST_COSINE,
    }


def _predicted(factor: float) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        alpha = factor / _DEPTH**0.5
        start, end = _run(rng, runs, alpha=alpha, depth=_DEPTH)
        norm = _expected_norm(_TOKENS, 1 / _DEPTH**0.5, _DEPTH)
        return Evidence(_products(end) / norm, _margins(start, alpha, _DEPTH))

    return experiment


def _exponent(scaled: bool) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        apart = np.empty((runs, _DEPTHS.size))
        margins: dict[str, Floats] = {}
        for j, depth in enumerate(_DEPTHS.tolist()):
            alpha = depth**-0.5 if scaled else 1.0
            start, end = _run(rng, runs, alpha=alpha, depth=depth)
            apart[:, j] = _apart(end)
            for name, margin in _margins(start, alpha, depth).items():
                margins[name] = np.maximum(margins.get(name, -np.inf), margin)
        return Evidence(slopes(np.log(_DEPTHS), np.log(apart)), margins)

    return experiment


_VALUE = expected_cosine(_TOKENS, _DEPTH**-0.5, _DEPTH)

_ENDS = [1 - expected_cosine(_TOKENS, depth**-0.5, int(depth)) for depth in _DEPTHS[[0, -1]]]
_EXPONENT = float(np.log(_ENDS[1] / _ENDS[0]) / np.log(_DEPTHS[-1] / _DEPTHS[0]))

PREDICTED = Trend(
    key="residual-scaling-cosine",
    claim=r"\frac{E\,x_i \cdot x_j}{E\,|x_i|^2} = \frac{g - 1}{n + g - 1},\; "
    r"g = \left(1 + \tfrac1L\right)^L \to e",
    source="noci2022",
    statistic=f"mean inner product of two tokens over the expected squared norm, {_TOKENS} tokens, "
    f"{_DEPTH} layers",
    claimed=Interval(_VALUE, _VALUE),
    method="mean",
    experiment=_predicted(1.0),
    outside=_predicted(3.0),
    hypotheses=(_SCALED, _INDEPENDENT),
    resolution=0.03,
    runs=1024,
    first=64,
    note="Uniform attention, no feed-forward, values of variance 1/d. The value is derived here "
    "from the source's recursion for the sum of inner products, at finite depth; with "
    "uncorrelated first tokens. Samples are means over 240 pairs: Student's interval assumes "
    "that their mean is normal.",
)

STAYS_APART = Trend(
    key="residual-scaling-keeps-apart",
    claim=r"\alpha = 1/\sqrt L:\quad 1 - \cos \not\to 0 \quad (L \to \infty)",
    source="noci2022",
    statistic="exponent of 1 - mean cosine in the depth L, 4 to 64",
    claimed=Interval(-0.1, 0.1),
    method="mean",
    experiment=_exponent(True),
    outside=_exponent(False),
    hypotheses=(_SCALED, _INDEPENDENT),
    resolution=0.05,
    runs=256,
    first=32,
    note="Uniform attention, no feed-forward. 'Stays' is read as an exponent of at most a tenth in "
    "absolute value. By the formula of residual-scaling-cosine it is "
    f"{_EXPONENT:.3f} at these depths; without the scaling, 1 - cos falls like 2^-L.",
)

RESIDUAL_TRENDS = (PREDICTED, STAYS_APART)
