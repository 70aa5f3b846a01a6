"""How is it proved how steep an activation is at most?

Floats find where it is steepest; the checker decides by balls, so that nothing of this is trusted.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from theory.arrays import InputError
from theory.blocks.activations import ACTIVATIONS
from theory.proofs.certificates import seal

PROVED = ("gelu", "gelu_tanh", "silu", "quick_gelu")
"""The gated activations, steepest where nothing is at a corner."""
_DIGITS = 10**12


def activation_slope(name: str) -> dict[str, Any]:
    """Return the certificate of an activation's steepest slope, to twelve digits.

    Raises: InputError for an activation that is not gated
    """
    if name not in PROVED:
        raise InputError(f"activation must be one of {', '.join(PROVED)}, but is {name!r}")
    from scipy.optimize import minimize_scalar  # it takes a second to import

    phi = ACTIVATIONS[name]
    found = minimize_scalar(
        lambda x: -float(phi.derivative(np.float64(x))),
        bounds=(0, 8),
        method="bounded",
        options={"xatol": 1e-9},
    )
    below = Fraction(int(phi.lipschitz * _DIGITS), _DIGITS)
    claim = {
        "activation": name,
        "at_least": str(below - Fraction(1, _DIGITS)),
        "at_most": str(below + Fraction(2, _DIGITS)),
    }
    steepest = Fraction(float(found.x)).limit_denominator(10**9)
    return seal("activation-slope", claim, {"steepest": str(steepest)})
