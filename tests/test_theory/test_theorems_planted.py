"""Silence means something only where a search has been heard: planted falsehoods are found."""

from typing import Any

import numpy as np
import pytest

from simulations.verify import verify_theorem
from tests.test_theory.planted import PLANTED, POST_NORM, post_norm_v
from theory.domains import draw
from theory.statements import Theorem


@pytest.mark.parametrize("theorem", PLANTED, ids=lambda theorem: theorem.key)
def test_a_planted_falsehood_is_refuted_with_the_default_trials(theorem: Theorem[Any]) -> None:
    report = verify_theorem(theorem)
    assert report.status == "refuted"
    assert not report.ok
    assert report.counterexample is not None
    assert report.ratio > 1
    assert report.applied == report.trials, "it is to fail where it claims to hold"


def test_nothing_else_is_wrong_with_the_planted_forms_of_v() -> None:
    for number in range(30):
        at = draw(POST_NORM, np.random.default_rng(number), members=8).instance
        np.testing.assert_allclose(post_norm_v(at), at.coefficients.v, rtol=1e-12)
