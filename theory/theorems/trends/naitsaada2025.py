"""What are the singular values of an attention matrix with random weights? (Nait Saada 2025)"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import svdvals

from theory.arrays import Floats
from theory.statements.intervals import slopes
from theory.statements.trend import Evidence, Experiment, Interval, Trend

_SIZES = np.asarray([32, 64, 128, 256])
_DOMINATED = "no weight is half of its row (entries with finite fourth moment)"
_LARGE_T = (
    " Sizes from 32 to 256 tokens. 0.1 of an exponent is allowed for finite T: the edge of the "
    "bulk is off by a share of order T^(-2/3), which is 0.1 at T = 32. An order, not a bound."
)


def _markov(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _gaussian_scores(rng: np.random.Generator, n: int) -> Floats:
    return _markov(np.exp(0.5 * rng.standard_normal((n, n))))


def _heavy_tails(rng: np.random.Generator, n: int) -> Floats:
    """Weights without a mean: in each row a few carry all, however long the row is."""
    return _markov(rng.pareto(0.5, (n, n)))


def _excess_of_first(values: Floats) -> float:
    return float(values[0] - 1)


def _second(values: Floats) -> float:
    return float(values[1])


def _excess_rank_of_covariance(values: Floats) -> float:
    return float(np.sum((values[1:] / values[0]) ** 4))


def _excess_rank(values: Floats) -> float:
    return float(np.sum((values[1:] / values[0]) ** 2))


def _exponent(
    read: Callable[[Floats], float], draw: Callable[[np.random.Generator, int], Floats]
) -> Experiment:
    def experiment(rng: np.random.Generator, runs: int) -> Evidence:
        found, share = np.empty((runs, _SIZES.size)), np.empty((runs, _SIZES.size))
        for i in range(runs):
            for j, n in enumerate(_SIZES):
                adjacency = draw(rng, int(n))
                found[i, j] = read(svdvals(adjacency))
                share[i, j] = adjacency.max()
        margins = {_DOMINATED: share.max(axis=1) - 0.5}
        return Evidence(slopes(np.log(_SIZES), np.log(found)), margins)

    return experiment


FIRST = Trend(
    key="markov-first-singular-value",
    claim=r"s_1(A) \to 1 \quad (T \to \infty)",
    source="naitsaada2025",
    statistic="exponent of s_1 - 1 in the number of tokens T",
    claimed=Interval(-np.inf, -0.1),
    method="mean",
    experiment=_exponent(_excess_of_first, _gaussian_scores),
    outside=_exponent(_excess_of_first, _heavy_tails),
    hypotheses=(_DOMINATED,),
    resolution=0.0,
    runs=64,
    note="Scores i.i.d. Gaussian. The source gives no rate: any that is clearly negative will do. "
    "s_1^2 - 1 is the variance of the column sums, of order 1/T." + _LARGE_T,
)

SECOND = Trend(
    key="markov-second-singular-value",
    claim=r"s_2(A) = O(T^{-1/2})",
    source="naitsaada2025",
    statistic="exponent of s_2 in the number of tokens T",
    claimed=Interval(-0.6, -0.4),
    method="mean",
    experiment=_exponent(_second, _gaussian_scores),
    outside=_exponent(_second, _heavy_tails),
    hypotheses=(_DOMINATED,),
    resolution=0.05,
    runs=64,
    note="An O alone would allow less; the circular law makes it the exact order." + _LARGE_T,
)

STABLE_RANK = Trend(
    key="markov-stable-rank-of-covariance",
    claim=r"\|A A^T\|_F^2 / \|A A^T\|_2^2 - 1 = O(1/T)",
    source="naitsaada2025",
    statistic="exponent of the stable rank of A A^T, less one, in the number of tokens T",
    claimed=Interval(-1.2, -0.8),
    method="mean",
    experiment=_exponent(_excess_rank_of_covariance, _gaussian_scores),
    outside=_exponent(_excess_rank_of_covariance, _heavy_tails),
    hypotheses=(_DOMINATED,),
    resolution=0.05,
    runs=64,
    note="The covariance of the tokens after one attention, from orthonormal ones: the sum over "
    "i >= 2 of (s_i / s_1)^4, T terms of order T^-2. Sizes from 32 to 256 tokens. 0.2 is allowed "
    "for finite T, in fourth powers half of what is allowed for s_2. An order, not a bound.",
)

STABLE_RANK_OF_A = Trend(
    key="markov-stable-rank-of-adjacency",
    claim=r"\|A\|_F^2 / \|A\|_2^2 - 1 = O(1/T)",
    source="naitsaada2025",
    statistic="exponent of the stable rank of A, less one, in the number of tokens T",
    claimed=Interval(-np.inf, -0.8),
    method="mean",
    experiment=_exponent(_excess_rank, _gaussian_scores),
    outside=_exponent(_excess_rank, _heavy_tails),
    hypotheses=(_DOMINATED,),
    resolution=0.05,
    runs=64,
    expected="refuted",
    correction="markov-stable-rank-of-covariance: it is A A^T whose stable rank tends to one; "
    "that of A tends to 1 + variance / mean^2 of the weights",
    note="How the statement reads when 'stable rank' is taken of A itself: a misreading of the "
    "source, kept since the two are easily confused. T terms of order 1/T do not vanish.",
)

MARKOV_TRENDS = (FIRST, SECOND, STABLE_RANK, STABLE_RANK_OF_A)
