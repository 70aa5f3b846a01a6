"""How does an activation that the package does not have come into it, for a test?"""

import math

import pytest

from theory.arrays import Array, namespace
from theory.blocks.activations import ACTIVATIONS, Activation

_BETA = 3.0


def _gate(x: Array) -> Array:
    xp = namespace(x)
    small = xp.exp(-_BETA * xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _derivative(x: Array) -> Array:
    return _gate(x) * (1 + _BETA * x * (1 - _gate(x)))


def _steepest() -> float:
    """Where y tanh(y / 2) = 2 for y = 3 x the slope is 1/2 + y / 4."""
    y = 2.4
    for _ in range(60):
        y = 2 / math.tanh(y / 2)
    return 0.5 + y / 4


SWISH = Activation(
    "swish_3",
    lambda x: x * _gate(x),
    _derivative,
    _steepest,
    "gate",
    logit="3 * x",
)
"""x sigmoid(3 x), a Swish with beta = 3."""


def plant_swish(patch: pytest.MonkeyPatch) -> None:
    """Add the activation where one is added: an entry in the table."""
    patch.setitem(ACTIVATIONS, "swish_3", SWISH)
