"""Is a violation still there with fifty digits, or was it rounding?"""

import importlib
from typing import Any

from simulations.attack_search import Point
from theory.arrays import InputError
from theory.statements import Theorem

DIGITS = 50


def persists(theorem: Theorem[Any], at: Point) -> bool | None:
    """Compute both sides again in extended precision; None if that cannot be done here."""
    recheck = getattr(importlib.import_module("theory.extended"), "recheck", None)
    if recheck is None:
        return None
    try:
        verdict = recheck(theorem, at.sizes, at.params, digits=DIGITS)
    except (InputError, NotImplementedError):
        return None
    return bool(verdict.status == "refuted")
