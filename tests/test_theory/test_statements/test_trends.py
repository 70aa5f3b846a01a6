"""The judge of trends: its false-alarm rate, its power, and what it says when it cannot say."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from theory.arrays import InputError
from theory.statements.intervals import INTERVALS, Method, clopper_pearson, slopes, student
from theory.statements.judgement import NOT_FINITE, UNDECIDED, judge
from theory.statements.trend import Evidence, Interval, Trend

EVEN = "the coin is even"
NONE = np.zeros(1)
TRUTH = 0.25


def _normal(rng: np.random.Generator, runs: int) -> Evidence:
    return Evidence(TRUTH + rng.standard_normal(runs), {EVEN: -NONE})


def _uniform(rng: np.random.Generator, runs: int) -> Evidence:
    return Evidence(rng.uniform(0, 2 * TRUTH, runs), {EVEN: -NONE})


def _coin(rng: np.random.Generator, runs: int) -> Evidence:
    return Evidence((rng.random(runs) < TRUTH).astype(float), {EVEN: -NONE})


def _broken(rng: np.random.Generator, runs: int) -> Evidence:
    return replace(_normal(rng, runs), margins={EVEN: np.ones(runs)})


DRAWS: dict[Method, Callable[..., Evidence]] = {
    "mean": _normal,
    "bounded mean": _uniform,
    "proportion": _coin,
}


def _trend(method: Method = "mean", **changes: Any) -> Trend:
    trend = Trend(
        key="planted",
        claim="x = 1/4",
        source="derived",
        statistic="the mean",
        claimed=Interval(TRUTH, TRUTH),
        method=method,
        experiment=DRAWS.get(method, _normal),
        outside=_broken,
        hypotheses=(EVEN,),
        resolution=0.0,
        runs=128,
        first=8,
        bounds=Interval(0.0, 2 * TRUTH),
    )
    return replace(trend, **changes)


@pytest.mark.parametrize("method", DRAWS)
def test_a_true_claim_is_refuted_no_more_often_than_alpha_allows(method: Method) -> None:
    alpha, repeats = 0.3, 300
    found = [judge(_trend(method), _rng(i), alpha=alpha) for i in range(repeats)]
    alarms = sum(judgement.status == "refuted" for judgement in found)
    assert alarms <= repeats * alpha + 3 * (repeats * alpha) ** 0.5
    if method == "mean":  # exact at each look, so that a union bound over five loses little
        assert alarms > repeats * alpha / 4


@pytest.mark.parametrize("method", INTERVALS)
def test_one_look_covers_the_truth(method: Method) -> None:
    interval, covered = INTERVALS[method], 0
    for i in range(300):
        samples = DRAWS[method](_rng(i), 40).samples
        estimate, lower, upper = interval(samples, (0.0, 2 * TRUTH), 0.2)
        assert lower <= estimate <= upper
        covered += lower <= TRUTH <= upper
    assert covered >= 300 * 0.8 - 3 * (300 * 0.16) ** 0.5


@pytest.mark.parametrize("method", DRAWS)
@pytest.mark.parametrize("claimed", [Interval(0.45, 0.5), Interval(-1.0, 0.02)])
def test_a_planted_falsehood_is_refuted_at_the_default_level(
    method: Method, claimed: Interval
) -> None:
    found = judge(_trend(method, claimed=claimed, runs=16384), _rng(0))
    assert found.status == "refuted"
    assert found.samples.size < 16384, "it stops once it knows"
    assert found.reason == ""


@pytest.mark.parametrize("method", DRAWS)
def test_a_true_interval_is_confirmed(method: Method) -> None:
    trend = _trend(method, claimed=Interval(0.1, 0.4), runs=16384)
    found = judge(trend, _rng(0))
    assert found.status == "holds"
    assert 0.1 <= found.lower <= found.estimate <= found.upper <= 0.4


def test_a_narrow_interval_that_meets_the_claim_agrees() -> None:
    found = judge(_trend(resolution=0.5, runs=4096), _rng(0))
    assert found.status == "holds"
    assert found.upper - found.lower <= 0.5


def test_few_samples_do_not_decide() -> None:
    found = judge(_trend(runs=16), _rng(0))
    assert (found.status, found.reason) == ("does not apply", UNDECIDED)
    assert not found.fails
    assert judge(_trend(), _rng(0), runs=1).reason == UNDECIDED


def test_a_broken_hypothesis_ends_the_search_and_is_named() -> None:
    found = judge(_trend(experiment=_broken), _rng(0))
    assert (found.status, found.reasons) == ("does not apply", (EVEN,))
    assert found.reason == EVEN
    assert found.samples.size == 8


def test_a_hypothesis_that_cannot_be_measured_is_not_met() -> None:
    def unknown(rng: np.random.Generator, runs: int) -> Evidence:
        return replace(_normal(rng, runs), margins={EVEN: np.asarray([np.nan])})

    assert judge(_trend(experiment=unknown), _rng(0)).reasons == (EVEN,)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["mean", "every"])
def test_a_sample_that_is_no_number_decides_nothing(value: float, method: Method) -> None:
    def spoilt(rng: np.random.Generator, runs: int) -> Evidence:
        samples = _normal(rng, runs).samples
        samples[-1] = value
        return Evidence(samples, {EVEN: -NONE})

    found = judge(_trend(method, experiment=spoilt), _rng(0))
    assert (found.status, found.reason) == ("does not apply", NOT_FINITE)


@pytest.mark.parametrize(
    ("low", "slack", "status"),
    [(0.1, 0.0, "holds"), (-0.1, 0.0, "refuted"), (-0.1, 0.2, "holds"), (-0.3, 0.2, "refuted")],
)
def test_every_sample_has_to_agree_up_to_the_slack(low: float, slack: float, status: str) -> None:
    def draw(_: np.random.Generator, runs: int) -> Evidence:
        return Evidence(np.linspace(low, 5.0, runs), {EVEN: -NONE}, slack)

    trend = _trend("every", claimed=Interval(0.0, np.inf), experiment=draw)
    found = judge(trend, _rng(0))
    assert found.status == status
    assert found.samples.size == (128 if status == "holds" else 8)


def test_slack_widens_an_interval() -> None:
    def draw(rng: np.random.Generator, runs: int) -> Evidence:
        return replace(_normal(rng, runs), slack=3.0)

    one, two = (judge(_trend(experiment=each), _rng(0)) for each in (_normal, draw))
    assert two.lower == one.lower - 3
    assert two.upper == one.upper + 3


def test_the_same_seed_gives_the_same_judgement_and_another_one_other_samples() -> None:
    one, again, other = (judge(_trend(), _rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.samples, again.samples)
    assert (one.lower, one.upper) == (again.lower, again.upper)
    assert one.lower != other.lower


def test_progress_is_told_at_every_look() -> None:
    told: list[tuple[int, int]] = []
    judge(_trend(), _rng(0), on_progress=lambda *now: told.append(now))
    assert told == [(8, 128), (16, 128), (32, 128), (64, 128), (128, 128)]


@pytest.mark.parametrize("runs", [0, -1, 2.5, True, 10**9])
def test_an_impossible_number_of_runs_is_refused(runs: Any) -> None:
    with pytest.raises(InputError, match="runs"):
        judge(_trend(), _rng(0), runs=runs)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, np.nan])
def test_an_impossible_alpha_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match="alpha"):
        judge(_trend(), _rng(0), alpha=alpha)


@pytest.mark.parametrize(
    "changes",
    [
        {"claimed": Interval(1.0, 0.0)},
        {"expected": "refuted"},
        {"correction": "none is needed"},
        {"first": 1},
        {"hypotheses": ()},
    ],
)
def test_a_trend_that_makes_no_sense_is_not_made(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        _trend(**changes)


@given(ones=st.integers(0, 30), zeros=st.integers(0, 30), alpha=st.floats(1e-6, 0.5))
def test_the_binomial_interval_is_the_exact_one(ones: int, zeros: int, alpha: float) -> None:
    if ones + zeros == 0:
        return
    samples = np.repeat([1.0, 0.0], [ones, zeros])
    _, *found = clopper_pearson(samples, (0.0, 1.0), alpha)
    wanted = binomtest(ones, ones + zeros).proportion_ci(1 - alpha)
    np.testing.assert_allclose(found, [wanted.low, wanted.high], rtol=1e-6, atol=1e-12)


def test_equal_samples_have_an_interval_of_some_width() -> None:
    _, lower, upper = student(np.full(9, 0.1), (-np.inf, np.inf), 1e-9)
    assert 0 < upper - lower < 1e-12


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_a_line_has_its_slope(slope: float, height: float) -> None:
    x = np.asarray([0.0, 1.0, 3.0, 7.0])
    y = height + slope * np.stack([x, 2 * x])
    np.testing.assert_allclose(slopes(x, y), [slope, 2 * slope], atol=1e-12)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": lambda rng, runs: Evidence(np.zeros(runs + 1), {EVEN: -NONE})}, "samples"),
        ({"experiment": lambda rng, runs: Evidence(np.zeros(runs), {})}, "margin"),
    ],
)
def test_an_experiment_that_gives_something_else_is_named(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        judge(_trend(**changes), np.random.default_rng(0))


def test_samples_that_the_method_cannot_have_are_refused() -> None:
    with pytest.raises(InputError, match="zeros and ones"):
        INTERVALS["proportion"](np.asarray([0.0, 0.5]), (0.0, 1.0), 0.1)
    with pytest.raises(InputError, match="within the bounds"):
        INTERVALS["bounded mean"](np.asarray([0.0, 2.0]), (0.0, 1.0), 0.1)
