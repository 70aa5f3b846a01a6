"""Is a violation still there with fifty digits, or was it rounding?"""

from typing import Any

import numpy as np

from simulations.search.state import Point
from theory.arrays import InputError
from theory.extended.verdicts import DIGITS, recheck
from theory.statements.theorem import Theorem


def persists(theorem: Theorem[Any], at: Point) -> bool | None:
    """Compute both sides again in extended precision; None if some of it cannot be computed so."""
    try:
        verdict = recheck(theorem, at.sizes, at.params, digits=DIGITS)
    except (InputError, NotImplementedError):
        return None
    margins = [float(margin) for margin in verdict.margins.values()]
    if any(np.isnan(margin) for margin in margins):
        return None
    return bool(verdict.refuted)
