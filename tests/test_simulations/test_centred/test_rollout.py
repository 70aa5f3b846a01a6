"""Centred coordinates: right to eleven digits at any distance, and plain arithmetic far away."""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from simulations.centred.maps import Centred, feed_forward_centred, from_tokens, settle
from simulations.centred.norm import normalise_centred
from simulations.centred.rollout import centred_block, rollout
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import Floats, blocks, masks, move, random_block, random_tokens
from tests.helpers.exact_block import Rows, block_step
from tests.helpers.placements import SWIN, plant_swin
from tests.helpers.quick_gelu import plant_quick_gelu
from tests.test_theory.helpers.exact import mean as mean_row
from tests.test_theory.helpers.exact import norm as frobenius
from tests.test_theory.helpers.exact import residual as centred_rows
from theory.arrays import Array, InputError, to_numpy
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Block, FeedForward
from theory.statements.instances import member

N, D = 4, 6
CAUSAL = np.tri(N, dtype=bool)
WINDOW = np.abs(np.subtract.outer(np.arange(N), np.arange(N))) <= 1
SPREADS = (-1.5, -3.0, -9.0, -40.0, -299.0, -320.0)
DIGITS = 1e-11


def start(spread: float, *, seed: int = 0) -> Centred:
    """Return tokens at a distance of 10**spread from consensus, which may be no float."""
    deviations = random_tokens(seed, N, D)
    deviations -= deviations.mean(axis=0)
    deviations /= np.linalg.norm(deviations)
    log = np.asarray(spread * math.log(10))
    return Centred(random_tokens(seed + 1, 1, D), deviations, log)


def exact_tokens(state: Centred) -> Rows:
    """Return centre + exp(log_scale) deviations with as many digits as are asked for."""
    t = mp.exp(mp.mpf(float(state.log_scale)))
    return [
        [mp.mpf(float(c)) + t * mp.mpf(float(e)) for c, e in zip(state.centre[0], row, strict=True)]
        for row in state.deviations
    ]


def column_centred(matrix: Floats) -> Floats:
    centred: Floats = matrix - matrix.mean(axis=-2, keepdims=True)
    return centred


def assert_exact(stack: Iterable[Block], state: Centred, mask: Any = None) -> Centred:
    """Follow a stack to hundreds of digits and compare all that `centred_block` returns."""
    spread, stack = float(state.log_scale) / math.log(10), list(stack)
    # A step takes the distance to about its third power where full attention is all there is.
    cubes = 0 if mask is not None else sum(block.residual == 0 for block in stack)
    power = max(3.0**cubes, 3 if spread > -50 else 1)
    with mp.workdps(60 + int(1.2 * power * abs(spread))):
        rows = exact_tokens(state)
        for block in stack:
            exact = block_step(block, rows, mask)
            state, step = centred_block(block, state, mask=mask)
            rows = exact.output
            distance, found = frobenius(centred_rows(rows)), float(state.log_scale)
            if distance == 0:  # ReLU may map all tokens to zero
                assert found == -math.inf
            else:
                assert abs(mp.log(distance) - mp.mpf(found)) <= DIGITS
            wanted = np.asarray([float(x) for x in mean_row(rows)])
            assert np.abs(state.centre[0] - wanted).max() <= DIGITS * np.abs(wanted).max()
            for std, digits in ((step.std_1, exact.std_1), (step.std_2, exact.std_2)):
                assert (std is None) == (digits is None)
                if std is not None and digits is not None:
                    np.testing.assert_allclose(std, np.asarray(digits, float), rtol=DIGITS)
            if spread > -50:  # (I - e e^T) A is of the order of the square of the distance
                for weights, head in zip(step.adjacency, exact.adjacency, strict=True):
                    rest = np.asarray(centred_rows(head), dtype=float)
                    error = np.abs(column_centred(weights) - rest).max()
                    assert error <= DIGITS * np.abs(rest).max()
    return state


CASES: dict[str, dict[str, Any]] = {
    "relu": {"activation": "relu"},
    "gelu": {"activation": "gelu"},
    "gelu_tanh": {"activation": "gelu_tanh"},
    "silu": {"activation": "silu"},
    "tanh": {"activation": "tanh"},
    "identity": {"activation": "identity"},
    "plain": {"plain": True},
    "pre": {"placement": "pre"},
    "sandwich": {"placement": "sandwich"},
    "rms": {"kind": "rms"},
    "rms pre": {"kind": "rms", "placement": "pre"},
    "eps": {"eps": 1e-2},
    "tau": {"tau": 2.5},
    "fixed": {"fixed_std": 1.5},
    "no norm": {"kind": "none", "weight": 0.5},
    "no residual": {"residual": 0.0},
    "large weights": {"weight": 20.0, "activation": "tanh"},
    "no feed-forward": {"feed_forward": False},
    "one matrix": {"factored": False},
}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("case", CASES)
def test_the_distance_is_right_to_eleven_digits(case: str, spread: float) -> None:
    depth = 1 if case == "no residual" else 2  # the second would need thousands of digits
    assert_exact([random_block(seed, **CASES[case]) for seed in range(depth)], start(spread))


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("case", ["gelu", "relu", "pre", "no residual", "no feed-forward"])
@pytest.mark.parametrize("mask", [CAUSAL, WINDOW], ids=["causal", "window"])
def test_the_distance_is_right_to_eleven_digits_under_a_mask(
    case: str, spread: float, mask: Any
) -> None:
    stack = [random_block(seed, **CASES[case]) for seed in range(2)]
    assert_exact(stack, start(spread), mask)


def test_attention_alone_cubes_the_distance_down_to_1e_600() -> None:
    stack = [
        random_block(seed, kind="none", residual=0.0, feed_forward=False, weight=2.0)
        for seed in range(6)
    ]
    state = start(-0.5)
    logs = [float(state.log_scale)]
    with mp.workdps(1500):
        rows = exact_tokens(state)
        for block in stack:
            rows = block_step(block, rows).output
            state, _ = centred_block(block, state)
            assert abs(mp.log(frobenius(centred_rows(rows))) - float(state.log_scale)) <= DIGITS
            logs.append(float(state.log_scale))
    assert logs[-1] < -600 * math.log(10)
    assert all(2.5 < after / before < 3.5 for before, after in pairwise(logs[2:]))


@given(block=blocks(), spread=st.floats(-30, 0.5), mask=st.none() | masks(N))
def test_no_kind_of_block_and_no_distance_breaks_it(block: Block, spread: float, mask: Any) -> None:
    assert_exact([block], start(spread), mask)


# --- plain arithmetic far from consensus -----------------------------------------------------

STACKS: dict[str, dict[str, Any]] = {
    "post": {},
    "pre": {"placement": "pre"},
    "sandwich": {"placement": "sandwich"},
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


# --- states ----------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), spread=st.integers(-12, 3), power=st.integers(-250, 250))
def test_tokens_come_back_from_centred_coordinates(seed: int, spread: int, power: int) -> None:
    tokens = (random_tokens(seed, 1, D) + 10.0**spread * random_tokens(seed, N, D)) * 10.0**power
    state = from_tokens(tokens)
    with mp.workdps(60):
        rows = [[mp.mpf(float(x)) for x in row] for row in tokens]
        distance, size = frobenius(centred_rows(rows)), frobenius(rows)
        # The logarithm of a number near 1e-250 errs by eps of its own size.
        assert abs(mp.log(distance) - float(state.log_scale)) <= 2e-13
        assert abs(mp.log(size) - float(state.log_norm)) <= 2e-13
    np.testing.assert_allclose(state.tokens, tokens, rtol=0, atol=1e-12 * np.abs(tokens).max())
    assert abs(np.linalg.norm(state.deviations) - 1) <= 1e-14
    assert np.abs(state.deviations.mean(axis=0)).max() <= 1e-15


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e170, 1e300])
def test_settling_changes_only_the_coordinates(size: float) -> None:
    state = Centred(random_tokens(0, 1, D), size * random_tokens(1, N, D), np.asarray(-900.0))
    settled = settle(state)
    distance = np.linalg.norm(column_centred(random_tokens(1, N, D)))
    assert abs(settled.log_scale - (-900.0 + math.log(size) + math.log(distance))) <= 1e-12
    again = settle(settled)
    np.testing.assert_allclose(again.deviations, settled.deviations, atol=1e-15)
    np.testing.assert_array_equal(again.centre, settled.centre)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("power", [-320, -300, -160, 0, 160, 300])
def test_a_norm_forgets_the_scale_however_large_or_small(kind: Any, near: bool, power: int) -> None:
    tokens = random_tokens(0, 1, D) + (1e-4 if near else 1.0) * random_tokens(1, N, D)
    scaled = 10.0**power * tokens
    found, std = normalise_centred(Norm(kind), from_tokens(scaled))
    subnormal = 5e-324 / 10.0**power if power < -307 else 0.0
    error = np.abs(found.tokens - apply_norm(Norm(kind), tokens)).max()
    assert error <= 1e-12 + 10 * subnormal / np.abs(tokens).std()
    assert std is not None
    wanted = np.sqrt(
        ((tokens - (tokens.mean(-1)[:, None] if kind == "layer" else 0)) ** 2).mean(-1)
    )
    np.testing.assert_allclose(std / 10.0**power, wanted, rtol=1e-12 + 10 * subnormal)


# --- batches, symmetries, libraries ----------------------------------------------------------


def batch_of_scales() -> Centred:
    """Return tokens far from consensus, around zero, at 1e-9, at 1e-200, and at consensus."""
    states = [start(0.3), start(0.0, seed=4), start(-9.0), start(-200.0), start(-500.0), start(0.0)]
    states[1] = replace(states[1], centre=0 * states[1].centre)
    states[5] = replace(
        states[5], deviations=0 * states[5].deviations, log_scale=np.asarray(-np.inf)
    )
    return Centred(
        np.stack([s.centre for s in states]),
        np.stack([s.deviations for s in states]),
        np.stack([s.log_scale for s in states]),
    )


@pytest.mark.parametrize("case", [*CASES])
@pytest.mark.parametrize("mask", [None, CAUSAL], ids=["full", "causal"])
def test_members_of_a_batch_do_not_disturb_each_other(case: str, mask: Any) -> None:
    block, state = random_block(0, **CASES[case]), batch_of_scales()
    together, step = centred_block(block, state, mask=mask)
    for i in range(6):
        alone, own = centred_block(
            block, Centred(state.centre[i], state.deviations[i], state.log_scale[i]), mask=mask
        )
        np.testing.assert_allclose(together.log_scale[i], alone.log_scale, atol=DIGITS)
        np.testing.assert_allclose(together.centre[i], alone.centre, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(together.deviations[i], alone.deviations, atol=1e-10)
        np.testing.assert_allclose(step.adjacency[i], own.adjacency, atol=1e-13)
        assert np.all(np.isfinite(together.deviations[i]))
    assert together.log_scale[5] == -np.inf


@given(block=blocks(batch=(3,)), seed=st.integers(0, 999))
def test_a_batch_of_blocks_is_its_members_one_by_one(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 1, 1, D) + np.asarray([1.0, 1e-3, 1e-7])[
        :, None, None
    ] * random_tokens(seed + 1, 3, N, D)
    together, _ = centred_block(block, from_tokens(tokens))
    for i in range(3):
        alone, _ = centred_block(member(block, (i,)), from_tokens(tokens[i]))
        np.testing.assert_allclose(together.log_scale[i], alone.log_scale, rtol=0, atol=1e-10)
        np.testing.assert_allclose(together.centre[i], alone.centre, rtol=1e-9, atol=1e-10)


@given(
    block=blocks(),
    order=st.permutations(range(N)),
    spread=st.sampled_from(SPREADS),
    mask=st.none() | masks(N),
)
def test_permuted_tokens_give_the_permuted_output(
    block: Block, order: list[int], spread: float, mask: Any
) -> None:
    state = start(spread)
    turned = replace(state, deviations=state.deviations[order])
    both = None if mask is None else mask[np.ix_(order, order)]
    plain, _ = centred_block(block, state, mask=mask)
    found, _ = centred_block(block, turned, mask=both)
    np.testing.assert_allclose(found.log_scale, plain.log_scale, rtol=0, atol=DIGITS)
    np.testing.assert_allclose(found.deviations, plain.deviations[order], atol=1e-10)


@pytest.mark.parametrize("placement", ["post", "pre", "sandwich"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, placement: Any, dtype: str, masked: bool
) -> None:
    block = random_block(1, placement=placement)
    state = batch_of_scales()
    if dtype == "float32":  # 1e-200 is no float32; near and far are enough
        state = Centred(state.centre[:3], state.deviations[:3], state.log_scale[:3])
    wanted, _ = centred_block(block, state, mask=CAUSAL if masked else None)
    there = move_state(state, xp, dtype=dtype, device=device)
    mask = xp.asarray(CAUSAL, device=device) if masked else None
    found, step = centred_block(move(block, xp, dtype=dtype, device=device), there, mask=mask)
    close = 1e-11 if dtype == "float64" else 1e-3
    for name in ("centre", "deviations", "log_scale"):
        part = getattr(found, name)
        assert part.dtype == there.centre.dtype
        assert part.device == there.centre.device
        np.testing.assert_allclose(to_numpy(part), getattr(wanted, name), atol=close, rtol=close)
    assert step.adjacency.dtype == there.centre.dtype


def move_state(state: Centred, xp: ModuleType, *, dtype: str, device: Any) -> Centred:
    def carry(array: Array) -> Array:
        return xp.asarray(np.asarray(array), dtype=getattr(xp, dtype), device=device)

    return Centred(carry(state.centre), carry(state.deviations), carry(state.log_scale))


# --- rollout ---------------------------------------------------------------------------------


def test_a_mask_that_hides_nobody_is_no_mask() -> None:
    tokens, stack = random_tokens(0, N, D), [random_block(i) for i in range(3)]
    for (_, _, one, _), (_, _, two, _) in zip(
        rollout(stack, tokens), rollout(stack, tokens, mask=np.ones((N, N), bool)), strict=True
    ):
        np.testing.assert_array_equal(one.output, two.output)
        np.testing.assert_array_equal(one.adjacency, two.adjacency)


def test_a_rollout_yields_the_states_in_order() -> None:
    stack = [random_block(i) for i in range(3)]
    seen = list(rollout(stack, random_tokens(0, N, D)))
    assert [block for block, *_ in seen] == stack
    for (*_, after), (_, before, _, _) in pairwise(seen):
        assert after is before
    np.testing.assert_allclose(seen[0][1].tokens, random_tokens(0, N, D), rtol=1e-14)


def test_a_rollout_does_not_keep_or_ask_ahead() -> None:
    def layers() -> Iterable[Block]:
        yield random_block(0)
        raise AssertionError("the second block is not wanted yet")

    next(rollout(layers(), random_tokens(0, N, D)))


def test_a_failure_names_the_layer() -> None:
    good = random_block(0)
    attention = replace(good.attention, value=0 * good.attention.value, bias=None)
    dead = replace(good, attention=attention, residual=0.0)
    with pytest.raises(InputError, match=r"at layer 2: .*zero variance"):
        list(rollout([good, good, dead], random_tokens(0, N, D)))


@pytest.mark.parametrize("mask", [None, CAUSAL], ids=["full", "causal"])
def test_tokens_that_leave_the_range_are_named_with_the_layer_and_no_warning(mask: Any) -> None:
    block = random_block(0, kind="none", weight=1e60)
    with pytest.raises(InputError, match=r"at layer \d: .* range of float64"):
        list(rollout([block] * 9, random_tokens(0, N, D), mask=mask))


def test_centred_tokens_follow_a_planted_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_swin(monkeypatch)
    block, tokens = random_block(2, placement=SWIN, residual=0.7), random_tokens(2, 5, 6)
    after, step = centred_block(block, from_tokens(tokens))
    wanted = apply_block(block, tokens)
    np.testing.assert_allclose(after.tokens, wanted.output, rtol=0, atol=1e-12)
    assert set(step.stds) == set(wanted.stds)


@pytest.mark.parametrize("spread", [-1.5, -9.0, -40.0])
def test_a_planted_activation_keeps_the_digits_of_small_differences(
    monkeypatch: pytest.MonkeyPatch, spread: float
) -> None:
    plant_quick_gelu(monkeypatch)
    state = Centred(
        np.full((1, 1), 0.3), np.asarray([[0.0], [0.5]]), np.float64(spread * math.log(10))
    )
    one = np.eye(1)
    found = feed_forward_centred(FeedForward(one, one, activation="quick_gelu"), state)
    with mp.workdps(60):
        start = mp.mpf(0.3)
        entries = start, start + mp.mpf(10) ** spread / 2
        low, high = (x / (1 + mp.exp(-mp.mpf(1.702) * x)) for x in entries)
        wanted = float((high - low) / mp.mpf(10) ** spread)
    assert float(found.deviations[1, 0]) == pytest.approx(wanted, rel=1e-11)
