"""How are activations applied in place to many numbers at once?"""

import math

import numpy as np
from array_api_compat import is_numpy_array

from theory.arrays import Array
from theory.blocks.activations import activation

_BLOCK = 2**14
_ERFC = (
    *(0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807),
    *(-0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223),
)
"""log(erfc(z) / t) + z^2 as a polynomial in t = 1 / (1 + z/2), z >= 0, highest power first."""


def activate(name: str, x: Array) -> Array:
    """Apply the activation, in the place of x where NumPy allows it.

    GELU of float32 is within 4 eps of its argument, as everywhere (see
    `theory.bounds.rounding.ACTIVATION_STEPS`), but in half the time that SciPy's erfc takes.
    """
    if is_numpy_array(x):
        if name == "relu":
            return np.maximum(x, 0, out=x)
        if name == "gelu" and x.dtype == np.float32 and x.flags.c_contiguous:
            flat = x.reshape(-1)
            for start in range(0, flat.size, _BLOCK):
                _gelu(flat[start : start + _BLOCK])
            return x
    return activation(name).function(x)


def _gelu(x: Array) -> None:
    """Replace x by x erfc(-x / sqrt 2) / 2, for a block that stays in the cache.

    With the fit of erfc to a relative 1.2e-7 that Numerical Recipes has for single precision.
    """
    # Beyond 20, erfc is below the smallest number, and squares should not overflow.
    z = np.minimum(np.abs(x), np.float32(20)) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.5) * z)
    power = t * np.float32(_ERFC[0])
    for coefficient in _ERFC[1:-1]:
        power += np.float32(coefficient)
        power *= t
    power += np.float32(_ERFC[-1])
    z *= z
    power -= z
    np.exp(power, out=power)
    power *= t
    power *= np.float32(0.5)
    x *= np.where(x > 0, 1 - power, power)
