"""How wide is a bracket?"""

from typing import Any

import numpy as np

from tests.test_theory.helpers.exact import Floats
from theory.arrays import Array
from theory.spectra.brackets import Bracket, coupling_bracket, spectral_bracket


def bracket(matrices: Array, *, centred: bool, **options: Any) -> Bracket:
    return (
        coupling_bracket(matrices, **options) if centred else spectral_bracket(matrices, **options)
    )


def widths(found: Bracket) -> Floats:
    """Return upper / lower - 1, 0 where both are zero."""
    lower, upper = (np.asarray(end, dtype=np.float64) for end in found[:2])
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(upper == 0, 0.0, upper / lower - 1)
    return result
