"""Theorems about graphs: do their parts agree with other ways to them, and what refutes which?"""

import itertools
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from array_api_compat import device as device_of
from hypothesis import given

from tests.test_theory.helpers.graph_strategies import masks
from theory.arrays import InputError
from theory.blocks.forward import softmax
from theory.graphs.chains import periods, radius
from theory.graphs.conversions import random_walk
from theory.graphs.stochastic import dobrushin_coefficient
from theory.measures.diameters import projective_diameter, token_diameter
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.instances import map_arrays
from theory.theorems.attention.steps import Steps, power
from theory.theorems.attention.wu2023 import exponent
from theory.theorems.attention.wu2024 import mask_radius
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


# Diameters


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


# Masks


@given(mask=masks())
def test_the_radius_in_a_batch_is_that_of_the_graph(mask: Any) -> None:
    n = mask.shape[-1]
    expected = radius(mask)
    found = float(mask_radius(mask[None])[0])
    assert found == (2 * n if expected is None else max(expected, 1))


@given(mask=masks())
def test_the_exponent_is_the_first_power_without_a_zero(mask: Any) -> None:
    n = mask.shape[-1]
    found = int(exponent(mask[None])[0])
    counts = np.linalg.matrix_power(mask.astype(object), found)
    if nx.is_strongly_connected(nx.DiGraph(mask.astype(int))) and periods(mask) == (1,):
        assert (counts > 0).all()
        before = np.linalg.matrix_power(mask.astype(object), found - 1)
        assert found == 1 or not (before > 0).all()
    else:
        assert found == 2 * n * n


@given(mask=masks(min_n=2))
def test_an_undirected_exponent_is_at_most_twice_the_other_tokens(mask: Any) -> None:
    both = mask | mask.T
    n = mask.shape[-1]
    if nx.is_connected(nx.Graph(both.astype(int))) and periods(both) == (1,):
        assert exponent(both) <= 2 * (n - 1)


@pytest.mark.parametrize(("base", "count", "expected"), [(0.5, 3, 0.125), (0.0, 0, 1.0)])
def test_a_power_of_nothing_is_one(base: float, count: int, expected: float) -> None:
    assert power(np.float64(base), count) == expected
    assert power(np.float64(-0.1), count + 1) == max(base, 0.0) * 0


def test_a_chain_keeps_its_ends_apart_until_the_radius() -> None:
    """Why whole rounds count: the word of the first token is on its way."""
    n = 5
    weights = np.eye(n) / 2 + np.eye(n, k=-1) / 2
    weights[0, 0] = 1.0
    tokens = np.asarray([0.0] + [1.0] * (n - 1))[:, None]
    for t in range(1, n):
        tokens = weights @ tokens
        assert token_diameter(tokens) == (1.0 if t < n - 1 else 1 - 0.5 ** (n - 1))


def test_with_two_chains_that_nobody_joins_the_diameter_stays() -> None:
    weights = np.kron(np.eye(2), np.asarray([[1.0, 0.0], [0.5, 0.5]]))
    tokens = np.asarray([[1.0], [1.0], [-1.0], [-1.0]])
    at = Steps(tokens, np.stack([weights] * 6), np.float64(0.5), weights > 0)
    verdict = check(CATALOGUE["masked-attention"], at)
    assert verdict.reasons == ("the mask is quasi-strongly connected",)
    assert verdict.lhs == 2


# Wang et al.


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("a", [0.0, 0.1, 1.0, 5.0])
def test_the_one_step_factor_never_says_that_differences_shrink(n: int, a: float) -> None:
    theorem = CATALOGUE["high-frequency-one-step"]
    at = Steps(np.eye(n), np.full((1, n, n), 1 / n), np.float64(a))
    verdict = check(theorem, at)
    assert verdict.status == "holds"
    assert verdict.lhs < 1e-14
    assert verdict.rhs >= np.sqrt(n - 1) * (1 - 1e-14)


@given(seed=SEEDS)
def test_the_sharp_factor_of_one_step_is_smaller_by_the_root_of_two_at_least(seed: int) -> None:
    at = draw(CATALOGUE["high-frequency-one-step"].domain, np.random.default_rng(seed)).instance
    sharp, published = (
        float(CATALOGUE[key].rhs(at))
        for key in ("high-frequency-one-step-sharp", "high-frequency-one-step")
    )
    assert sharp <= published / np.sqrt(2) * (1 + 1e-14)


@given(seed=SEEDS)
def test_with_two_tokens_even_the_form_without_n_is_true(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, size=(1, 2, 2)) * (a := rng.uniform(0, 8))
    at = Steps(np.asarray([[1.0], [-1.0]]), softmax(scores), np.float64(a))
    assert check(CATALOGUE["high-frequency-one-step-below-one"], at).status == "holds"


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


# Oono and Suzuki


@given(seed=SEEDS)
def test_the_distance_to_m_is_found_by_least_squares_too(seed: int) -> None:
    at = draw(CATALOGUE["graph-convolution"].domain, np.random.default_rng(seed)).instance
    size = np.abs(at.tokens).max() or 1.0
    tokens = at.tokens / size
    fit = at.basis @ np.linalg.lstsq(at.basis, tokens, rcond=None)[0]
    assert distance_to(at.basis, tokens) == pytest.approx(np.linalg.norm(tokens - fit), abs=1e-10)
