"""Does a rollout yield its states in order, and name the layer that fails?"""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from simulations.centred.maps import Centred, feed_forward_centred, from_tokens
from simulations.centred.rollout import centred_block, rollout
from tests.helpers.blocks import random_block, random_tokens
from tests.helpers.placements import SWIN, plant_swin
from tests.helpers.swish import plant_swish
from tests.test_simulations.helpers.centred_states import CAUSAL, D, N
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block, FeedForward


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
    plant_swish(monkeypatch)
    state = Centred(
        np.full((1, 1), 0.3), np.asarray([[0.0], [0.5]]), np.float64(spread * math.log(10))
    )
    one = np.eye(1)
    found, *_ = feed_forward_centred(FeedForward(one, one, activation="swish_3"), state)
    with mp.workdps(60):
        start = mp.mpf(0.3)
        entries = start, start + mp.mpf(10) ** spread / 2
        low, high = (x / (1 + mp.exp(-3 * x)) for x in entries)
        wanted = float((high - low) / mp.mpf(10) ** spread)
    assert float(found.deviations[1, 0]) == pytest.approx(wanted, rel=1e-11)
