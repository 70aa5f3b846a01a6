"""Centred coordinates: are they right to eleven digits at any distance?"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from simulations.centred.maps import Centred
from simulations.centred.rollout import centred_block
from tests.helpers.blocks import blocks, masks, random_block
from tests.helpers.exact_block import Rows, block_step
from tests.test_simulations.helpers.centred_states import (
    CASES,
    CAUSAL,
    DIGITS,
    SPREADS,
    N,
    column_centred,
    start,
)
from tests.test_theory.helpers.exact import mean as mean_row
from tests.test_theory.helpers.exact import norm as frobenius
from tests.test_theory.helpers.exact import residual as centred_rows
from theory.blocks.weights import Block

WINDOW = np.abs(np.subtract.outer(np.arange(N), np.arange(N))) <= 1


def exact_tokens(state: Centred) -> Rows:
    """Return centre + exp(log_scale) deviations with as many digits as are asked for."""
    t = mp.exp(mp.mpf(float(state.log_scale)))
    return [
        [mp.mpf(float(c)) + t * mp.mpf(float(e)) for c, e in zip(state.centre[0], row, strict=True)]
        for row in state.deviations
    ]


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
