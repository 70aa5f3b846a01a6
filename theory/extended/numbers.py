"""What are numbers with as many digits as asked for, and what do functions make of one of them?

mpmath raises where IEEE arithmetic has an infinity or NaN, and goes over to complex numbers where
a real function is not defined. The kernels were written for IEEE arithmetic: so it is here.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import mpmath
import numpy as np

from theory.arrays import InputError

Real: TypeAlias = Any
"""A real number of mpmath."""

FEWEST, MOST = 20, 250
"""How many digits there may be: more than float64 has, and an eps that is a float64."""

_GUARD = 8  # more digits inside decompositions and erfc than outside


@cache
def context(digits: int) -> Any:
    """Return mpmath with so many digits, apart from its global state.

    Raises: InputError if there are fewer than 20 or more than 250 digits
    """
    if not FEWEST <= digits <= MOST or digits != int(digits):
        raise InputError(
            f"digits must be a whole number from {FEWEST} to {MOST}, but is {digits!r}; "
            "float64 has 16"
        )
    return _context(digits)


@cache
def guarded(digits: int) -> Any:
    """Return mpmath with a few more digits, for sums whose length nobody counts."""
    return _context(digits + _GUARD)


def _context(digits: int) -> Any:
    own = mpmath.mp.clone()
    own.dps = digits
    return own


@cache
def elementwise(digits: int) -> dict[str, Callable[..., Any]]:
    """Return the functions of the array API standard on numbers, as numpy ufuncs on objects."""
    ctx, more = context(digits), guarded(digits)

    def real(function: Callable[..., Real]) -> Callable[..., Real]:
        def defined(*numbers: Real) -> Real:
            try:
                value = function(*numbers)
            except (ValueError, ZeroDivisionError):  # where the function has a pole, or nothing
                return ctx.nan
            return value if isinstance(value, ctx.mpf) else ctx.nan

        return defined

    def divide(a: Real, b: Real) -> Real:
        if b != 0:
            return a / b
        return ctx.nan if a == 0 or a != a else ctx.sign(a) * ctx.inf

    def power(base: Real, exponent: Real) -> Real:
        if base == 0 and exponent < 0:
            return ctx.inf
        return base**exponent

    def log2(x: Real) -> Real:
        sign, mantissa, exponent, _ = x._mpf_
        if mantissa == 1 and not sign:
            return ctx.mpf(exponent)  # exact for powers of two
        return ctx.log(x) / ctx.ln2 if x != 0 else -ctx.inf

    def erfc(x: Real) -> Real:
        x = more.mpf(x)
        try:
            return ctx.mpf(more.erfc(x))
        except OverflowError:  # from 1e150 on; the next term is x^-2 of this
            return ctx.mpf(more.exp(-x * x) / (x * more.sqrt(more.pi)))

    def larger(a: Real, b: Real) -> Real:
        return a if a >= b or a != a else b

    def smaller(a: Real, b: Real) -> Real:
        return a if a <= b or a != a else b

    one: dict[str, Callable[[Real], Any]] = {
        name: getattr(ctx, name)
        for name in (
            *("exp", "expm1", "sqrt", "log", "log1p", "log10", "erf", "sign", "floor", "ceil"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
            *("asinh", "acosh", "atanh"),
        )
    }
    one |= {
        "abs": abs,
        "negative": lambda x: -x,
        "positive": lambda x: x,
        "square": lambda x: x * x,
        "reciprocal": lambda x: divide(ctx.one, x),
        "round": ctx.nint,
        "trunc": lambda x: ctx.floor(x) if x > 0 else ctx.ceil(x),
        "log2": log2,
        "erfc": erfc,
    }
    two: dict[str, Callable[[Real, Real], Any]] = {
        "divide": divide,
        "pow": power,
        "maximum": larger,
        "minimum": smaller,
        "remainder": lambda a, b: a - b * ctx.floor(a / b),
        "floor_divide": lambda a, b: ctx.floor(a / b),
        "hypot": ctx.hypot,
        "atan2": ctx.atan2,
        "copysign": lambda a, b: -abs(a) if b < 0 else abs(a),
        "logaddexp": lambda a, b: larger(a, b) + ctx.log1p(ctx.exp(-abs(a - b))),
    }
    found: dict[str, Callable[..., Any]] = {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
    }
    found |= {name: np.frompyfunc(real(function), 1, 1) for name, function in one.items()}
    found |= {name: np.frompyfunc(real(function), 2, 1) for name, function in two.items()}
    return found


@cache
def predicates(digits: int) -> dict[str, Callable[..., Any]]:
    """Return isfinite, isnan, isinf, signbit on numbers."""
    ctx = context(digits)
    tests = {
        "isfinite": ctx.isfinite,
        "isnan": ctx.isnan,
        "isinf": ctx.isinf,
        "signbit": lambda x: x < 0,
    }
    return {name: np.frompyfunc(test, 1, 1) for name, test in tests.items()}
