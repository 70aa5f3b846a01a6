"""Theorems about graphs: do their parts agree with other ways to them, and what refutes which?"""

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from array_api_compat import device as device_of
from hypothesis import given

from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.instances import map_arrays
from theory.theorems.catalogue import CATALOGUE
from theory.theorems.graph_networks.cai2020 import convolution, energy, on_graph
from theory.theorems.graph_networks.oono2020 import distance_to

KEYS = (
    *("dobrushin-contraction", "birkhoff-contraction", "dobrushin-coupling", "graph-convolution"),
    *("dirichlet-energy-smoothing", "dirichlet-energy-linear", "dirichlet-energy-relu"),
    *("high-frequency-vanishes", "high-frequency-one-step", "high-frequency-second-eigenvalue"),
    *("high-frequency-one-step-sharp", "attention-lipschitz-ball-sharp", "l2-attention-lipschitz"),
    *("attention-on-a-connected-graph", "masked-attention"),
)
REFUTED = {
    "dirichlet-energy-smallest-eigenvalue": "dirichlet-energy-smoothing",
    "high-frequency-one-step-below-one": "high-frequency-one-step",
    "high-frequency-second-eigenvalue-alone": "high-frequency-second-eigenvalue",
    "masked-attention-without-floor": "masked-attention",
}
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("key", sorted({*KEYS, *REFUTED}))
def test_every_array_library_finds_the_same_sides(key: str, xp: ModuleType, device: Any) -> None:
    theorem = CATALOGUE[key]
    at = draw(theorem.domain, np.random.default_rng(5), members=3).instance
    moved = map_arrays(lambda array, _: xp.asarray(array, device=device), at)
    one, other = check(theorem, at), check(theorem, moved)
    assert other.applies.all()
    for side in ("lhs", "rhs"):
        gap = np.abs(getattr(one, side) - getattr(other, side))
        assert (gap <= one.rounding + other.rounding).all()
    assert np.allclose(one.rounding, other.rounding, rtol=0.1)


@pytest.mark.parametrize("key", sorted({*KEYS, *REFUTED}))
def test_sides_are_computed_in_the_dtype_and_on_the_device_of_the_instance(
    key: str, xp: ModuleType, device: Any
) -> None:
    theorem = CATALOGUE[key]
    at = draw(theorem.domain, np.random.default_rng(6), members=2).instance
    moved = map_arrays(lambda array, _: xp.asarray(array, device=device), at)
    for side in (theorem.lhs, theorem.rhs, theorem.rounding):
        value = side(moved)
        assert value.shape == (2,)
        assert value.dtype == xp.float64
        assert device_of(value) == device_of(moved.tokens)


@pytest.mark.parametrize("key", REFUTED)
def test_the_correction_holds_where_the_claim_is_refuted(key: str) -> None:
    witness = CATALOGUE[key].witness
    assert witness is not None
    assert check(CATALOGUE[key], witness()).status == "refuted"
    assert check(CATALOGUE[REFUTED[key]], witness()).status == "holds"


@pytest.mark.parametrize("key", REFUTED)
def test_random_instances_refute_it_too(key: str) -> None:
    theorem = CATALOGUE[key]
    found = sum(
        int(check(theorem, draw(theorem.domain, rng, members=32).instance).refuted.sum())
        for rng in map(np.random.default_rng, range(60))
    )
    assert found > 0


# Cai and Wang


def _counterexample(graph: "nx.Graph[int]") -> bool:
    """Whether P has an eigenvalue nearer to -1 than its second largest is to 1."""
    weights = nx.to_numpy_array(graph)
    values = np.linalg.eigvalsh(convolution(on_graph(weights, np.ones(len(graph)))))
    others = values[values < 1 - 1e-9]
    return bool(len(others) and -others.min() > others.max() + 1e-9)


def test_no_graph_of_four_tokens_refutes_the_smallest_eigenvalue_and_one_of_five_does() -> None:
    small = [graph for graph in nx.graph_atlas_g() if 1 <= len(graph) <= 5]
    found = [graph for graph in small if _counterexample(graph)]
    assert len(small) == 52
    assert len(found) == 1
    assert nx.is_isomorphic(found[0], nx.complete_bipartite_graph(2, 3))


@pytest.mark.parametrize(
    ("p", "q", "held", "claimed"), [(2, 3, 5 / 12, 1 / 3), (5, 5, 2 / 3, 1 / 6)]
)
def test_complete_bipartite_graphs_refute_it_by_known_amounts(
    p: int, q: int, held: float, claimed: float
) -> None:
    weights = nx.to_numpy_array(nx.complete_bipartite_graph(p, q))
    lowest = np.linalg.eigh(convolution(on_graph(weights, np.ones(p + q))))[1][:, 0]
    verdict = check(CATALOGUE["dirichlet-energy-smallest-eigenvalue"], on_graph(weights, lowest))
    assert verdict.status == "refuted"
    assert verdict.lhs / verdict.rhs == pytest.approx((held / claimed) ** 2, rel=1e-10)


def test_three_tokens_refute_it_with_edge_weights() -> None:
    weights = [[0.0, 4.0, 0.0], [4.0, 0.0, 4.0], [0.0, 4.0, 0.0]]
    at = on_graph(weights, [1.0, -1.0, 1.0])
    assert check(CATALOGUE["dirichlet-energy-smallest-eigenvalue"], at).status == "refuted"


@given(seed=SEEDS)
def test_the_energy_is_the_trace_form_with_p(seed: int) -> None:
    at = draw(CATALOGUE["dirichlet-energy-smoothing"].domain, np.random.default_rng(seed)).instance
    size = np.abs(at.tokens).max() or 1.0
    tokens = at.tokens / size
    laplacian = np.eye(len(tokens)) - convolution(at)
    assert energy(at, tokens) == pytest.approx(np.trace(tokens.T @ laplacian @ tokens), abs=1e-10)


def test_tanh_can_raise_the_energy_where_degrees_differ() -> None:
    """Why only positively homogeneous activations are in the statement."""
    star = np.asarray([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    degrees = 1 + star.sum(axis=1)
    at = on_graph(star, 5 * np.sqrt(degrees))  # no energy at all
    assert energy(at, at.tokens) < 1e-28
    assert energy(at, np.tanh(at.tokens)) > 0.01


def test_the_square_of_a_norm_that_vanishes_refutes_nothing() -> None:
    """|W|^2 is below the range here, but |W| (|W| E) is not."""
    at = on_graph([[0.0, 1.0], [1.0, 0.0]], [0.0, 4e70], weight=[[6.4e-225]])
    verdict = check(CATALOGUE["dirichlet-energy-linear"], at)
    assert verdict.lhs > 3e-308
    assert verdict.rhs > 3e-308
    assert not verdict.refuted


# Oono and Suzuki


@given(seed=SEEDS)
def test_the_distance_to_m_is_found_by_least_squares_too(seed: int) -> None:
    at = draw(CATALOGUE["graph-convolution"].domain, np.random.default_rng(seed)).instance
    size = np.abs(at.tokens).max() or 1.0
    tokens = at.tokens / size
    fit = at.basis @ np.linalg.lstsq(at.basis, tokens, rcond=None)[0]
    assert distance_to(at.basis, tokens) == pytest.approx(np.linalg.norm(tokens - fit), abs=1e-10)
