"""What are numbers with as many digits as asked for, and what do functions make of one of them?

mpmath raises where IEEE arithmetic has an infinity or NaN, and goes over to complex numbers where
a real function is not defined. The kernels were written for IEEE arithmetic: so it is here.
"""

from functools import cache
from typing import Any, Protocol, TypeAlias

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


class Numbers(Protocol):
    """What a library of arrays needs of its real numbers, one by one.

    ``kinds`` are their types; ``eps`` is what one operation may round.
    """

    name: str
    digits: int
    bits: int
    eps: float
    kinds: tuple[type, ...]
    inf: Real
    nan: Real
    pi: Real

    def number(self, value: Any) -> Real:
        """Return a number of Python's as one of these."""

    def isfinite(self, x: Real) -> Any:
        """Say whether it is neither infinite nor NaN."""

    def isnan(self, x: Real) -> Any:
        """Say whether it is NaN."""

    def ufunc(self, name: str, count: int) -> Any:
        """Return a function, by the name that the array standard has for it, for object arrays."""


class Reals:
    """Functions of real numbers with so many digits, each named as the array standard names it."""

    def __init__(self, digits: int) -> None:
        self.context, self.guarded = context(digits), guarded(digits)
        self.name, self.digits = f"theory.extended[{digits} digits]", digits
        self.bits, self.eps = self.context.prec, float(self.context.eps)
        self.inf, self.nan, self.pi = self.context.inf, self.context.nan, +self.context.pi
        self.kinds: tuple[type, ...] = (self.context.mpf,)
        self.number, self.isfinite = self.context.mpf, self.context.isfinite
        self.isnan = self.context.isnan

    def ufunc(self, name: str, count: int) -> Any:
        """Return the function as one of numpy's on objects; NaN where it is not defined."""
        function, ctx = getattr(self, name), self.context

        def defined(*numbers: Real) -> Real:
            try:
                value = function(*numbers)
            except (ValueError, ZeroDivisionError):  # where the function has a pole, or nothing
                return ctx.nan
            return value if isinstance(value, ctx.mpf) else ctx.nan

        return np.frompyfunc(defined, count, 1)

    def exp(self, x: Real) -> Real:
        """Return e to that power."""
        return self.context.exp(x)

    def expm1(self, x: Real) -> Real:
        """Return e to that power, less one."""
        return self.context.expm1(x)

    def sqrt(self, x: Real) -> Real:
        """Return the root."""
        return self.context.sqrt(x)

    def log(self, x: Real) -> Real:
        """Return the natural logarithm."""
        return self.context.log(x)

    def log1p(self, x: Real) -> Real:
        """Return the natural logarithm of one more."""
        return self.context.log1p(x)

    def log2(self, x: Real) -> Real:
        """Return the logarithm to base two, exact for powers of two."""
        sign, mantissa, exponent, _ = x._mpf_
        if mantissa == 1 and not sign:
            return self.context.mpf(exponent)
        return self.context.log(x) / self.context.ln2 if x != 0 else -self.context.inf

    def cos(self, x: Real) -> Real:
        """Return the cosine."""
        return self.context.cos(x)

    def sin(self, x: Real) -> Real:
        """Return the sine."""
        return self.context.sin(x)

    def tanh(self, x: Real) -> Real:
        """Return the hyperbolic tangent."""
        return self.context.tanh(x)

    def erfc(self, x: Real) -> Real:
        """Return one less the error function."""
        more, ctx = self.guarded, self.context
        x = more.mpf(x)
        try:
            return ctx.mpf(more.erfc(x))
        except OverflowError:  # from 1e150 on; the next term is x^-2 of this
            return ctx.mpf(more.exp(-x * x) / (x * more.sqrt(more.pi)))

    def floor(self, x: Real) -> Real:
        """Return the largest whole number that is not above."""
        return self.context.floor(x)

    def round(self, x: Real) -> Real:
        """Return the nearest whole number, the even one of two."""
        return self.context.nint(x)

    def abs(self, x: Real) -> Real:
        """Return the size."""
        return abs(x)

    def negative(self, x: Real) -> Real:
        """Return the opposite."""
        return -x

    def divide(self, a: Real, b: Real) -> Real:
        """Return the quotient, infinite or NaN where b is zero."""
        ctx = self.context
        if b != 0:
            return a / b
        return ctx.nan if a == 0 or a != a else ctx.sign(a) * ctx.inf

    def pow(self, base: Real, exponent: Real) -> Real:
        """Return the power, infinite where the base is zero and the exponent negative."""
        if base == 0 and exponent < 0:
            return self.context.inf
        return base**exponent

    def remainder(self, a: Real, b: Real) -> Real:
        """Return what a leaves when divided by b."""
        return a - b * self.context.floor(a / b)

    def hypot(self, a: Real, b: Real) -> Real:
        """Return the root of the sum of the squares."""
        return self.context.hypot(a, b)

    def maximum(self, a: Real, b: Real) -> Real:
        """Return the larger one, NaN if there is one."""
        return a if a >= b or a != a else b

    def minimum(self, a: Real, b: Real) -> Real:
        """Return the smaller one, NaN if there is one."""
        return a if a <= b or a != a else b
