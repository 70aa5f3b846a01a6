"""What do several attention steps on tokens look like, and what does computing them lose?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from theory.arrays import Array, constant, eps, namespace
from theory.bounds.rounding import product_rounding, row_defect
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.statements.real_layer import RealLayer
from theory.statements.theorem import Hypothesis
from theory.theorems.block.shi2022_lemmas import sums_to_one


@brief_repr
@dataclass(frozen=True, eq=False)
class Steps:
    """Tokens (*b, n, d), the weights of t attention steps (*b, t, n, n), and a bound (*b,).

    The first step is the first matrix. ``bound`` is what the theorem says it is: of the scores,
    or of the weights from below. ``mask`` (*b, n, n) says who may listen to whom.
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "adjacency": "t n n",
        "bound": "",
        "mask": "n n",
    }

    tokens: Array
    adjacency: Array
    bound: Array
    mask: Array | None = None

    @property
    def count(self) -> int:
        """The number t of steps."""
        return int(self.adjacency.shape[-3])

    @property
    def allowed(self) -> Array:
        """Who may listen to whom, boolean (*b, n, n): all to all without a mask."""
        if self.mask is not None:
            return self.mask
        xp, weights = namespace(self.adjacency), self.adjacency[..., 0, :, :]
        return xp.ones_like(weights, dtype=xp.bool)


def after_steps(at: Steps) -> Array:
    """Return A_t ... A_1 H."""
    tokens = at.tokens
    for k in range(at.count):
        tokens = at.adjacency[..., k, :, :] @ tokens
    return tokens


def steps_rounding(at: Steps) -> Array:
    """Bound the Frobenius error of the tokens after all steps, up to a shift of all of them.

    A step multiplies the error so far by |A|_F, its product rounds, and rows that miss one move
    the tokens by the defect times their size, four times over: as for a single step.
    """
    tokens, error = at.tokens, 0 * frobenius_norm(at.tokens)
    for k in range(at.count):
        weights = at.adjacency[..., k, :, :]
        defect = row_defect(weights) * frobenius_norm(tokens)
        error = frobenius_norm(weights) * error + product_rounding(weights, tokens) + 4 * defect
        tokens = weights @ tokens
    return error


def _not_attention(at: Steps) -> Array:
    """By how much a row of some step misses one, or an entry is negative."""
    xp = namespace(at.adjacency)
    missing = xp.max(sums_to_one(at.adjacency), axis=-1)
    return xp.maximum(missing, -xp.min(at.adjacency, axis=(-3, -2, -1)))


def steps_through(layers: Sequence[RealLayer]) -> tuple[Array, Array]:
    """Return, for every text and head, the tokens of the first layer and the weights in each.

    Shapes: tokens (S, h, n, d) and weights (S, h, t, n, n) of t layers
    """
    first = layers[0].tokens
    weights = np.stack([layer.heads for layer in layers], axis=2)
    return np.broadcast_to(first[:, None], (*weights.shape[:2], *first.shape[1:])), weights


IS_ATTENTION = Hypothesis("each step averages with weights", _not_attention)


def power(base: Array, count: int | Array) -> Array:
    """Return base to a whole power, with 0 ** 0 = 1; a base below zero counts as zero."""
    xp = namespace(base)
    base = xp.clip(base, min=0.0)
    if isinstance(count, int):
        count = constant(count, like=base)
    return xp.where(count > 0, base ** xp.where(count > 0, count, 1.0), 1.0)


def factor_rounding(at: Steps, exponent: float) -> float:
    """Bound the error of a factor (1 - b)^t whose b is one power of a given number.

    b errs by ``exponent`` + 4 eps, the base as much (it is at most one), and its power t times.
    """
    return 2 * (at.count + 1) * (exponent + 8) * eps(at.tokens)
