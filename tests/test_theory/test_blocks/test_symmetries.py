"""What happens to the output when tokens are permuted, rotated, doubled or not listened to?"""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from tests.helpers.blocks import blocks, masks, random_tokens
from tests.test_theory.helpers.same_block import CLOSE, assert_same
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Block, BlockStep


@given(block=blocks(), mask=masks(4), order=st.permutations(range(4)), seed=st.integers(0, 999))
def test_permuted_tokens_give_the_permuted_output(
    block: Block, mask: Any, order: list[int], seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    plain = apply_block(block, tokens, mask=mask)
    permuted = apply_block(block, tokens[order], mask=mask[np.ix_(order, order)])
    wanted = BlockStep(
        plain.output[order],
        plain.adjacency[:, order][:, :, order],
        *(std if std is None else std[order] for std in plain[2:]),
    )
    assert_same(permuted, wanted)


@given(block=blocks(kind="none"), seed=st.integers(0, 999))
def test_without_norms_rotated_features_give_the_rotated_output(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    turn = np.linalg.qr(random_tokens(seed, 6, 6))[0]
    attention, ffn = block.attention, block.feed_forward
    value = turn.T @ attention.value
    turned = replace(
        attention,
        query=turn.T @ attention.query,
        key=turn.T @ attention.key,
        value=value if attention.output is not None else value @ turn,
        output=None if attention.output is None else attention.output @ turn,
        bias=None if attention.bias is None else attention.bias @ turn,
    )
    if ffn is not None:
        ffn = replace(
            ffn,
            weight_in=turn.T @ ffn.weight_in,
            weight_out=ffn.weight_out @ turn,
            weight_gate=None if ffn.weight_gate is None else turn.T @ ffn.weight_gate,
            bias_out=None if ffn.bias_out is None else ffn.bias_out @ turn,
        )
    found = apply_block(replace(block, attention=turned, feed_forward=ffn), tokens @ turn)
    wanted = apply_block(block, tokens)
    assert_same(found, wanted._replace(output=wanted.output @ turn))


@given(seed=st.integers(0, 999))
def test_rms_without_gain_turns_with_the_features_but_layer_norm_does_not(seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    turn = np.linalg.qr(random_tokens(seed, 6, 6))[0]
    for kind, turns in (("rms", True), ("layer", False)):
        norm = Norm(kind)  # type: ignore[arg-type]  # a loop variable is a plain str
        error = np.abs(apply_norm(norm, tokens @ turn) - apply_norm(norm, tokens) @ turn).max()
        assert (error <= CLOSE) == turns


@given(block=blocks(), seed=st.integers(0, 999))
def test_under_full_attention_equal_tokens_stay_equal_and_count_twice(
    block: Block, seed: int
) -> None:
    tokens = random_tokens(seed, 3, 6)
    twice = apply_block(block, np.concatenate([tokens, tokens]))
    once = apply_block(block, tokens)
    size = np.abs(once.output).max()
    assert np.abs(twice.output[:3] - once.output).max() <= CLOSE * size
    assert np.abs(twice.output[3:] - once.output).max() <= CLOSE * size
    halves = once.adjacency / 2
    assert np.abs(twice.adjacency - np.tile(halves, (2, 2))).max() <= CLOSE


@given(block=blocks(), seed=st.integers(0, 999))
def test_what_nobody_listens_to_changes_nothing_for_the_others(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 5, 6)
    alone = apply_block(block, tokens[:3])
    other = np.concatenate([tokens[:3], 100 * tokens[3:]])
    keys = np.asarray([[True, True, True, False, False]])
    padded = apply_block(block, other, mask=keys)
    assert np.abs(padded.output[:3] - alone.output).max() <= CLOSE * np.abs(alone.output).max()
    assert np.all(padded.adjacency[:, :, 3:] == 0)
