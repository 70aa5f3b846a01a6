"""Is every record that people get shown in a few lines, however much it holds?"""

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from tests.test_package.test_doors import DOORS
from theory.records import show_record

_OURS = ("theory", "simulations", "paper_figures")


def _is_record(value: Any) -> bool:
    named = isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    return isinstance(value, type) and (named or dataclasses.is_dataclass(value))


def _hints(value: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(value)
    except (NameError, TypeError):  # a type that is imported for type checkers only; an alias
        return {}


def _records(hint: Any, seen: set[type]) -> None:
    """Add the records of this project that a hint, or a function's hints, lead to."""
    if _is_record(hint):
        if hint in seen or hint.__module__.partition(".")[0] not in _OURS:
            return
        seen.add(hint)
        for value in _hints(hint).values():
            _records(value, seen)
        for value in vars(hint).values():
            if isinstance(value, property):
                _records(value.fget, seen)
    elif inspect.isfunction(hint):
        for value in _hints(hint).values():
            _records(value, seen)
    for part in typing.get_args(hint):
        for each in part if isinstance(part, list) else [part]:
            _records(each, seen)


def _public() -> list[type]:
    seen: set[type] = set()
    for room in DOORS:
        module = importlib.import_module(room)
        for name in module.__all__:
            _records(getattr(module, name), seen)
    return sorted(seen, key=lambda kind: (kind.__module__, kind.__name__))


def _can_be_long(hint: Any, within: frozenset[Any] = frozenset()) -> bool:
    """Say whether what a hint allows may have any length: an array, a collection, anything."""
    if _is_record(hint):
        inner = (v for name, v in _hints(hint).items() if hint not in within and name != "AXES")
        return any(_can_be_long(value, within | {hint}) for value in inner)
    origin = typing.get_origin(hint) or hint
    if origin in (Any, object) or isinstance(hint, typing.TypeVar):
        return True
    if isinstance(origin, type):
        if issubclass(origin, Mapping | list | set | np.ndarray):
            return True
        if issubclass(origin, tuple) and ... in typing.get_args(hint):
            return True
    parts = (part for part in typing.get_args(hint) if not isinstance(part, list))
    return any(_can_be_long(part, within) for part in parts)


PUBLIC = _public()
LONG = [kind for kind in PUBLIC if _can_be_long(kind)]
# What these hold is formulas, which are there to be read.
FORMULAS = "theory.symbolic."


def test_the_walk_finds_what_people_get() -> None:
    names = {kind.__name__ for kind in PUBLIC}
    assert {"Block", "Checkpoint", "Trace", "Verdict", "Counterexample", "Theorem"} <= names
    assert {kind.__name__ for kind in LONG} >= {"Norm", "Analysis", "LawReport", "Survey"}
    assert "Interval" in names - {kind.__name__ for kind in LONG}


def _filled(kind: type) -> Iterator[Any]:
    """Yield records whose every field holds something large: an array, and many of them."""
    large = np.full((500, 500), 0.123456789)
    for value in (large, (large,) * 500, {str(i): large for i in range(500)}, "text " * 10_000):
        if dataclasses.is_dataclass(kind):
            record = object.__new__(kind)
            for field in dataclasses.fields(kind):
                object.__setattr__(record, field.name, value)
            yield record
        else:
            yield tuple.__new__(kind, [value] * len(kind._fields))  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", LONG, ids=lambda kind: kind.__name__)
def test_a_record_that_can_hold_much_is_shown_in_a_few_lines(kind: Any) -> None:
    if kind.__module__.startswith(FORMULAS):
        pytest.skip("its formulas are what is to be read")
    assert kind.__repr__ is show_record, "it wants @brief_repr above its other decorators"
    for record in _filled(kind):
        text = repr(record)
        names = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else kind._fields
        assert text.count("\n") <= 2 * len(names) + 1
        assert "0.123" not in text
        assert all(len(line) <= 101 for line in text.splitlines())
