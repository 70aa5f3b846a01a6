"""How long is a theorem searched for a counterexample, unless told otherwise?"""

DEFAULT_TRIALS = 2000
"""Random instances of each theorem."""

DEFAULT_BUDGET = 60_000
"""Instances that an attack checks."""
