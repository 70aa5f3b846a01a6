from theory.statements.checks import check
from theory.statements.domains import Domain, Free, Sample, draw
from theory.statements.instances import leaves, map_arrays
from theory.statements.judgement import Judgement, judge
from theory.statements.theorem import Hypothesis, Theorem
from theory.statements.trend import Evidence, Interval, Trend
from theory.statements.verdict import Verdict

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
