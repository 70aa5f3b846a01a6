"""Are attention weights shares of one, whatever the scores are?"""

import math
from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from tests.helpers.blocks import blocks, masks, random_block, random_tokens
from theory.arrays import to_numpy
from theory.blocks.forward import attention_adjacency, softmax
from theory.blocks.weights import Block

EPS = float(np.finfo(np.float64).eps)


@given(block=blocks(), mask=masks(4), scale=st.sampled_from([1e-300, 1e-3, 1.0, 30.0, 1e6]))
def test_weights_are_shares_of_one_and_zero_where_masked(
    block: Block, mask: Any, scale: float
) -> None:
    tokens = scale * random_tokens(5, 4, 6)
    weights = attention_adjacency(block.attention, tokens, mask=mask)
    assert np.all((weights >= 0) & (weights <= 1))
    assert np.all(weights[:, ~mask] == 0)
    assert np.abs(weights.sum(axis=-1) - 1).max() <= 4 * EPS  # four terms
    if scale <= 1:
        assert np.all(weights[:, mask] > 0)


@given(
    shift=st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4),
    mask=st.none() | masks(4),
    seed=st.integers(0, 999),
)
def test_a_number_added_to_a_row_of_scores_changes_nothing(
    shift: list[float], mask: Any, seed: int
) -> None:
    scores = random_tokens(seed, 2, 4, 4)
    moved = scores + np.asarray(shift)[:, None]
    # The scores themselves are rounded to eps of the shift when it is added.
    allowed = 4 * EPS * (8 + np.abs(shift).max())
    assert np.abs(softmax(moved, mask=mask) - softmax(scores, mask=mask)).max() <= allowed


def test_scores_of_any_size_neither_overflow_nor_give_nan(xp: ModuleType) -> None:
    scores = xp.asarray([[[1e308, -1e308], [-1e308, -1e308]]], dtype=xp.float64)
    with np.errstate(over="ignore"):  # numpy: the difference of the two is -inf, and exp is 0
        weights = to_numpy(softmax(scores))
    assert weights.tolist() == [[[1.0, 0.0], [0.5, 0.5]]]


def test_the_scale_multiplies_the_scores_and_is_1_over_sqrt_k_by_default() -> None:
    attention = random_block(0).attention
    assert attention.score_scale == 1 / math.sqrt(3)
    tokens = random_tokens(0, 4, 6)
    hot = attention_adjacency(replace(attention, scale=0.0), tokens)
    np.testing.assert_allclose(hot, 0.25)
    named = attention_adjacency(replace(attention, scale=1 / math.sqrt(3)), tokens)
    np.testing.assert_array_equal(named, attention_adjacency(attention, tokens))
