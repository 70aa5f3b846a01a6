"""How do the theorems and the measures hang together? Relations that are exact, or one-sided."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from theory.graphs.stochastic import dobrushin_coefficient
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus, consensus_distance, distance
from theory.measures.tokens import (
    cosine_similarity,
    dirichlet_energy,
    dong_residual,
    effective_rank,
    high_frequency_ratio,
    mean_average_distance,
    participation_rank,
    rank_one_fraction,
    relative_distance,
    stable_rank,
)
from theory.spectra.norms import coupling, spectral_norm
from theory.statements.domains import adjacency, draw
from theory.statements.evaluation import check
from theory.theorems.block.shi2022_lemmas import Averaging
from theory.theorems.catalogue import CATALOGUE
from theory.theorems.graph_networks.oono2020 import GraphConvolution

SEEDS = st.integers(0, 2**32 - 1)
Floats = np.ndarray[Any, np.dtype[np.float64]]
ALLOWED = 1e-12  # of the sizes compared: a few hundred roundings of numbers of moderate size


def _tokens(seed: int) -> Floats:
    """Draw tokens around a common one, none of them zero and no two equal."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 7)), int(rng.integers(1, 5)))
    around, common = rng.standard_normal(shape), rng.standard_normal(shape[1])
    return np.asarray(around * rng.choice([0.25, 1.0, 8.0]) + common)


def _unit(tokens: Floats) -> Floats:
    return np.asarray(tokens / np.linalg.norm(tokens, axis=-1, keepdims=True))


def _root_lambda(weights: Floats) -> float:
    return float(coupling(weights[None])[0])


@given(seed=SEEDS)
def test_the_high_frequency_part_of_the_fourier_transform_over_tokens_is_the_distance(
    seed: int,
) -> None:
    tokens = _tokens(seed)
    modes = np.fft.fft(tokens, axis=0, norm="ortho")
    high, low = np.linalg.norm(modes[1:]), np.linalg.norm(modes[0])
    assert high == pytest.approx(consensus_distance(tokens), rel=ALLOWED)
    assert high / low == pytest.approx(high_frequency_ratio(tokens), rel=1e-9)


@given(seed=SEEDS)
def test_the_high_frequency_ratio_is_a_function_of_the_relative_distance(seed: int) -> None:
    tokens = _tokens(seed)
    r, ratio = relative_distance(tokens), high_frequency_ratio(tokens)
    assert r == pytest.approx(ratio / np.sqrt(1 + ratio**2), rel=ALLOWED)


@given(seed=SEEDS)
def test_lambda_is_at_most_half_of_n_times_the_square_of_dobrushins_coefficient(seed: int) -> None:
    at = draw(CATALOGUE["dobrushin-coupling"].domain, np.random.default_rng(seed)).instance
    n = at.adjacency.shape[-1]
    size = 1 + np.linalg.norm(at.adjacency)
    bound = np.sqrt(n / 2) * dobrushin_coefficient(at.adjacency)
    assert _root_lambda(at.adjacency) <= bound + ALLOWED * size


@pytest.mark.parametrize("n", [2, 4, 6, 10])
def test_two_hubs_reach_it(n: int) -> None:
    hubs = np.eye(n)[[i % 2 for i in range(n)]]
    assert _root_lambda(hubs) ** 2 == pytest.approx(n / 2, rel=ALLOWED)
    assert dobrushin_coefficient(hubs) == 1


@pytest.mark.parametrize("n", [3, 5, 7])
def test_an_odd_number_of_tokens_falls_short_of_it_by_one_over_n(n: int) -> None:
    hubs = np.eye(n)[[i % 2 for i in range(n)]]
    assert _root_lambda(hubs) ** 2 == pytest.approx((n - 1 / n) / 2, rel=ALLOWED)


@given(seed=SEEDS)
def test_two_tokens_have_one_rate_whatever_it_is_called(seed: int) -> None:
    weights = adjacency(np.random.default_rng(seed).standard_normal((2, 2)))
    second = abs(np.trace(weights) - 1)
    assert _root_lambda(weights) == pytest.approx(second, rel=ALLOWED, abs=ALLOWED)
    assert dobrushin_coefficient(weights) == pytest.approx(second, rel=ALLOWED, abs=ALLOWED)


@given(seed=SEEDS)
def test_shis_lemma_is_that_of_oono_and_suzuki_for_symmetric_weights_that_keep_consensus(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    edges = rng.integers(0, 3, size=(n, n)) * rng.random((n, n))
    edges = edges + edges.T
    laplacian = np.diag(edges.sum(axis=1)) - edges
    p = np.eye(n) - laplacian * rng.uniform(0, 0.5)
    tokens = rng.standard_normal((n, 3))
    basis = consensus(n, like=tokens).basis
    shi = check(CATALOGUE["attention"], Averaging(tokens, p))
    oono = check(CATALOGUE["graph-convolution"], GraphConvolution(tokens, p, basis, np.eye(3)))
    assert shi.holds
    assert oono.holds
    assert shi.rhs == pytest.approx(oono.rhs, rel=ALLOWED, abs=ALLOWED)
    assert oono.lhs <= shi.lhs + ALLOWED  # all that ReLU does


@given(seed=SEEDS)
def test_shis_bound_is_larger_where_the_weights_are_not_symmetric(seed: int) -> None:
    """sqrt(lambda) is a singular value: an eigenvalue on differences is no more than that."""
    at = draw(CATALOGUE["attention"].domain, np.random.default_rng(seed)).instance
    n = at.adjacency.shape[-1]
    off = at.adjacency - at.adjacency.mean(axis=0)
    largest = np.abs(np.linalg.eigvals(off)).max()  # with (I - e e^T) A, for A 1 = 1
    assert largest <= _root_lambda(at.adjacency) + ALLOWED * (1 + n * np.linalg.norm(off))


@given(seed=SEEDS)
def test_the_energy_of_the_complete_graph_is_n_times_the_square_of_the_distance(seed: int) -> None:
    tokens = _tokens(seed)
    n = tokens.shape[0]
    complete = np.ones((n, n))
    expected = n * consensus_distance(tokens) ** 2
    assert dirichlet_energy(tokens, complete) == pytest.approx(expected, rel=ALLOWED)
    assert dirichlet_energy(tokens, complete - np.eye(n)) == pytest.approx(expected, rel=ALLOWED)


@given(seed=SEEDS)
def test_the_energy_of_cai_and_wang_on_the_complete_graph_is_that_square_itself(seed: int) -> None:
    """A loop each makes all degrees n, by which their normalisation divides."""
    tokens = _tokens(seed)
    n = tokens.shape[0]
    value = dirichlet_energy(tokens / np.sqrt(n), np.ones((n, n)))
    assert value == pytest.approx(consensus_distance(tokens) ** 2, rel=ALLOWED)


@given(seed=SEEDS)
def test_for_tokens_of_one_length_cosine_and_relative_distance_are_functions_of_each_other(
    seed: int,
) -> None:
    tokens = 3 * _unit(_tokens(seed))
    n = tokens.shape[0]
    expected = (n - 1) / n * (1 - cosine_similarity(tokens))
    assert relative_distance(tokens) ** 2 == pytest.approx(expected, rel=1e-9, abs=ALLOWED)


@given(seed=SEEDS)
def test_the_cosine_is_that_of_the_tokens_brought_to_length_one(seed: int) -> None:
    tokens = _tokens(seed)
    n = tokens.shape[0]
    apart = n / (n - 1) * relative_distance(_unit(tokens)) ** 2
    assert mean_average_distance(tokens) == pytest.approx(apart, rel=1e-9, abs=ALLOWED)
    assert cosine_similarity(tokens) + mean_average_distance(tokens) == 1


@given(seed=SEEDS)
def test_the_rank_one_fraction_is_one_over_the_stable_rank(seed: int) -> None:
    tokens = _tokens(seed)
    assert rank_one_fraction(tokens) * stable_rank(tokens) == pytest.approx(1, rel=ALLOWED)


@given(seed=SEEDS)
def test_the_mean_token_holds_no_more_than_the_best_rank_one_matrix(seed: int) -> None:
    tokens = _tokens(seed)
    assert 1 - relative_distance(tokens) ** 2 <= rank_one_fraction(tokens) + ALLOWED


@given(seed=SEEDS)
def test_the_ranks_are_ordered(seed: int) -> None:
    tokens = _tokens(seed)
    most = min(tokens.shape) * (1 + ALLOWED)
    assert 1 - ALLOWED <= stable_rank(tokens) <= participation_rank(tokens) + ALLOWED <= most
    assert stable_rank(tokens) <= effective_rank(tokens) * (1 + ALLOWED) <= most * (1 + ALLOWED)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_all_ranks_agree_on_k_directions_of_equal_strength(k: int) -> None:
    tokens = np.eye(6, 5)[:, :k] * 3.0
    for rank in (stable_rank, participation_rank, effective_rank):
        assert rank(tokens) == pytest.approx(k, rel=ALLOWED)


@given(seed=SEEDS)
def test_multiples_of_one_token_have_rank_one_however_far_from_consensus(seed: int) -> None:
    tokens = np.linspace(-1, 2, 5)[:, None] * _tokens(seed)[:1]
    for rank in (stable_rank, participation_rank):
        assert rank(tokens) == pytest.approx(1, rel=ALLOWED)
    assert effective_rank(tokens) == pytest.approx(1, rel=1e-10)
    assert relative_distance(tokens) > 0.5


@given(seed=SEEDS)
def test_dongs_residual_is_at_least_the_spectral_norm_of_the_deviations(seed: int) -> None:
    tokens = _tokens(seed)
    rest = tokens - tokens.mean(axis=0)
    root = np.sqrt(min(tokens.shape))
    assert spectral_norm(rest) <= dong_residual(tokens) * (1 + ALLOWED)
    assert consensus_distance(tokens) <= root * dong_residual(tokens) * (1 + ALLOWED)


@given(seed=SEEDS)
def test_the_diameter_and_the_distance_bound_each_other(seed: int) -> None:
    tokens = _tokens(seed)
    n = tokens.shape[0]
    far, d_m = token_diameter(tokens), consensus_distance(tokens)
    assert far <= np.sqrt(2) * d_m * (1 + ALLOWED)
    assert d_m <= np.sqrt((n - 1) / 2) * far * (1 + ALLOWED)  # equality: a regular simplex
    if tokens.shape[1] == 1:
        assert d_m <= np.sqrt(n) / 2 * far * (1 + ALLOWED)  # Popoviciu
    if n == 2:
        assert far == pytest.approx(np.sqrt(2) * d_m, rel=ALLOWED)


def test_a_regular_simplex_has_the_largest_distance_for_its_diameter() -> None:
    tokens = np.eye(4)
    expected = np.sqrt(3 / 2) * token_diameter(tokens)
    assert consensus_distance(tokens) == pytest.approx(expected, rel=ALLOWED)


@given(seed=SEEDS)
def test_the_distance_to_the_consensus_subspace_has_two_ways_to_it(seed: int) -> None:
    tokens = _tokens(seed)
    subspace = consensus(tokens.shape[0], like=tokens)
    assert distance(subspace, tokens) == pytest.approx(consensus_distance(tokens), rel=1e-10)
