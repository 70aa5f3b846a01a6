"""Are centred coordinates plain arithmetic far from consensus, and exact at consensus?"""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from simulations.centred.maps import from_tokens
from simulations.centred.norm import normalise_centred
from simulations.centred.rollout import centred_block, rollout
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import blocks, masks, random_tokens
from tests.test_simulations.helpers.centred_states import D, N, column_centred
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Block

# --- plain arithmetic far from consensus -----------------------------------------------------


STACKS: dict[str, dict[str, Any]] = {
    "post": {},
    "pre": {"placement": "pre"},
    "sandwich": {"placement": "sandwich"},
    "parallel": {"placement": "parallel", "activation": "quick_gelu"},
    "gated": {"gated": True, "activation": "silu", "bias_std": 0.3},
    "two scales": {"residual_attention": 0.5, "residual_ffn": 2.0, "gated": True},
    "rms": {"norm": "rms"},
    "biases": {"activation": "relu", "bias_std": 0.3},
    "attention alone": {"residual": 0.0, "ffn_width": 0, "norm": "none"},
    "fixed": {"fixed_std": 2.0},
    "tau": {"tau": 2.0},
    "eps": {"ln_eps": 1e-2, "weights": "orthogonal"},
    "low rank": {"weights": "low-rank"},
    "identity": {"weights": "identity"},
}


@pytest.mark.parametrize("case", STACKS)
@pytest.mark.parametrize("causal", [False, True])
def test_far_from_consensus_it_is_plain_arithmetic(case: str, causal: bool) -> None:
    shape = {"depth": 5, "tokens": 12, "width": 16, "heads": 4, "ffn_width": 32}
    stack = Stack(**shape | STACKS[case])
    mask = np.tri(12, dtype=bool) if causal else None
    tokens = draw_tokens(stack, seeds=range(3))
    layers = list(draw_blocks(stack, seeds=range(3)))
    for (_, _, step, after), block in zip(rollout(layers, tokens, mask=mask), layers, strict=True):
        plain = apply_block(block, tokens, mask=mask)
        tokens, size = plain.output, np.abs(plain.output).max()
        assert np.abs(after.tokens - tokens).max() <= 1e-12 * size
        assert np.abs(step.output - tokens).max() <= 1e-12 * size
        rest = column_centred(step.adjacency) - column_centred(plain.adjacency)
        assert np.abs(rest).max() <= 1e-12
        for found, wanted in ((step.std_1, plain.std_1), (step.std_2, plain.std_2)):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                np.testing.assert_allclose(found, wanted, rtol=1e-12)


@given(block=blocks(), mask=st.none() | masks(N), seed=st.integers(0, 999))
def test_any_block_acts_on_any_tokens_as_in_plain_arithmetic(
    block: Block, mask: Any, seed: int
) -> None:
    tokens = random_tokens(seed, N, D)
    after, step = centred_block(block, from_tokens(tokens), mask=mask)
    plain = apply_block(block, tokens, mask=mask)
    assert np.abs(after.tokens - plain.output).max() <= 1e-10 * np.abs(plain.output).max()
    for found, wanted in zip(step[2:], plain[2:], strict=True):
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            np.testing.assert_allclose(found, wanted, rtol=1e-10)


# --- consensus itself ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7])
@given(block=blocks(), causal=st.booleans(), seed=st.integers(0, 999))
def test_equal_tokens_stay_equal_and_move_as_one_token_does(
    n: int, block: Block, causal: bool, seed: int
) -> None:
    token = random_tokens(seed, 1, D)
    mask = np.tri(n, dtype=bool) if causal else None
    state, step = centred_block(block, from_tokens(np.repeat(token, n, axis=0)), mask=mask)
    alone = apply_block(block, token)
    assert state.log_scale == -np.inf
    assert np.all(state.deviations == 0)
    assert np.abs(state.centre - alone.output).max() <= 1e-10 * np.abs(alone.output).max()
    assert np.all(column_centred(step.adjacency) == 0) or causal
    for std, wanted in ((step.std_1, alone.std_1), (step.std_2, alone.std_2)):
        assert (std is None) == (wanted is None)
        if std is not None and wanted is not None:
            np.testing.assert_allclose(std, np.repeat(wanted, n), rtol=1e-10)


@given(seed=st.integers(0, 999), n=st.integers(1, 12))
def test_equal_tokens_are_at_no_distance_whatever_their_rounded_mean_is(seed: int, n: int) -> None:
    token = random_tokens(seed, 1, D) * 10.0 ** random_tokens(seed + 1, 1, D)
    state = from_tokens(np.repeat(token, n, axis=0))
    assert state.log_scale == -np.inf
    assert np.all(state.deviations == 0)
    np.testing.assert_array_equal(state.centre, token)


def test_a_constant_mean_token_is_refused_as_a_constant_token_is() -> None:
    for tokens in (np.full((5, D), 0.1), np.zeros((5, D))):
        with pytest.raises(InputError, match="zero variance"):
            normalise_centred(Norm(), from_tokens(tokens))
        eased, std = normalise_centred(Norm(eps=1e-4), from_tokens(tokens))
        assert std is not None
        assert np.all(eased.tokens == 0)
        np.testing.assert_allclose(std, 1e-2)
    one = random_tokens(0, 5, D)
    one[2] = 0.1
    with pytest.raises(InputError, match="zero variance"):
        normalise_centred(Norm(), from_tokens(one))
    with pytest.raises(InputError, match="zero"):
        normalise_centred(Norm("rms"), from_tokens(np.zeros((5, D))))
