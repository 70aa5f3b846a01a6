"""What is a number that is known for certain?

A rational of flint's, exact, as long as it is one and short; else a ball of Arb's, whose functions
enclose. Arb's NaN is a ball too: nothing is known of the number. So is the quotient by what may be
zero. Of a root, what may be negative is refused and not cut off.
"""

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from math import isfinite
from typing import Any, Final, TypeAlias

import numpy as np
from flint import arb, fmpq, fmpz

from theory.arrays import UndecidedError

Number: TypeAlias = Any
"""A rational (fmpq) or a ball (arb)."""

NO, YES, UNKNOWN = 0, 1, 2
"""What a comparison says."""

LONGEST: Final = 4096  # bits of a rational; longer ones become balls, which are never slow

_FLOAT_BITS = 1075  # of the smallest number of float64


def number(value: Any) -> Number:
    """Return a number of Python's, numpy's or flint's without any change."""
    if isinstance(value, arb | fmpq):
        return value
    if isinstance(value, Fraction):
        return fmpq(value.numerator, value.denominator)
    if isinstance(value, int | np.integer | np.bool_ | fmpz):
        return fmpq(int(value))
    plain = float(value)
    if plain != plain:
        return arb.nan()
    return fmpq(*plain.as_integer_ratio()) if isfinite(plain) else arb(plain)


def as_float(x: Number) -> float:
    """Return a number of float64 as that.

    Raises: UndecidedError if it is none: rounding would be no enclosure
    """
    exact = x if isinstance(x, fmpq) else x.fmpq() if x.is_exact() and x.is_finite() else None
    if exact is not None and exact.height_bits() <= _FLOAT_BITS:
        with suppress(OverflowError):
            found = int(exact.p) / int(exact.q)
            if number(found) == exact:
                return found
    raise UndecidedError(f"{_short(x)} is no number of float64, and rounding is no enclosure")


def both_rational(a: Number, b: Number) -> bool:
    """Say whether two numbers are known exactly, as rationals."""
    return type(a) is fmpq and type(b) is fmpq


def less(a: Number, b: Number) -> int:
    """Say whether a < b."""
    if both_rational(a, b):
        return int(a < b)
    a, b = arb(a), arb(b)
    return YES if a < b else NO if a >= b else UNKNOWN


def less_equal(a: Number, b: Number) -> int:
    """Say whether a <= b."""
    return 1 - found if (found := less(b, a)) != UNKNOWN else UNKNOWN


def equal(a: Number, b: Number) -> int:
    """Say whether a = b."""
    if both_rational(a, b):
        return int(a == b)
    a, b = arb(a), arb(b)
    if a < b or a > b:
        return NO
    known = a.is_exact() and b.is_exact() and not a.is_nan() and not b.is_nan()
    return int(a == b) if known else UNKNOWN


def opposite(answer: int) -> int:
    """Return the answer to the opposite question."""
    return answer if answer == UNKNOWN else 1 - answer


COMPARISONS: dict[str, Callable[[Number, Number], int]] = {
    "less": less,
    "less_equal": less_equal,
    "greater": lambda a, b: less(b, a),
    "greater_equal": lambda a, b: less_equal(b, a),
    "equal": equal,
    "not_equal": lambda a, b: opposite(equal(a, b)),
}


def hull(answer: int, a: Number, b: Number) -> Number:
    """Return a for yes, b for no, and what holds both where it is not known."""
    if answer != UNKNOWN:
        return a if answer else b
    a, b = arb(a), arb(b)
    return a.union(b) if a.is_finite() and b.is_finite() else arb.nan()


def between(low: Number, high: Number) -> Number:
    """Return a ball that holds all that lies between two numbers."""
    return arb(low).union(arb(high))


def in_order(numbers: list[Number]) -> list[Number]:
    """Return enclosures of the smallest of some numbers, the second smallest, and so on."""
    if all(type(x) is fmpq for x in numbers):
        return sorted(numbers)
    balls = [arb(x) for x in numbers]
    if not all(x.is_finite() for x in balls):
        raise UndecidedError("the order of numbers of which nothing is known")
    lows, highs = sorted(x.lower() for x in balls), sorted(x.upper() for x in balls)
    return [between(low, high) for low, high in zip(lows, highs, strict=True)]


def brief(x: Number) -> Number:
    """Return a rational that has become long as a ball."""
    return x if type(x) is arb or x.height_bits() <= LONGEST else arb(x)


def square(x: Number) -> Number:
    """Return the square, of which a ball times itself would not know that it is not negative."""
    if type(x) is fmpq or x >= 0 or x <= 0 or not x.is_finite():
        return brief(x * x)
    far = abs(x).upper()
    return between(arb(0), far * far)


def root(x: Number) -> Number:
    """Return the square root, exact where it is rational.

    Raises: UndecidedError where the number may be negative and need not be
    """
    if type(x) is fmpq:
        if x < 0:
            return arb.nan()
        p, q = x.p.isqrt(), x.q.isqrt()
        return fmpq(p, q) if p * p == x.p and q * q == x.q else arb(x).sqrt()
    if x >= 0 or x < 0 or x.is_nan():
        return x.sqrt()
    raise UndecidedError(f"the root of {_short(x)}, which may be negative")


def root_of_square(x: Number) -> Number:
    """Return the square root of what is not negative, whatever its enclosure leaves open."""
    if type(x) is fmpq or x >= 0 or not x.is_finite():
        return root(x)
    far = x.upper()
    return between(arb(0), far.sqrt()) if far >= 0 else arb.nan()


def _short(x: Number) -> str:
    return str(arb(x).str(6))
