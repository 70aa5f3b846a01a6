"""The operator on all n d numbers is the derivative, has the law's rates, shows transients."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from tests.helpers.blocks import PLACEMENTS, Floats, masks, random_block, random_tokens
from tests.test_theory.test_law.test_transverse import GRAPHS, N, drawn, simulated
from theory.arrays import InputError
from theory.blocks.forward import apply_block, softmax
from theory.blocks.norms import apply_norm
from theory.blocks.weights import Block
from theory.graphs.masks import causal_mask, full_mask, window_mask
from theory.law.cocycle import (
    apply_adjoint,
    apply_step,
    cocycle,
    constant_walks,
    linear_distances,
    operator_rate,
    transverse_radius,
)
from theory.law.growth import leading_growth, transient_growth
from theory.law.orbits import find_attractor
from theory.law.synchronised import linearise
from theory.law.transverse import transverse_rates

SEEDS = st.integers(0, 2**32 - 1)


def alibi(heads: int, n: int) -> Floats:
    """Return what ALiBi adds to the scores: a head's slope times the distance back."""
    back = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    slopes = np.exp2(-np.arange(1.0, heads + 1))
    return np.asarray(-slopes[:, None, None] * back, dtype=np.float64)


def positional_step(block: Block, tokens: Floats, bias: Floats, mask: Any) -> Floats:
    """Apply a post-LN block whose scores have a bias that depends on the positions."""
    attention = block.attention
    assert attention.query is not None
    assert attention.key is not None
    assert attention.query_bias is not None
    assert attention.key_bias is not None
    queries = tokens @ attention.query + attention.query_bias[:, None, :]
    keys = tokens @ attention.key + attention.key_bias[:, None, :]
    scores = attention.score_scale * queries @ np.swapaxes(keys, -2, -1) + bias
    out: Floats = apply_block(block, tokens, adjacency=softmax(scores, mask=mask)).output
    return out


@pytest.mark.parametrize("causal", [False, True])
def test_with_a_score_bias_the_operator_is_the_derivative_of_the_block(causal: bool) -> None:
    n, block = 5, random_block(3, heads=2)
    mask = causal_mask(n) if causal else full_mask(n)
    token, deviations = random_tokens(4, 6), random_tokens(5, n, 6)
    bias = alibi(2, n)
    walks = softmax(bias, mask=mask)
    assert not np.allclose(walks[0] @ walks[1], walks[1] @ walks[0])  # no common eigenbasis
    step = linearise(block, token)
    wanted = apply_step(step, walks, deviations)
    t = 1e-5
    plus, minus = (positional_step(block, token + s * t * deviations, bias, mask) for s in (1, -1))
    assert np.abs((plus - minus) / (2 * t) - wanted).max() <= 1e-8 * np.abs(wanted).max() + 1e-7

    operator = cocycle([step], walks)
    centred = deviations - deviations.mean(axis=0)
    found = (operator @ deviations.reshape(-1)).reshape(n, 6)
    moved = apply_step(step, walks, centred)
    assert np.allclose(found, moved - moved.mean(axis=0), atol=1e-12)


def rotary_weights(block: Block, tokens: Floats) -> Floats:
    """Return softmax weights of queries and keys that are turned by their position."""
    attention = block.attention
    assert attention.query is not None
    assert attention.key is not None
    angle = 0.7 * np.arange(len(tokens))
    turn = np.zeros((len(tokens), 3, 3))
    turn[:, 2, 2] = 1
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 0, 1] = np.sin(angle)
    turn[:, 1, 0] = -np.sin(angle)
    queries = ((tokens @ attention.query)[..., None, :] @ turn)[..., 0, :]
    keys = ((tokens @ attention.key)[..., None, :] @ turn)[..., 0, :]
    return np.asarray(softmax(queries @ np.swapaxes(keys, -2, -1)), dtype=np.float64)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_rotary_weights_follow_the_token_from_layer_to_layer(placement: Any) -> None:
    """P_k then depends on the token itself, so a function of the layer gives it."""
    n, depth = 5, 3
    block = random_block(8, placement=placement, residual=0.8, activation="gelu")
    token, deviations = random_tokens(9, 6), random_tokens(10, n, 6)
    deviations -= deviations.mean(axis=0)

    def run(tokens: Floats) -> Floats:
        for _ in range(depth):
            seen = tokens if placement == "post" else apply_norm(block.norm_1, tokens)
            weights = rotary_weights(block, seen)
            tokens = apply_block(block, tokens, adjacency=weights).output
        return tokens

    t = 1e-6
    change = (run(token + t * deviations) - run(token - t * deviations)) / (2 * t)
    wanted = np.log(np.linalg.norm(change - change.mean(axis=0)))
    found = linear_distances(
        block,
        lambda step: rotary_weights(block, np.tile(step.listening, (n, 1))),
        token,
        deviations,
        depth=depth,
    )
    assert found[-1] == pytest.approx(wanted, abs=1e-6)
    plain = linear_distances(block, full_mask(n), token, deviations, depth=depth)
    assert abs(plain[-1] - wanted) > 1e-3  # the turning is seen


@given(seed=SEEDS, mask=masks(4), placement=st.sampled_from(PLACEMENTS))
def test_the_adjoint_is_the_adjoint(seed: int, mask: Any, placement: Any) -> None:
    rng = np.random.default_rng(seed)
    step = linearise(random_block(seed, placement=placement), rng.standard_normal(6))
    left, right = rng.standard_normal((2, 4, 6))
    heads = softmax(rng.standard_normal((2, 4, 4)), mask=mask)
    for walks in (heads, constant_walks(mask)(step)):
        one = np.sum(apply_step(step, walks, left) * right)
        other = np.sum(left * apply_adjoint(step, walks, right))
        assert abs(one - other) <= 1e-10 * (1 + abs(one))
        operator = cocycle([step, step], walks)
        dense = operator @ np.eye(24)
        assert np.allclose(dense.T, operator.rmatmat(np.eye(24)), atol=1e-9)


def test_the_mean_of_the_deviations_changes_no_difference() -> None:
    block, tokens = drawn(1)
    token = tokens.mean(axis=0)
    deviations = random_tokens(2, N, 8)
    moved = linear_distances(block, GRAPHS["causal"], token, deviations + 5.0)
    assert np.allclose(moved, linear_distances(block, GRAPHS["causal"], token, deviations))


@pytest.mark.parametrize("graph", ["complete", "ring", "star", "causal", "directed ring"])
def test_the_operator_has_the_rate_of_the_slowest_mode(graph: str) -> None:
    block, tokens = drawn(1, width=12, bias_std=0.5)
    token = tokens.mean(axis=0)
    rate, method = operator_rate(block, GRAPHS[graph], token)
    report = transverse_rates(block, GRAPHS[graph], token)
    assert (method,) == report.methods
    assert rate == pytest.approx(report.rate, rel=1e-8)


def test_heads_that_walk_alike_have_the_rate_of_one_walk() -> None:
    block, tokens = drawn(1)
    walk = softmax(alibi(1, N))[0]
    rate, _ = operator_rate(block, np.stack([walk, walk]), tokens[0])
    assert rate == pytest.approx(transverse_rates(block, walk, tokens[0]).rate, rel=1e-8)
    other, _ = operator_rate(block, softmax(alibi(2, N)), tokens[0])
    assert abs(other - rate) > 1e-6


def test_a_causal_window_grows_before_it_shrinks_and_simulations_follow_the_cocycle() -> None:
    """Its Jordan block hides the limit: the rate at depth 24 is not that of depth infinity."""
    n = 32
    mask = window_mask(n, 1, causal=True)
    block, tokens = drawn(0, tokens=n)
    attractor = find_attractor(block, tokens.mean(axis=0))
    assert attractor is not None
    token = attractor.points[0]
    report = transverse_rates(block, mask, token)
    assert np.all(report.eigenvalues == 0.5)
    assert report.gap == 0
    growth = transient_growth(block, mask, token, depths=(1, 8, 24))
    per_layer = growth[-1] ** (1 / 24)
    assert per_layer > 1.05 * report.rate  # far above the limit still
    assert per_layer > report.finite_rate  # and above what single modes do
    start = token + tokens - tokens.mean(axis=0)
    logs = simulated(block, start, mask, layers=24)
    around = 1e-9 * (start - start.mean(axis=0))
    mean = (start.mean(axis=0) + 1e-9 * start).mean(axis=0)
    linear = linear_distances(block, mask, mean, around, depth=24)
    assert np.abs(logs - linear[1:]).max() <= 1e-5
    assert np.exp(linear[-1] - linear[0]) <= growth[-1] * (1 + 1e-6)


def test_no_deviation_grows_faster_than_the_largest_growth() -> None:
    block, tokens = drawn(2)
    depths = (1, 3, 6)
    growth = transient_growth(block, GRAPHS["star"], tokens[0], depths=depths)
    for seed in range(5):
        deviations = random_tokens(seed, N, 8)
        logs = linear_distances(block, GRAPHS["star"], tokens[0], deviations, depth=6)
        assert np.all(np.exp(logs[list(depths)] - logs[0]) <= growth * (1 + 1e-9))


def test_arpack_and_a_dense_matrix_agree() -> None:
    block, tokens = drawn(5, width=12)
    operator = cocycle([linearise(block, tokens[0])], GRAPHS["path"])
    dense = operator @ np.eye(operator.shape[0])
    assert operator.shape[0] > 64
    assert transverse_radius(operator) == pytest.approx(np.abs(np.linalg.eigvals(dense)).max())
    assert leading_growth(operator)[0] == pytest.approx(np.linalg.norm(dense, ord=2), rel=1e-9)


def test_classes_of_their_own_are_projected_out_one_by_one() -> None:
    step = linearise(random_block(0), random_tokens(0, 6))
    operator = cocycle([step], constant_walks(np.eye(4, dtype=bool)), labels=[0, 0, 1, 1])
    equal_in_pairs = np.repeat(random_tokens(1, 2, 6), 2, axis=0).reshape(-1)
    assert np.abs(operator @ equal_in_pairs).max() <= 1e-12


def test_what_the_operator_cannot_answer_is_refused() -> None:
    block, tokens = drawn(0)
    with pytest.raises(InputError, match="at least one layer"):
        cocycle([], full_mask(3))
    with pytest.raises(InputError, match="walk must be"):
        constant_walks(np.ones((2, 3, 3), dtype=bool))
    with pytest.raises(InputError, match="depths must be positive"):
        transient_growth(block, full_mask(N), tokens[0], depths=())


def test_an_operator_that_sends_all_to_zero_is_no_crash_of_arpack() -> None:
    def nothing(size: int) -> Any:
        zeros = np.zeros(size)
        return LinearOperator(
            (size, size), matvec=lambda _: zeros, rmatvec=lambda _: zeros, dtype=np.float64
        )

    assert transverse_radius(nothing(100)) == leading_growth(nothing(100))[0] == 0
    assert leading_growth(nothing(3000))[0] == 0
    with pytest.raises(InputError, match="below float64's range"):
        transverse_radius(nothing(3000))
