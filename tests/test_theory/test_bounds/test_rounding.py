"""Allowances for rounding: wide enough for every underflow, too narrow for a real violation."""

from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.blocks import PLACEMENTS, Floats, random_block, random_tokens
from tests.helpers.exact_block import block_step, rows_of
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.bounds.block_rounding import coefficient_error
from theory.bounds.coefficients import Coefficients, block_coefficients
from theory.statements.evaluation import check
from theory.theorems.block.input import BLOCK_DOMAIN, SAME_SUMS, BlockInput
from theory.theorems.block.shi2022_lemmas import Averaging
from theory.theorems.catalogue import CATALOGUE

ZERO = np.zeros((1, 6, 6))
NOTHING = Block(Attention(ZERO, ZERO, ZERO))
NO_NORM = Norm(kind="none")
BLOCKS = ("block-v", "block-v-sharp", "block-v-stacked")


@pytest.mark.parametrize("key", BLOCKS)
@given(x=st.floats(1e-10, 2e-10))
def test_a_product_lost_below_the_normal_numbers_refutes_no_block(key: str, x: float) -> None:
    tiny_then_huge = Attention(None, None, np.asarray([[[3e-306]]]), np.asarray([[[1e305]]]))
    block = Block(tiny_then_huge, norm_1=NO_NORM, residual=0.0)
    at = BlockInput(block, np.asarray([[x], [-x]]), adjacency=np.eye(2)[None])
    verdict = check(CATALOGUE[key], at)
    assert verdict.applies
    assert not verdict.refuted


def test_the_search_tries_factors_that_underflow_apart() -> None:
    lowest = {name: size.low for name, size in BLOCK_DOMAIN.sizes.items()}
    sizes = lowest | {"factored": 1, "tokens": 2, "features": 2, "head_width": 2}
    params = {name: np.ones(shape) for name, shape in BLOCK_DOMAIN.shapes(sizes).items()}
    at = BLOCK_DOMAIN.build(sizes, params)
    value, output = at.block.attention.value, at.block.attention.output
    assert (at.tokens @ value).max() < np.finfo(np.float64).smallest_normal
    np.testing.assert_array_equal(value @ output, np.full((1, 2, 2), 2.0))


@pytest.mark.parametrize("miss", [0.3, 1e-5])
@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_large_entries_do_not_excuse_rows_that_miss_one(size: float, miss: float) -> None:
    adjacency = np.asarray([[size, 1 - size + miss], [0.5, 0.5]])
    tokens = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    verdict = check(CATALOGUE["attention"], Averaging(tokens, adjacency))
    assert verdict.status == "does not apply"
    block = Block(Attention(None, None, np.eye(2)[None]), norm_1=NO_NORM)
    verdict = check(CATALOGUE["block-v"], BlockInput(block, tokens, adjacency=adjacency[None]))
    assert verdict.status == "does not apply"
    assert verdict.reasons == (SAME_SUMS.name,)


def _found(block: Block, tokens: Floats) -> tuple[Coefficients, float]:
    step = apply_block(block, tokens)
    found = block_coefficients(block, step)
    return found, float(coefficient_error(block, tokens, step, found))


def _exact_v(tokens: Floats) -> mp.mpf:
    """Without attention and feed-forward v is one over the smallest std of the tokens."""
    with mp.workdps(40):
        std = block_step(NOTHING, rows_of(tokens)).std_1
        assert std is not None
        return 1 / min(std)


@given(seed=st.integers(0, 999), power=st.integers(0, 15))
def test_the_error_of_v_covers_a_std_that_cancellation_spoils(seed: int, power: int) -> None:
    tokens = 10.0**power + 8 * random_tokens(seed, 3, 6)
    found, error = _found(NOTHING, tokens)
    assert abs(_exact_v(tokens) - mp.mpf(float(found.v))) <= error


def test_where_v_is_only_computed_to_be_below_one_its_upper_end_is_not() -> None:
    misled = 0
    for seed in range(20):
        tokens = 1e15 + 8 * random_tokens(seed, 3, 6)
        tau = float(_exact_v(tokens)) * (1 - 1e-12)  # which makes v the least bit larger than one
        found, error = _found(replace(NOTHING, norm_1=Norm(tau=tau)), tokens)
        misled += float(found.v) < 1
        assert not float(found.v) + error < 1
    assert misled > 0, "rounding did no harm here"


@given(seed=st.integers(0, 999), gated=st.booleans())
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_error_of_v_is_a_few_digits_where_nothing_cancels(
    placement: Any, seed: int, gated: bool
) -> None:
    block = random_block(seed, placement=placement, gated=gated)
    found, error = _found(block, random_tokens(seed, 5, 6))
    assert 0 < error <= 1e-6 * float(found.v)
