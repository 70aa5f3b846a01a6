"""What is v where something vanishes, or is as large as a number can be?"""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.blocks import move, random_block, random_tokens
from tests.test_theory.helpers.stretch import ROUNDING, coefficients
from theory.arrays import namespace
from theory.blocks.forward import apply_block
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.block_rounding import coefficient_bounds
from theory.bounds.coefficients import block_coefficients, weight_norms


def test_equal_rows_of_attention_leave_the_residual_alone() -> None:
    block = random_block(0, kind="none", residual=0.5, feed_forward=False)
    found = coefficients(block, random_tokens(0, 4, 6), adjacency=np.full((2, 4, 4), 0.25))
    assert found.lambda_ == 0
    assert found.v == found.v_sharp == found.v_stacked == 0.5


@pytest.mark.parametrize("factored", [False, True])
def test_a_head_without_weights_counts_for_nothing_and_gives_no_nan(factored: bool) -> None:
    block = random_block(0, factored=factored)
    value = block.attention.value.copy()
    value[1] = 0
    silent = replace(block, attention=replace(block.attention, value=value))
    single = replace(
        silent,
        attention=replace(
            silent.attention,
            **{
                name: part[:1]
                for name in ("query", "key", "value", "output", "query_bias", "key_bias")
                if (part := getattr(silent.attention, name)) is not None
            },
        ),
    )
    tokens = random_tokens(0, 4, 6)
    two, one = coefficients(silent, tokens), coefficients(single, tokens)
    assert abs(two.v_sharp - one.v_sharp) <= ROUNDING * one.v_sharp
    assert abs(two.v_stacked - one.v_stacked) <= ROUNDING * one.v_stacked
    nothing = replace(block, attention=replace(block.attention, value=0 * value))
    found = coefficients(nothing, tokens)
    assert all(np.isfinite(number) for _, number in found.items() if number is not None)


@pytest.mark.parametrize("scale", [1e-150, 1e-80, 1e80, 1e150])
def test_weights_of_any_size_give_the_scaled_number(scale: float) -> None:
    block = random_block(0, kind="none", residual=0.0, feed_forward=False, plain=True)
    adjacency = np.random.default_rng(0).dirichlet(np.ones(4), (2, 4))
    value = scale * block.attention.value
    scaled = replace(block, attention=replace(block.attention, value=value))
    tokens = random_tokens(0, 4, 6)
    found = coefficients(scaled, tokens, adjacency=adjacency)
    wanted = coefficients(block, tokens, adjacency=adjacency)
    for name in ("v", "v_sharp", "v_stacked"):
        assert abs(getattr(found, name) / scale / getattr(wanted, name) - 1) <= ROUNDING, name


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_norms_of_wide_weights_may_be_upper_ends_of_narrow_brackets(
    dtype: str, spread: float
) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((2, 260, 300)) * np.geomspace(1, 10.0**-spread, 300)
    block = Block(
        Attention(None, None, np.eye(260)[None]),
        FeedForward(weights, np.ascontiguousarray(np.swapaxes(weights, -1, -2))),
    )
    block = move(block, namespace(weights), dtype=dtype)
    exact, fast = weight_norms(block), weight_norms(block, tolerance=1e-6)
    assert exact.excess == 0
    rounding = 64 * float(np.finfo(dtype).eps)
    assert 0 < fast.excess <= max(2e-6, 2 * rounding)
    for one, two in ((exact.ffn_in, fast.ffn_in), (exact.ffn_out, fast.ffn_out)):
        assert one is not None
        assert two is not None
        assert two.dtype == one.dtype == dtype
        assert np.all(two >= one * (1 - rounding))
        assert np.all(two <= one * (1 + fast.excess + rounding))


def test_the_ends_of_s_and_v_know_of_the_brackets() -> None:
    rng = np.random.default_rng(0)
    weights, tokens = rng.standard_normal((8, 8)), rng.standard_normal((4, 8))
    block = Block(Attention(None, None, np.eye(8)[None]), FeedForward(weights, weights))
    shares = np.eye(4)[None] / 2 + 1 / 8
    step = apply_block(block, tokens, adjacency=shares)
    exact = block_coefficients(block, step)
    norms = weight_norms(block)
    assert norms.ffn_in is not None
    assert norms.ffn_out is not None
    norms = replace(norms, ffn_in=1.01 * norms.ffn_in, ffn_out=1.01 * norms.ffn_out, excess=0.0101)
    found = block_coefficients(block, step, norms=norms)
    ends = coefficient_bounds(block, tokens, step, found, norms=norms)
    for name in ("s", "v"):
        lower, upper = (getattr(ends, f"{name}_{end}") for end in ("lower", "upper"))
        assert lower < getattr(exact, name) < upper
        assert lower < getattr(found, name) < upper
        assert lower > getattr(exact, name) * (1 - 1e-3)
        assert upper > getattr(exact, name) * (1 + 1e-3)


def test_no_norm_is_wide_enough_for_zeros() -> None:
    zeros = np.zeros((256, 256))
    block = Block(Attention(None, None, np.eye(256)[None]), FeedForward(zeros, zeros))
    found = weight_norms(block, tolerance=1e-6)
    assert found.ffn_in == 0
    assert found.ffn_out == 0
    assert 0 <= found.excess < 1e-14
