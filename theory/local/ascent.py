"""How far up does the ratio go, when one looks for the worst tokens of a ball?

Projected gradient ascent on log d_M(F(H')) - log d_M(H'), from the given tokens on. What it reaches
is a ratio of tokens in the ball, enclosed: whatever a bound says, it is not below that.
"""

import numpy as np

from theory.arrays import Array, Floats, InputError
from theory.blocks.weights import Block
from theory.local.enclosed import Enclosed, enclosed
from theory.local.passes import backward, forward
from theory.local.supported import require_supported


def reached_ratio(block: Block, tokens: Array, radius: float, *, steps: int = 30) -> float:
    """Return at most the largest d_M(F(H')) / d_M(H') that so many steps find in the ball.

    All H' have |h'_i - h_i| <= radius |h_i|. A step takes every token by its share of the radius
    along its own gradient, and back into its ball.

    Shapes: tokens (n, d), one text without padding
    Raises: InputError for what is not supported, or a radius or number of steps not positive
    """
    block, held = require_supported(block, tokens)
    if not (0 < radius < np.inf and steps > 0):
        raise InputError(f"radius and steps must be positive, but are {radius} and {steps}")
    room = radius * (1 - 1e-12) * np.linalg.norm(held, axis=-1, keepdims=True)
    change, best = np.zeros_like(held), 0.0
    for step in range(steps + 1):
        ratio, slope = _climb(block, held + change)
        if not np.isfinite(ratio):
            break
        best = max(best, ratio)
        share = 1.0 if step == 0 else 1 / (1 + step) ** 0.5
        sizes = np.linalg.norm(slope, axis=-1, keepdims=True)
        change = change + share * room * slope / np.where(sizes > 0, sizes, 1.0)
        sizes = np.linalg.norm(change, axis=-1, keepdims=True)
        change = change * np.minimum(1.0, room / np.where(sizes > 0, sizes, 1.0))
    return best


def _climb(block: Block, tokens: Floats) -> tuple[float, Floats]:
    """Return the lower end of the ratio, and about the gradient of its logarithm."""
    at = forward(block, tokens)
    before, after = enclosed(tokens).centred(0), at.norm_2.out.centred(0)
    distance, left = _size(before), _size(after)
    back = backward(block, at, after / left)
    slope = back.tokens.mid / left.mid - before.mid / distance.mid**2
    return float((left / distance).bottom), slope


def _size(rows: Enclosed) -> Enclosed:
    return rows.moved(np.ravel).length()
