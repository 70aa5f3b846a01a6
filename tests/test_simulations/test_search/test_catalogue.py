"""Does the search give the same numbers for the same seed, in any number of processes?"""

import importlib
import os
from typing import Any

import numpy as np
import pytest

from simulations.search.catalogue import verify
from simulations.search.keys import known
from simulations.search.theorem import Report, verify_theorem
from simulations.search.trend import TrendReport
from tests.test_simulations.helpers.searches import RATE, WRONG, WRONG_TREND
from theory.arrays import InputError
from theory.statements.evaluation import check
from theory.theorems.catalogue import CATALOGUE, TRENDS

pytestmark = pytest.mark.once


def _without_time(report: Report | TrendReport) -> dict[str, Any]:
    return {**report.as_json(), "seconds": None}


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


def test_all_keys_are_known_once() -> None:
    assert known() == (*CATALOGUE, *TRENDS)


@pytest.mark.slow
def test_no_theorem_falls_in_twenty_thousand_trials() -> None:
    assert [report.key for report in verify(trials=20_000, seed=1) if not report.ok] == []
