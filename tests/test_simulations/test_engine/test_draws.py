"""Are the survey's draws those of the plain stack, bit for bit?"""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from simulations.engine.draws import Draws
from simulations.machine.backends import Backend, backend
from simulations.stacks.draws import draw_blocks
from simulations.stacks.stack import Stack, WeightEnsemble
from tests.test_simulations.helpers.surveys import SEEDS, SMALL
from theory.arrays import Array


def drawn(stack: Stack, seeds: range, parts: list[slice], on: Backend) -> list[list[Array]]:
    draws = Draws(stack, seeds=seeds, on=on)
    found = []
    for layer in range(stack.depth):
        for rows in parts:
            draws.part(layer, rows)
        found.append([np.array(x) for x in vars(draws.whole()).values()])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", get_args(WeightEnsemble))
@pytest.mark.parametrize("changes", [{}, {"tied": True}, {"ffn_width": 0}, {"gated": True}])
def test_the_draws_are_those_of_the_plain_stack_bit_for_bit(
    weights: Any, dtype: str, changes: dict[str, Any]
) -> None:
    stack = replace(SMALL, weights=weights, bias_std=1.0, **changes)
    on, d = backend(dtype=dtype), SMALL.width
    for block, found in zip(
        draw_blocks(stack, seeds=SEEDS),
        drawn(stack, SEEDS, [slice(0, 5)], on),
        strict=True,
    ):
        attention = on.move(block.attention)
        heads = (attention.query, attention.key, attention.value)
        mixing = [np.moveaxis(np.asarray(x), 1, 2).reshape(len(SEEDS), d, d) for x in heads]
        wanted: list[Array] = [np.concatenate(mixing, axis=-1)]
        wanted += [np.reshape(np.asarray(attention.output), (-1, d, d)), attention.bias]
        if block.feed_forward is not None:
            ffn = on.move(block.feed_forward)
            wanted += [ffn.weight_in, ffn.weight_out, ffn.bias_in, ffn.bias_out]
            wanted += [ffn.weight_gate, ffn.bias_gate] if stack.gated else []
        assert all(not rest.size for rest in found[len(wanted) :])
        for have, want in zip(found, wanted, strict=False):
            np.testing.assert_array_equal(have, want)
            assert have.dtype == dtype


@pytest.mark.parametrize("weights", ["gaussian", "low-rank"])
def test_the_draws_do_not_depend_on_the_seeds_beside_them(weights: Any) -> None:
    stack, on = replace(SMALL, weights=weights), backend()
    whole = drawn(stack, SEEDS, [slice(0, 5)], on)
    parts = drawn(stack, SEEDS, [slice(0, 2), slice(2, 4), slice(4, 6)], on)
    alone = drawn(stack, range(6, 7), [slice(0, 1)], on)
    for one, two, three in zip(whole, parts, alone, strict=True):
        for left, middle, right in zip(one, two, three, strict=True):
            np.testing.assert_array_equal(left, middle)
            np.testing.assert_array_equal(left[2:3], right)
