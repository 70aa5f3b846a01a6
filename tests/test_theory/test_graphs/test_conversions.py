"""Attention as a weighted graph and back: conversions and normalisations."""

from fractions import Fraction
from math import sqrt
from types import ModuleType
from typing import Any

import array_api_compat
import hypothesis.strategies as st
import mpmath
import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers.graph_strategies import masks, weights
from theory.arrays import Array, InputError, eps, tiny, to_numpy
from theory.graphs.conversions import from_networkx, random_walk, symmetric_adjacency, to_networkx
from theory.graphs.masks import causal_mask, graph_mask

# --- to networkx and back -----------------------------------------------------------------


@given(weights())
def test_there_and_back_gives_every_bit(adjacency: Array) -> None:
    np.testing.assert_array_equal(from_networkx(to_networkx(adjacency)), adjacency)


@given(weights(), st.sampled_from([0.0, 1e-300, 1e-8, 3.0, 1e300]))
def test_the_edges_are_the_entries_above_the_threshold(adjacency: Array, threshold: float) -> None:
    graph = to_networkx(adjacency, threshold=threshold)
    assert list(graph) == list(range(len(adjacency)))
    edges = {(i, j): adjacency[i, j] for i, j in np.argwhere(adjacency > threshold).tolist()}
    assert nx.get_edge_attributes(graph, "weight") == edges


def test_an_edge_points_to_the_token_that_is_listened_to() -> None:
    graph = to_networkx(random_walk(causal_mask(3)))
    assert sorted(graph.successors(2)) == [0, 1, 2]
    assert sorted(graph.successors(0)) == [0]


@given(weights(), st.data())
def test_the_nodelist_permutes_the_tokens(adjacency: Array, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(adjacency))))
    permuted = from_networkx(to_networkx(adjacency), nodelist=order)
    np.testing.assert_array_equal(permuted, adjacency[np.ix_(order, order)])


def test_edges_count_one_without_a_weight_and_parallel_edges_add_up() -> None:
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph([(0, 1), (0, 1)])
    graph.add_edge(1, 0, weight=0.25, cost=7.0)
    np.testing.assert_array_equal(from_networkx(graph), [[0, 2], [0.25, 0]])
    np.testing.assert_array_equal(from_networkx(graph, weight="cost"), [[0, 2], [7, 0]])
    np.testing.assert_array_equal(from_networkx(graph, weight=None), [[0, 2], [1, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
def test_every_library_converts_to_the_same_graph(xp: ModuleType, device: Any, dtype: str) -> None:
    source = np.asarray([[0.5, 0.5], [0.0, 1.0]])
    adjacency = xp.asarray(source.astype(dtype), device=device)
    graph = to_networkx(adjacency)
    assert nx.utils.graphs_equal(graph, to_networkx(source.astype(dtype)))
    if dtype != "bool":
        back = from_networkx(graph, like=adjacency)
        assert back.dtype == adjacency.dtype
        assert array_api_compat.device(back) == array_api_compat.device(adjacency)
        np.testing.assert_array_equal(to_numpy(back), source)


# --- normalisation ------------------------------------------------------------------------


@given(weights())
def test_a_random_walk_has_the_exact_shares_whatever_the_scales(adjacency: Array) -> None:
    walk, n = random_walk(adjacency), len(adjacency)
    # Each share takes two quotients, and a sum of n - 1 steps of quotients: n + 2 roundings.
    for i in range(n):
        total = sum(map(Fraction, adjacency[i].tolist()))
        for j in range(n):
            exact = Fraction(adjacency[i, j]) / total
            bound = (n + 2) * eps(walk) * exact + Fraction(n * tiny(walk))
            assert abs(Fraction(walk[i, j]) - exact) <= bound


@given(weights(symmetric=True))
def test_symmetric_weights_stay_symmetric_and_exact_whatever_the_scales(adjacency: Array) -> None:
    found, n = symmetric_adjacency(adjacency), len(adjacency)
    np.testing.assert_array_equal(found, found.T)
    with mpmath.workdps(50):
        degree = [mpmath.fsum(map(mpmath.mpf, row)) for row in adjacency.tolist()]
        for i in range(n):
            for j in range(n):
                exact = mpmath.mpf(adjacency[i, j]) / mpmath.sqrt(degree[i] * degree[j])
                # Two roots of two factors, each of n + 1 roundings halved, and two quotients.
                bound = (n + 6) * eps(found) * exact + n * tiny(found)
                assert abs(mpmath.mpf(found[i, j]) - exact) <= bound


@given(weights(elements=st.integers(0, 9).map(float)), st.data())
def test_renaming_the_tokens_renames_both_normalisations(
    adjacency: Array, data: st.DataObject
) -> None:
    order = np.ix_(*[data.draw(st.permutations(range(len(adjacency))))] * 2)
    for normalise in (random_walk, symmetric_adjacency):
        np.testing.assert_allclose(
            normalise(adjacency[order]),
            normalise(adjacency)[order],
            rtol=2 * (len(adjacency) + 6) * eps(adjacency),
        )


@given(masks())
def test_a_mask_is_its_own_weights(mask: Array) -> None:
    np.testing.assert_array_equal(random_walk(mask), random_walk(mask.astype(float)))
    np.testing.assert_array_equal(random_walk(mask) > 0, mask)


@given(masks())
def test_both_normalisations_are_similar_matrices(mask: Array) -> None:
    root = np.sqrt(mask.sum(axis=-1, keepdims=True))
    similar = root * random_walk(mask) / root.T
    np.testing.assert_allclose(symmetric_adjacency(mask), similar, rtol=(len(mask) + 10) * 2e-16)


@given(weights(symmetric=True), st.sampled_from([0.0, 1.0, 2.5]))
def test_self_loops_replace_the_diagonal(adjacency: Array, loop: float) -> None:
    by_hand = adjacency.copy()
    np.fill_diagonal(by_hand, loop)
    for normalise in (random_walk, symmetric_adjacency):
        if (by_hand == 0).all(axis=-1).any():
            with pytest.raises(InputError, match="listen to one at least"):
                normalise(adjacency, self_loops=loop)
        else:
            np.testing.assert_array_equal(normalise(adjacency, self_loops=loop), normalise(by_hand))


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_networkx_normalises_in_the_same_way(directed: bool, seed: int) -> None:
    graph = nx.gnp_random_graph(8, 0.4, seed=seed, directed=directed)
    nx.set_edge_attributes(graph, {e: 1.0 + i % 3 for i, e in enumerate(graph.edges)}, "weight")
    graph.add_edges_from([(i, (i + 1) % 8) for i in range(8)], weight=2.0)
    theirs = from_networkx(nx.stochastic_graph(graph.to_directed()), nodelist=range(8))
    adjacency = from_networkx(graph, nodelist=range(8))
    np.testing.assert_allclose(random_walk(adjacency), theirs, rtol=1e-15)
    if not directed:
        laplacian = nx.normalized_laplacian_matrix(graph, nodelist=range(8)).toarray()
        np.testing.assert_allclose(
            symmetric_adjacency(adjacency), np.eye(8) - laplacian, atol=1e-15
        )


def test_a_path_with_loops_has_the_normalisation_of_graph_convolutions() -> None:
    found = symmetric_adjacency(graph_mask(nx.path_graph(3)), self_loops=1.0)
    side, middle = 1 / sqrt(6), 1 / 3
    np.testing.assert_allclose(
        found, [[1 / 2, side, 0], [side, middle, side], [0, side, 1 / 2]], rtol=1e-15
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
@pytest.mark.parametrize("normalise", [random_walk, symmetric_adjacency])
@pytest.mark.parametrize("self_loops", [None, 1.0])
def test_libraries_agree_and_keep_dtype_device_and_batch(
    xp: ModuleType, device: Any, normalise: Any, dtype: str, self_loops: float | None
) -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(0, 4, (2, 3, 5, 5)).astype(dtype)
    source[..., 0] = 1
    given_array = xp.asarray(source, device=device)
    found = normalise(given_array, self_loops=self_loops)
    assert found.dtype == (xp.float64 if dtype == "bool" else given_array.dtype)
    assert array_api_compat.device(found) == array_api_compat.device(given_array)
    for index in np.ndindex(2, 3):
        single = normalise(source[index], self_loops=self_loops)
        # Libraries may sum the 5 numbers of a row in another order.
        np.testing.assert_allclose(to_numpy(found)[index], single, rtol=10 * eps(found))


# --- bad input ----------------------------------------------------------------------------

SQUARE = np.asarray([[1.0, 1.0], [0.0, 1.0]])


def _with(value: float) -> Array:
    out = SQUARE.copy()
    out[1, 0] = value
    return out


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (_with(-1.0), r"must not be negative, but 1 of its entries are, the first at .*\(1, 0\)"),
        (_with(np.nan), r"must be finite"),
        (_with(np.inf), r"must be finite"),
        (SQUARE.astype(int), "must have dtype float32 or float64, but has int64"),
        (SQUARE.astype(np.float16), "must have dtype float32 or float64, but has float16"),
        (SQUARE[:1], r"must have shape \(..., n, n\), n > 0, but has \(1, 2\)"),
        (SQUARE[0], r"must have shape \(..., n, n\), but has \(2,\)"),
        (SQUARE[:0, :0], "n > 0"),
    ],
)
def test_weights_that_are_none_say_what_is_wrong(bad: Array, message: str) -> None:
    for use in (random_walk, symmetric_adjacency, to_networkx):
        with pytest.raises(InputError, match=message):
            use(bad)


def test_a_token_that_listens_to_nobody_is_refused_unless_it_gets_a_loop() -> None:
    mask = np.asarray([[[True, True], [True, True]], [[True, True], [False, False]]])
    for normalise in (random_walk, symmetric_adjacency):
        with pytest.raises(InputError, match=r"row \(1, 1\) is zero; self_loops=1.0"):
            normalise(mask)
        np.testing.assert_array_equal(normalise(mask, self_loops=1.0)[1, 1], [0.0, 1.0])


def test_an_entry_beyond_all_numbers_is_refused_where_a_walk_still_is_one() -> None:
    weights = np.asarray([[0.0, 1e300], [5e-324, 0.0]])
    np.testing.assert_array_equal(random_walk(weights), [[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(InputError, match="random_walk has no such limit"):
        symmetric_adjacency(weights)
    large = symmetric_adjacency(np.asarray([[0.0, 1e300], [1e-300, 0.0]]))
    np.testing.assert_allclose(large, [[0.0, 1e300], [1e-300, 0.0]], rtol=1e-15)


@pytest.mark.parametrize("loop", [-1.0, np.nan, np.inf])
def test_a_loop_needs_a_weight(loop: float) -> None:
    with pytest.raises(InputError, match="self_loops must be finite and not negative"):
        random_walk(SQUARE, self_loops=loop)


def test_only_one_matrix_is_one_graph() -> None:
    with pytest.raises(InputError, match=r"one matrix \(n, n\), but has shape \(1, 2, 2\)"):
        to_networkx(SQUARE[np.newaxis])


@pytest.mark.parametrize("threshold", [-0.1, np.nan, np.inf])
def test_a_threshold_that_would_keep_missing_edges_or_none_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold must be finite and not negative"):
        to_networkx(SQUARE, threshold=threshold)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("heavy", "edge attribute 'weight' must be a number"),
        (None, "edge attribute 'weight' must be finite"),
        (-1.0, "edge attribute 'weight' must not be negative"),
        (np.nan, "edge attribute 'weight' must be finite"),
    ],
)
def test_an_edge_needs_a_weight(weight: Any, message: str) -> None:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edge("a", "b", weight=weight)
    with pytest.raises(InputError, match=message):
        from_networkx(graph)


def test_the_result_cannot_be_like_a_mask() -> None:
    with pytest.raises(InputError, match="like must have dtype float32 or float64"):
        from_networkx(nx.path_graph(2), like=SQUARE > 0)
