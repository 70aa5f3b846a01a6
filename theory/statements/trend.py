"""What is a statement about rates, flows or expectations: data that samples can refute?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from theory.arrays import Floats, InputError
from theory.records import brief_repr
from theory.statements.intervals import Method


class Interval(NamedTuple):
    """The numbers from lower to upper, both included; either may be infinite."""

    lower: float
    upper: float


@brief_repr
@dataclass(frozen=True, eq=False)
class Evidence:
    """Independent samples (k,) of a statistic, and what was measured of the hypotheses.

    ``margins`` has, for every hypothesis by name, one number a sample or one for all: positive
    where the hypothesis is broken. ``slack`` bounds how far the computation alone (a solver's
    error, rounding) can move a sample.
    """

    samples: Floats
    margins: Mapping[str, Floats]
    slack: float = 0.0


ANYTHING = Interval(-np.inf, np.inf)

Experiment: TypeAlias = Callable[[np.random.Generator, int], Evidence]


@brief_repr
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
        if not self.claimed.lower <= self.claimed.upper:
            raise InputError(f"{self.key}: nothing could be in the claimed interval {self.claimed}")
        if bool(self.correction) != (self.expected == "refuted"):
            raise InputError(
                f"{self.key}: a correction belongs to expected='refuted', and to that alone"
            )
        if not 2 <= self.first <= self.runs:
            raise InputError(
                f"{self.key}: first must be between 2 and runs = {self.runs}, but is {self.first}"
            )
        if not self.hypotheses:
            raise InputError(f"{self.key}: a trend needs hypotheses, for `outside` to break")
