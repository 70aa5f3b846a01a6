"""What do centred coordinates keep of tokens and norms?"""

import math
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from simulations.centred.maps import Centred, from_tokens, settle
from simulations.centred.norm import normalise_centred
from simulations.centred.rollout import rollout
from tests.helpers.blocks import random_block, random_tokens
from tests.test_simulations.helpers.centred_states import D, N, column_centred
from tests.test_theory.helpers.exact import norm as frobenius
from tests.test_theory.helpers.exact import residual as centred_rows
from theory.arrays import InputError
from theory.blocks.norms import HeadNorm, Norm, apply_norm
from theory.blocks.positions import Positions


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


def test_scores_with_positions_or_head_norms_are_refused() -> None:
    """Neither the rows that cancel nor the cubic order would be what is computed here."""
    block, tokens = random_block(1), random_tokens(2, 4, 6)
    for part in ({"positions": Positions(window=2)}, {"key_norm": HeadNorm("rms")}):
        other = replace(block, attention=replace(block.attention, **part))
        with pytest.raises(InputError, match="knows scores of queries and keys alone"):
            list(rollout([other], tokens))
