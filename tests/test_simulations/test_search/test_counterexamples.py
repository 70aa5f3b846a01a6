"""Is a counterexample replayed to the last bit, and a damaged file refused?"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.search.counterexamples import (
    Counterexample,
    read_counterexample,
    replay,
    write_counterexample,
)
from tests.test_simulations.helpers.searches import WRONG, report_of
from theory.arrays import InputError


@pytest.fixture(name="example")
def _example() -> Counterexample:
    example = report_of(WRONG).counterexample
    assert example is not None
    return example


def test_a_counterexample_is_replayed_to_the_last_bit(
    example: Counterexample, tmp_path: Path
) -> None:
    path = write_counterexample(example, tmp_path / "found" / "one.json")
    again = read_counterexample(path)
    assert again.key == example.key
    assert again.sizes == example.sizes
    for name, values in example.params.items():
        np.testing.assert_array_equal(again.params[name], values)
    verdict = replay(again)
    assert verdict.status == "refuted"
    assert (float(verdict.lhs), float(verdict.rhs)) == pytest.approx(
        (example.lhs, example.rhs), abs=example.rounding, rel=0
    )
    assert list(path.parent.iterdir()) == [path], "no half-written file is left"


def test_writing_the_same_again_is_fine_and_other_content_is_kept(
    example: Counterexample, tmp_path: Path
) -> None:
    path = write_counterexample(example, tmp_path / "one.json")
    write_counterexample(example, path)
    before = path.read_text()
    with pytest.raises(InputError, match="already"):
        write_counterexample(replace(example, lhs=2.0), path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_clear_error(
    example: Counterexample, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_counterexample(example, tmp_path / "file" / "one.json")


def _damage(content: dict[str, Any], what: str) -> str:
    if what == "truncated":
        return json.dumps(content)[:-30]
    if what == "format":
        content["format"] = "something else"
    elif what == "theorem":
        content["theorem"] = "no such"
    elif what == "missing":
        del content["params"]["tokens"]
    elif what == "number":
        content["lhs"] = "zero"
    elif what == "shape":
        content["params"]["tokens"] = ["0x1p0"]
    elif what == "list":
        return "[]"
    return json.dumps(content)


@pytest.mark.parametrize(
    "what", ["truncated", "format", "theorem", "missing", "number", "shape", "list"]
)
def test_a_damaged_file_is_one_clear_error(
    example: Counterexample, tmp_path: Path, what: str
) -> None:
    path = write_counterexample(example, tmp_path / "one.json")
    path.write_text(_damage(json.loads(path.read_text()), what))
    with pytest.raises(InputError, match=r"one\.json"):
        read_counterexample(path)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_counterexample(tmp_path / "none.json")
