"""Random stacks: what changes a draw and what does not?"""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack, WeightEnsemble
from tests.helpers.blocks import Floats
from theory.blocks.weights import Block
from theory.statements.instances import leaves

SMALL = Stack(depth=3, tokens=5, width=12, heads=3, ffn_width=20)
WEIGHTS = get_args(WeightEnsemble)


def arrays_of(block: Block) -> list[Floats]:
    return list(leaves(block))


def assert_equal(one: Block, two: Block) -> None:
    pairs = list(zip(arrays_of(one), arrays_of(two), strict=True))
    assert len(pairs) >= 4
    for left, right in pairs:
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_same_stack_and_seeds_give_the_same_blocks_and_tokens(weights: Any) -> None:
    stack = replace(SMALL, weights=weights, bias_std=1.0)
    for one, two in zip(
        draw_blocks(stack, seeds=range(2)), draw_blocks(stack, seeds=range(2)), strict=True
    ):
        assert_equal(one, two)
    one, two = (draw_tokens(stack, seeds=range(2)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_more_seeds_and_more_layers_change_no_earlier_number(weights: Any) -> None:
    stack = replace(SMALL, weights=weights, bias_std=1.0)
    few = list(draw_blocks(stack, seeds=range(4, 6)))
    many = list(draw_blocks(replace(stack, depth=5), seeds=range(3, 8)))
    for one, two in zip(few, many[:3], strict=True):
        for left, right in zip(arrays_of(one), arrays_of(two), strict=True):
            np.testing.assert_array_equal(left, right[1:3])
    np.testing.assert_array_equal(
        draw_tokens(stack, seeds=range(4, 6)), draw_tokens(stack, seeds=range(3, 8))[1:3]
    )


@pytest.mark.parametrize("weights", WEIGHTS)
def test_gains_multiply_and_draw_nothing_anew(weights: Any) -> None:
    stack = replace(SMALL, weights=weights)
    gains: dict[str, Any] = {
        "score_gain": 3.0,
        "value_gain": 2.0,
        "ffn_gain": 0.5,
        "bias_std": 0.25,
        "norm_gain": 1.5,
    }
    plain, driven = (next(draw_blocks(s, seeds=range(2))) for s in (stack, replace(stack, **gains)))
    np.testing.assert_array_equal(driven.attention.value, 2 * plain.attention.value)
    np.testing.assert_array_equal(driven.attention.output, plain.attention.output)
    np.testing.assert_array_equal(driven.attention.query, plain.attention.query)
    np.testing.assert_array_equal(driven.attention.key, plain.attention.key)
    assert driven.attention.score_scale == 3 * plain.attention.score_scale
    assert plain.attention.score_scale == pytest.approx(4**-0.5)
    assert plain.feed_forward is not None
    assert driven.feed_forward is not None
    np.testing.assert_array_equal(driven.feed_forward.weight_in, plain.feed_forward.weight_in)
    np.testing.assert_array_equal(
        driven.feed_forward.weight_out, 0.5 * plain.feed_forward.weight_out
    )
    assert plain.attention.bias is None
    assert plain.feed_forward.bias_in is None
    assert plain.norm_1.gain is None
    np.testing.assert_array_equal(driven.norm_1.gain, np.full(12, 1.5))
    doubled = next(draw_blocks(replace(stack, bias_std=0.5), seeds=range(2)))
    assert driven.attention.bias is not None
    np.testing.assert_array_equal(doubled.attention.bias, 2 * driven.attention.bias)


@given(
    field=st.sampled_from(
        [
            ("activation", "relu"),
            ("norm", "rms"),
            ("placement", "pre"),
            ("residual", 0.5),
            ("ln_eps", 0.1),
            ("tau", 2.0),
            ("fixed_std", 2.0),
            ("initial", "clustered"),
            ("tokens", 9),
            ("rank", 2),
            ("depth", 7),
        ]
    )
)
def test_what_defines_no_weight_changes_none(field: tuple[str, Any]) -> None:
    other = replace(SMALL, **{field[0]: field[1]})
    assert_equal(next(draw_blocks(SMALL, seeds=range(1))), next(draw_blocks(other, seeds=range(1))))


def test_seeds_layers_and_shapes_give_different_weights() -> None:
    block = next(draw_blocks(SMALL, seeds=range(2)))
    assert not np.any(block.attention.value[0] == block.attention.value[1])
    first, second, _ = draw_blocks(SMALL, seeds=range(1))
    assert not np.any(first.attention.value == second.attention.value)
    heads = next(draw_blocks(replace(SMALL, heads=4), seeds=range(1)))
    assert not np.any(np.isin(heads.attention.value, first.attention.value))
    assert first.feed_forward is not None
    drawn = arrays_of(first)
    for i, left in enumerate(drawn):  # no two matrices of a block are the same numbers
        assert all(not np.any(np.isin(left, right)) for right in drawn[i + 1 :])


def test_tied_layers_are_one_object_and_others_are_not() -> None:
    tied = list(draw_blocks(replace(SMALL, tied=True), seeds=range(2)))
    assert len(tied) == 3
    assert all(block is tied[0] for block in tied)
    free = list(draw_blocks(SMALL, seeds=range(2)))
    assert_equal(tied[0], free[0])
    assert free[0] is not free[1]


def test_blocks_are_drawn_one_by_one() -> None:
    deep = draw_blocks(replace(SMALL, depth=10**6), seeds=range(1))
    next(deep)
    next(deep)


def test_the_fields_reach_the_block() -> None:
    stack = replace(
        SMALL,
        placement="sandwich",
        residual=0.5,
        norm="rms",
        ln_eps=0.1,
        tau=2.0,
        fixed_std=3.0,
        activation="silu",
    )
    block = next(draw_blocks(stack, seeds=range(2)))
    assert block.placement == "sandwich"
    assert block.residual == 0.5
    assert block.feed_forward is not None
    assert block.feed_forward.activation == "silu"
    for norm in (block.norm_1, block.norm_2, block.norm_1_out, block.norm_2_out):
        assert (norm.kind, norm.eps, norm.tau, norm.fixed_std) == ("rms", 0.1, 2.0, 3.0)
    bare = next(draw_blocks(replace(SMALL, ffn_width=0), seeds=range(1)))
    assert bare.feed_forward is None


def test_two_scales_reach_the_block() -> None:
    scales = {"residual_attention": 0.5, "residual_ffn": 2.0}
    block = next(draw_blocks(replace(SMALL, **scales), seeds=range(1)))  # type: ignore[arg-type]
    assert block.residual_scales == (0.5, 2.0)
    parallel = replace(SMALL, placement="parallel", residual=0.5)
    assert next(draw_blocks(parallel, seeds=range(1))).residual_scales == (0.5,)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal", "low-rank", "identity", "bert"])
def test_a_gate_is_drawn_last_and_changes_nothing_else(weights: Any) -> None:
    plain = replace(SMALL, weights=weights, bias_std=0.5)
    pairs = zip(
        *(draw_blocks(stack, seeds=range(2)) for stack in (plain, replace(plain, gated=True))),
        strict=True,
    )
    for one, two in pairs:
        assert one.feed_forward is not None
        assert two.feed_forward is not None
        gate, bias = two.feed_forward.weight_gate, two.feed_forward.bias_gate
        assert gate is not None
        assert bias is not None
        assert gate.shape == two.feed_forward.weight_in.shape
        assert bias.shape == (2, 20)
        assert not np.array_equal(gate, two.feed_forward.weight_in)
        size = np.std(gate) / np.std(two.feed_forward.weight_in)
        assert 0.7 < size < 1.4, "the gate is of the size of the hidden map"
        bare = replace(two.feed_forward, weight_gate=None, bias_gate=None)
        assert_equal(replace(two, feed_forward=bare), one)


def test_shapes_and_dtype() -> None:
    block = next(draw_blocks(replace(SMALL, bias_std=1.0), seeds=range(2)))
    attention, ffn = block.attention, block.feed_forward
    assert ffn is not None
    for array, shape in (
        (attention.query, (2, 3, 12, 4)),
        (attention.key, (2, 3, 12, 4)),
        (attention.value, (2, 3, 12, 4)),
        (attention.output, (2, 3, 4, 12)),
        (attention.bias, (2, 12)),
        (ffn.weight_in, (2, 12, 20)),
        (ffn.weight_out, (2, 20, 12)),
        (ffn.bias_in, (2, 20)),
        (ffn.bias_out, (2, 12)),
        (draw_tokens(SMALL, seeds=range(2)), (2, 5, 12)),
    ):
        assert array is not None
        assert array.shape == shape
        assert array.dtype == np.float64


def test_whole_numbers_may_be_those_of_numpy() -> None:
    plain = replace(SMALL, value_gain=2.0)
    numbers: dict[str, Any] = {"depth": np.int64(3), "width": np.int32(12)}
    other = replace(SMALL, value_gain=2.0, **numbers)
    assert type(other.depth) is type(other.width) is int
    for one, two in zip(
        *(draw_blocks(stack, seeds=range(1)) for stack in (plain, other)), strict=True
    ):
        assert_equal(one, two)
