"""Files of instances and the commands attack and replay: exit codes, refusals, the old format."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paper_figures.command.main import main
from simulations.search.adversary import attack
from simulations.search.counterexamples import (
    Counterexample,
    comes_out,
    read_counterexample,
    replay,
    write_counterexample,
)
from theory.arrays import InputError

WRONG = "activation-gelu-constant-one"


@pytest.fixture(name="reached", scope="module")
def _reached() -> Counterexample:
    example = attack("attention", budget=2000).example
    assert example is not None
    return example


def _rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_instance_that_reaches_its_bound_is_replayed(
    reached: Counterexample, tmp_path: Path
) -> None:
    again = read_counterexample(write_counterexample(reached, tmp_path / "one.json"))
    assert again.claim == "reached"
    assert again.origin["search"] == "attack"
    assert {"python", "numpy", "seed", "budget"} <= set(again.origin)
    for name, values in reached.params.items():
        np.testing.assert_array_equal(again.params[name], values)
    assert comes_out(again, replay(again))


def test_a_claim_that_does_not_come_out_is_told_from_one_that_does(
    reached: Counterexample,
) -> None:
    verdict = replay(reached)
    more = {"lhs": reached.lhs * 1.5}
    assert not comes_out(_with(reached, **more), verdict)
    assert not comes_out(_with(reached, claim="refuted"), verdict)


def test_a_made_up_claim_that_rounding_explains_does_not_come_out(reached: Counterexample) -> None:
    """All zero: 0 <= 0 reaches nothing; nor does a file's own rounding allow other sides."""
    zero = {name: 0 * values for name, values in reached.params.items()}
    nothing = _with(reached, params=zero, lhs=0.0, rhs=0.0, rounding=1.0)
    verdict = replay(nothing)
    assert (float(verdict.lhs), float(verdict.rhs)) == (0.0, 0.0)
    assert not comes_out(nothing, verdict)
    assert not comes_out(_with(nothing, claim="refuted"), verdict)
    vague = _with(reached, lhs=reached.lhs * 1.5, rounding=10 * reached.rhs)
    assert not comes_out(vague, replay(vague))


def _with(example: Counterexample, **changes: Any) -> Counterexample:
    fields = {name: getattr(example, name) for name in example.__dataclass_fields__}
    return Counterexample(**{**fields, **changes})


def test_an_edited_file_is_refused(reached: Counterexample, tmp_path: Path) -> None:
    path = write_counterexample(reached, tmp_path / "one.json")
    _rewrite(path, lhs=(2 * reached.lhs).hex())
    with pytest.raises(InputError, match="edited"):
        read_counterexample(path)


def test_a_file_of_a_later_version_is_refused(reached: Counterexample, tmp_path: Path) -> None:
    path = write_counterexample(reached, tmp_path / "one.json")
    _rewrite(path, format="oversmooth instance 3")
    with pytest.raises(InputError, match="later version"):
        read_counterexample(path)


def test_files_of_the_format_before_are_read(tmp_path: Path) -> None:
    found = attack(WRONG, budget=2000).example
    assert found is not None
    path = write_counterexample(found, tmp_path / "one.json")
    content = json.loads(path.read_text())
    for name in ("claim", "origin", "sha256"):
        del content[name]
    path.write_text(json.dumps({**content, "format": "oversmooth counterexample 1"}))
    again = read_counterexample(path)
    assert again.claim == "refuted"
    assert comes_out(again, replay(again))


def test_sizes_outside_the_domain_are_refused(reached: Counterexample, tmp_path: Path) -> None:
    far = _with(reached, sizes={**reached.sizes, "scale": 10**6})
    path = write_counterexample(far, tmp_path / "one.json")
    with pytest.raises(InputError, match="scale must be"):
        read_counterexample(path)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"theorem": ["linear"]}, "not in the catalogue"),
        ({"lhs": "nan"}, "lhs is nan"),
        ({"rounding": "-0x1p+0"}, "rounding is -1"),
        ({"params": "nan"}, "must be finite"),
        ({"params": "-inf"}, "must be finite"),
        ({"params": "0x1p+9999"}, "damaged"),
    ],
)
def test_what_no_search_can_have_written_is_refused_though_its_digest_fits(
    changes: dict[str, Any], wanted: str, reached: Counterexample, tmp_path: Path
) -> None:
    path = write_counterexample(reached, tmp_path / "one.json")
    if "params" in changes:
        same = json.loads(path.read_text())["params"]
        changes = {
            "params": {name: _filled(values, changes["params"]) for name, values in same.items()}
        }
    _rewrite(path, **changes)
    content = json.loads(path.read_text())
    del content["sha256"]
    _rewrite(path, sha256=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest())
    with pytest.raises(InputError, match=wanted):
        read_counterexample(path)


def _filled(values: Any, text: str) -> Any:
    return [_filled(row, text) for row in values] if isinstance(values, list) else text


def test_files_that_nest_too_deep_or_have_no_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="is not JSON"):
        read_counterexample(path)
    with path.open("r+b") as file:
        file.truncate(2**30)  # sparse: it takes no room
    with pytest.raises(InputError, match="at most 10,000,000 characters"):
        read_counterexample(path)


@pytest.mark.parametrize("key", [WRONG, "linear"])
def test_attack_and_replay_say_zero_where_all_is_as_expected(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "found.json"
    assert main(["attack", key, "--budget", "2000", "--out", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["key"], found["ok"]) == (key, True)
    assert main(["replay", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comes_out"] is True
    assert main(["attack", key, "--budget", "2000"]) == 0
    assert "refuted_after" in capsys.readouterr().out


def test_attack_says_one_where_a_verdict_is_unexpected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search that ends with a verdict other than the expected one."""
    found = replace(attack("linear", budget=200), expected="refuted")
    monkeypatch.setattr("simulations.search.adversary.attack", lambda *_, **__: found)
    assert main(["attack", "linear", "--budget", "200", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_replay_says_one_where_the_claim_does_not_come_out(
    reached: Counterexample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boast = _with(reached, claim="refuted")
    path = write_counterexample(boast, tmp_path / "one.json")
    assert main(["replay", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "holds"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["attack", "atention"], "did you mean 'attention'"),
        (["attack", "linear", "--budget", "0"], "budget"),
        (["attack", "linear", "--budget", "1e3"], "budget"),
        (["attack", "linear", "--budget", "2.5"], "budget"),
        (["attack", "linear", "--seed", "-1"], "seed"),
    ],
)
def test_a_wrong_question_is_answered_with_two(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert complaint in capsys.readouterr().err


def test_a_file_that_is_there_is_found_out_before_the_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    path.write_text("mine")
    assert main(["attack", "linear", "--out", str(path)]) == 2
    assert "there already" in capsys.readouterr().err
    assert path.read_text() == "mine"
