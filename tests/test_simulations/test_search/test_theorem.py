"""What is a theorem's or a trend's report, and when is it as expected?"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from simulations.reports.verdicts import verify_tables
from simulations.search.catalogue import verify
from simulations.search.theorem import Report, verify_theorem
from simulations.search.trend import TrendReport, verify_trend
from tests.test_simulations.helpers.searches import RATE, WRONG, WRONG_TREND, report_of
from theory.statements.domains import Chosen, Domain, Params, draw
from theory.statements.sizes import Exponent, Length
from theory.statements.theorem import Hypothesis
from theory.theorems.block.shi2022_lemmas import LinearMap
from theory.theorems.catalogue import CATALOGUE, TRENDS


def test_one_trial_is_enough_to_run() -> None:
    report = report_of("linear", trials=1)
    assert report.trials == report.applied == 1


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
    assert report_of(key, trials=1).status == "refuted"


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


def _shown(*reports: Report | TrendReport) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(*verify_tables(reports))
    return capture.get()


def test_an_equality_is_ranked_by_its_share_of_rounding() -> None:
    report = report_of("tau-is-a-temperature", trials=200)
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
    report = report_of("layer-norm-general-subspace", trials=200)
    assert report.ratio == np.inf
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["ratio"] is None
