"""What do functions of entries one by one make of arrays with more digits?"""

from collections.abc import Callable
from typing import Any

import numpy as np

from theory.arrays import Array
from theory.extended.array import ExtendedArray
from theory.extended.core import Core
from theory.extended.numbers import Numbers


class Elementwise(Core):
    """The functions of the standard that take entries one by one, those that kernels call."""

    def __init__(self, reals: Numbers) -> None:
        super().__init__(reals)
        one, two = ("abs", "negative", *_ONE), _TWO
        self._ufuncs: dict[str, Any] = {name: reals.ufunc(name, 1) for name in one}
        self._ufuncs |= {name: reals.ufunc(name, 2) for name in two}
        self._ufuncs |= {name: getattr(np, name) for name in ("add", "subtract", "multiply")}
        self._finite = np.frompyfunc(reals.isfinite, 1, 1)
        self._nan = np.frompyfunc(reals.isnan, 1, 1)

    def exp(self, x: Any, /) -> Array:
        """Return e to the power of every entry."""
        return self._real("exp", x)

    def expm1(self, x: Any, /) -> Array:
        """Return e to the power of every entry, less one."""
        return self._real("expm1", x)

    def sqrt(self, x: Any, /) -> Array:
        """Return the roots."""
        return self._real("sqrt", x)

    def log(self, x: Any, /) -> Array:
        """Return the natural logarithms."""
        return self._real("log", x)

    def log1p(self, x: Any, /) -> Array:
        """Return the natural logarithms of one more."""
        return self._real("log1p", x)

    def log2(self, x: Any, /) -> Array:
        """Return the logarithms to base two."""
        return self._real("log2", x)

    def cos(self, x: Any, /) -> Array:
        """Return the cosines."""
        return self._real("cos", x)

    def sin(self, x: Any, /) -> Array:
        """Return the sines."""
        return self._real("sin", x)

    def tanh(self, x: Any, /) -> Array:
        """Return the hyperbolic tangents."""
        return self._real("tanh", x)

    def erfc(self, x: Any, /) -> Array:
        """Return one less the error function."""
        return self._real("erfc", x)

    def floor(self, x: Any, /) -> Array:
        """Return the whole numbers below."""
        return self._real("floor", x)

    def round(self, x: Any, /) -> Array:
        """Return the nearest whole numbers."""
        return self._real("round", x)

    def abs(self, x: Any, /) -> Array:
        """Return the sizes; of whole numbers, whole ones."""
        return self._whole("abs", x)

    def negative(self, x: Any, /) -> Array:
        """Return the opposites; of whole numbers, whole ones."""
        return self._whole("negative", x)

    def divide(self, x1: Any, x2: Any, /) -> Array:
        """Return the quotients."""
        return self._real("divide", x1, x2)

    def hypot(self, x1: Any, x2: Any, /) -> Array:
        """Return the roots of the sums of squares."""
        return self._real("hypot", x1, x2)

    def add(self, x1: Any, x2: Any, /) -> Array:
        """Return the sums; of whole numbers, whole ones."""
        return self._whole("add", x1, x2)

    def subtract(self, x1: Any, x2: Any, /) -> Array:
        """Return the differences; of whole numbers, whole ones."""
        return self._whole("subtract", x1, x2)

    def multiply(self, x1: Any, x2: Any, /) -> Array:
        """Return the products; of whole numbers, whole ones."""
        return self._whole("multiply", x1, x2)

    def maximum(self, x1: Any, x2: Any, /) -> Array:
        """Return the larger entries; of whole numbers, whole ones."""
        return self._whole("maximum", x1, x2)

    def minimum(self, x1: Any, x2: Any, /) -> Array:
        """Return the smaller entries; of whole numbers, whole ones."""
        return self._whole("minimum", x1, x2)

    def remainder(self, x1: Any, x2: Any, /) -> Array:
        """Return what division leaves; of whole numbers, whole ones."""
        return self._whole("remainder", x1, x2)

    def pow(self, x1: Any, x2: Any, /) -> Array:
        """Return the powers; of whole numbers, whole ones."""
        return self._whole("pow", x1, x2)

    def equal(self, x1: Any, x2: Any, /) -> Array:
        """Say where the entries are equal."""
        return self._compared(np.equal, x1, x2)

    def not_equal(self, x1: Any, x2: Any, /) -> Array:
        """Say where the entries are different."""
        return self._compared(np.not_equal, x1, x2)

    def less(self, x1: Any, x2: Any, /) -> Array:
        """Say where the entries are smaller on the left."""
        return self._compared(np.less, x1, x2)

    def less_equal(self, x1: Any, x2: Any, /) -> Array:
        """Say where the entries are not larger on the left."""
        return self._compared(np.less_equal, x1, x2)

    def greater(self, x1: Any, x2: Any, /) -> Array:
        """Say where the entries are larger on the left."""
        return self._compared(np.greater, x1, x2)

    def greater_equal(self, x1: Any, x2: Any, /) -> Array:
        """Say where the entries are not smaller on the left."""
        return self._compared(np.greater_equal, x1, x2)

    def bitwise_and(self, x1: Any, x2: Any, /) -> Array:
        """Say where both of the entries are true."""
        return self._compared(np.bitwise_and, x1, x2)

    def bitwise_or(self, x1: Any, x2: Any, /) -> Array:
        """Say where one or both of the entries are true."""
        return self._compared(np.bitwise_or, x1, x2)

    def bitwise_xor(self, x1: Any, x2: Any, /) -> Array:
        """Say where just one of the entries are true."""
        return self._compared(np.bitwise_xor, x1, x2)

    def isfinite(self, x: Any, /) -> Array:
        """Say which entries are neither infinite nor NaN."""
        return self.wrap(np.asarray(self._finite(self.numbers(x))).astype(np.bool_))

    def isnan(self, x: Any, /) -> Array:
        """Say which entries are NaN."""
        return self.wrap(np.asarray(self._nan(self.numbers(x))).astype(np.bool_))

    def where(self, condition: ExtendedArray, x1: Any, x2: Any, /) -> Array:
        """Return entries of x1 where the condition holds and of x2 elsewhere."""
        first, second = self.promoted(x1, x2)
        return self.wrap(np.where(condition.data, first.data, second.data))

    def clip(self, x: ExtendedArray, /, min: Any = None, max: Any = None) -> Array:
        """Return the nearest numbers between the ends."""
        x = x if min is None else self._real("maximum", x, min)
        return x if max is None else self._real("minimum", x, max)

    def _real(self, name: str, /, *arrays: Any) -> Array:
        """Apply a function of real numbers."""
        return self.wrap(self._ufuncs[name](*(self.numbers(x) for x in arrays)))

    def _whole(self, name: str, /, *arrays: Any) -> Array:
        """Apply a function that makes whole numbers of whole ones."""
        found = [self.asarray(x) for x in arrays]
        if all(x.dtype == self.int64 for x in found):
            return self.wrap(getattr(np, name)(*(x.data for x in found)))
        return self._real(name, *arrays)

    def _compared(self, function: Callable[..., Any], /, *arrays: Any) -> Array:
        return self.wrap(function(*(x.data for x in self.promoted(*arrays))))


_ONE = (
    *("exp", "expm1", "sqrt", "log", "log1p", "log2", "cos", "sin", "tanh", "erfc"),
    *("floor", "round"),
)
_TWO = ("divide", "pow", "remainder", "hypot", "maximum", "minimum")
