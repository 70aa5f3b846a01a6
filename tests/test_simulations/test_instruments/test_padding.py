"""Does padding never count, and do special tokens only where they are asked for?"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulations.instruments.trace import trace_blocks, trace_centred
from tests.helpers.blocks import blocks, random_block, random_tokens
from tests.test_simulations.helpers.three_layers import (
    BOUNDS,
    CAUSAL,
    STACK,
    TOKENS,
    D,
    N,
    assert_close,
)
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.measures.tokens import measure_tokens
from theory.statements.instances import member


@given(stack=st.lists(blocks(), min_size=1, max_size=2), seed=st.integers(0, 999))
def test_a_padded_batch_gives_the_numbers_of_its_sentences(stack: list[Block], seed: int) -> None:
    present = np.asarray([[True] * N, [True] * 3 + [False] * 2, [False, True, True, False, True]])
    tokens = random_tokens(seed, 3, N, D)
    padded = trace_blocks(stack, tokens, present=present)
    for i in range(3):
        alone = trace_blocks(stack, tokens[i][present[i]])
        for both, one in ((padded.tokens, alone.tokens), (padded.blocks, alone.blocks)):
            assert both.keys() == one.keys()
            # A bound on errors may be looser, and among like tokens rounding says which is largest.
            for name in one.keys() - BOUNDS - {n for n in one if "larg" in n or "without" in n}:
                found, wanted, lost = both[name][..., i], one[name], 1e-9
                if name.startswith("log10_"):  # of a distance that may be all rounding
                    found, wanted, lost = 10**found, 10**wanted, 1e-14
                np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=lost, err_msg=name)
        assert np.all(padded.blocks["rounding"][..., i] >= 0)


def test_so_it_is_without_one_token() -> None:
    present = np.asarray([[True] * N, [True] * 4 + [False], [False, True, True, False, True]])
    tokens = random_tokens(5, 3, N, D)
    padded = trace_blocks(STACK, tokens, present=present)
    for i in range(3):
        alone = trace_blocks(STACK, tokens[i][present[i]])
        for both, one in ((padded.tokens, alone.tokens), (padded.blocks, alone.blocks)):
            names = [name for name in one if "larg" in name or "without" in name]
            assert names
            for name in names:
                np.testing.assert_allclose(both[name][..., i], one[name], rtol=1e-9, err_msg=name)


def test_what_stands_in_the_padding_changes_nothing() -> None:
    present = np.asarray([True, True, True, False, False])
    tokens = TOKENS.copy()
    wanted = trace_blocks(STACK, tokens, present=present, mask=CAUSAL)
    tokens[3:] = 100 * random_tokens(9, 2, D)
    found = trace_blocks(STACK, tokens, present=present, mask=CAUSAL)
    assert_close(found.tokens, wanted.tokens)
    assert_close({k: v for k, v in found.blocks.items() if k not in BOUNDS}, wanted.blocks)


def test_all_present_is_the_same_as_nothing_said() -> None:
    one = trace_blocks(STACK, TOKENS, mask=CAUSAL)
    two = trace_blocks(STACK, TOKENS, mask=CAUSAL, present=np.ones(N, dtype=bool))
    assert_close(one.tokens, two.tokens)
    assert_close(one.blocks, two.blocks)


def test_special_tokens_left_out_change_the_measures_of_tokens_only() -> None:
    present = np.asarray([True, True, True, True, False])
    inner = np.asarray([False, True, True, False, False])
    all_, some = (
        trace_blocks(STACK, TOKENS, present=present, token_mask=mask) for mask in (None, inner)
    )
    assert some.blocks.keys() == all_.blocks.keys()
    for name, values in all_.blocks.items():
        np.testing.assert_array_equal(some.blocks[name], values)
    tokens = TOKENS
    for layer, block in enumerate([*STACK, None]):
        wanted = measure_tokens(tokens[1:3])._asdict()
        for name, value in wanted.items():
            np.testing.assert_allclose(some.tokens[name][layer], value, rtol=1e-11, atol=1e-13)
            assert abs(all_.tokens[name][layer] - value) > 1e-9, name
        if block is not None:
            tokens = apply_block(block, tokens, mask=present[None, :]).output


def test_a_batch_is_its_members_one_by_one() -> None:
    stack = [random_block(i, batch=(3,)) for i in range(2)]
    tokens = random_tokens(0, 3, N, D)
    for trace in (trace_blocks, trace_centred):
        together = trace(stack, tokens)
        for i in range(3):
            alone = trace([member(block, (i,)) for block in stack], tokens[i])
            for both, one in ((together.tokens, alone.tokens), (together.blocks, alone.blocks)):
                for name, values in one.items():
                    np.testing.assert_allclose(both[name][..., i], values, rtol=1e-8, err_msg=name)
