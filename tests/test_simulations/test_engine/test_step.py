"""Does the engine's own order of a layer stay that of `theory.blocks.wiring`?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.engine import step as engine
from simulations.engine.draws import Draws, draw_entry
from simulations.engine.scales import cell_scales
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_blocks
from simulations.stacks.stack import Stack
from tests.helpers.placements import SWIN, plant_swin
from theory.blocks.forward import apply_block
from theory.blocks.weights import PLACEMENTS

SMALL = Stack(depth=1, tokens=5, width=8, heads=2, ffn_width=12, bias_std=0.3, residual=0.7)
SEEDS = range(2)


def both(stack: Stack) -> tuple[engine.EngineStep, engine.EngineStep]:
    """Return a layer by `step`, and one by reading the order."""
    on = backend()
    cells = [stack, replace(stack, value_gain=2.0)]
    entry = draw_entry(stack, seeds=SEEDS, on=on)[:, None]
    tokens = np.repeat(entry, len(cells), axis=1)
    weights = Draws(stack, seeds=SEEDS, on=on).part(0, slice(0, len(SEEDS)))
    given = (stack, weights, cell_scales(cells, on=on))
    return engine.step(*given, tokens, None), engine.read_step(*given, tokens, None)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("norm", ["layer", "rms", "none"])
@pytest.mark.parametrize("sublayer", [{"ffn_width": 0}, {}, {"gated": True}])
@pytest.mark.parametrize("scales", [{}, {"residual_attention": 0.4}])
def test_the_order_by_hand_is_the_one_that_is_told(
    placement: Any, norm: Any, sublayer: dict[str, Any], scales: dict[str, Any]
) -> None:
    stack = replace(SMALL, **sublayer)
    if scales and (placement == "parallel" or not stack.ffn_width):
        stack = replace(stack, residual=1.0)
    by_hand, told = both(replace(stack, placement=placement, norm=norm, **scales))
    assert np.isfinite(told.tokens).all()
    assert np.array_equal(by_hand.tokens, told.tokens)
    assert np.array_equal(by_hand.adjacency, told.adjacency)
    assert np.array_equal(by_hand.score, told.score)
    assert len(by_hand.peaks) == len(told.peaks) == (2 if stack.gated else 0)
    for one, two in zip(by_hand.peaks, told.peaks, strict=True):
        assert np.array_equal(one, two)
    assert len(by_hand.sigmas) == len(told.sigmas)
    for mine, theirs in zip(by_hand.sigmas, told.sigmas, strict=True):
        assert np.array_equal(mine, theirs)


def test_a_placement_that_is_not_by_hand_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_swin(monkeypatch)
    stack = replace(SMALL, depth=1)
    object.__setattr__(stack, "placement", SWIN)  # a Stack knows the names that types know
    on = backend()
    entry = draw_entry(stack, seeds=SEEDS, on=on)
    weights = Draws(stack, seeds=SEEDS, on=on).part(0, slice(0, len(SEEDS)))
    scales = cell_scales([stack], on=on)
    found = engine.step(stack, weights, scales, entry[:, None], None)
    (block,) = draw_blocks(stack, seeds=SEEDS)
    wanted = apply_block(block, entry)
    np.testing.assert_allclose(found.tokens[:, 0], wanted.output, rtol=0, atol=1e-5)
    for sigma, std in zip(found.sigmas, wanted.stds.values(), strict=True):
        np.testing.assert_allclose(sigma[:, 0], std.min(axis=-1), rtol=1e-5)
