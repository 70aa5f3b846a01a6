"""Is v the same number by other ways: products, padding, batches, libraries?"""

from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import PLACEMENTS, blocks, move, random_block, random_tokens
from tests.test_theory.helpers.stretch import ROUNDING, coefficients
from theory.arrays import to_numpy
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import block_coefficients
from theory.statements.instances import member


@given(block=blocks(factored=True), seed=st.integers(0, 999))
def test_a_value_and_output_matrix_give_the_numbers_of_their_product(
    block: Block, seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    attention = block.attention
    product = replace(attention, value=attention.value @ attention.output, output=None)
    two = dict(coefficients(block, tokens).items())
    for name, value in coefficients(replace(block, attention=product), tokens).items():
        other = two[name]
        assert (value is None) == (other is None)
        if value is not None and other is not None:
            assert abs(value - other) <= ROUNDING * value, name


@given(block=blocks(), seed=st.integers(0, 999))
def test_padding_changes_no_number(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 2, 6, 6)
    present = np.asarray([[True] * 4 + [False] * 2, [False] + [True] * 5])
    step = apply_block(block, tokens, mask=present[:, None, :])
    padded = block_coefficients(block, step, token_mask=present)
    for i in range(2):
        alone = coefficients(block, tokens[i][present[i]])
        for (name, found), (_, wanted) in zip(padded.items(), alone.items(), strict=True):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                assert abs(found[i] - wanted) <= ROUNDING * wanted, name


@given(block=blocks(batch=(3,)), seed=st.integers(0, 999))
def test_a_batch_is_its_members_one_by_one(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 3, 4, 6)
    together = coefficients(block, tokens)
    for i in range(3):
        alone = coefficients(member(block, (i,)), tokens[i])
        for (name, found), (_, wanted) in zip(together.items(), alone.items(), strict=True):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                assert found.shape == (3,)
                assert abs(found[i] - wanted) <= ROUNDING * wanted, name


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, placement: Any, gated: bool, dtype: str
) -> None:
    block = random_block(1, placement=placement, gated=gated)
    tokens = random_tokens(1, 2, 5, 6)
    present = np.asarray([[True] * 5, [True] * 3 + [False] * 2])
    step = apply_block(block, tokens, mask=present[:, None, :])
    wanted = block_coefficients(block, step, token_mask=present)
    there = xp.asarray(tokens, dtype=getattr(xp, dtype), device=device)
    keys = xp.asarray(present, device=device)
    moved = move(block, xp, dtype=dtype, device=device)
    found = block_coefficients(
        moved, apply_block(moved, there, mask=keys[:, None, :]), token_mask=keys
    )
    for (name, value), (_, other) in zip(found.items(), wanted.items(), strict=True):
        assert value is not None
        assert value.dtype == there.dtype
        assert value.device == there.device
        relative = np.abs(to_numpy(value) - other) / np.asarray(other)
        assert relative.max() <= (ROUNDING if dtype == "float64" else 1e-3), name
