"""What the theorems about attention leave open: the constants, the scales and the sharp cases."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from theory.arrays import namespace
from theory.extended.verdicts import extended
from theory.measures.tokens import dong_residual
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.theorems.attention.castin2024 import spread_pair
from theory.theorems.attention.dovonon2024 import LinearStack
from theory.theorems.attention.kim2021 import inverse_growth
from theory.theorems.attention.zhai2023 import entropy_bound
from theory.theorems.catalogue import CATALOGUE
from theory.theorems.graph_networks.huang2020 import Convolution
from theory.theorems.rank_collapse.dong2021_norms import column_norm, composite_norm, spread_ratio
from theory.theorems.rank_collapse.layers import PureAttention

SEEDS = st.integers(0, 2**32 - 1)


def _draw(key: str, seed: int) -> Any:
    return draw(CATALOGUE[key].domain, np.random.default_rng(seed)).instance


def _softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


@pytest.mark.parametrize("tokens", [2, 3, 5])
@pytest.mark.parametrize("sigma", [0.1, 1.0, 4.0])
def test_no_scores_of_that_norm_have_less_entropy_and_some_have_no_more(
    tokens: int, sigma: float
) -> None:
    def entropy(scores: np.ndarray[Any, Any]) -> float:
        shares = _softmax(sigma * scores / max(1.0, float(np.linalg.norm(scores))))
        return float(-(shares * np.log(shares)).sum())

    starts = np.random.default_rng(0).standard_normal((4, tokens))
    lowest = min(float(minimize(entropy, start, method="Powell").fun) for start in starts)
    bound = float(entropy_bound(np.float64(sigma), tokens=tokens))
    assert bound <= lowest + 1e-12
    one_against_all = np.full(tokens, -1.0)
    one_against_all[0] = tokens - 1
    assert entropy(one_against_all) == pytest.approx(bound, rel=1e-10)


@given(sigma=st.floats(0, 50), more=st.floats(0, 50), tokens=st.integers(2, 50))
def test_the_entropy_bound_falls_as_scores_may_grow(sigma: float, more: float, tokens: int) -> None:
    one, other = (float(entropy_bound(np.float64(s), tokens=tokens)) for s in (sigma, sigma + more))
    assert other <= one + 1e-12
    assert one <= np.log(tokens) + 1e-12


@pytest.mark.parametrize("multiple", [1.0, 1e3, 1e6])
def test_far_tokens_break_any_multiple_of_a_lipschitz_constant_without_a_radius(
    multiple: float,
) -> None:
    theorem = CATALOGUE["dot-product-attention-lipschitz"]
    at = spread_pair(20 * multiple**0.5, allowed=20 * multiple**0.5)
    verdict = check(theorem, at)
    assert verdict.status == "refuted"
    assert verdict.lhs > multiple * verdict.rhs
    ball = replace(at, radius=np.float64(np.abs(at.tokens).max()))
    assert check(CATALOGUE["attention-lipschitz-ball"], ball).status == "holds"


@given(seed=SEEDS)
def test_the_sharp_lipschitz_constant_in_a_ball_is_smaller_by_a_third_at_least(seed: int) -> None:
    at = _draw("attention-lipschitz-ball", seed)
    sharp, published = (
        float(CATALOGUE[key].rhs(at))
        for key in ("attention-lipschitz-ball-sharp", "attention-lipschitz-ball")
    )
    assert sharp <= published * 0.67


@pytest.mark.parametrize("value", [0, 1, 5, 10**6])
def test_the_number_behind_the_l2_bound_solves_its_equation_to_all_digits(value: int) -> None:
    for like, error in ((np.ones(1), 1e-14), (extended(np.ones(1), digits=60), 1e-57)):
        w = inverse_growth(value, like=like)
        assert abs(w * namespace(w).exp(w + 1) - value) <= error * (1 + 20 * value)


@given(seed=SEEDS)
def test_path_matrices_are_exact_for_a_single_layer(seed: int) -> None:
    """Written out with numpy alone: sum_h P_h X W_h + bias."""
    at: PureAttention = _draw("path-decomposition", seed)
    wanted = at.bias[0].copy()
    for weight, value in zip(at.weight[0], at.value[0], strict=True):
        scores = at.tokens @ weight @ at.tokens.T / np.sqrt(at.width)
        wanted += np.stack([_softmax(row) for row in scores]) @ at.tokens @ value
    np.testing.assert_allclose(at.states[1], wanted, atol=1e-11)


@given(seed=SEEDS)
def test_the_composite_norm_is_submultiplicative_and_between_its_two_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    product = float(composite_norm(left @ right))
    assert product <= float(composite_norm(left) * composite_norm(right)) * (1 + 1e-12)
    parts = sorted([float(column_norm(left)), float(column_norm(left.T))])
    assert parts[0] * (1 - 1e-12) <= float(composite_norm(left)) <= parts[1] * (1 + 1e-12)


def test_the_composite_norm_breaks_the_triangle_inequality() -> None:
    column, row = np.asarray([[2.0, 0.0], [-2.0, 0.0]]), np.asarray([[1.0, 1.0], [-1.0, -1.0]])
    assert float(composite_norm(column + row)) ** 2 == pytest.approx(24)
    assert float(composite_norm(column) + composite_norm(row)) == pytest.approx(8**0.5 + 2)


@given(seed=SEEDS)
def test_gamma_lies_between_one_and_the_root_of_the_tokens(seed: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((5, 5))
    assert 1 <= float(spread_ratio(scores)) <= 5**0.5
    assert float(spread_ratio(np.zeros((5, 5)))) == 1


def test_gamma_is_large_where_every_row_tells_other_columns_apart() -> None:
    assert float(spread_ratio(np.eye(8))) == pytest.approx(2.0)  # 8 rows, 2 share a pair


@pytest.mark.parametrize("depth", [1, 2])
def test_the_residual_falls_with_the_power_of_three_for_each_layer(depth: int) -> None:
    rng = np.random.default_rng(3)
    weight, value = rng.standard_normal((2, depth, 2, 3, 3))
    tokens, mean = rng.standard_normal((4, 3)), rng.standard_normal(3)
    tokens -= tokens.mean(axis=0)
    left = []
    for size in (0.1, 0.05):  # the mean token only tilts the shares, the same for all rows
        at = PureAttention(mean + size * tokens, weight, value, np.zeros((depth, 4, 3)))
        left.append(float(dong_residual(at.states[-1])))
    assert np.log2(left[0] / left[1]) == pytest.approx(3**depth, rel=0.15)


@given(seed=SEEDS)
def test_the_sharp_form_implies_the_published_one_with_a_smaller_constant(seed: int) -> None:
    at: PureAttention = _draw("rank-collapse-tanh", seed)
    sharp, published = (check(CATALOGUE[k], at) for k in ("rank-collapse-tanh", "rank-collapse"))
    n = at.tokens.shape[-2]
    allowed = sharp.rounding + published.rounding
    assert sharp.rhs <= (1 - 1 / n) / 4 * published.rhs + allowed


def test_a_ruling_pair_across_consensus_keeps_tokens_apart_at_every_depth() -> None:
    graph = np.asarray([[1.0, 2.0, 0.0], [2.0, 1.0, 1.0], [0.0, 1.0, 3.0]])
    tokens = np.random.default_rng(0).standard_normal((3, 2))
    apart: list[float] = []
    together: list[float] = []
    for depth in (10, 40):
        for weight, found in ((-np.eye(2), apart), (np.eye(2), together)):
            output = LinearStack(tokens, graph, weight, depth).output
            mean = output.mean(axis=0)
            found.append(float(np.linalg.norm(output - mean) / np.linalg.norm(output)))
    assert min(apart) > 0.5
    assert together[1] < 1e-2 * together[0]


@given(seed=SEEDS)
def test_the_published_radius_says_the_same_wherever_it_is_finite(seed: int) -> None:
    at: Convolution = _draw("graph-convolution-bias", seed)
    verdict = check(CATALOGUE["graph-convolution-bias"], at)
    v = float(at.rate)
    if abs(1 - v) > 1e-3:
        r = float(at.distance(at.bias)) / (1 - v)
        size = abs(r) * (1 + v) + float(verdict.rhs)
        published = v * (float(at.distance(at.tokens)) - r) + r
        assert published == pytest.approx(float(verdict.rhs), abs=1e-9 * size)


def test_nodes_stay_within_the_radius_of_their_biases() -> None:
    """With v < 1 a stack ends within r, and not at zero: the bias is not in M."""
    graph = np.asarray([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    tokens = 100 * np.abs(np.random.default_rng(1).standard_normal((3, 2)))
    for _ in range(60):
        at = Convolution(tokens, graph, 0.5 * np.eye(2), np.ones((3, 2)))
        tokens = at.output
    radius = float(at.distance(at.bias)) / (1 - float(at.rate))
    assert 0.1 * radius < float(at.distance(tokens)) <= radius * (1 + 1e-9)
