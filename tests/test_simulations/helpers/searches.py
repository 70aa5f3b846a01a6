"""Which theorems and trends are searched in the tests, and what comes back?"""

from typing import Any

from simulations.search.catalogue import verify
from simulations.search.theorem import Report

WRONG = "activation-gelu-constant-one"
RATE = "norm-orthogonal-values-collapse"
WRONG_TREND = "markov-stable-rank-of-adjacency"


def report_of(key: str, **options: Any) -> Report:
    report = verify(key, **options)[0]
    assert isinstance(report, Report)
    return report
