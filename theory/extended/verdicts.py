"""Is a theorem still refuted, or still true, when both sides are computed to many digits?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array, Floats, InputError, to_numpy
from theory.extended.array import ExtendedArray
from theory.extended.library import library
from theory.records import brief_repr, one_line
from theory.statements.domains import Params, Sizes
from theory.statements.evaluation import evaluate
from theory.statements.instances import Instance, map_arrays
from theory.statements.theorem import Theorem
from theory.statements.verdict import Verdict

DEFAULT_DIGITS = 50


@brief_repr
@dataclass(frozen=True, eq=False)
class ExtendedVerdict(Verdict):
    """A verdict taken with more digits, and rounded to float64 only afterwards.

    ``exact`` has the same numbers unrounded (as mpmath's, in arrays of objects): it is what the
    properties that evaluate are read from.
    """

    digits: int
    exact: Verdict

    @property
    def applies(self) -> NDArray[np.bool_]:
        """Whether every hypothesis is met and both sides are finite numbers."""
        return self.exact.applies

    @property
    def excess(self) -> Floats:
        """By how much the left side exceeds the right one, all digits of which are right."""
        return _float64(self.exact.excess)

    @property
    def refuted(self) -> NDArray[np.bool_]:
        """Whether the claim fails by more than rounding although it applies."""
        return self.exact.refuted

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whether the claim applies and could have failed by more than rounding can explain."""
        return self.exact.decided

    @property
    def ratio(self) -> Floats:
        """lhs, with the rounding taken off, over rhs, as in `Verdict`."""
        xp = library(self.digits)
        lhs, rhs, rounding = (
            xp.asarray(side) for side in (self.exact.lhs, self.exact.rhs, self.exact.rounding)
        )
        above = xp.where(lhs > rounding, lhs - rounding, 0.0)
        ratio = xp.where(above == 0, 0.0, xp.divide(above, rhs))
        return np.asarray(xp.where(xp.isfinite(lhs + rhs), ratio, xp.nan).rounded())


def extended(array: Array, *, digits: int = DEFAULT_DIGITS) -> Array:
    """Return an array of the same numbers, but with as many digits in all that comes of them.

    Every kernel of this project takes it. Arrays with different numbers of digits do not mix.
    ``rounded()`` of a result is the numpy array nearest to it.

    Shapes: (*b,) -> (*b,)
    Raises: InputError if there are fewer than 20 or more than 250 digits
    """
    xp = library(digits)
    return xp.asarray(array if isinstance(array, ExtendedArray) else to_numpy(array))


def recheck(
    theorem: Theorem[Any], sizes: Sizes, params: Params, *, digits: int = DEFAULT_DIGITS
) -> ExtendedVerdict:
    """Try a theorem once more on the instance that its domain builds of these free numbers.

    The instance is built anew with all the digits, so that what holds by construction (rows that
    sum to one) holds to all of them.

    Raises: InputError as `check_extended`
    """
    exact = {name: extended(values, digits=digits) for name, values in params.items()}
    with _standard_functions(theorem):
        instance = theorem.domain.build(sizes, exact)
    return check_extended(theorem, instance, digits=digits)


def check_extended(
    theorem: Theorem[Instance], instance: Instance, *, digits: int = DEFAULT_DIGITS
) -> ExtendedVerdict:
    """Try a theorem on an instance as it is, number by number, but compute with more digits.

    A hypothesis that float64 meets up to rounding may not be met by the same numbers any more:
    see `recheck`, and `theory.statements.evaluation.check` for what the verdict says.

    Raises: InputError if there are fewer than 20 or more than 250 digits, or the theorem's own
            functions need an array of numpy
    """
    exact = map_arrays(lambda array, _: extended(array, digits=digits), instance)

    def read(values: Array) -> NDArray[Any]:
        return np.asarray(library(digits).asarray(values, dtype=np.float64).data)

    with _standard_functions(theorem):
        verdict = evaluate(theorem, exact, read=read)
    verdict = _each(read, verdict)  # a NaN of its own may be among them
    rounded = _each(_float64, verdict)
    return ExtendedVerdict(
        **{field.name: getattr(rounded, field.name) for field in fields(Verdict)},
        digits=digits,
        exact=verdict,
    )


@contextmanager
def _standard_functions(theorem: Theorem[Any]) -> Iterator[None]:
    """Say so where a theorem's functions ask an array for what the standard does not have."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"{theorem.key} cannot be computed with more digits: its functions need an array of "
            f"numpy ({one_line(str(error), longest=120)}); theory.arrays.namespace(array) gives "
            "the functions of any array library"
        ) from error


def _each(function: Callable[[Any], NDArray[Any]], verdict: Verdict) -> Verdict:
    """Return the verdict with the function of all its numbers."""
    return Verdict(
        verdict.key,
        {name: function(margin) for name, margin in verdict.margins.items()},
        function(verdict.lhs),
        function(verdict.rhs),
        function(verdict.rounding),
        function(verdict.scale),
    )


def _float64(numbers: NDArray[Any]) -> Floats:
    return np.asarray(numbers).astype(np.float64)
