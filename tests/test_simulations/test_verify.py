"""The search: the same numbers for the same seed, reports that say what was done, files."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from simulations.counterexamples import (
    Counterexample,
    read_counterexample,
    replay,
    write_counterexample,
)
from simulations.report import verify_table
from simulations.verify import Report, verify, verify_theorem
from theory.arrays import InputError
from theory.domains import Domain, Params, Sizes
from theory.statements import Hypothesis, check
from theory.theorems import CATALOGUE
from theory.theorems.shi2022_lemmas import LinearMap

WRONG = "activation-gelu-constant-one"


def _without_time(report: Report) -> dict[str, Any]:
    return {**report.as_json(), "seconds": None}


def test_all_theorems_are_as_expected() -> None:
    reports = verify(trials=400)
    assert [report.key for report in reports] == list(CATALOGUE)
    assert [report.key for report in reports if not report.ok] == []
    for report in reports:
        assert report.applied == report.trials == 400
        assert (report.counterexample is None) == (report.expected == "holds")
        assert report.expected == "refuted" or 0 < report.ratio <= 1
        assert report.trials / 4 < report.decided <= report.trials
        assert report.as_json()["decided"] == report.decided


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    keys = ["linear", "block-v", WRONG]
    one, again = (verify(keys, trials=100, seed=3) for _ in range(2))
    assert [_without_time(r) for r in one] == [_without_time(r) for r in again]
    other = verify(keys, trials=100, seed=4)
    assert all(a.lhs != b.lhs for a, b in zip(one, other, strict=True))


def test_a_theorem_more_or_less_changes_no_number() -> None:
    alone = verify(["attention"], trials=100)[0]
    after_others = verify(["linear", "layer-norm", "attention"], trials=100)[-1]
    assert _without_time(alone) == _without_time(after_others)


def test_more_trials_go_on_where_fewer_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray[Any, Any]] = []
    theorem = CATALOGUE["attention"]
    engine = importlib.import_module("simulations.verify")  # the package exports the function
    real = check

    def watch(theorem: Any, instance: Any) -> Any:
        verdict = real(theorem, instance)
        seen.append(verdict.lhs)
        return verdict

    monkeypatch.setattr(engine, "check", watch)
    verify_theorem(theorem, trials=40)
    few = np.concatenate(seen)
    seen.clear()
    verify_theorem(theorem, trials=75)
    assert few.shape == (40,)
    np.testing.assert_array_equal(np.concatenate(seen)[:40], few)


def test_one_trial_is_enough_to_run() -> None:
    report = verify(["linear"], trials=1)[0]
    assert report.trials == report.applied == 1


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    verify(["linear"], trials=70, on_progress=lambda *now: told.append(now))
    assert told[-1] == ("linear", 70, 70)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_a_single_key_may_stand_alone_and_a_repeated_one_runs_once() -> None:
    assert len(verify("linear", trials=5)) == 1
    assert len(verify(["linear", "linear"], trials=5)) == 1


@pytest.mark.parametrize(
    ("key", "hint"), [("layer-nrm", "did you mean 'layer-norm'"), ("zzz", "known are: linear")]
)
def test_an_unknown_key_is_answered_with_a_known_one(key: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        verify([key])


@pytest.mark.parametrize("trials", [0, -1, 10**12, 2.5, True, "many"])
def test_an_impossible_number_of_trials_is_refused(trials: Any) -> None:
    with pytest.raises(InputError, match="trials"):
        verify(["linear"], trials=trials)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        verify(["linear"], trials=1, seed=-1)


def test_a_theorem_that_never_applies_is_not_ok() -> None:
    never = Hypothesis[Any]("never", lambda at: 1 + 0 * at.tokens[..., 0, 0])
    report = verify_theorem(replace(CATALOGUE["linear"], hypotheses=(never,)), trials=10)
    assert report.status == "does not apply"
    assert report.applied == 0
    assert not report.ok
    json.dumps(report.as_json(), allow_nan=False)


def test_a_refuted_claim_that_is_not_refuted_is_not_ok() -> None:
    shy: Domain[Any] = replace(
        CATALOGUE[WRONG].domain, sizes={"tokens": (1, 1), "features": (1, 1), "scale": (0, 0)}
    )
    report = verify_theorem(replace(CATALOGUE[WRONG], domain=shy), trials=50)
    assert report.status == "holds"
    assert not report.ok


def _shown(report: Report) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(verify_table([report]))
    return capture.get()


def test_an_equality_is_ranked_by_its_share_of_rounding() -> None:
    report = verify(["tau-is-a-temperature"], trials=200)[0]
    assert report.rhs == 0 < report.lhs <= report.rounding
    assert report.ratio == report.lhs / report.rounding
    assert f"{report.ratio:.4g} of rounding" in _shown(report)


def test_trials_that_only_rounding_decides_are_counted_apart() -> None:
    blind = replace(CATALOGUE["linear"], rounding=lambda at: 1e300 + CATALOGUE["linear"].rhs(at))
    report = verify_theorem(blind, trials=50)
    assert report.status == "holds"
    assert report.decided == 0
    assert "rounding decides every trial" in _shown(report)


@pytest.mark.parametrize(("value", "decided"), [(1.0, 0), (-1.0, 50)])
def test_equal_tokens_leave_nothing_to_decide_and_opposite_ones_all(
    value: float, decided: int
) -> None:
    def build(sizes: Sizes, params: Params) -> LinearMap:
        tokens = np.ones((len(params["tokens"]), 2, 1)) * [[1.0], [value]]
        return LinearMap(tokens, np.ones((1, 1)), np.zeros((2, 1)))

    alike: Domain[Any] = replace(CATALOGUE["linear"].domain, build=build)
    report = verify_theorem(replace(CATALOGUE["linear"], domain=alike), trials=50)
    assert (report.status, report.decided) == ("holds", decided)


def test_reports_are_json_even_where_a_ratio_is_infinite() -> None:
    report = verify(["layer-norm-general-subspace"], trials=200)[0]
    assert report.ratio == np.inf
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["ratio"] is None


@pytest.fixture(name="example")
def _example() -> Counterexample:
    example = verify([WRONG])[0].counterexample
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


@pytest.mark.slow
def test_no_theorem_falls_in_twenty_thousand_trials() -> None:
    assert [report.key for report in verify(trials=20_000, seed=1) if not report.ok] == []
