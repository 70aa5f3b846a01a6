from theory.statements.domains import Domain, Free, Sample, draw
from theory.statements.evaluation import check
from theory.statements.instances import leaves, map_arrays
from theory.statements.judgement import Judgement, judge
from theory.statements.real_layer import RealLayer
from theory.statements.sizes import Choice, Exponent, Length
from theory.statements.theorem import Hypothesis, Theorem
from theory.statements.trend import Evidence, Interval, Trend
from theory.statements.verdict import Verdict

__all__ = [
    "Choice",
    "Domain",
    "Evidence",
    "Exponent",
    "Free",
    "Hypothesis",
    "Interval",
    "Judgement",
    "Length",
    "RealLayer",
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
