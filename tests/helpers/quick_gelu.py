"""How does an activation that the package does not have come into it, for a test?"""

import math

import pytest

from theory.arrays import Array, namespace
from theory.blocks.activations import ACTIVATIONS, Activation

_SLOPE = 1.702


def _gate(x: Array) -> Array:
    xp = namespace(x)
    small = xp.exp(-_SLOPE * xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _derivative(x: Array) -> Array:
    return _gate(x) * (1 + _SLOPE * x * (1 - _gate(x)))


def _steepest() -> float:
    """Where y tanh(y / 2) = 2 for y = 1.702 x the slope is 1/2 + y / 4."""
    y = 2.4
    for _ in range(60):
        y = 2 / math.tanh(y / 2)
    return 0.5 + y / 4


QUICK_GELU = Activation(
    "quick_gelu",
    lambda x: x * _gate(x),
    _derivative,
    _steepest,
    "gate",
    logit="1702 * x / 1000",
)
"""x sigmoid(1.702 x), the cheap GELU of CLIP."""


def plant_quick_gelu(patch: pytest.MonkeyPatch) -> None:
    """Add the activation where one is added: an entry in the table."""
    patch.setitem(ACTIVATIONS, "quick_gelu", QUICK_GELU)
