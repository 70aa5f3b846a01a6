"""A record is shown in a few lines, and nothing that it holds can make that fail."""

from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest

from theory.records import brief_repr, one_line
from theory.spectra.brackets import Bracket


@brief_repr
@dataclass(frozen=True)
class _Holder:
    value: Any
    hidden: int = field(default=0, repr=False)


@brief_repr
class _Pair(NamedTuple):
    left: Any
    right: Any


LARGE = np.zeros((384, 1536))


def test_an_array_is_shown_by_its_dtype_and_shape() -> None:
    assert repr(_Holder(LARGE)) == "_Holder(value=float64[384, 1536])"
    assert repr(_Holder(np.zeros(0, dtype=bool))) == "_Holder(value=bool[0])"
    assert repr(_Pair(LARGE, None)) == "_Pair(left=float64[384, 1536], right=None)"


def test_a_single_number_is_shown_as_that() -> None:
    assert repr(_Pair(np.asarray(0.5), np.float32(0.25))) == "_Pair(left=0.5, right=0.25)"
    found = Bracket(np.float64(1.0), np.float64(2.0), np.int64(1))
    assert repr(found) == "Bracket(lower=1.0, upper=2.0, tier=1)"


def test_of_a_long_collection_the_first_are_shown_and_the_number() -> None:
    shown = repr(_Holder(tuple(range(7))))
    assert shown == "_Holder(value=(0, 1, 2, 3, ... 7 in all))"
    assert repr(_Holder([LARGE])) == "_Holder(value=[float64[384, 1536]])"
    assert repr(_Holder((1,))) == "_Holder(value=(1,))"
    assert repr(_Holder({"a": LARGE})) == "_Holder(value={'a': float64[384, 1536]})"
    assert "... 99 in all}" in repr(_Holder(dict.fromkeys(range(99), LARGE)))


def test_a_record_within_is_shown_and_one_within_that_is_named() -> None:
    assert repr(_Holder(_Pair(1, _Pair(2, 3)))) == "_Holder(value=_Pair(left=1, right=_Pair(...)))"


def test_what_is_long_takes_two_lines_a_field_at_most() -> None:
    lines = repr(_Pair("x" * 10_000, {f"name {i}": LARGE for i in range(50)})).splitlines()
    assert len(lines) <= 2 + 2 * 2
    assert max(map(len, lines)) <= 101
    assert lines[0] == "_Pair("
    assert lines[-1] == ")"


def test_classes_functions_and_modules_are_named() -> None:
    assert repr(_Pair(np, _Holder)) == "_Pair(left=numpy, right=_Holder)"
    assert repr(_Holder(one_line)) == "_Holder(value=one_line)"


def test_a_message_stays_on_one_line_whatever_it_quotes() -> None:
    assert one_line(LARGE) == "float64[384, 1536]"
    assert one_line("a\nb") == "'a\\nb'"
    shown = one_line(_Pair("x" * 200, LARGE))
    assert "\n" not in shown
    assert len(shown) <= 60


def test_a_subclass_that_asks_for_it_shows_its_own_fields() -> None:
    @brief_repr
    @dataclass(frozen=True)
    class More(_Holder):
        other: int = 1

    assert repr(More(LARGE)) == "More(value=float64[384, 1536], other=1)"


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_tensors_without_numbers_are_shown_too() -> None:
    torch = import_module("torch")
    assert repr(_Holder(torch.zeros(2, 3))) == "_Holder(value=torch.float32[2, 3])"
    assert repr(_Holder(torch.zeros((), device="meta"))) == "_Holder(value=torch.float32[])"
    seen = []

    def show(x: Any) -> Any:
        seen.append(repr(_Holder(x)))
        return x

    torch.func.vmap(show)(torch.zeros(3))
    assert seen == ["_Holder(value=torch.float32[])"]
