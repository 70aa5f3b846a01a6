"""Is the cosine the mean over pairs, at every scale, and in which range does it lie?"""

from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import EPS, Floats, sentences
from tests.test_theory.helpers.measured import random_tokens
from theory.measures.tokens import cosine_similarity, mean_average_distance


@given(sentences(least=2))
def test_cosine_is_the_mean_over_pairs_at_every_scale(tokens: Floats) -> None:
    wanted = exact.cosine(tokens)
    assert abs(float(cosine_similarity(tokens)) - wanted) <= 64 * EPS
    # Parallel tokens of different lengths: each unit row errs by a few eps of its own.
    gap = max(1 - wanted, mp.mpf(0))
    allowed = 64 * EPS * gap + 32 * EPS * mp.sqrt(gap) + 256 * EPS**2
    assert abs(float(mean_average_distance(tokens)) - gap) <= allowed


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
def test_one_minus_cosine_keeps_its_digits_near_consensus(spread: float) -> None:
    tokens = random_tokens(0, 8) + spread * random_tokens(1, 9, 8)
    wanted = 1 - exact.cosine(tokens)
    assert wanted > 0
    assert abs(float(mean_average_distance(tokens)) / wanted - 1) <= 64 * EPS


def test_tokens_of_any_length_keep_their_direction() -> None:
    rows = np.asarray([[3e-300, 4e-300], [3e300, 4e300], [-4.0, 3.0], [5e-324, 0.0]])
    wanted = exact.cosine(rows)
    assert abs(float(cosine_similarity(rows)) - wanted) <= 16 * EPS


def test_a_mean_that_cancels_to_almost_nothing_gives_no_direction() -> None:
    near = 1e-161 * (1 + 0.1 * random_tokens(0, 6, 2))
    tokens = np.concatenate([[[1.0, 0.0], [-1.0, 0.0]], near])  # added in this order, 1 - 1 is 0
    wanted = exact.cosine(tokens)
    assert abs(float(cosine_similarity(tokens)) - wanted) <= 16 * EPS


def test_a_zero_token_has_cosine_zero_with_every_token() -> None:
    assert cosine_similarity(np.asarray([[1.0, 2.0], [0.0, 0.0]])) == 0
    assert cosine_similarity(np.zeros((3, 2))) == 0
    three = np.asarray([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])  # one pair of three is parallel
    assert cosine_similarity(three) == pytest.approx(1 / 3, rel=8 * EPS)


def test_cosine_reaches_its_bounds() -> None:
    equal = np.full((5, 3), 0.1)
    assert cosine_similarity(equal) == 1
    assert mean_average_distance(equal * np.asarray([[1], [2], [4], [8], [1e9]])) <= EPS**2
    simplex = np.eye(4) - 0.25
    assert cosine_similarity(simplex) == pytest.approx(-1 / 3, rel=8 * EPS)


def test_cosine_is_signed_and_not_centred() -> None:
    assert cosine_similarity(np.asarray([[1.0, 0.0], [-1.0, 0.0]])) == -1
    assert cosine_similarity(np.asarray([[1.0, 10.0], [-1.0, 10.0]])) > 0.9


@given(sentences(least=2, scaled=False), st.integers(2, 3))
def test_copies_of_all_tokens_keep_the_mean_over_all_pairs_and_selves(
    tokens: Floats, k: int
) -> None:
    assume((tokens != 0).any(axis=-1).all())
    n = len(tokens)
    once, often = (float(mean_average_distance(np.tile(tokens, (r, 1)))) for r in (1, k))
    allowed = 64 * EPS * once + 32 * EPS * once**0.5 + 256 * EPS**2
    assert abs((k * n - 1) / (k * n) * often - (n - 1) / n * once) <= allowed


@given(sentences(least=2, scaled=False), st.data())
def test_the_length_of_tokens_does_not_matter_to_cosine(tokens: Floats, data: Any) -> None:
    drawn = data.draw(st.lists(st.integers(-50, 50), min_size=len(tokens), max_size=len(tokens)))
    lengths = np.asarray(drawn)[:, None]
    scaled = np.ldexp(tokens, lengths)
    assume((np.ldexp(scaled, -lengths) == tokens).all())  # 5e-324 has no half
    assert abs(cosine_similarity(scaled) - cosine_similarity(tokens)) <= 64 * EPS
