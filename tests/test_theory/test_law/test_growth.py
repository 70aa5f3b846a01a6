"""Is the stretch of small differences that of the operator written out, at any depth?"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.blocks import PLACEMENTS, random_block, random_tokens
from theory.blocks.forward import softmax
from theory.graphs.masks import causal_mask, full_mask
from theory.law.cocycle import cocycle, constant_walks
from theory.law.growth import leading_growth, product_growth, typical_growth
from theory.law.synchronised import linearise

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, placement=st.sampled_from(PLACEMENTS), heads=st.sampled_from([1, 2]))
def test_the_typical_growth_is_the_frobenius_norm(seed: int, placement: Any, heads: int) -> None:
    rng = np.random.default_rng(seed)
    step = linearise(random_block(seed, placement=placement), rng.standard_normal(6))
    walks = softmax(rng.standard_normal((heads, 4, 4)))
    dense = cocycle([step], walks) @ np.eye(24)
    wanted = np.linalg.norm(dense) / np.sqrt(3 * 6)
    assert typical_growth(step, walks) == pytest.approx(wanted, rel=1e-10)


def test_the_growth_over_many_layers_does_not_leave_float64s_range() -> None:
    step = linearise(random_block(4, placement="pre"), random_tokens(4, 6))
    large = step._replace(after=1e90 * step.after)
    plain, scaled = (
        product_growth([each] * 5, full_mask(3), depths=(5,)) for each in (step, large)
    )
    assert scaled == pytest.approx(plain + 5 * 90 * np.log(10))


def test_the_worst_difference_is_found_at_each_depth_from_that_of_the_one_before() -> None:
    rng = np.random.default_rng(3)
    steps = [
        linearise(random_block(seed, placement="pre"), rng.standard_normal(6)) for seed in (1, 2, 3)
    ]
    weights = [np.asarray(softmax(rng.standard_normal((2, 4, 4)))) for _ in steps]
    found = product_growth(steps, weights, depths=(1, 2, 3), tolerance=1e-3)
    for depth in (1, 2, 3):
        dense = cocycle(steps[:depth], weights[:depth]) @ np.eye(24)
        assert found[depth - 1] == pytest.approx(np.log(np.linalg.norm(dense, 2)), abs=1e-5)


def test_a_start_that_is_stretched_least_does_not_hide_the_worst() -> None:
    step = linearise(random_block(5, placement="pre"), random_tokens(5, 6))
    operator = cocycle([step], constant_walks(causal_mask(4)))
    wanted, right = np.linalg.svd(operator @ np.eye(24))[1:]
    growth, vector = leading_growth(operator, right[17])  # the least of the 18 that have no mean
    assert growth == pytest.approx(wanted[0], rel=1e-9)
    assert abs(vector @ right[0]) == pytest.approx(1, rel=1e-6)
