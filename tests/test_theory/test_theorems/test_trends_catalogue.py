"""Every trend of the catalogue: judged, judged outside its hypotheses, and with a wrong claim."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from theory.statements.flows import draw_on_sphere, on_sphere, solve
from theory.statements.judgement import Judgement, judge
from theory.statements.trend import Interval
from theory.theorems.catalogue import CATALOGUE, TRENDS
from theory.theorems.trends.geshkovski2025 import interaction_energy
from theory.theorems.trends.noci2022 import expected_cosine

pytestmark = pytest.mark.once

BIBLIOGRAPHY = Path(__file__).parents[3] / "theory" / "references.bib"

# Wrong claims: another exponent, a factor lost, a sign turned, a limit that is not the limit.
WRONG = {
    "norm-orthogonal-values-collapse": [Interval(-0.1, np.inf), Interval(-0.8, -0.6)],
    "norm-equilibria-of-higher-rank": [Interval(1.0, np.inf)],
    "attention-becomes-boolean": [Interval(0.0, 0.5)],
    "sphere-energy-rises": [Interval(-np.inf, 0.0)],
    "sphere-cluster-rate": [Interval(-0.9, 0.0), Interval(-np.inf, -1.1)],
    "sphere-cluster-small-beta": [Interval(0.0, 0.5)],
    "causal-first-token": [Interval(0.0, 0.5)],
    "causal-first-token-rate": [Interval(-1.1, -0.9), Interval(-0.3, -0.2)],
    "markov-first-singular-value": [Interval(-0.1, 0.1)],
    "markov-second-singular-value": [Interval(-1.1, -0.9), Interval(-0.3, -0.2)],
    "markov-stable-rank-of-covariance": [Interval(-0.6, -0.4), Interval(-2.2, -1.8)],
    "markov-stable-rank-of-adjacency": [Interval(-0.6, -0.4)],
    "residual-scaling-cosine": [Interval(0.03, 0.06), Interval(0.6, 1.0)],
    "residual-scaling-keeps-apart": [Interval(-np.inf, -0.4)],
    "entropy-collapse-below": [Interval(0.45, 0.55), Interval(0.85, 0.95)],
    "entropy-collapse-above": [Interval(0.5, 0.7), Interval(1.25, 1.5)],
    "init-post-norm-size": [Interval(1.0, 1.0), Interval(2.0, 2.0), Interval(1.25, 1.4)],
    "exact-law-second-order": [Interval(2.9, np.inf), Interval(-np.inf, 1.5)],
    "init-pre-norm-growth": [Interval(1.5, np.inf), Interval(-np.inf, 0.5)],
}


@cache
def _judged(key: str, seed: int = 1) -> Judgement:
    return judge(TRENDS[key], np.random.default_rng(seed))


@pytest.mark.parametrize("key", TRENDS)
def test_a_trend_is_as_expected(key: str) -> None:
    found = _judged(key)
    assert found.status == TRENDS[key].expected, (found.estimate, found.reason)
    assert set(found.margins) == set(TRENDS[key].hypotheses)
    assert found.alpha == 1e-9


@pytest.mark.parametrize("key", TRENDS)
def test_the_claim_fails_where_a_hypothesis_is_broken(key: str) -> None:
    found = judge(TRENDS[key], np.random.default_rng(2), outside=True)
    assert found.status == "does not apply"
    assert found.reasons
    assert found.fails, (found.estimate, found.lower, found.upper)


@pytest.mark.parametrize(
    ("key", "claimed"), [(key, claimed) for key, wrong in WRONG.items() for claimed in wrong]
)
def test_a_wrong_claim_about_the_same_experiment_is_refuted(key: str, claimed: Interval) -> None:
    trend = replace(TRENDS[key], claimed=claimed)
    assert judge(trend, np.random.default_rng(3)).status == "refuted"


def test_every_trend_has_a_wrong_claim_above() -> None:
    assert WRONG.keys() == TRENDS.keys()


@pytest.mark.parametrize("key", TRENDS)
def test_the_same_seed_gives_the_same_samples_and_another_one_others(key: str) -> None:
    trend = TRENDS[key]
    one, again, other = (
        trend.experiment(np.random.default_rng(seed), 2).samples for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, again)
    if trend.method != "proportion":
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("key", TRENDS)
def test_source_and_correction_can_be_looked_up(key: str) -> None:
    trend = TRENDS[key]
    assert f"{{{trend.source}," in BIBLIOGRAPHY.read_text()
    assert trend.note
    assert trend.statistic
    if trend.correction:
        right = trend.correction.split(":")[0]
        assert TRENDS[right].expected == "holds"


def test_no_key_is_taken_twice() -> None:
    assert not TRENDS.keys() & CATALOGUE.keys()
    assert all(trend.key == key for key, trend in TRENDS.items())


def test_the_predicted_cosine_is_that_of_the_exact_recursion() -> None:
    n, depth, alpha = 5, 7, 0.4
    average = np.full((n, n), 1 / n)
    gram = np.eye(n)  # expected inner products, over those of a first token
    for _ in range(depth):
        gram = gram + alpha**2 * average @ gram @ average
    assert expected_cosine(n, alpha, depth) == pytest.approx(gram[0, 1] / gram[0, 0], rel=1e-12)


def test_tokens_stay_on_the_sphere_and_the_flow_is_tangential() -> None:
    start = draw_on_sphere(np.random.default_rng(0), 3, 5, 4)
    velocity = on_sphere(2.0)
    assert np.abs(np.sum(velocity(0.0, start) * start, axis=-1)).max() < 1e-14
    _, states = solve(velocity, start, np.asarray([0.0, 5.0]))
    np.testing.assert_allclose(np.linalg.norm(states[-1], axis=-1), 1.0, atol=1e-7)


def test_the_energy_of_one_cluster_is_known() -> None:
    tokens = np.tile(np.asarray([0.6, 0.8]), (4, 1))
    assert interaction_energy(tokens, 2.0) == pytest.approx(np.exp(2.0) / 4)


def test_a_flow_that_is_solved_in_closed_form_ends_at_its_event() -> None:
    times, states = solve(
        lambda _, y: -y, np.asarray([1.0]), np.linspace(0, 5, 6), until=lambda _, y: y[0] - 0.5
    )
    assert times[-1] == pytest.approx(np.log(2), abs=1e-6)
    assert states[-1, 0] == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(states[:, 0], np.exp(-times), atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("key", TRENDS)
def test_a_trend_is_as_expected_for_many_seeds(key: str) -> None:
    found = [_judged(key, seed).status for seed in range(10, 30)]
    assert set(found) == {TRENDS[key].expected}
