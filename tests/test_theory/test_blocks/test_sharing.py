"""Sharing: layers in the range use one attention matrix, and the saving is that of its layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.sharing import apply_shared, attention_flops

BLOCKS = tuple(random_block(seed) for seed in range(4))
TOKENS = random_tokens(5, 5, 6)


@given(first=st.integers(1, 4), more=st.integers(0, 3))
def test_blocks_in_the_range_have_the_matrix_of_its_first(first: int, more: int) -> None:
    last = min(4, first + more)
    steps = apply_shared(BLOCKS, TOKENS, first=first, last=last)
    tokens = TOKENS
    for number, (block, step) in enumerate(zip(BLOCKS, steps, strict=True), start=1):
        shared = first < number <= last
        given_matrix = steps[first - 1].adjacency if shared else None
        alone = apply_block(block, tokens, adjacency=given_matrix)
        np.testing.assert_array_equal(step.output, alone.output)
        np.testing.assert_array_equal(step.adjacency, alone.adjacency)
        tokens = step.output


def test_a_range_of_one_block_shares_nothing_and_a_longer_one_changes_the_output() -> None:
    one, other = (apply_shared(BLOCKS, TOKENS, first=k, last=k)[-1].output for k in (1, 3))
    np.testing.assert_array_equal(one, other)
    longer = apply_shared(BLOCKS, TOKENS, first=1, last=2)[-1].output
    assert np.abs(one - longer).max() > 1e-3


@given(depth=st.integers(1, 30), n=st.integers(1, 200), d=st.integers(1, 900), data=st.data())
def test_each_shared_layer_saves_half_of_its_attention(
    depth: int, n: int, d: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, depth))
    last = data.draw(st.integers(first, depth))
    full = attention_flops(depth=depth, n=n, d=d)
    saved = full - attention_flops(depth=depth, n=n, d=d, first=first, last=last)
    assert saved * 2 * depth == full * (last - first)


@pytest.mark.parametrize(("first", "last"), [(0, 2), (3, 2), (2, 5)])
def test_a_range_outside_the_blocks_is_refused(first: int, last: int) -> None:
    with pytest.raises(InputError, match="range of blocks from 1 to 4"):
        apply_shared(BLOCKS, TOKENS, first=first, last=last)
    with pytest.raises(InputError, match="range of blocks from 1 to 4"):
        attention_flops(depth=4, n=2, d=2, first=first, last=last)
