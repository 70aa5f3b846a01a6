from theory.extended.array import ExtendedArray
from theory.extended.verdicts import ExtendedVerdict, check_extended, extended, recheck

__all__ = [
    "ExtendedArray",
    "ExtendedVerdict",
    "check_extended",
    "extended",
    "recheck",
]
