"""Are the eigenvalues of the random walk on the tokens those that are known?"""

from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers.graph_strategies import masks, walks
from theory.arrays import Array, eps
from theory.graphs.chains import periods, radius, spectrum
from theory.graphs.conversions import from_networkx, random_walk
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask, window_mask


def _cosines(n: int) -> Array:
    return np.cos(2 * np.pi * np.arange(n) / n)


def _hub(n: int) -> Array:
    return graph_mask(nx.star_graph(n - 1))


KNOWN: list[tuple[str, Array, Array]] = [
    ("causal: 1 / k", causal_mask(9), 1 / np.arange(1.0, 10)),
    ("complete: 1, then 0", full_mask(7), np.eye(7)[0]),
    (
        "complete without loops: 1, then -1 / (n - 1)",
        graph_mask(nx.complete_graph(6)),
        np.r_[1, np.full(5, -0.2)],
    ),
    ("ring: cosines", graph_mask(nx.cycle_graph(7)), _cosines(7)),
    ("ring with loops", graph_mask(nx.cycle_graph(8), self_loops=True), (1 + 2 * _cosines(8)) / 3),
    ("hub: 1, -1, then 0", _hub(6), np.r_[1, -1, np.zeros(4)]),
    (
        "causal window: Jordan blocks of 1 / w",
        window_mask(64, 1, causal=True),
        np.r_[1, np.full(63, 0.5)],
    ),
    ("blocks: 1 for each", block_mask([3, 1, 2]), np.r_[np.ones(3), np.zeros(3)]),
    ("one token", full_mask(1), np.ones(1)),
    (
        "all but one transient, without loops",
        graph_mask(nx.DiGraph([(0, 0), (1, 0), (2, 1)])),
        np.eye(3)[0],
    ),
]


@pytest.mark.parametrize(
    ("mask", "expected"), [case[1:] for case in KNOWN], ids=[case[0] for case in KNOWN]
)
def test_known_spectra_are_real(mask: Array, expected: Array) -> None:
    found = spectrum(random_walk(mask))
    assert found.dtype == np.float64
    # Eigenvalues of a symmetric matrix of norm 1 err by a small multiple of n eps.
    np.testing.assert_allclose(
        np.sort(found), np.sort(expected), rtol=0, atol=4 * len(mask) * 2.3e-16
    )
    assert (np.diff(np.abs(found)) <= 0).all()


def test_a_triangular_walk_has_its_diagonal_to_the_last_bit() -> None:
    for mask in (causal_mask(50), window_mask(50, 4, causal=True)):
        walk = random_walk(mask)
        order = np.random.default_rng(0).permutation(50)
        for tokens in (np.arange(50), order):
            found = spectrum(walk[np.ix_(tokens, tokens)])
            np.testing.assert_array_equal(found, np.sort(np.diag(walk))[::-1])


def test_long_jordan_blocks_between_classes_move_no_eigenvalue() -> None:
    # Pairs that hear themselves and the pair before: each is a class with eigenvalues 1/2 and 0.
    pairs = random_walk(np.kron(window_mask(20, 1, causal=True), np.ones((2, 2))))
    expected = np.r_[1.0, np.full(19, 0.5), np.zeros(20)]
    assert np.abs(np.linalg.eigvals(pairs)[:, None] - expected).min(axis=1).max() > 1e-3
    np.testing.assert_allclose(spectrum(pairs), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("ahead", [1.0, 0.9, 0.5 + 1e-9])
def test_a_biased_ring_turns_and_its_eigenvalues_are_complex(ahead: float) -> None:
    n = 6
    shift = np.eye(n)[np.r_[1:n, 0]]
    found = spectrum(ahead * shift + (1 - ahead) * shift.T)
    assert found.dtype == np.complex128
    turn = np.exp(2j * np.pi * np.arange(n) / n)
    expected = ahead * turn + (1 - ahead) / turn
    # The matrix is normal: eigenvalues err as little as those of a symmetric one.
    distance = np.abs(found[:, None] - expected[None, :])
    assert distance.min(axis=0).max() <= 4 * n * 2.3e-16
    assert distance.min(axis=1).max() <= 4 * n * 2.3e-16


def test_a_weighted_undirected_graph_has_the_spectrum_of_its_laplacian() -> None:
    graph = nx.les_miserables_graph()
    laplacian = nx.normalized_laplacian_spectrum(graph)
    found = spectrum(random_walk(from_networkx(graph)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(np.sort(found), np.sort(1 - laplacian), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_with_symmetric_scores_is_reversible_at_any_temperature(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for spread in (0.1, 1.0, 10.0):
        scores = rng.normal(0, spread, (30, 30)).astype(dtype)
        walk = random_walk(np.exp(scores + scores.T))
        assert spectrum(walk).dtype == np.float64
        assert spectrum(random_walk(np.exp(scores))).dtype == np.complex128


@given(walks())
def test_eigenvalues_have_the_moments_of_the_matrix_and_one_per_class(walk: Array) -> None:
    found, n = spectrum(walk), len(walk)
    for power in (1, 2, 3):
        trace = np.linalg.matrix_power(walk, power).trace()
        # Moments, unlike eigenvalues, move by no more than the backward error.
        assert abs((found**power).sum() - trace) <= 40 * power * n**2 * eps(walk)
    assert abs(found[0] - 1) <= 1e-12


@given(masks())
def test_on_the_unit_circle_are_the_roots_of_unity_of_each_period(mask: Array) -> None:
    found = spectrum(random_walk(mask))
    roots = [np.exp(2j * np.pi * k / period) for period in periods(mask) for k in range(period)]
    # With at most 6 sources of equal weight no other modulus comes as close to 1.
    on_circle = found[np.abs(found) > 1 - 1e-6]
    assert len(on_circle) == len(roots)
    for root in roots:
        assert np.isclose(on_circle, root, atol=1e-7).sum() == np.isclose(roots, root).sum()


@given(walks(), st.data())
def test_renaming_the_tokens_changes_no_moment_of_the_spectrum(
    walk: Array, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(walk))))
    renamed = walk[np.ix_(order, order)]
    rounding = 200 * len(walk) ** 2 * eps(walk)
    for power in (1, 2, 3):
        moments = [(spectrum(one) ** power).sum() for one in (walk, renamed)]
        assert abs(moments[0] - moments[1]) <= rounding
    assert radius(renamed) == radius(walk)
    assert sorted(periods(renamed)) == sorted(periods(walk))
