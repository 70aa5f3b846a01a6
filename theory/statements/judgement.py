"""What do samples say about a trend, and when are there enough of them?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from theory.arrays import Floats, InputError
from theory.records import brief_repr
from theory.statements.intervals import INTERVALS
from theory.statements.trend import Evidence, Interval, Trend
from theory.statements.verdict import Status

ALPHA = 1e-9
"""How often a true claim may be called refuted: once in so many judgements is allowed."""

UNDECIDED = "the data do not decide"
NOT_FINITE = "a sample is no finite number"
_MOST_RUNS = 10_000_000


@brief_repr
@dataclass(frozen=True, eq=False)
class Judgement:
    """What the samples say about a trend: an interval, compared with the claimed one.

    ``lower`` and ``upper`` enclose the statistic's true value but for a chance of ``alpha``, and
    ``estimate`` lies between them; under the method "every" they enclose the samples. ``looks``
    counts how often they were looked at. ``margins`` are the worst over the samples, NaN where
    one could not be computed.
    """

    key: str
    claimed: Interval
    alpha: float
    samples: Floats
    margins: Mapping[str, float]
    estimate: float
    lower: float
    upper: float
    looks: int
    resolution: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """The hypotheses that are broken or could not be measured."""
        return tuple(name for name, margin in self.margins.items() if not margin <= 0)

    @property
    def fails(self) -> bool:
        """Whether the interval lies outside the claimed one, hypotheses or not."""
        return self.lower > self.claimed.upper or self.upper < self.claimed.lower

    @property
    def agrees(self) -> bool:
        """Whether the interval lies in the claimed one, or meets it and is narrow."""
        if self.fails or not (self.lower <= self.upper):
            return False
        inside = self.claimed.lower <= self.lower and self.upper <= self.claimed.upper
        return inside or self.upper - self.lower <= self.resolution

    @property
    def status(self) -> Status:
        """'holds', 'refuted' or 'does not apply': the last also where the data do not decide."""
        if self.reasons or not (self.fails or self.agrees):
            return "does not apply"
        return "refuted" if self.fails else "holds"

    @property
    def reason(self) -> str:
        """Why the claim does not apply, or nothing where it does."""
        if self.reasons:
            return "; ".join(self.reasons)
        if not np.isfinite(self.samples).all():
            return NOT_FINITE
        return "" if self.fails or self.agrees else UNDECIDED


def judge(
    trend: Trend,
    rng: np.random.Generator,
    *,
    runs: int | None = None,
    alpha: float = ALPHA,
    outside: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Judgement:
    """Draw samples of a trend's statistic until they decide, and say what they say.

    The samples are looked at when there are ``first`` of them and each time that their number has
    doubled. Look k has an interval of its own at level alpha / 2^k, so that the chance of any
    false one is below alpha however many there are: drawing until something shows costs nothing.
    A method that speaks of every sample goes on to the end unless one fails. ``outside`` judges
    the experiment that breaks a hypothesis.

    Raises: InputError for an impossible number of runs or an alpha outside (0, 1)
    Source: this project's; a union bound over the looks
    """
    most = trend.runs if runs is None else _require_runs(runs)
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, but is {alpha!r}")
    experiment = trend.outside if outside else trend.experiment
    samples = np.zeros(0)
    margins: dict[str, float] = {}
    slack, looks = 0.0, 0
    while True:
        wanted = min(trend.first if looks == 0 else 2 * samples.size, most)
        new = experiment(rng, wanted - samples.size)
        _require_evidence(trend, new, wanted - samples.size)
        samples = np.concatenate([samples, new.samples])
        for name, margin in new.margins.items():
            margins[name] = float(np.max(margin, initial=margins.get(name, -np.inf)))
        slack, looks = max(slack, new.slack), looks + 1
        found = _interval(trend, samples, slack, alpha / 2**looks)
        result = Judgement(
            trend.key, trend.claimed, alpha, samples, margins, *found, looks, trend.resolution
        )
        if on_progress is not None:
            on_progress(samples.size, most)
        final = result.fails if trend.method == "every" else result.fails or result.agrees
        broken = bool(result.reasons) and not outside
        if samples.size >= most or final or broken or not np.isfinite(samples).all():
            return result


def _require_evidence(trend: Trend, found: Evidence, runs: int) -> None:
    if set(found.margins) != set(trend.hypotheses):
        raise InputError(
            f"{trend.key}: the experiment must have a margin for each of the hypotheses "
            f"{', '.join(trend.hypotheses)}, but has {', '.join(found.margins) or 'none'}"
        )
    if found.samples.shape != (runs,):
        raise InputError(
            f"{trend.key}: the experiment must give {runs} samples, as it was asked to, but gives "
            f"an array of shape {found.samples.shape}"
        )


def _interval(
    trend: Trend, samples: Floats, slack: float, level: float
) -> tuple[float, float, float]:
    """Return estimate and interval; infinite, so undecided, where a sample is not finite."""
    if not np.isfinite(samples).all():
        return np.nan, -np.inf, np.inf
    if trend.method == "every":
        # A sample fails alone: what is compared is the one that is furthest out, less the slack.
        low, high = float(samples.min()) + slack, float(samples.max()) - slack
        below, above = low < trend.claimed.lower, high > trend.claimed.upper
        worst = low if below else high if above else float(np.median(samples))
        if below or above:
            return worst, worst, worst
        low, high = float(samples.min()), float(samples.max())
        return worst, max(low, trend.claimed.lower), min(high, trend.claimed.upper)
    if samples.size < 2:
        return float(samples.mean()), -np.inf, np.inf
    estimate, lower, upper = INTERVALS[trend.method](samples, trend.bounds, level)
    return estimate, lower - slack, upper + slack


def _require_runs(runs: int) -> int:
    if isinstance(runs, bool) or not isinstance(runs, int):
        raise InputError(f"runs must be a whole number, but is {runs!r}")
    if not 1 <= runs <= _MOST_RUNS:
        raise InputError(f"runs must be between 1 and {_MOST_RUNS:,}, but is {runs:,}")
    return runs
