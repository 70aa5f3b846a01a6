"""Do the relative distances and the energies follow their definitions and bound each other?"""

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import EPS, GRAIN, Floats, lopsided, sentences
from tests.test_theory.helpers.measured import random_tokens
from theory.measures.tokens import (
    consensus_distance,
    dirichlet_energy,
    dong_residual,
    high_frequency_ratio,
    relative_distance,
)

CLOSE = 1e-12  # sums of fewer than 100 terms, an SVD of fewer than 10 rows: 1e3 eps at most


@given(sentences())
def test_relative_distance_is_distance_over_norm(tokens: Floats) -> None:
    assume(tokens.any())
    wanted = exact.distance(tokens) / exact.norm(exact.rows_of(tokens))
    assert abs(float(relative_distance(tokens)) - wanted) <= CLOSE * wanted


@given(sentences())
def test_high_frequency_ratio_is_deviations_over_the_mean(tokens: Floats) -> None:
    rows = exact.rows_of(tokens)
    low = exact.norm([exact.mean(rows)]) * mp.sqrt(len(rows))
    size = exact.norm(rows)
    assume(low > 1e-3 * size)  # a mean that cancels is known to eps of what cancelled
    wanted = exact.distance(tokens) / low
    assert abs(float(high_frequency_ratio(tokens)) - wanted) <= 1e3 * CLOSE * wanted
    relative = float(relative_distance(tokens))
    assume(relative < 0.9)
    assert high_frequency_ratio(tokens) == pytest.approx(
        relative / (1 - relative**2) ** 0.5, rel=1e-10, abs=0
    )


@given(lopsided())
def test_a_large_feature_hides_no_difference_in_a_small_one(tokens: Floats) -> None:
    rows = exact.rows_of(tokens)
    far, size = exact.distance(tokens), exact.norm(rows)
    assume(size > 0)
    assert abs(float(relative_distance(tokens)) - far / size) <= CLOSE * far / size + 8 * GRAIN
    rest = [[abs(x) for x in row] for row in exact.residual(rows)]
    columns, sums = max(mp.fsum(c) for c in zip(*rest, strict=True)), max(map(mp.fsum, rest))
    wanted = mp.sqrt(columns * sums)
    assert abs(float(dong_residual(tokens)) - wanted) <= CLOSE * wanted + 8 * GRAIN
    low = exact.norm([exact.mean(rows)]) * mp.sqrt(len(rows))
    if low > 1e-3 * size:
        wanted = far / low
        assert abs(float(high_frequency_ratio(tokens)) - wanted) <= 1e3 * CLOSE * wanted + 8 * GRAIN
    energy = len(rows) * far**2
    if energy < 1e300:
        found = float(dirichlet_energy(tokens, np.ones((len(rows), len(rows)))))
        assert abs(found - energy) <= CLOSE * energy + 8 * GRAIN


def test_high_frequency_ratio_is_infinite_without_a_mean_and_zero_at_consensus() -> None:
    assert high_frequency_ratio(np.asarray([[1.0], [-1.0]])) == np.inf
    assert high_frequency_ratio(np.full((3, 2), 0.1)) == 0


@given(sentences())
def test_dong_residual_is_the_composite_norm_of_the_deviations(tokens: Floats) -> None:
    rest = exact.residual(exact.rows_of(tokens))
    columns = max(mp.fsum(abs(x) for x in column) for column in zip(*rest, strict=True))
    rows = max(mp.fsum(abs(x) for x in row) for row in rest)
    wanted = mp.sqrt(columns * rows)
    found = float(dong_residual(tokens))
    assert abs(found - wanted) <= 64 * EPS * wanted + GRAIN


@given(sentences())
def test_dong_residual_and_distance_bound_each_other(tokens: Floats) -> None:
    n, d = tokens.shape
    root, far = float(dong_residual(tokens)), float(consensus_distance(tokens))
    assert root <= (n * d) ** 0.25 * far * (1 + CLOSE) + 4 * GRAIN
    assert far <= min(n, d) ** 0.5 * root * (1 + CLOSE) + 4 * GRAIN


def test_another_centre_than_the_mean_can_have_a_smaller_composite_norm() -> None:
    tokens = np.asarray([[0.0], [0.0], [3.0]])  # |.|_1 is least at the median, |.|_inf at 1.5

    def composite(centre: float) -> float:
        rest = np.abs(tokens - centre)
        return float(np.sqrt(rest.sum(axis=0).max() * rest.sum(axis=1).max()))

    assert dong_residual(tokens) == pytest.approx(composite(1.0))
    assert composite(1.1) < composite(1.0)


@given(sentences(), st.integers(0, 99))
def test_dirichlet_energy_is_half_the_weighted_sum_over_pairs(tokens: Floats, seed: int) -> None:
    n = len(tokens)
    weights = np.random.default_rng(seed).integers(0, 4, (n, n)).astype(float)
    rows = exact.rows_of(tokens)
    wanted = mp.mpf(0)
    for i in range(n):
        for j in range(n):
            gap = [x - y for x, y in zip(rows[i], rows[j], strict=True)]
            wanted += int(weights[i, j]) * exact.dot(gap, gap) / 2
    assume(wanted < 1e300)
    found = float(dirichlet_energy(tokens, weights))
    assert abs(found - wanted) <= 64 * EPS * wanted + 4 * GRAIN
    both = (weights + weights.T) / 2
    assert dirichlet_energy(tokens, both) == pytest.approx(found, rel=CLOSE, abs=4 * GRAIN)


@given(sentences(scaled=False))
def test_dirichlet_energy_of_the_complete_graph_is_n_times_the_squared_distance(
    tokens: Floats,
) -> None:
    n = len(tokens)
    energy = float(dirichlet_energy(tokens, np.ones((n, n))))
    assert energy == pytest.approx(n * float(consensus_distance(tokens)) ** 2, rel=CLOSE, abs=0)


def test_dirichlet_energy_is_the_quadratic_form_of_the_laplacian() -> None:
    weights = random_tokens(0, 6, 6) ** 2
    weights = weights + weights.T
    tokens = random_tokens(1, 6, 3)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    wanted = np.trace(tokens.T @ laplacian @ tokens)
    assert dirichlet_energy(tokens, weights) == pytest.approx(wanted, rel=CLOSE)
