from theory.local.ascent import reached_ratio
from theory.local.bound import LocalBound, Neighbourhood, local_bound, neighbourhood

__all__ = [
    "LocalBound",
    "Neighbourhood",
    "local_bound",
    "neighbourhood",
    "reached_ratio",
]
