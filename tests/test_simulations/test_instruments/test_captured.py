"""Do captured tokens and weights give the numbers of the stack that made them?"""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from simulations.instruments.captured import trace_captured
from simulations.instruments.check import check_block
from simulations.instruments.one_token import WITHOUT
from simulations.instruments.trace import trace_blocks
from tests.helpers.blocks import Floats, random_tokens
from tests.test_simulations.helpers.three_layers import CAUSAL, STACK, TOKENS, D, N, assert_close
from theory.arrays import InputError
from theory.blocks.forward import apply_block


@pytest.mark.parametrize("causal", [False, True])
def test_captured_tokens_give_the_numbers_of_the_stack_that_made_them(causal: bool) -> None:
    mask = CAUSAL if causal else None
    tokens = random_tokens(3, 2, N, D)
    wanted = trace_blocks(STACK, tokens, mask=mask)
    hidden, attentions = [tokens], []
    for block in STACK:
        step = apply_block(block, hidden[-1], mask=mask)
        hidden.append(step.output)
        attentions.append(step.adjacency)
    found = trace_captured(hidden, attentions)
    assert found.tokens.keys() == wanted.tokens.keys()
    assert_close(found.tokens, wanted.tokens)
    ratios = {"measured_ratio", "diameter_ratio"}
    ratios |= {f"measured_ratio_without_{name}" for name in WITHOUT}
    assert found.blocks.keys() == ratios | {"lambda", "attention_entropy", "attention_similarity"}
    assert_close(found.blocks, wanted.blocks)
    assert found.inequality is None
    assert found.converges is None
    assert_close(trace_captured(np.stack(hidden), np.stack(attentions)).blocks, wanted.blocks)
    bare = trace_captured(hidden)
    assert bare.blocks.keys() == ratios
    assert_close(bare.blocks, wanted.blocks)


def test_captured_tokens_may_come_from_any_library(xp: ModuleType, device: Any) -> None:
    hidden = [random_tokens(i, 2, N, D) for i in range(3)]
    wanted = trace_captured(hidden)
    for dtype, close in (("float64", 1e-12), ("float32", 1e-5)):
        there = [xp.asarray(x, dtype=getattr(xp, dtype), device=device) for x in hidden]
        found = trace_captured(there)
        for name, values in wanted.tokens.items():
            np.testing.assert_allclose(found.tokens[name], values, rtol=close, err_msg=name)


def test_captured_padding_does_not_count() -> None:
    present = np.asarray([True, True, True, False, False])
    hidden = [random_tokens(i, N, D) for i in range(3)]
    shares = [np.random.default_rng(i).dirichlet(np.ones(3), (2, N)) for i in range(2)]
    attentions = [np.concatenate([a, np.zeros((2, N, 2))], axis=-1) for a in shares]
    padded = trace_captured(hidden, attentions, present=present)
    alone = trace_captured([x[:3] for x in hidden], [a[:, :3] for a in shares])
    assert_close(padded.tokens, alone.tokens)
    assert_close(padded.blocks, alone.blocks)
    hidden[0][3:] = np.nan
    attentions[0][:, 3:] = np.nan
    spoilt = trace_captured(hidden, attentions, present=present)
    assert_close(spoilt.tokens, alone.tokens)
    assert_close(spoilt.blocks, alone.blocks)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_captured_tokens_that_are_not_finite_name_layer_text_and_token(bad: float) -> None:
    hidden = np.random.default_rng(2).standard_normal((3, 4, 5, 6))
    present = np.ones((4, 5), dtype=bool)
    present[2, 4] = False
    hidden[1, 2, 4, 0] = bad
    trace_captured(hidden, present=present)  # what padding holds is not looked at
    hidden[1, 2, 3, 1] = bad
    wanted = r"hidden_states\[1\] \(after block 1\) .* 1 of its tokens .* text 2, token 3"
    with pytest.raises(InputError, match=wanted):
        trace_captured(hidden, present=present)
    wanted = r"hidden_states\[1\] .* the first: token 3;"
    with pytest.raises(InputError, match=wanted):
        trace_captured(hidden[:, 2, :4])


def test_captured_special_tokens_are_left_out_as_in_a_stack_of_blocks() -> None:
    present = np.asarray([True, True, True, True, False])
    inner = np.asarray([False, True, True, False, True])  # the last one is padding all the same
    wanted = trace_blocks(STACK, TOKENS, present=present, token_mask=inner)
    hidden, attentions = [TOKENS], []
    for block in STACK:
        step = apply_block(block, hidden[-1], mask=present[None, :])
        hidden.append(step.output)
        attentions.append(step.adjacency)
    found = trace_captured(hidden, attentions, present=present, token_mask=inner)
    assert_close(found.tokens, wanted.tokens)
    assert_close(found.blocks, wanted.blocks)
    np.testing.assert_allclose(
        found.tokens["distance"][0], np.linalg.norm(TOKENS[1] - TOKENS[2]) / 2**0.5, rtol=1e-12
    )


def to_bfloat16(array: Floats) -> Floats:
    """Keep the eight leading bits of the significand, rounded to nearest."""
    significand, exponent = np.frexp(array)
    rounded: Floats = np.ldexp(np.round(significand * 2**8), exponent - 8)
    return rounded


@pytest.mark.parametrize("half", [to_bfloat16, lambda array: array.astype(np.float16)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_that_was_once_in_half_precision_is_captured(half: Any, dtype: Any) -> None:
    for n in (2, 64, 200):
        weights = np.random.default_rng(n).dirichlet(np.full(n, 0.1), (1, n))
        once = half(weights)
        assert np.abs(once.astype(float).sum(axis=-1) - 1).max() > 1e-5, "nothing was lost"
        hidden = [random_tokens(i, n, 2).astype(dtype) for i in range(2)]
        found = trace_captured(hidden, [once.astype(dtype)])
        exact = trace_captured(hidden, [weights.astype(dtype)])
        assert_close_to = 0.02 * exact.blocks["lambda"]
        assert np.abs(found.blocks["lambda"] - exact.blocks["lambda"]) <= assert_close_to


SHARES = np.full((2, N, N), 1 / N)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (np.ones((2, N, N)), r"^attentions\[1\] must have rows that sum to one.* sums to 5"),
        (SHARES * 1.01, r"^attentions\[1\] must have rows that sum to one"),
        (SHARES * 0.99, r"^attentions\[1\] must have rows that sum to one"),
        (SHARES * np.tri(N), r"^attentions\[1\] .*row \(0, 0\) sums to 0.2"),
        (SHARES * 0, r"^attentions\[1\] .*sums to 0.0"),
        (2 * np.eye(N) - SHARES, r"^attentions\[1\] must not be negative"),
        (np.where(np.eye(N), np.inf, SHARES), r"^attentions\[1\] must be finite"),
    ],
)
def test_captured_weights_that_are_no_shares_name_their_layer(
    attention: Floats, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trace_captured([TOKENS] * 3, [SHARES, attention])


def test_captured_weight_on_padding_is_missing_elsewhere() -> None:
    present = np.asarray([True, True, True, True, False])
    with pytest.raises(InputError, match=r"^attentions\[0\] .* sums to 0.8"):
        trace_captured([TOKENS] * 2, [SHARES], present=present)
    for name in ("present", "token_mask"):
        wrong: dict[str, Any] = {name: present.astype(float)}
        with pytest.raises(InputError, match=f"^{name} must be boolean"):
            trace_captured([TOKENS] * 2, [SHARES], **wrong)
        short: dict[str, Any] = {name: present[1:]}
        with pytest.raises(InputError, match=f"^{name} must have shape"):
            trace_captured([TOKENS] * 2, [SHARES], **short)


@pytest.mark.parametrize(
    ("hidden", "attentions", "message"),
    [
        ([], [], "hidden_states must hold at least one array"),
        ([TOKENS], [np.ones((2, N, N))], "attentions must be one fewer than hidden_states"),
        ([TOKENS] * 3, [np.ones((2, N, N))], r"one fewer than hidden_states \(3.* but are 1"),
        ([TOKENS, TOKENS.astype(int)], [], r"hidden_states\[1\] must have dtype"),
        ([TOKENS.astype(np.float16)], [], r"hidden_states\[0\] must have dtype.*float16"),
        ([TOKENS, TOKENS[:, 0]], [], r"hidden_states\[1\] must have the batch and tokens"),
        ([TOKENS, TOKENS * np.nan], [], "finite"),
        ([TOKENS[:1]], [], "at least 2 tokens"),
        ([TOKENS, TOKENS[:4]], [], r"hidden_states\[1\] must have .*\(4, 6\)"),
        ([TOKENS, TOKENS], [np.full((2, 4, 4), 0.25)], r"attentions\[0\] must have shape"),
        ([TOKENS, TOKENS], [np.full((N, N), 0.2)], r"attentions\[0\] must have shape"),
        ([TOKENS, TOKENS], [np.full((2, N, N), np.nan)], "finite"),
        ([TOKENS, TOKENS], [np.ones((2, N, N), dtype=int)], r"attentions\[0\] must have dtype"),
        ([[1.0, 2.0]], [], "arrays"),
    ],
)
def test_captured_arrays_that_do_not_fit_are_named(
    hidden: Any, attentions: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trace_captured(hidden, attentions or None)


# --- attention that is not there, and masks of tokenizers ------------------------------------


@pytest.mark.parametrize("missing", [(), [], (None, None), [SHARES, None]])
def test_attention_that_is_not_there_is_refused_with_the_way_to_it(missing: Any) -> None:
    with pytest.raises(InputError, match=r"^attentions .*(are empty|\[[01]\] is None).*eager"):
        trace_captured([TOKENS] * 3, missing)
    assert "v" not in trace_captured([TOKENS] * 3, None).blocks


def test_rows_that_dropout_spoiled_get_a_hint_that_helps() -> None:
    kept = np.random.default_rng(0).random((2, N, N)) > 0.1
    with pytest.raises(InputError, match=r"model\.eval\(\).*attn_implementation=\"eager\"") as told:
        trace_captured([TOKENS] * 2, [SHARES * kept / 0.9])
    assert "dividing" not in str(told.value)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_a_mask_of_zeros_and_ones_is_a_mask(dtype: Any) -> None:
    present = np.asarray([True, True, True, True, False])
    wanted = trace_captured([TOKENS] * 2, present=present, token_mask=present)
    found = trace_captured(
        [TOKENS] * 2, present=present.astype(dtype), token_mask=present.astype(dtype)
    )
    for name, column in wanted.tokens.items():
        np.testing.assert_array_equal(found.tokens[name], column)
    with pytest.raises(InputError, match=r"^present must be boolean, but has dtype .*present == 1"):
        trace_captured([TOKENS] * 2, present=2 * present.astype(dtype))
    causal = check_block(STACK[0], TOKENS, mask=CAUSAL.astype(dtype)).as_dict()
    assert causal == check_block(STACK[0], TOKENS, mask=CAUSAL).as_dict()


def test_weights_of_one_sum_are_measured_as_given_and_have_no_entropy() -> None:
    states = [np.random.default_rng(i).standard_normal((2, 5, 4)) for i in range(2)]
    signed = 0.7 * (2 * np.eye(5) - np.full((5, 5), 0.2))
    weights = np.broadcast_to(signed, (2, 3, 5, 5))
    with pytest.raises(InputError, match="negative"):
        trace_captured(states, [weights])
    found = trace_captured(states, [weights], attention="as given").blocks
    np.testing.assert_allclose(found["lambda"], 1.4**2)
    assert "attention_entropy" not in found
    present = np.asarray([[True] * 5, [True] * 3 + [False] * 2])
    padded = np.array(weights)
    padded[1, :, :3, :3] = 0.7 * (2 * np.eye(3) - 1 / 3)
    padded[1, :, 3:] = np.nan
    found = trace_captured(states, [padded], present=present, attention="as given").blocks
    np.testing.assert_allclose(found["lambda"], 1.4**2)


def test_weights_with_sums_of_their_own_and_unknown_kinds_are_refused() -> None:
    states = [np.random.default_rng(i).standard_normal((5, 4)) for i in range(2)]
    sunk = np.full((1, 5, 5), 0.2) * np.linspace(0.5, 1, 5)[:, None]
    with pytest.raises(InputError, match=r"rows of one sum .*0\.5 up to 1: does a sink"):
        trace_captured(states, [sunk], attention="as given")
    endless = np.array(sunk)
    endless[0, 1, 2] = np.inf
    with pytest.raises(InputError, match="must be finite"):
        trace_captured(states, [endless], attention="as given")
    with pytest.raises(InputError, match="attention must be 'shares' or 'as given'"):
        trace_captured(states, [sunk], attention="signed")  # type: ignore[arg-type]
