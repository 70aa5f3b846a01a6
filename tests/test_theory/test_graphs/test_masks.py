"""Masks: who may listen to whom, on every array library."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import array_api_compat
import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from theory.arrays import Array, InputError, to_numpy
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask, window_mask

SIZES = st.integers(1, 9)


@given(SIZES, st.integers(0, 10), st.booleans())
def test_a_window_opens_to_those_within_reach_and_causally_to_none_after(
    n: int, reach: int, causal: bool
) -> None:
    mask = window_mask(n, reach, causal=causal)
    for i in range(n):
        for j in range(n):
            assert mask[i, j] == (abs(i - j) <= reach and not (causal and j > i))


@given(SIZES)
def test_the_widest_windows_are_the_full_and_the_causal_mask(n: int) -> None:
    np.testing.assert_array_equal(window_mask(n, n - 1), full_mask(n))
    np.testing.assert_array_equal(window_mask(n, n - 1, causal=True), causal_mask(n))
    np.testing.assert_array_equal(window_mask(n, 0), np.eye(n, dtype=bool))
    assert full_mask(n).all()
    assert causal_mask(n).sum() == n * (n + 1) // 2


@given(SIZES)
def test_a_causal_token_listens_to_itself_and_to_those_before(n: int) -> None:
    np.testing.assert_array_equal(causal_mask(n), np.tri(n, dtype=bool))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_blocks_are_cliques_that_do_not_hear_each_other(sizes: list[int]) -> None:
    mask = block_mask(sizes)
    of = np.repeat(range(len(sizes)), sizes)
    np.testing.assert_array_equal(mask, of[:, None] == of[None, :])
    parts = sorted(len(part) for part in nx.connected_components(nx.from_numpy_array(mask)))
    assert parts == sorted(sizes)


@given(SIZES, st.sampled_from([None, True, False]), st.randoms(use_true_random=False))
def test_a_graphs_edges_are_its_mask_and_loops_are_as_asked(
    n: int, self_loops: bool | None, random: Any
) -> None:
    graph = nx.gnp_random_graph(n, 0.4, seed=random, directed=True)
    graph.add_edge(0, 0, weight=0.0)  # an edge is an edge whatever it weighs
    mask = graph_mask(graph, self_loops=self_loops)
    for i in range(n):
        for j in range(n):
            loop = self_loops if i == j and self_loops is not None else graph.has_edge(i, j)
            assert mask[i, j] == loop


def test_the_order_of_the_tokens_is_that_of_the_nodelist() -> None:
    graph = nx.DiGraph([("the", "cat"), ("cat", "sat")])
    np.testing.assert_array_equal(
        graph_mask(graph, nodelist=["sat", "cat", "the"]),
        [[False, False, False], [True, False, False], [False, True, False]],
    )
    np.testing.assert_array_equal(
        graph_mask(graph, nodelist=["cat", "sat"]), [[False, True], [False, False]]
    )


def test_parallel_edges_do_not_cancel_and_undirected_ones_go_both_ways() -> None:
    graph: nx.MultiGraph[int] = nx.MultiGraph([(0, 1), (0, 1)])
    graph.edges[0, 1, 0]["weight"], graph.edges[0, 1, 1]["weight"] = 1.0, -1.0
    np.testing.assert_array_equal(graph_mask(graph), [[False, True], [True, False]])


MAKERS: list[Callable[..., Array]] = [
    lambda **like: full_mask(5, **like),
    lambda **like: causal_mask(5, **like),
    lambda **like: window_mask(5, 1, **like),
    lambda **like: window_mask(5, 2, causal=True, **like),
    lambda **like: block_mask([2, 3], **like),
    lambda **like: graph_mask(nx.cycle_graph(5), **like),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_mask_is_the_same_boolean_on_every_library_and_device(
    make: Callable[..., Array], xp: ModuleType, device: Any
) -> None:
    like = xp.zeros((1,), dtype=xp.float32, device=device)
    mask = make(like=like)
    assert mask.dtype == xp.bool
    assert array_api_compat.device(mask) == array_api_compat.device(like)
    np.testing.assert_array_equal(to_numpy(mask), make())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: full_mask(0), "n must be at least 1, but is 0"),
        (lambda: causal_mask(-3), "n must be at least 1, but is -3"),
        (lambda: causal_mask(cast(int, 2.5)), "n must be a whole number, but is 2.5"),
        (lambda: window_mask(3, -1), "reach must be at least 0, but is -1"),
        (lambda: window_mask(3, cast(int, 1.0)), "reach must be a whole number"),
        (lambda: block_mask([]), "sizes must give at least one block"),
        (lambda: block_mask([2, 0]), r"sizes\[1\] must be at least 1, but is 0"),
        (lambda: graph_mask(nx.Graph()), "graph must have at least one node"),
        (lambda: graph_mask(cast(Any, [[1]])), "graph must be a networkx graph, but is a list"),
        (lambda: graph_mask(nx.path_graph(3), nodelist=[0, 7]), "nodelist must hold nodes"),
        (lambda: graph_mask(nx.path_graph(3), nodelist=[0, 0]), "nodelist must hold nodes"),
    ],
)
def test_a_mask_that_cannot_be_made_says_why(make: Callable[[], Array], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
