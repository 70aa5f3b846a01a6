"""How large is an array, or its part around the mean, at any scale and under padding?

Squares of numbers beyond 1e154 overflow and below 1e-162 vanish, and what stands in padding may
be anything, NaN included. Every measure goes through these few functions, so that neither shows.
"""

import math
from typing import NamedTuple

from array_api_compat import is_torch_array

from theory.arrays import (
    Array,
    InputError,
    known,
    namespace,
    require_finite,
    require_float,
    require_mask,
    require_shape,
    rounds,
    tiny,
    to_numpy,
)


class Counted(NamedTuple):
    """Tokens of which some count: checked, and zero where they do not.

    Shapes: tokens (*b, n, d), mask boolean (*b, n, 1) or None if all count, number (*b, 1, 1),
            how many count, in the dtype of the tokens
    """

    tokens: Array
    mask: Array | None
    number: Array


def count_tokens(tokens: Array, *, token_mask: Array | None = None, least: int = 1) -> Counted:
    """Check the tokens and put zeros in place of those that do not count.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts; the batch
            axes of the two are broadcast
    Raises: InputError if tokens are not floating, have no feature, are NaN or infinite where they
            count, or if fewer than ``least`` of a sentence's tokens count
    """
    xp = namespace(tokens, token_mask)
    require_float("tokens", tokens)
    require_shape("tokens", tokens, "n", "d")
    if tokens.shape[-1] == 0:
        raise InputError(f"tokens must have at least one feature, but have shape {tokens.shape}")
    mask = None
    if token_mask is not None:
        require_mask("token_mask", token_mask, tokens.shape[-2])
        mask = xp.expand_dims(token_mask, axis=-1)
        tokens = xp.where(mask, tokens, xp.zeros_like(tokens))  # 0 * NaN would stay NaN
        number = xp.sum(xp.astype(mask, tokens.dtype), axis=-2, keepdims=True)
    elif tokens.shape[-2] > 0:
        number = xp.full_like(tokens[..., :1, :1], tokens.shape[-2])
    else:
        raise InputError(f"tokens must hold at least one token, but have shape {tokens.shape}")
    require_finite("tokens", tokens)
    if known(xp.any(number < least)):
        fewest = int(xp.min(number))
        raise InputError(f"at least {least} tokens of each sentence must count, but {fewest} do")
    return Counted(tokens, mask, number)


def centre(counted: Counted) -> Array:
    """Return the tokens minus the mean of those that count, and zero where they do not.

    The mean is subtracted twice. A float minus a float is exact to one rounding *of the result*,
    and what the rounded mean of large numbers misses is the same for all tokens, so that the
    second, small mean removes it: the result is accurate relative to itself, not to the tokens.

    Shapes: -> (*b, n, d)
    """
    xp = namespace(counted.tokens)
    centred = counted.tokens
    for _ in range(2):
        centred = centred - xp.sum(centred, axis=-2, keepdims=True) / counted.number
        if counted.mask is not None:
            centred = xp.where(counted.mask, centred, xp.zeros_like(centred))
    return centred


def deviations(counted: Counted) -> tuple[Array, Array]:
    """Return (scaled, unit): the tokens minus their mean are scaled * unit, scaled safe to square.

    Every feature is centred at a scale of its own. At the scale of all tokens, differences in one
    feature would vanish beside a far larger feature in which the tokens are equal.

    Shapes: -> (*b, n, d) and a power of two (*b, 1, 1)
    """
    scaled, units = rescale(counted.tokens, axis=(-2,))
    return gather(centre(counted._replace(tokens=scaled)), units)


def gather(array: Array, units: Array) -> tuple[Array, Array]:
    """Return (scaled, unit) with array * units = scaled * unit: one unit for all the features.

    It is the largest unit of a feature that is not zero. What lies 1e-300 below it may vanish.

    Shapes: array (*b, n, d), units (*b, 1, d) -> (*b, n, d) and (*b, 1, 1)
    """
    xp = namespace(array)
    if not rounds(array):
        return array * units, xp.ones_like(units[..., :1])
    counts = xp.any(array != 0, axis=-2, keepdims=True)
    unit = xp.max(xp.where(counts, units, 0.0), axis=-1, keepdims=True)
    unit = xp.where(unit > 0, unit, 1.0)
    return array * (xp.where(counts, units, unit) / unit), unit


def rescale(array: Array, *, axis: tuple[int, ...]) -> tuple[Array, Array]:
    """Return (scaled, unit) with array = scaled * unit, ``scaled`` safe to square.

    The unit is a power of two that brings the largest entry near one, so that no digit is lost
    (what lies 1e-300 below the largest may vanish). Where that entry is moderate in all of the
    batch already, the array itself comes back, with ones: the same results without a pass over it.

    Shapes: array (*b, ...), the axes given -> the same, and the same with ones for those axes
    """
    xp = namespace(array)
    high, low = (f(array, axis=axis, keepdims=True) for f in (xp.max, xp.min))
    peak = xp.maximum(high, -low)
    highest = -math.log2(tiny(array))  # 1022 for 64 bits
    if not rounds(array):
        return array, xp.ones_like(peak)
    exponent = xp.floor(xp.log2(xp.where(peak > 0, peak, xp.ones_like(peak))))
    # An eighth: squares of deviations eps below the peak must be normal numbers with 32 bits too.
    if known(xp.any(xp.abs(exponent) > highest / 8)) is False:
        return array, xp.ones_like(peak)
    unit = 2.0 ** xp.clip(exponent, -highest + 24, highest - 24)  # so that 1 / unit is safe too
    return array / unit, unit


def frobenius_norm(matrices: Array) -> Array:
    """Return the root of the sum of squares, without overflow or underflow on the way.

    Shapes: (*b, p, q), p and q positive -> (*b,)
    Dtype:  kept; relative error at most (p q + 4) eps, beside the rounding of subnormal results
    """
    xp = namespace(matrices)
    scaled, unit = rescale(matrices, axis=(-2, -1))
    entries = xp.reshape(scaled, (*scaled.shape[:-2], scaled.shape[-2] * scaled.shape[-1]))
    return root(sum_of_squares(entries)) * unit[..., 0, 0]


def sum_of_squares(rows: Array) -> Array:
    """Return the product of each row with itself, as vecdot does.

    Shapes: (*b, p) -> (*b,)
    """
    if is_torch_array(rows):  # vecdot is made of this there, and of moveaxis: vmap has none
        return (rows[..., None, :] @ rows[..., None])[..., 0, 0]
    return namespace(rows).vecdot(rows, rows)


def root(squares: Array) -> Array:
    """Return the square root, whose slope at 0 is taken as 0: a norm's smallest subgradient there.

    Shapes: (*b,), none negative -> (*b,)
    """
    xp = namespace(squares)
    if not rounds(squares):
        return xp.root(squares)  # of what an enclosure leaves open, the part that is possible
    some = squares > 0
    return xp.where(some, xp.sqrt(xp.where(some, squares, 1.0)), squares)


def require_nonzero(counted: Counted, measure: str) -> None:
    """Raise InputError if all tokens of a sentence are zero, for measures that divide by them."""
    xp = namespace(counted.tokens)
    every = xp.all(counted.tokens == 0, axis=(-2, -1))
    if known(xp.any(every)):
        zero = to_numpy(every)
        raise InputError(
            f"tokens must not all be zero: the {measure} is undefined there; "
            f"{int(zero.sum())} of {zero.size} sentences are zero (underflow upstream?)"
        )
