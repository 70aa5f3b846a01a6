from theory.statements.domains import Domain, Free, Sample, draw
from theory.statements.instances import leaves, map_arrays
from theory.statements.theorem import Hypothesis, Theorem, Verdict, check
from theory.statements.trend import Evidence, Interval, Judgement, Trend, judge

__all__ = [
    "Domain",
    "Evidence",
    "Free",
    "Hypothesis",
    "Interval",
    "Judgement",
    "Sample",
    "Theorem",
    "Trend",
    "Verdict",
    "check",
    "draw",
    "judge",
    "leaves",
    "map_arrays",
]
