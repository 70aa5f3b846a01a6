"""Silence means something only where a search has been heard: planted falsehoods are found."""

from typing import Any

import numpy as np
import pytest
from hypothesis import find, settings

from simulations.search.theorem import verify_theorem
from tests.test_theory.helpers.planted import PLANTED, POST_NORM, post_norm_v
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.strategies import entries_strategy
from theory.statements.theorem import Theorem

pytestmark = pytest.mark.once


@pytest.mark.parametrize("theorem", PLANTED, ids=lambda theorem: theorem.key)
def test_a_planted_falsehood_is_refuted_with_the_default_trials(theorem: Theorem[Any]) -> None:
    report = verify_theorem(theorem)
    assert report.status == "refuted"
    assert not report.ok
    assert report.counterexample is not None
    assert report.ratio > 1
    assert report.applied == report.trials, "it is to fail where it claims to hold"


@pytest.mark.slow
@pytest.mark.parametrize("key", ["attention never expands", "a sum as if orthogonal"])
def test_hypothesis_shrinks_a_counterexample_to_one_that_people_can_read(key: str) -> None:
    theorem = next(theorem for theorem in PLANTED if theorem.key == key)
    quiet = settings(derandomize=True, database=None, max_examples=500)
    found = find(
        entries_strategy(theorem.domain),
        lambda s: bool(check(theorem, s.instance).refuted),
        settings=quiet,
    )
    numbers = np.concatenate([values.ravel() for values in found.params.values()])
    assert np.count_nonzero(numbers) <= 6
    assert set(numbers) <= set(range(-9, 10)), "not small whole numbers"


def test_nothing_else_is_wrong_with_the_planted_forms_of_v() -> None:
    for number in range(30):
        at = draw(POST_NORM, np.random.default_rng(number), members=8).instance
        np.testing.assert_allclose(post_norm_v(at), at.coefficients.v, rtol=1e-12)
