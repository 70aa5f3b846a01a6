"""What do functions make of a number that is known for certain?"""

from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq

from theory.balls.numbers import (
    LONGEST,
    NO,
    UNKNOWN,
    YES,
    Number,
    brief,
    less,
    number,
    root,
    root_of_square,
    square,
)


class Enclosures:
    """The functions of the array API standard, one number at a time, with so many bits in balls.

    ``eps``, what rounding may do, is zero: the radii hold it.
    """

    def __init__(self, bits: int) -> None:
        self.bits, self.digits, self.eps = bits, int(bits * 0.30103), 0.0
        self.name = f"theory.balls[{bits} bits]"
        self.kinds: tuple[type, ...] = (arb, fmpq)
        self.inf, self.nan = arb.pos_inf(), arb.nan()
        self.pi = arb.pi()
        self.number = number

    def ufunc(self, name: str, count: int) -> Any:
        """Return the function as one of numpy's on objects."""
        return np.frompyfunc(getattr(self, name), count, 1)

    def isfinite(self, x: Number) -> int:
        """Say whether it is a number; of Arb's NaN that is not known."""
        if type(x) is fmpq or x.is_finite():
            return YES
        return NO if x.is_exact() and not x.is_nan() else UNKNOWN

    def isnan(self, x: Number) -> int:
        """Say whether it is no number: of what is nothing is known of, that is not known either."""
        return NO if self.isfinite(x) != UNKNOWN else UNKNOWN

    def exp(self, x: Number) -> Number:
        """Return e to that power."""
        return fmpq(1) if x == 0 else arb(x).exp()

    def expm1(self, x: Number) -> Number:
        """Return e to that power, less one."""
        return fmpq(0) if x == 0 else arb(x).expm1()

    def log(self, x: Number) -> Number:
        """Return the natural logarithm."""
        return fmpq(0) if x == 1 else arb(x).log()

    def log1p(self, x: Number) -> Number:
        """Return the natural logarithm of one more."""
        return fmpq(0) if x == 0 else arb(x).log1p()

    def log2(self, x: Number) -> Number:
        """Return the logarithm to base two, exact for powers of two."""
        if type(x) is fmpq and x > 0:
            p, q = int(x.p), int(x.q)
            if p & (p - 1) == 0 and q & (q - 1) == 0:
                return fmpq(p.bit_length() - q.bit_length())
        return arb(x).log() / arb.const_log2()

    def cos(self, x: Number) -> Number:
        """Return the cosine."""
        return fmpq(1) if x == 0 else arb(x).cos()

    def sin(self, x: Number) -> Number:
        """Return the sine."""
        return fmpq(0) if x == 0 else arb(x).sin()

    def tanh(self, x: Number) -> Number:
        """Return the hyperbolic tangent."""
        return fmpq(0) if x == 0 else arb(x).tanh()

    def erfc(self, x: Number) -> Number:
        """Return one less the error function."""
        return fmpq(1) if x == 0 else arb(x).erfc()

    def sqrt(self, x: Number) -> Number:
        """Return the root: see `root`."""
        return root(x)

    def floor(self, x: Number) -> Number:
        """Return the largest whole number that is not above."""
        if type(x) is fmpq:
            return fmpq(x.floor())
        below = x.floor()
        whole = below.unique_fmpz() if below.is_finite() else None
        return below if whole is None else fmpq(whole)

    def round(self, x: Number) -> Number:
        """Return the nearest whole number, the even one of two."""
        if type(x) is fmpq:
            return fmpq(round(Fraction(int(x.p), int(x.q))))
        return (x - arb("0.5")).ceil().union((x + arb("0.5")).floor())

    def abs(self, x: Number) -> Number:
        """Return the size."""
        return abs(x)

    def negative(self, x: Number) -> Number:
        """Return the opposite."""
        return -x

    def add(self, a: Number, b: Number) -> Number:
        """Return the sum."""
        return brief(a + b)

    def subtract(self, a: Number, b: Number) -> Number:
        """Return the difference."""
        return brief(a - b)

    def multiply(self, a: Number, b: Number) -> Number:
        """Return the product."""
        return brief(a * b)

    def divide(self, a: Number, b: Number) -> Number:
        """Return the quotient; nothing is known of it where b may be zero."""
        if type(b) is fmpq and b == 0:
            return arb.nan()
        return brief(a / b)

    def pow(self, base: Number, exponent: Number) -> Number:
        """Return the power, of whole exponents and halves by products, roots and quotients."""
        if type(exponent) is not fmpq:
            return arb(base) ** exponent
        if exponent == 2:
            return square(base)
        if exponent < 0:
            return self.divide(fmpq(1), self.pow(base, -exponent))
        if exponent.q == 2:
            return self.pow(root(base), fmpq(exponent.p))
        if exponent.q == 1:
            whole = int(exponent.p)
            short = type(base) is fmpq and base.height_bits() * whole <= LONGEST
            return base**whole if short else arb(base) ** whole
        return arb(base) ** arb(exponent)

    def remainder(self, a: Number, b: Number) -> Number:
        """Return what a leaves when divided by b."""
        return brief(a - b * self.floor(self.divide(a, b)))

    def hypot(self, a: Number, b: Number) -> Number:
        """Return the root of the sum of the squares."""
        return root_of_square(square(a) + square(b))

    def maximum(self, a: Number, b: Number) -> Number:
        """Return the larger one."""
        answer = less(a, b)
        return arb(a).max(arb(b)) if answer == UNKNOWN else b if answer else a

    def minimum(self, a: Number, b: Number) -> Number:
        """Return the smaller one."""
        answer = less(a, b)
        return arb(a).min(arb(b)) if answer == UNKNOWN else a if answer else b
