"""When has a masked graph brought all tokens together?"""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers.graph_strategies import masks
from theory.graphs.chains import periods, radius
from theory.measures.diameters import token_diameter
from theory.statements.evaluation import check
from theory.theorems.attention.steps import Steps, power
from theory.theorems.attention.wu2023 import exponent
from theory.theorems.attention.wu2024 import mask_radius
from theory.theorems.catalogue import CATALOGUE


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
