"""What are layers of attention without a residual stream, and what does rounding do to them?"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.forward import softmax
from theory.magnitude import frobenius_norm
from theory.records import brief_repr
from theory.theorems.common import root_of


@brief_repr
@dataclass(frozen=True, eq=False)
class PureAttention:
    """Tokens (*b, n, d) and L layers of H heads without residual stream.

    ``weight`` (*b, L, H, d, d) is W_Q W_K^T, ``value`` (*b, L, H, d, d) value times output
    matrix, ``bias`` (*b, L, n, d) what is added to every token; scores are divided by
    sqrt(width).
    """

    AXES: ClassVar[dict[str, str]] = {
        "tokens": "n d",
        "weight": "L H d d",
        "value": "L H d d",
        "bias": "L n d",
    }

    tokens: Array
    weight: Array
    value: Array
    bias: Array
    width: int = 1

    @property
    def depth(self) -> int:
        """The number of layers."""
        return int(self.weight.shape[-4])

    @property
    def heads(self) -> int:
        """The number of heads."""
        return int(self.weight.shape[-3])

    @cached_property
    def states(self) -> list[Array]:
        """The tokens before every layer, and after the last: (*b, n, d) each."""
        states = [self.tokens]
        for i in range(self.depth):
            states.append(self.layer(i, states[-1]))
        return states

    def adjacency(self, i: int, tokens: Array) -> Array:
        """Return the attention weights of layer i: (*b, H, n, n)."""
        x = tokens[..., None, :, :]
        scores = x @ self.weight[..., i, :, :, :] @ namespace(x).matrix_transpose(x)
        return softmax(scores / root_of(self.width, like=scores))

    def head_outputs(self, i: int, tokens: Array) -> Array:
        """Return P_h X W_h of layer i: (*b, H, n, d)."""
        mixed = self.adjacency(i, tokens) @ tokens[..., None, :, :]
        return mixed @ self.value[..., i, :, :, :]

    def layer(self, i: int, tokens: Array) -> Array:
        """Return what layer i makes of the tokens: (*b, n, d)."""
        xp = namespace(tokens)
        return xp.sum(self.head_outputs(i, tokens), axis=-3) + self.bias[..., i, :, :]


def centred(tokens: Array) -> Array:
    """Return the tokens less their mean, taken off twice: (*b, n, d) -> (*b, n, d)."""
    xp = namespace(tokens)
    once = tokens - xp.mean(tokens, axis=-2, keepdims=True)
    return once - xp.mean(once, axis=-2, keepdims=True)


def residual_part(at: PureAttention, i: int) -> Array:
    """Return what is not shared by all rows of the scores of layer i: (*b, H, n, n)."""
    rest = centred(at.states[i])[..., None, :, :]
    scores = rest @ at.weight[..., i, :, :, :] @ namespace(rest).matrix_transpose(rest)
    return scores / root_of(at.width, like=scores)


def stack_error(at: PureAttention) -> Array:
    """Bound the Frobenius error of the tokens after the last layer."""
    return state_errors(at)[-1]


def state_errors(at: PureAttention) -> list[Array]:
    """Bound the Frobenius errors of the tokens before every layer, and after the last.

    Scores lose (2 d + 4) eps |X|^2 |W|; shares move in l1 by at most the largest change of a
    score, and as they still sum to one, what they move are the tokens less their mean. An error
    of the input goes through the average as it is, and through the scores.
    """
    xp, (n, d), unit = namespace(at.tokens), at.tokens.shape[-2:], eps(at.tokens)
    error = 0 * at.tokens[..., 0, 0]
    errors = [error]
    for i in range(at.depth):
        size = frobenius_norm(at.states[i])[..., None]
        rest = frobenius_norm(centred(at.states[i]))[..., None] + error[..., None] + unit * size
        value = frobenius_norm(at.value[..., i, :, :, :])
        weight = frobenius_norm(at.weight[..., i, :, :, :]) / math.sqrt(at.width)
        shares = (2 * d + 4) * unit * size**2 * weight * rest
        local = n**0.5 * (shares + (3 * n + d + at.heads + 12) * unit * size) * value
        through = value * (n**0.5 + 4 * n**0.5 * weight * size * rest) * error[..., None]
        error = xp.sum(local + through, axis=-1) + unit * frobenius_norm(at.states[i + 1])
        error = error + tiny(error) * n * d
        errors.append(error)
    return errors
