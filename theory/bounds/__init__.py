"""By how much can a block stretch the distance to consensus, at most, and what follows?

The coefficient v of the block theorem and its sharper forms, between two ends that rounding cannot
leave; how large v can be on any tokens that follow, and whether that implies convergence; and how
far rounding moves both sides.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
