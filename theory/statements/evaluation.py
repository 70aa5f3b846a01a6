"""How is a theorem tried on an instance, and what is what cannot be computed?"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array, Floats, InputError, ShapeError, namespace, to_numpy
from theory.records import one_line
from theory.statements.instances import (
    Instance,
    as_float64,
    leaves,
    member,
    require_axes,
    require_batch,
)
from theory.statements.theorem import Theorem
from theory.statements.verdict import COMPUTABLE, FINITE, Verdict


def check(theorem: Theorem[Instance], instance: Instance) -> Verdict:
    """Try a theorem on an instance, in float64, every member of a batch for itself.

    An instance with a NaN or an infinity, or whose sides overflow, gets "does not apply".

    Raises: InputError for what is no theorem, for an instance of another class than the theorem's
    domain makes, and for arrays whose shapes do not go together
    Source: the three outcomes are this project's
    """
    require_about(theorem, instance)
    return evaluate(theorem, as_float64(instance), read=_read)


def require_about(theorem: Theorem[Instance], instance: Instance) -> None:
    """Raise InputError for what `check` refuses."""
    if not isinstance(theorem, Theorem):
        raise InputError(
            f"theorem must be a Theorem, such as CATALOGUE[key], but is {one_line(theorem)}"
        )
    kind = theorem.about
    if not isinstance(instance, kind):
        raise InputError(
            f"{theorem.key} is about a {kind.__qualname__} of {kind.__module__}, "
            f"but the instance is {one_line(instance)}"
        )
    require_axes(instance)
    require_batch(instance, theorem.batch(instance))


def evaluate(
    theorem: Theorem[Instance], exact: Instance, *, read: Callable[[Array], NDArray[Any]]
) -> Verdict:
    """Try a theorem on an instance in the arithmetic of its arrays, where `check` takes float64.

    ``read`` brings a computed side to the host: as float64, or as objects that compare, add and
    know NaN as numbers of more digits do. The verdict holds what it returns.
    """
    batch = theorem.batch(exact)
    if not batch:
        return _evaluate(theorem, exact, read=read)
    try:
        whole = _evaluate(theorem, exact, read=read, batch=batch)
        if not (whole.margins[FINITE] > 0).any():
            return whole
    except (InputError, ArithmeticError, np.linalg.LinAlgError):
        pass  # one member can spoil a call for all of them
    single = [_evaluate(theorem, member(exact, i), read=read) for i in product(*map(range, batch))]
    return _stack(theorem, single, batch)


def _read(values: Array) -> Floats:
    return to_numpy(values).astype(np.float64)


def _evaluate(
    theorem: Theorem[Instance],
    instance: Instance,
    *,
    read: Callable[[Array], NDArray[Any]],
    batch: tuple[int, ...] = (),
) -> Verdict:
    """Check an instance; with a batch, errors of single members come out as exceptions."""
    unknown = np.full(batch, np.nan)

    def attempt(compute: Callable[[Instance], Array]) -> Floats:
        try:
            values = read(compute(instance))
        except ShapeError:
            raise
        except (InputError, ArithmeticError, np.linalg.LinAlgError):
            if batch:
                raise
            return unknown  # what cannot be computed is neither met nor true
        return np.broadcast_to(values, batch)

    margins = {FINITE: np.full(batch, float(_count_not_finite(instance)))}
    if margins[FINITE].any():
        margins |= {hypothesis.name: unknown for hypothesis in theorem.hypotheses}
        margins[COMPUTABLE] = unknown
        return Verdict(theorem.key, margins, unknown, unknown, unknown, unknown)
    with np.errstate(all="ignore"):  # what overflows is caught by COMPUTABLE
        sides = (theorem.lhs, theorem.rhs, theorem.rounding)
        violations = {each.name: each.violation for each in theorem.hypotheses}
        margins |= {name: attempt(violation) for name, violation in violations.items()}
        lhs, rhs, rounding = (attempt(side) for side in sides)
        scale = rhs if theorem.scale is None else attempt(theorem.scale)
        computed = _is_finite(lhs) & _is_finite(rhs + rounding)
    margins[COMPUTABLE] = np.where(computed, 0.0, 1.0)
    return Verdict(theorem.key, margins, lhs, rhs, rounding, scale)


def _is_finite(numbers: Floats) -> NDArray[np.bool_]:
    """Return `numpy.isfinite`, of objects too."""
    return np.asarray(numbers - numbers == 0)


def _count_not_finite(instance: object) -> int:
    count = 0
    for array in leaves(instance):
        xp = namespace(array)
        if array.dtype != xp.bool:
            count += int(xp.count_nonzero(~xp.isfinite(array)))
    return count


def _stack(theorem: Theorem[Any], single: list[Verdict], batch: tuple[int, ...]) -> Verdict:
    def join(values: Iterable[Floats]) -> Floats:
        found = [np.asarray(value) for value in values]
        kind = np.result_type(np.float64, *found)  # objects where some have more digits
        return np.asarray([value[()] for value in found], dtype=kind).reshape(batch)

    names = (FINITE, *(hypothesis.name for hypothesis in theorem.hypotheses), COMPUTABLE)
    return Verdict(
        theorem.key,
        {name: join(verdict.margins[name] for verdict in single) for name in names},
        join(verdict.lhs for verdict in single),
        join(verdict.rhs for verdict in single),
        join(verdict.rounding for verdict in single),
        join(verdict.scale for verdict in single),
    )
