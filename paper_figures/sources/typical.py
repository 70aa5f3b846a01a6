"""What does a theorem say about Gaussian weights and tokens of a Transformer's sizes?"""

from typing import Any

import numpy as np

from theory.arrays import InputError
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.statements.typical import draw_typical
from theory.statements.verdict import Verdict


def typical_verdict(
    theorem: Theorem[Any], rng: np.random.Generator, *, members: int
) -> Verdict | None:
    """Check a theorem on instances that its domain calls typical; None if it applies to none."""
    try:
        verdict = check(theorem, draw_typical(theorem.domain, rng, members=members))
    except (InputError, ArithmeticError):
        return None
    return verdict if verdict.applies.any() else None
