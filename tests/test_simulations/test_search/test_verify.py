"""The search: the same numbers for the same seed, reports that say what was done, files."""

import importlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from simulations.reports.verdicts import verify_tables
from simulations.search.catalogue import verify
from simulations.search.counterexamples import (
    Counterexample,
    read_counterexample,
    replay,
    write_counterexample,
)
from simulations.search.keys import known
from simulations.search.theorem import Report, verify_theorem
from simulations.search.trend import TrendReport, verify_trend
from theory.arrays import InputError
from theory.statements.domains import Chosen, Domain, Params, draw
from theory.statements.evaluation import check
from theory.statements.sizes import Exponent, Length
from theory.statements.theorem import Hypothesis
from theory.theorems.block.shi2022_lemmas import LinearMap
from theory.theorems.catalogue import CATALOGUE, TRENDS

WRONG = "activation-gelu-constant-one"
RATE = "norm-orthogonal-values-collapse"
WRONG_TREND = "markov-stable-rank-of-adjacency"


def _without_time(report: Report | TrendReport) -> dict[str, Any]:
    return {**report.as_json(), "seconds": None}


def _theorem(key: str, **options: Any) -> Report:
    report = verify(key, **options)[0]
    assert isinstance(report, Report)
    return report


def test_all_theorems_are_as_expected() -> None:
    reports = verify(CATALOGUE, trials=400)
    assert [report.key for report in reports] == list(CATALOGUE)
    assert [report.key for report in reports if not report.ok] == []
    for report in reports:
        assert isinstance(report, Report)
        assert report.applied == report.trials == 400
        assert report.counterexample is None or report.expected == "refuted"
        assert report.expected == "refuted" or 0 < report.ratio <= 1
        assert report.trials / 4 < report.decided <= report.trials
        assert report.as_json()["decided"] == report.decided


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    keys = ["linear", "block-v", WRONG]
    one, again = (verify(keys, trials=100, seed=3) for _ in range(2))
    assert [_without_time(r) for r in one] == [_without_time(r) for r in again]
    other = verify(keys, trials=100, seed=4)
    pairs = list(zip(one, other, strict=True))
    assert all(_without_time(a) | {"seed": 4} != _without_time(b) for a, b in pairs)


def test_a_trend_depends_on_seed_and_key_alone() -> None:
    one, few, other = (
        verify([*before, RATE], trials=trials, seed=seed)[-1]
        for before, trials, seed in (((), 100, 3), (("linear",), 1, 3), ((), 100, 4))
    )
    assert _without_time(one) == _without_time(few)
    assert isinstance(one, TrendReport)
    assert isinstance(other, TrendReport)
    assert one.estimate != other.estimate


def test_two_processes_give_the_same_reports_in_the_same_order() -> None:
    keys = ["linear", RATE, WRONG]
    told: list[tuple[str, int, int]] = []
    alone = verify(keys, trials=40)
    apart = verify(keys, trials=40, workers=2, on_progress=lambda *now: told.append(now))
    assert [_without_time(r) for r in alone] == [_without_time(r) for r in apart]
    assert sorted(key for key, done, total in told if done == total) == sorted(keys)
    assert isinstance(apart[2], Report)
    assert isinstance(alone[2], Report)
    one, two = apart[2].counterexample, alone[2].counterexample
    assert one is not None
    assert two is not None
    assert one.sizes == two.sizes


def test_a_worker_that_dies_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = importlib.import_module("simulations.search.catalogue")
    monkeypatch.setattr(engine, "_verify_one", _die)
    with pytest.raises(InputError, match="workers must be fewer"):
        verify(["linear", RATE], trials=1, workers=2)


def _die(*_: Any) -> None:
    os._exit(1)


@pytest.mark.parametrize("workers", [0, -1, 2.5, True, 1000])
def test_an_impossible_number_of_workers_is_refused(workers: Any) -> None:
    with pytest.raises(InputError, match="workers"):
        verify(["linear"], trials=1, workers=workers)


def test_a_theorem_more_or_less_changes_no_number() -> None:
    alone = verify(["attention"], trials=100)[0]
    after_others = verify(["linear", "layer-norm", "attention"], trials=100)[-1]
    assert _without_time(alone) == _without_time(after_others)


def test_more_trials_go_on_where_fewer_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray[Any, Any]] = []
    theorem = CATALOGUE["attention"]
    engine = importlib.import_module("simulations.search.theorem")
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
    report = _theorem("linear", trials=1)
    assert report.trials == report.applied == 1


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    verify(["linear"], trials=70, on_progress=lambda *now: told.append(now))
    assert told[-1] == ("linear", 70, 70)
    told.clear()
    verify([WRONG_TREND, RATE], on_progress=lambda *now: told.append(now))
    assert [key for key, done, total in told if done == total] == [WRONG_TREND, RATE]


def test_a_single_key_may_stand_alone_and_a_repeated_one_runs_once() -> None:
    assert len(verify("linear", trials=5)) == 1
    assert len(verify(["linear", "linear"], trials=5)) == 1


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("layer-nrm", "did you mean 'layer-norm'"),
        ("sphere-energy-rise", "did you mean 'sphere-energy-rises'"),
        ("ATTENTOIN", "did you mean 'attention'"),
        ("wu2023", "did you mean 'attention-on-a-connected-graph'"),
        ("fusion", "of that name or source are: fusion-concat, .*, fusion-gate-distances-alone$"),
        ("", "known are: linear.*init-pre-norm-growth"),
        ("zzz", "known are: linear.*init-pre-norm-growth"),
    ],
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


SHY: Domain[Any] = replace(
    CATALOGUE[WRONG].domain,
    sizes={"tokens": Length(1, 1), "features": Length(1, 1), "scale": Exponent(0, 0)},
)


def test_a_refuted_claim_that_is_not_refuted_is_not_ok() -> None:
    harmless: Any = draw(SHY, np.random.default_rng(0)).instance
    theorem = replace(CATALOGUE[WRONG], domain=SHY, witness=lambda: harmless)
    report = verify_theorem(theorem, trials=50)
    assert report.status == "holds"
    assert not report.ok


def test_a_witness_refutes_where_no_trial_does() -> None:
    report = verify_theorem(replace(CATALOGUE[WRONG], domain=SHY), trials=50)
    assert (report.status, report.refuted, report.counterexample) == ("refuted", 0, None)
    assert report.ok


@pytest.mark.parametrize(
    "key", sorted(key for key, theorem in CATALOGUE.items() if theorem.expected == "refuted")
)
def test_one_trial_is_enough_for_an_expected_refutation(key: str) -> None:
    assert _theorem(key, trials=1).status == "refuted"


def test_theorems_and_trends_have_the_same_names_for_the_same_things() -> None:
    reports = verify(["linear", RATE], trials=5)
    found: list[dict[str, Any]] = [report.as_json() for report in reports]
    theorem, trend = found
    shared = {"kind", "key", "source", "expected", "status", "trials", "seconds", "seed", "ok"}
    assert shared <= theorem.keys() & trend.keys()
    assert (theorem["kind"], trend["kind"]) == ("inequality", "trend")
    assert trend.keys() - theorem.keys() == {
        *("statistic", "estimate", "lower", "upper", "claimed", "alpha", "reason")
    }
    json.dumps(trend, allow_nan=False)
    assert trend["claimed"] == [None, -0.5]
    assert trend["lower"] < trend["estimate"] < trend["upper"] < -0.1


def test_a_trend_that_is_not_decided_is_not_ok() -> None:
    report = verify_trend(replace(TRENDS["residual-scaling-cosine"], runs=64))
    assert (report.status, report.reason, report.ok) == (
        *("does not apply", "the data do not decide"),
        False,
    )
    assert "UNEXPECTED does not apply (the data do not decide)" in _shown(report)


def test_the_tables_say_what_was_expected_and_what_was_not() -> None:
    shown = _shown(*verify([WRONG, WRONG_TREND, RATE], trials=50))
    assert shown.count("refuted, as expected") == 2
    assert "holds (alpha 1e-09)" in shown
    assert "-inf .. -0.5" in shown
    wrong = replace(TRENDS[WRONG_TREND], expected="holds", correction="")
    assert "UNEXPECTED refuted: should be holds" in _shown(verify_trend(wrong))


def test_all_keys_are_known_once() -> None:
    assert known() == (*CATALOGUE, *TRENDS)


def _shown(*reports: Report | TrendReport) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(*verify_tables(reports))
    return capture.get()


def test_an_equality_is_ranked_by_its_share_of_rounding() -> None:
    report = _theorem("tau-is-a-temperature", trials=200)
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
    def make(sizes: Chosen, params: Params) -> LinearMap:
        tokens = np.ones((len(params["tokens"]), 2, 1)) * [[1.0], [value]]
        return LinearMap(tokens, np.ones((1, 1)), np.zeros((2, 1)))

    alike: Domain[Any] = replace(CATALOGUE["linear"].domain, make=make)
    report = verify_theorem(replace(CATALOGUE["linear"], domain=alike), trials=50)
    assert (report.status, report.decided) == ("holds", decided)


def test_reports_are_json_even_where_a_ratio_is_infinite() -> None:
    report = _theorem("layer-norm-general-subspace", trials=200)
    assert report.ratio == np.inf
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["ratio"] is None


@pytest.fixture(name="example")
def _example() -> Counterexample:
    example = _theorem(WRONG).counterexample
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
