"""What do the certificates that come with the project prove, once each has been checked again?"""

import json
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import theory
from theory.proofs.check import check

STORED = Path(theory.__file__).parent / "proofs" / "stored"


class WorstCase(NamedTuple):
    """Between which two numbers the worst case of residual attention is, for n tokens and t."""

    tokens: int
    t: float
    reached: float
    at_most: float


def worst_cases(*, most_tokens: int) -> list[WorstCase]:
    """Return what is proved of residual attention, by tokens and t; each proof is checked here.

    Raises: ValueError if one is none
    """
    found = []
    for path in sorted(STORED.glob("attention-*.json")):
        data = path.read_bytes()
        claim = json.loads(data)["claim"]
        if claim["tokens"] <= most_tokens:
            check(data)
            names = ("t", "reached_squared", "at_most_squared")
            t, low, high = (float(Fraction(claim[name])) for name in names)
            found.append(WorstCase(claim["tokens"], t, low**0.5, high**0.5))
    return sorted(found)
