"""What do the measures of attention say of weights whose answer is known?"""

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import entropy as scipy_entropy

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import EPS
from tests.test_theory.helpers.measured import attention, random_tokens
from theory.measures.tokens import attention_entropy, attention_similarity

CLOSE = 1e-12  # sums of fewer than 100 terms, an SVD of fewer than 10 rows: 1e3 eps at most


def test_attention_similarity_is_the_cosine_of_all_heads_in_one_vector() -> None:
    one, two = attention(0, 3, 2, 5, 5), attention(1, 3, 2, 5, 5)
    found = attention_similarity(one, two)
    for b in range(3):
        x, y = one[b].ravel(), two[b].ravel()
        wanted = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert found[b] == pytest.approx(wanted, rel=CLOSE)
    assert (attention_similarity(one, one) == 1).all()
    pairs = attention_similarity(one[:, None], one[None, :])  # every layer with every other
    assert pairs.shape == (3, 3)
    np.testing.assert_array_equal(pairs, pairs.T)


def test_attention_similarity_of_nearly_equal_layers_stays_below_one() -> None:
    one = attention(0, 1, 4, 4)
    two = one + 1e-7 * random_tokens(1, 1, 4, 4)
    x, y = (exact.rows_of(a.reshape(1, -1))[0] for a in (one, two))
    wanted = 1 - exact.dot(x, y) / mp.sqrt(exact.dot(x, x) * exact.dot(y, y))
    assert 1 - float(attention_similarity(one, two)) == pytest.approx(float(wanted), abs=EPS)
    assert wanted > 4 * EPS


def test_attention_that_shares_no_edge_has_similarity_zero() -> None:
    here, there = np.eye(3)[None], np.eye(3)[None, [1, 2, 0]]
    assert abs(attention_similarity(here, there)) <= 4 * EPS
    assert attention_similarity(here * 1e-300, here * 1e300) == pytest.approx(1)


def test_attention_entropy_lies_between_one_token_and_all_alike() -> None:
    np.testing.assert_array_equal(attention_entropy(np.eye(4)[None]), [0.0])
    np.testing.assert_allclose(attention_entropy(np.full((2, 5, 5), 0.2)), np.log(5), rtol=CLOSE)


@given(st.integers(0, 999), st.floats(0.1, 10))
def test_attention_entropy_is_the_mean_over_rows_of_rows_made_to_sum_to_one(
    seed: int, factor: float
) -> None:
    weights = factor * attention(seed, 2, 3, 5, 5)
    wanted = scipy_entropy(weights, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(attention_entropy(weights), wanted, rtol=CLOSE)
