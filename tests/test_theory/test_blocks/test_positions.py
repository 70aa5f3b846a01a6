"""Do biases, turned queries and keys, windows, caps and head norms make the scores they say?"""

from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import (
    masks,
    move,
    positioned,
    positioned_blocks,
    random_block,
    random_tokens,
)
from tests.helpers.exact_block import block_step, rows_of
from tests.test_theory.helpers.same_block import assert_same, parts
from theory.arrays import InputError, to_numpy
from theory.blocks.forward import apply_block, attention_adjacency, consensus_walks
from theory.blocks.norms import HeadNorm
from theory.blocks.positions import LAYOUTS, Positions, turn
from theory.blocks.weights import Attention, Block, BlockStep, arrays_of
from theory.extended.verdicts import extended
from theory.graphs.conversions import random_walk
from theory.graphs.masks import causal_mask, window_mask
from theory.statements.instances import map_arrays, member, require_axes
from theory.theorems.block.input import BlockInput

N = 4
FULL: dict[str, Any] = {"bias": "both", "window": 3, "soft_cap": 2.0, "head_norms": True}
SEEDS = st.integers(0, 999)


# --- the definition --------------------------------------------------------------------------


@given(block=positioned_blocks(N), mask=st.none() | masks(N), seed=SEEDS)
def test_a_block_with_positions_does_what_its_definition_says_in_plain_loops(
    block: Block, mask: Any, seed: int
) -> None:
    tokens = random_tokens(seed, N, 6)
    with mp.workdps(30):
        exact = block_step(block, rows_of(tokens), mask)
    wanted = BlockStep(
        *(None if part is None else np.asarray(part, dtype=np.float64) for part in exact)
    )
    assert_same(apply_block(block, tokens, mask=mask), wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_more_digits_the_same_scores_have_more_digits(layout: Any) -> None:
    block, tokens = positioned(random_block(1), 2, N, layout=layout, **FULL), random_tokens(3, N, 6)
    attention = block.attention
    assert attention.query_norm is not None
    norm = replace(attention.query_norm, eps=0.0)  # the root of another eps is one of float64
    block = replace(block, attention=replace(attention, query_norm=norm, key_norm=norm))
    more = map_arrays(lambda array, _: extended(array, digits=40), block)
    found = attention_adjacency(more.attention, extended(tokens, digits=40)).data
    with mp.workdps(60):
        exact = np.asarray(block_step(block, rows_of(tokens)).adjacency, dtype=object)
        assert max(abs(error) for error in (found - exact).flat) < mp.mpf(10) ** -36


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rotary", ["frequencies", "angles"])
def test_every_array_library_makes_the_same_scores(
    layout: Any, rotary: Any, xp: ModuleType, device: Any
) -> None:
    block = positioned(random_block(1), 2, N, layout=layout, rotary=rotary, **FULL)
    tokens = random_tokens(3, 2, N, 6)
    wanted = attention_adjacency(block.attention, tokens, mask=causal_mask(N))
    there = move(block, xp, device=device)
    moved = xp.asarray(tokens, device=device)
    mask = xp.asarray(causal_mask(N), device=device)
    found = attention_adjacency(there.attention, moved, mask=mask)
    assert found.dtype == xp.float64
    np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-12, atol=1e-15)
    single = attention_adjacency(
        move(block, xp, dtype="float32", device=device).attention, xp.astype(moved, xp.float32)
    )
    assert single.dtype == xp.float32
    free = attention_adjacency(block.attention, tokens)
    np.testing.assert_allclose(to_numpy(single), free, rtol=1e-3, atol=1e-5)


def test_scores_with_positions_have_the_slope_that_differences_show() -> None:
    torch = pytest.importorskip("torch")
    block = move(positioned(random_block(1), 2, N, **FULL), torch)
    tokens = torch.asarray(random_tokens(3, N, 6), dtype=torch.float64).requires_grad_()
    causal = torch.asarray(causal_mask(N))
    assert torch.autograd.gradcheck(
        lambda x: attention_adjacency(block.attention, x, mask=causal), tokens
    )


def test_members_of_a_batch_have_positions_of_their_own() -> None:
    block = positioned(random_block(1, batch=(2,)), 2, N, rotary="angles", **FULL)
    tokens = random_tokens(3, 2, N, 6)
    both = apply_block(block, tokens)
    for i in range(2):
        one = apply_block(member(block, (i,)), tokens[i])
        for name, part in parts(one):
            np.testing.assert_allclose(getattr(both, name)[i], part, rtol=1e-12, atol=1e-14)


# --- each part -------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_scores_of_a_turned_head_depend_on_how_far_apart_tokens_stand(layout: Any) -> None:
    query, key = np.random.default_rng(0).standard_normal((2, 1, 6))
    positions = Positions(frequencies=np.array([1.0, 0.1]), layout=layout)
    many = np.repeat(query, 9, axis=0), np.repeat(key, 9, axis=0)
    queries, keys = (turn(positions, each[None])[0] for each in many)
    scores = queries @ keys.T
    assert np.allclose(scores[3, 1], scores[8, 6], rtol=1e-12)
    assert not np.isclose(scores[3, 1], scores[1, 3])
    assert np.array_equal(queries[:, 4:], many[0][:, 4:])
    assert np.allclose(np.linalg.norm(queries, axis=1), np.linalg.norm(query), rtol=1e-14)


def test_a_layout_is_an_order_of_the_features() -> None:
    block, tokens = random_block(1), random_tokens(2, N, 6)
    half = positioned(block, 3, N, bias="").attention
    order = [0, 2, 1, 3, 4]  # side by side what was half a head apart
    assert half.positions is not None
    beside = replace(
        half,
        **{name: getattr(half, name)[..., order] for name in ("query", "key")},
        **{name: getattr(half, name)[..., order] for name in ("query_bias", "key_bias")},
        positions=replace(half.positions, layout="interleaved"),
    )
    wanted = attention_adjacency(half, tokens)
    np.testing.assert_allclose(attention_adjacency(beside, tokens), wanted, rtol=1e-13)
    other = replace(half, positions=replace(half.positions, layout="interleaved"))
    assert np.abs(attention_adjacency(other, tokens) - wanted).max() > 1e-3


def test_a_bias_by_offset_is_one_by_pairs() -> None:
    attention = positioned(random_block(1), 2, N, bias="offsets", rotary="").attention
    positions, tokens = attention.positions, random_tokens(3, N, 6)
    assert positions is not None
    assert positions.by_offset is not None
    offsets = np.subtract.outer(np.arange(N), np.arange(N))
    bias = positions.by_offset[:, offsets + N]  # it is for one token more
    pairs = replace(attention, positions=Positions(bias=bias))
    found, wanted = (attention_adjacency(each, tokens) for each in (pairs, attention))
    assert np.array_equal(found, wanted)


def test_a_window_is_a_mask_and_under_a_causal_one_a_sliding_window() -> None:
    block, tokens = random_block(1), random_tokens(2, 6, 6)
    windowed = replace(block.attention, positions=Positions(window=3))
    for mask, causal in ((None, False), (causal_mask(6), True)):
        wanted = attention_adjacency(block.attention, tokens, mask=window_mask(6, 2, causal=causal))
        assert np.array_equal(attention_adjacency(windowed, tokens, mask=mask), wanted)


def test_a_cap_bounds_products_and_a_wide_one_changes_nothing() -> None:
    attention, tokens = random_block(1).attention, 100 * random_tokens(2, N, 6)
    capped = replace(attention, positions=Positions(soft_cap=0.5))
    weights = attention_adjacency(capped, tokens)
    assert (weights.max(axis=-1) / weights.min(axis=-1)).max() <= np.e * (1 + 1e-12)
    wide = replace(attention, positions=Positions(soft_cap=1e12))
    plain = attention_adjacency(attention, tokens)
    np.testing.assert_allclose(attention_adjacency(wide, tokens), plain, atol=1e-10)


def test_normalised_queries_and_keys_forget_their_lengths() -> None:
    attention, tokens = random_block(1).attention, random_tokens(2, N, 6)
    attention = replace(attention, query_bias=None, key_bias=None)
    normed = replace(attention, query_norm=HeadNorm("rms"), key_norm=HeadNorm("rms"))
    lengths = np.array([[0.1], [1.0], [3.0], [50.0]])
    wanted = attention_adjacency(normed, tokens)
    np.testing.assert_allclose(attention_adjacency(normed, lengths * tokens), wanted, rtol=1e-12)
    assert normed.plain is False
    assert attention.plain is True


def test_every_array_of_positions_is_known_to_who_asks_for_arrays() -> None:
    block = positioned(random_block(1), 2, N, **FULL)
    found = [array for array in arrays_of(block.attention) if array is not None]
    # 3 maps, 3 biases, gain and shift of 2 norms, a bias by pairs and by offset, frequencies, W_o
    assert len(found) == 3 + 3 + 4 + 3 + 1
    require_axes(BlockInput(block, random_tokens(3, N, 6)))
    require_axes(BlockInput(positioned(block, 2, N, bias="one"), random_tokens(3, N, 6)))


# --- equal tokens ----------------------------------------------------------------------------


@given(block=positioned_blocks(N), mask=st.none() | masks(N), seed=SEEDS)
def test_the_walks_of_equal_tokens_are_their_attention_weights(
    block: Block, mask: Any, seed: int
) -> None:
    token = random_tokens(seed, 6)
    found = consensus_walks(block.attention, token, N, mask=mask)
    wanted = attention_adjacency(block.attention, np.tile(token, (N, 1)), mask=mask)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_without_turning_the_walks_do_not_depend_on_the_token() -> None:
    mask, tokens = causal_mask(N), random_tokens(3, 2, 6)
    plain = consensus_walks(random_block(1).attention, tokens, N, mask=mask)
    assert np.array_equal(plain, np.broadcast_to(random_walk(mask), (2, 2, N, N)))
    still = positioned(random_block(1), 2, N, rotary="", soft_cap=2.0).attention
    first, second = consensus_walks(still, tokens, N, mask=mask)
    assert np.array_equal(first, second)
    assert not np.allclose(first[0], first[1])  # each head has its own
    turned = positioned(random_block(1), 2, N, bias="").attention
    first, second = consensus_walks(turned, tokens, N, mask=mask)
    assert np.abs(first - second).max() > 1e-3


def test_walks_are_refused_where_there_is_nothing_to_walk_by() -> None:
    token = random_tokens(0, 6)
    with pytest.raises(InputError, match="no query and key"):
        consensus_walks(Attention(None, None, np.eye(6)[None]), token, 3)
    with pytest.raises(InputError, match="n must be at least 1, but is 0"):
        consensus_walks(random_block(1).attention, token, 0)


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window must be a whole number of at least 1, but is 0"),
        ({"window": 2.5}, "window must be a whole number of at least 1, but is 2.5"),
        ({"window": True}, "window must be a whole number of at least 1, but is True"),
        ({"soft_cap": -1.0}, "soft_cap must be finite and positive, but is -1.0"),
        ({"soft_cap": float("nan")}, "soft_cap must be finite and positive, but is nan"),
        ({"layout": "odd"}, "layout must be 'half' or 'interleaved', but is 'odd'"),
        ({"frequencies": np.ones(1), "angles": np.ones((N, 1))}, "frequencies or angles"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Positions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias": np.zeros((3, N, N))}, r"positions.bias must have shape \(..., 2, n, n\)"),
        ({"bias": np.zeros((2, N, 3))}, r"positions.bias must have shape \(..., 3, 3\)"),
        ({"bias": np.zeros((2, 3, 3))}, r"positions.bias must have shape \(..., h, 4, 4\)"),
        ({"bias": np.full((2, N, N), np.nan)}, r"positions.bias must be finite, but 32"),
        ({"by_offset": np.zeros((2, 8))}, "by_offset must have a bias for each offset"),
        ({"by_offset": np.zeros((2, 5))}, "at most 3, the positions there are, but are 4"),
        ({"by_offset": np.full((2, 7), np.inf)}, "by_offset must be finite, but 14"),
        ({"frequencies": np.ones(2)}, "at most the 3 features of a head, but turns 4: two for"),
        ({"frequencies": np.array([np.nan])}, "frequencies must be finite, but 1"),
        ({"angles": np.ones((3, 1))}, r"angles must have shape \(..., 4, r\)"),
        ({"angles": np.ones((1, N, 2))}, "at most the 3 features"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    block = random_block(1)
    block = replace(block, attention=replace(block.attention, positions=Positions(**options)))
    with pytest.raises(InputError, match=message):
        apply_block(block, random_tokens(2, N, 6))


def test_a_head_norm_of_another_shape_is_refused() -> None:
    block = random_block(1)
    for gain in (np.ones(3), np.ones((2, 6))):
        attention = replace(block.attention, key_norm=HeadNorm("rms", gain=gain))
        with pytest.raises(InputError, match=r"key_norm.gain must have shape \(..., 2, 3\)"):
            apply_block(replace(block, attention=attention), random_tokens(2, N, 6))


def test_a_token_with_nobody_in_its_window_is_refused() -> None:
    attention = replace(random_block(1).attention, positions=Positions(window=2))
    mask = np.ones((N, N), dtype=bool)
    mask[0, :2] = False
    with pytest.raises(InputError, match="listen to within its window of 2"):
        attention_adjacency(attention, random_tokens(2, N, 6), mask=mask)
    with pytest.raises(InputError, match="mask must be boolean"):
        attention_adjacency(attention, random_tokens(2, N, 6), mask=mask * 1.0)
