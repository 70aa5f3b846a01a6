"""What the linear law leaves out has the order it should; growing tokens give a power law."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from tests.test_theory.test_law.test_transverse import N, drawn
from theory.arrays import InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.graphs.masks import causal_mask, full_mask, graph_mask
from theory.law.order import next_order, weight_change
from theory.law.powers import power_law
from theory.law.rates import mode_rates

PURE: dict[str, Any] = {"residual": 0.0, "kind": "none", "feed_forward": False, "d": 4}


@pytest.mark.parametrize(
    ("options", "mask", "order"),
    [
        (PURE, None, 3),
        (PURE | {"residual": 1.0}, None, 3),
        (PURE, causal_mask(5), 2),
        (PURE, graph_mask(nx.path_graph(5), self_loops=True), 2),
        (PURE | {"kind": "layer", "residual": 1.0}, None, 2),
        # The curvature acts on what attention has left, which is of third order.
        (PURE | {"feed_forward": True, "activation": "gelu"}, None, 3),
        (PURE | {"feed_forward": True, "activation": "gelu", "residual": 1.0}, None, 2),
    ],
    ids=["pure", "residual", "causal", "path", "norm", "gelu alone", "gelu"],
)
def test_the_next_order_is_three_for_attention_among_all_and_two_with_curvature_or_mask(
    options: dict[str, Any], mask: Any, order: int
) -> None:
    block = random_block(11, **options)
    token, deviations = random_tokens(12, 4), random_tokens(13, 5, 4)
    found = next_order(block, token, deviations, mask=mask)
    assert found.order == pytest.approx(order, abs=0.05)
    assert found.error <= 0.05
    if mask is None and not options["residual"]:
        assert found.linear <= 1e-12
    assert weight_change(block, token, deviations, mask=mask, spread=1e-6) > 1e-3


def test_a_linear_block_has_no_next_order() -> None:
    none = Norm("none")
    attention = Attention(0 * np.eye(3)[None], np.eye(3)[None], np.eye(3)[None])
    with pytest.raises(InputError, match="above rounding"):
        next_order(Block(attention, norm_1=none), random_tokens(0, 3), random_tokens(1, 4, 3))


@pytest.mark.parametrize("placement", ["pre", "sandwich", "parallel"])
def test_without_a_norm_behind_the_sum_the_approach_is_a_power_of_the_depth(placement: Any) -> None:
    block, tokens = drawn(3, placement=placement)
    token = tokens.mean(axis=0)
    found = power_law(block, full_mask(N), token, interval=(40, 320))
    assert found.last_rate == pytest.approx(1, abs=0.01)
    assert found.exponent < 0.5
    assert found.interval == (40, 320)
    rate = mode_rates(block, [0.0], token, layers=320)
    assert rate.method == "lyapunov"
    assert rate.token_growth > 1


def test_a_post_norm_stack_is_no_power_law_and_says_so() -> None:
    block, tokens = drawn(3)
    found = power_law(block, full_mask(N), tokens[0], interval=(10, 160))
    assert found.bend > 0.2 * abs(found.exponent)
    assert found.last_rate < 0.95


def test_the_power_of_a_stack_that_adds_the_same_vector_again_and_again_is_minus_one() -> None:
    """X grows by one bias a layer, differences do not change: |u| / |x| ~ 1 / L."""
    attention = Attention(np.eye(3)[None], np.eye(3)[None], 0 * np.eye(3)[None], bias=np.ones(3))
    block = Block(attention, placement="pre")
    found = power_law(block, full_mask(3), random_tokens(0, 3), interval=(100, 1600))
    assert found.exponent == pytest.approx(-1, abs=0.02)
    assert found.bend <= 0.02


def test_a_power_law_needs_an_interval_that_the_blocks_reach() -> None:
    block, tokens = drawn(0)
    with pytest.raises(InputError, match="interval must hold"):
        power_law(block, full_mask(N), tokens[0], interval=(10, 20))
    with pytest.raises(InputError, match="end at 1"):
        power_law([block], full_mask(N), tokens[0], interval=(10, 40))
    with pytest.raises(InputError, match="at least two tokens"):
        power_law(block, full_mask(1), tokens[0], interval=(10, 40))
