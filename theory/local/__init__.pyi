from theory.local.ascent import reached_ratio
from theory.local.bound import LocalBound, local_bound

__all__ = [
    "LocalBound",
    "local_bound",
    "reached_ratio",
]
