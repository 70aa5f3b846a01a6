"""Two recordings differ where anything does, but for what is volatile."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.same_answers import main

ANSWER: dict[str, Any] = {
    "exit": 0,
    "stdout": {"v": [0.1, float("nan"), 1.0], "n": 3, "seconds": 1.25},
    "stderr": "first line\nr: test 0.1750, 3 s\n",
}


def recorded(folder: Path, change: dict[str, Any]) -> str:
    """Store one answer, changed, as the part "law"; return the folder's name."""
    folder.mkdir()
    content = {"answers": {"law --json": [ANSWER | change]}, "files": {}}
    (folder / "law.json").write_text(json.dumps(content), encoding="utf-8")
    return str(folder)


def compared(tmp_path: Path, change: dict[str, Any], *options: str) -> int:
    old, new = recorded(tmp_path / "old", {}), recorded(tmp_path / "new", change)
    return main(["compare", old, new, "--only", "law", *options])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"stdout": ANSWER["stdout"] | {"seconds": 9.0}},
        {"stderr": "first line\nr: test 0.1750, 14 s\n"},
    ],
)
def test_times_make_no_difference(tmp_path: Path, change: dict[str, Any]) -> None:
    assert compared(tmp_path, change) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"exit": 1},
        {"stdout": ANSWER["stdout"] | {"v": [0.1 + 2**-56, float("nan"), 1.0]}},
        {"stdout": ANSWER["stdout"] | {"v": [0.1, 0.0, 1.0]}},
        {"stdout": ANSWER["stdout"] | {"v": [0.1, float("nan"), 1]}},
        {"stdout": ANSWER["stdout"] | {"v": [0.1, float("nan")]}},
        {"stdout": ANSWER["stdout"] | {"more": 1}},
        {"stdout": {"v": ANSWER["stdout"]["v"], "seconds": 1.25}},
        {"stdout": {"n": 3, "v": ANSWER["stdout"]["v"], "seconds": 1.25}},
        {"stderr": "first line\nr: test 0.1751, 3 s\n"},
        {"stderr": "first line\n"},
    ],
)
def test_anything_else_is_a_difference(tmp_path: Path, change: dict[str, Any]) -> None:
    assert compared(tmp_path, change) == 1


def test_the_difference_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(tmp_path, {"stdout": ANSWER["stdout"] | {"n": 4}})
    assert "law --json[0] / stdout / n\n  old: 3\n  new: 4" in capsys.readouterr().out


def test_a_part_that_was_not_recorded_is_a_difference(tmp_path: Path) -> None:
    old = recorded(tmp_path / "old", {})
    assert main(["compare", old, old, "--only", "law", "check"]) == 1


def test_a_tolerance_is_relative_and_of_one_part(tmp_path: Path) -> None:
    change = {"stdout": ANSWER["stdout"] | {"v": [0.1 + 1e-14, float("nan"), 1.0]}}
    assert compared(tmp_path, change, "--tolerance", "law=1e-12", "check=1") == 0
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert main(["compare", old, new, "--only", "law", "--tolerance", "check=1e-12"]) == 1
    assert main(["compare", old, new, "--only", "law", "--tolerance", "law=1e-15"]) == 1
