"""Which instance beside a given one has rows of attention that sum to one exactly?

Weights that were divided by their sums in floats miss one by a rounding, and a hypothesis that is
an equality is broken by that. The instance next to it that meets it, by construction, is certified
in its place, and that is said.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from theory.arrays import Array, to_numpy
from theory.balls.verdicts import CertifiedVerdict, certify
from theory.bounds.rounding import row_sum_allowance
from theory.statements.instances import Instance
from theory.statements.theorem import Theorem

NEAREST = "the numbers as they are given, but every row of A divided by its sum, exactly"


def certify_given(theorem: Theorem[Instance], instance: Instance) -> CertifiedVerdict:
    """Certify a theorem on an instance as it is, or with rows of A divided by their sums.

    The latter where the theorem does not apply to the numbers as they are, and the rows miss one
    by no more than rounding does: ``about`` of the verdict says which.

    Raises: InputError as `theory.balls.verdicts.certify`
    """
    found = certify(theorem, instance)
    adjacency = getattr(instance, "adjacency", None)
    if found.outcome != "does not apply" or adjacency is None:
        return found
    divided = _divided(adjacency)
    if divided is None:
        return found
    near: Any = replace(instance, adjacency=divided)  # type: ignore[type-var]
    return certify(theorem, near, about=NEAREST)


def _divided(adjacency: Array) -> Any | None:
    """Return the rows as fractions that sum to one, None where rounding does not explain a miss."""
    host = to_numpy(adjacency).astype(np.float64)
    if not (abs(host.sum(axis=-1) - 1) <= row_sum_allowance(host)).all():
        return None
    exact = np.frompyfunc(Fraction, 1, 1)(host)
    return exact / exact.sum(axis=-1, keepdims=True)
