"""Are the diameters that theorems about attention speak of those of their definitions?"""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from theory.arrays import InputError
from theory.blocks.forward import softmax
from theory.graphs.conversions import random_walk
from theory.graphs.stochastic import dobrushin_coefficient
from theory.measures.diameters import projective_diameter, token_diameter

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS)
def test_the_diameter_is_the_longest_of_all_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((int(rng.integers(1, 6)), 3)) * 2.0 ** rng.integers(-600, 600)
    pairs = itertools.product(tokens / np.abs(tokens).max(), repeat=2)
    longest = max(float(np.linalg.norm(a - b)) for a, b in pairs) * np.abs(tokens).max()
    assert token_diameter(tokens) == pytest.approx(longest, rel=1e-13, abs=0)


def test_tokens_that_do_not_count_are_not_far_away() -> None:
    tokens = np.asarray([[9.0], [10.0], [np.nan], [1e300]])
    assert token_diameter(tokens, token_mask=np.asarray([True, True, False, False])) == 1
    assert token_diameter(tokens, token_mask=np.asarray([True, False, False, False])) == 0


def test_a_diameter_without_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 tokens"):
        token_diameter(np.ones((2, 1)), token_mask=np.asarray([False, False]))


@given(seed=SEEDS)
def test_the_projective_diameter_is_the_largest_cross_ratio(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    scores = rng.standard_normal((n, n)) * 3
    expected = max(
        scores[i, k] + scores[j, m] - scores[j, k] - scores[i, m]
        for i, j, k, m in itertools.product(range(n), repeat=4)
    )
    assert projective_diameter(np.exp(scores)) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert projective_diameter(softmax(scores)) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_rows_that_hear_different_tokens_are_infinitely_far_apart() -> None:
    assert projective_diameter(np.asarray([[1.0, 1.0], [0.0, 1.0]])) == np.inf
    assert projective_diameter(np.asarray([[1.0, 0.0], [2.0, 0.0]])) == 0
    assert projective_diameter(np.eye(2)) == np.inf


def test_negative_weights_have_no_projective_diameter() -> None:
    with pytest.raises(InputError, match="must not be negative"):
        projective_diameter(np.asarray([[1.0, -1.0], [1.0, 1.0]]))


@given(seed=SEEDS)
def test_dobrushins_coefficient_is_reached_by_the_signs_of_a_difference_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = random_walk(rng.random((5, 5)) + 1e-3)
    gaps = np.abs(weights[:, None] - weights[None]).sum(axis=-1)
    i, j = np.unravel_index(np.argmax(gaps), gaps.shape)
    tokens = np.sign(weights[i] - weights[j])[:, None]
    reached = token_diameter(weights @ tokens) / token_diameter(tokens)
    assert reached == pytest.approx(dobrushin_coefficient(weights), rel=1e-12)
