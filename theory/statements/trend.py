"""What is a statement about rates, flows or expectations, and what do samples of it say?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from theory.arrays import InputError
from theory.statements.intervals import INTERVALS, Method
from theory.statements.theorem import Numbers, Status

ALPHA = 1e-9
"""How often a true claim may be called refuted: once in so many judgements is allowed."""

UNDECIDED = "the data do not decide"
NOT_FINITE = "a sample is no finite number"
_MOST_RUNS = 10_000_000


class Interval(NamedTuple):
    """The numbers from lower to upper, both included; either may be infinite."""

    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """Independent samples (k,) of a statistic, and what was measured of the hypotheses.

    ``margins`` has, for every hypothesis by name, one number a sample or one for all: positive
    where the hypothesis is broken. ``slack`` bounds how far the computation alone (a solver's
    error, rounding) can move a sample.
    """

    samples: Numbers
    margins: Mapping[str, Numbers]
    slack: float = 0.0


ANYTHING = Interval(-np.inf, np.inf)

Experiment: TypeAlias = Callable[[np.random.Generator, int], Evidence]


@dataclass(frozen=True)
class Trend:
    """A claim that a statistic lies in an interval, for random draws that meet the hypotheses.

    ``claim`` is LaTeX, ``source`` a key of references.bib. ``statistic`` says in words what
    ``experiment`` samples; ``claimed`` are its values that the claim allows, which at finite size
    may include an allowance that the note gives. ``method`` says how samples become an interval:
    see `theory.statements.intervals`; ``bounds`` are the values that a sample can have at all, for
    the methods that need them. An interval no wider than ``resolution`` that meets the claimed
    one counts as agreement. ``outside`` breaks a hypothesis, and then the claim fails too.
    ``runs`` is how many samples are drawn at most, ``first`` how many before the first look.
    """

    key: str
    claim: str
    source: str
    statistic: str
    claimed: Interval
    method: Method
    experiment: Experiment
    outside: Experiment
    hypotheses: tuple[str, ...]
    resolution: float
    runs: int
    first: int = 16
    bounds: Interval = ANYTHING
    expected: Literal["holds", "refuted"] = "holds"
    correction: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        assert self.claimed.lower <= self.claimed.upper, "nothing could be in the claimed interval"
        assert bool(self.correction) == (self.expected == "refuted"), "correct what is refuted"
        assert 2 <= self.first <= self.runs, "one sample has no spread"
        assert self.hypotheses, "a claim without hypotheses has no outside"


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
    samples: Numbers
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
        assert set(new.margins) == set(trend.hypotheses), "a margin for every hypothesis"
        assert new.samples.shape == (wanted - samples.size,), "as many samples as asked for"
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


def _interval(
    trend: Trend, samples: Numbers, slack: float, level: float
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
