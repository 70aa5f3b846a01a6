"""Is the distance to consensus right to 60 digits, at every scale?"""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.allowed_error import allowed_error
from tests.test_theory.helpers.exact import EPS, GRAIN, Floats, lopsided, sentences
from theory.magnitude import frobenius_norm
from theory.measures.subspace import (
    consensus,
    consensus_distance,
    distance,
    general,
    partition,
    project,
)

LARGEST = float(np.finfo(np.float64).max)


@given(sentences())
def test_the_distance_is_right_to_its_own_last_digits_at_every_scale(tokens: Floats) -> None:
    wanted = exact.distance(tokens)
    found = float(consensus_distance(tokens))
    assert abs(found - wanted) <= allowed_error(tokens) * wanted + GRAIN


@given(lopsided())
def test_a_large_feature_hides_no_difference_in_a_small_one(tokens: Floats) -> None:
    wanted = exact.distance(tokens)
    found = float(consensus_distance(tokens))
    assert abs(found - wanted) <= allowed_error(tokens) * wanted + GRAIN
    n = len(tokens)
    found = float(distance(partition([0] * n, like=tokens), tokens))
    # One feature after the other: what two passes leave of it, as in the test of the quick path.
    left = (8 * n * EPS) ** 2 * frobenius_norm(tokens)
    assert abs(found - wanted) <= 4 * allowed_error(tokens) * wanted + 2 * GRAIN + left


@pytest.mark.parametrize(("large", "small"), [(1e200, 1e-150), (1e150, 1e-170), (1e308, 1e-308)])
def test_equal_features_of_any_size_leave_the_distance_of_the_others(
    large: float, small: float
) -> None:
    tokens = np.asarray([[large, small], [large, 3 * small]])
    wanted = 2**0.5 * small
    assert float(consensus_distance(tokens)) == pytest.approx(wanted, rel=8 * EPS, abs=GRAIN)
    spaces = consensus(2, like=tokens), partition([0, 0], like=tokens)
    whole = general(np.eye(2)[:, :1])
    for space in spaces:
        # What e^T e misses of one leaves (n eps)^2 of the large feature, and no more.
        left = float(distance(space, tokens)) - wanted
        assert abs(left) <= (8 * EPS) ** 2 * large + 8 * EPS * wanted
    kept = np.asarray([[large, small], [0.0, 0.0]])
    np.testing.assert_allclose(project(whole, tokens), kept, rtol=8 * EPS)


@pytest.mark.parametrize("spread", [1e-3, 1e-8, 1e-12, 1e-15])
def test_the_distance_keeps_its_digits_near_consensus(spread: float) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal(8) + spread * rng.standard_normal((9, 8))
    wanted = exact.distance(tokens)
    assert wanted > 0
    assert abs(float(consensus_distance(tokens)) - wanted) <= allowed_error(tokens) * wanted


@given(sentences(scaled=False))
def test_n_times_the_squared_distance_is_the_sum_over_pairs(tokens: Floats) -> None:
    gaps = tokens[:, None, :] - tokens[None, :, :]
    pairs = (gaps**2).sum() / 2
    squared = len(tokens) * float(consensus_distance(tokens)) ** 2
    assert squared == pytest.approx(pairs, rel=4 * allowed_error(tokens), abs=0)


@pytest.mark.parametrize("peak", [1e300, LARGEST / 2, 1e-310, GRAIN])
@pytest.mark.parametrize("measure", ["consensus_distance", "distance", "general"])
def test_squares_neither_overflow_nor_vanish(peak: float, measure: str) -> None:
    tokens = np.asarray([[peak, 0.0], [-peak, 0.0]])
    found = {
        "consensus_distance": lambda: consensus_distance(tokens),
        "distance": lambda: distance(consensus(2, like=tokens), tokens),
        "general": lambda: distance(general(np.asarray([[1e-300], [1e-300]])), tokens),
    }[measure]()
    assert abs(float(found) - 2**0.5 * peak) <= 8 * EPS * peak + GRAIN


def test_the_distance_of_zero_tokens_and_of_one_token_is_zero() -> None:
    assert consensus_distance(np.zeros((3, 2))) == 0
    assert consensus_distance(np.asarray([[3.7, -1e200]])) == 0


@given(sentences(), st.integers(-60, 10))
def test_scaling_by_a_power_of_two_scales_the_distance_exactly(tokens: Floats, k: int) -> None:
    scaled = np.ldexp(tokens, k)
    if (np.ldexp(scaled, -k) != tokens).any():
        return  # digits were lost below the normal numbers
    wanted = np.ldexp(consensus_distance(tokens), k)
    assert abs(consensus_distance(scaled) - wanted) <= np.ldexp(GRAIN, max(k, 0))


@given(sentences(scaled=False), st.randoms(use_true_random=False))
def test_order_rotation_and_a_common_shift_do_not_matter(tokens: Floats, rng: Any) -> None:
    n, d = tokens.shape
    order = rng.sample(range(n), n)
    rotation = np.linalg.qr(np.random.default_rng(rng.randrange(99)).standard_normal((d, d)))[0]
    moved = (tokens + 16.0)[order] @ rotation
    peak = np.abs(tokens).max() + 16  # rotating rounds each of the n d entries, d terms each
    allowed = 4 * d * (n * d) ** 0.5 * EPS * peak + allowed_error(tokens) * peak
    assert abs(consensus_distance(moved) - consensus_distance(tokens)) <= allowed


@given(sentences(), st.integers(2, 3))
def test_k_copies_of_every_token_multiply_the_distance_by_root_k(tokens: Floats, k: int) -> None:
    once, often = consensus_distance(tokens), consensus_distance(np.repeat(tokens, k, axis=0))
    assert abs(often - k**0.5 * once) <= 3 * k * allowed_error(tokens) * once + k * GRAIN


@given(sentences())
def test_distance_to_consensus_and_the_quick_path_agree(tokens: Floats) -> None:
    found = distance(consensus(len(tokens), like=tokens), tokens)
    wanted = consensus_distance(tokens)
    # e^T e misses 1 by n eps, so both passes leave n eps of what they remove: (n eps)^2 |H|.
    left = (8 * len(tokens) * EPS) ** 2 * frobenius_norm(tokens)
    assert abs(found - wanted) <= 4 * allowed_error(tokens) * wanted + 2 * GRAIN + left
