"""Are batches their members one by one, on every library, in every order of tokens?"""

from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from simulations.centred.maps import Centred, from_tokens
from simulations.centred.rollout import centred_block
from tests.helpers.blocks import PLACEMENTS, blocks, masks, move, random_block, random_tokens
from tests.test_simulations.helpers.centred_states import (
    CASES,
    CAUSAL,
    DIGITS,
    SPREADS,
    D,
    N,
    start,
)
from theory.arrays import Array, to_numpy
from theory.blocks.weights import Block
from theory.statements.instances import member


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


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, placement: Any, dtype: str, masked: bool
) -> None:
    block = random_block(1, placement=placement, gated=placement in ("pre", "parallel"))
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
