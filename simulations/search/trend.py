"""Do samples of a trend's statistic agree with what is claimed of it?"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from simulations.machine.json import finite
from simulations.stacks.seeds import generator
from theory.statements.judgement import judge
from theory.statements.trend import Interval, Trend
from theory.statements.verdict import Status


@dataclass(frozen=True)
class TrendReport:
    """What the samples of one trend showed: an interval that is wrong with chance ``alpha``.

    ``trials`` are the samples drawn: a trend draws until it can decide. ``ok`` says that the
    status is the expected one; ``reason`` why it is "does not apply", if it is.
    """

    key: str
    source: str
    expected: Literal["holds", "refuted"]
    status: Status
    statistic: str
    trials: int
    estimate: float
    lower: float
    upper: float
    claimed: Interval
    alpha: float
    reason: str
    seconds: float
    seed: int

    @property
    def ok(self) -> bool:
        """Whether nothing here is unexpected."""
        return self.status == self.expected

    def as_json(self) -> dict[str, Any]:
        """Return the numbers by name; what JSON cannot say (NaN, infinity) becomes None."""
        values: dict[str, Any] = {"kind": "trend"}
        names = ("key", "source", "expected", "status", "statistic", "trials")
        values |= {name: getattr(self, name) for name in names}
        for name in ("estimate", "lower", "upper", "alpha", "seconds"):
            values[name] = finite(getattr(self, name))
        values["claimed"] = [finite(end) for end in self.claimed]
        return {**values, "reason": self.reason, "seed": self.seed, "ok": self.ok}


def verify_trend(
    trend: Trend,
    *,
    seed: int = 0,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> TrendReport:
    """Judge one trend, of the catalogue or not; the numbers depend on seed and key only.

    ``on_progress`` is called with the key, the samples drawn and the most that may be drawn;
    these are equal at the end only.

    Raises: InputError for a negative seed
    """
    start = time.perf_counter()

    def tell(done: int, most: int) -> None:
        if on_progress is not None and done < most:  # the end is told below
            on_progress(trend.key, done, most)

    found = judge(trend, generator(seed, "verify", trend.key), on_progress=tell)
    if on_progress is not None:
        on_progress(trend.key, found.samples.size, found.samples.size)
    return TrendReport(
        key=trend.key,
        source=trend.source,
        expected=trend.expected,
        status=found.status,
        statistic=trend.statistic,
        trials=found.samples.size,
        estimate=found.estimate,
        lower=found.lower,
        upper=found.upper,
        claimed=found.claimed,
        alpha=found.alpha,
        reason=found.reason,
        seconds=time.perf_counter() - start,
        seed=seed,
    )
