"""A question too large for this machine is refused at once, and the size at fault is named."""

import pytest

from simulations.machine import limits
from simulations.stacks.room import require_law_room, require_room
from simulations.stacks.stack import Stack
from tests.helpers.commands import refused
from theory.arrays import InputError

MANY, DIGITS = str(10**10), "9" * 5000


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["simulate", "--tokens", MANY], "tokens must be smaller, but is 10,000,000,000"),
        (["simulate", "--tokens", "1" * 20], "tokens must be smaller"),
        (["simulate", "--ffn-width", MANY], "ffn_width must be smaller"),
        (["simulate", "--width", MANY], "width must be smaller"),
        (["simulate", "--depth", str(10**9)], "depth must be at most 1,000,000"),
        (["simulate", "--mask", f"window:{DIGITS}"], "at most 18 digits, but has 5,000"),
        (["simulate", "--mask", f"blocks:1,{DIGITS}"], "at most 18 digits, but has 5,000"),
        (["simulate", "--tokens", DIGITS], "--tokens"),
        (["law", "--n", MANY], "n must be smaller"),
        (["law", "--n", "1" * 20, "--graph", "ring"], "n must be smaller"),
        (["law", "--graph", f"ring:{DIGITS}"], "at most 18 digits"),
        (["law", "--depth", str(10**8)], "depth must be at most 1,000,000"),
        (["law", "--layers", "-1"], "layers must be from 1 to 1,000,000, but is -1"),
        (["law", "--layers", str(10**8)], "layers must be from 1 to 1,000,000"),
        (["law", "--critical", "residual", "--points", MANY], "points must be at most 100,000"),
    ],
)
def test_a_size_beyond_reach_is_named_in_one_short_line(
    argv: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, *argv)
    assert wanted in line
    assert len(line) < 2000


def test_the_size_at_fault_is_the_one_without_which_least_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "memory_bytes", lambda: 10**8)
    require_room(Stack())
    require_law_room(Stack())
    for changes, name in (
        ({"tokens": 4000, "heads": 1}, "tokens"),
        ({"tokens": 1000, "heads": 64}, "tokens"),
        ({"width": 4096}, "width"),
        ({"ffn_width": 10**6}, "ffn_width"),
    ):
        with pytest.raises(InputError, match=rf"^{name} must be smaller"):
            require_room(Stack(**changes))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^seeds must be smaller"):
        require_room(Stack(), seeds=10_000)
    with pytest.raises(InputError, match=r"^n must be smaller"):
        require_law_room(Stack(tokens=4000))
    with pytest.raises(InputError, match=r"^depth must be smaller"):
        require_law_room(Stack(depth=10**4))


def test_a_limit_of_the_process_counts_as_memory_of_the_machine() -> None:
    assert 2**28 < limits.memory_bytes() < 2**50
