from simulations.search.adversary import Attack, attack
from simulations.search.catalogue import verify
from simulations.search.counterexamples import (
    Counterexample,
    comes_out,
    read_counterexample,
    replay,
    write_counterexample,
)
from simulations.search.theorem import Report, verify_theorem
from simulations.search.trend import TrendReport, verify_trend

__all__ = [
    "Attack",
    "Counterexample",
    "Report",
    "TrendReport",
    "attack",
    "comes_out",
    "read_counterexample",
    "replay",
    "verify",
    "verify_theorem",
    "verify_trend",
    "write_counterexample",
]
