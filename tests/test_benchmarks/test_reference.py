"""The baseline computes what the engine computes, so that only the time differs."""

from typing import Any

import numpy as np
import pytest

from benchmarks import reference
from simulations.engine.draws import Draws
from simulations.engine.surveys import grid, survey
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_tokens
from simulations.stacks.stack import Stack

SHAPE: dict[str, Any] = {"depth": 3, "tokens": 9, "width": 12, "heads": 3, "ffn_width": 24}
SEEDS = range(2, 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_reference_reads_what_the_engine_reads_on_the_same_draws(dtype: str) -> None:
    stack, on = Stack(activation="relu", **SHAPE), backend(dtype=dtype)
    gains: dict[str, Any] = {"value_gain": [0.7, 1.5], "ffn_gain": [1.0, 0.4]}
    cells = grid(stack, **gains)
    found = survey(cells, seeds=SEEDS, on=on)
    draws, layers = Draws(stack, seeds=SEEDS, on=on), []
    for layer in range(stack.depth):
        weights, d = draws.part(layer, slice(0, len(SEEDS))), stack.width
        parts = {"q": 0, "k": d, "v": 2 * d}
        named = {name: weights.mixing[..., i : i + d].copy() for name, i in parts.items()}
        named |= {"o": weights.output, "in": weights.ffn_in, "out": weights.ffn_out}
        layers.append({name: array.copy() for name, array in named.items()})
    entry, close = on.move(draw_tokens(stack, seeds=SEEDS)), 1e-3 if dtype == "float32" else 1e-9
    for c, cell in enumerate(cells):
        setting = reference.Setting(
            **SHAPE, value_gain=cell.value_gain, ffn_gain=cell.ffn_gain
        )  # fmt: skip
        for s in range(len(SEEDS)):
            drawn = [{name: array[s] for name, array in layer.items()} for layer in layers]
            run = reference.forward(setting, drawn, entry[s])
            theirs = reference.measure(setting, drawn, *run, rank=True)
            names = ("cosine_similarity", "distance", "relative_distance", "participation_rank")
            for name in names:
                np.testing.assert_allclose(theirs[name], found.tokens[name][:, c, s], rtol=close)
            for name in ("measured_ratio", "sigma_1", "sigma_2"):
                np.testing.assert_allclose(theirs[name], found.blocks[name][:, c, s], rtol=close)
            for name in ("lambda", "s"):
                lower, upper = (
                    found.blocks[f"{name}_{end}"][:, c, s] for end in ("lower", "upper")
                )
                assert (lower <= np.multiply(theirs[name], 1 + close)).all()
                assert (np.multiply(theirs[name], 1 - close) <= upper).all()
            assert (np.multiply(theirs["v"], 1 - close) <= found.blocks["v"][:, c, s]).all()
            assert (found.blocks["v"][:, c, s] <= np.multiply(theirs["v"], 1.08)).all()


def test_sharing_the_draws_of_the_reference_changes_nothing_but_the_order() -> None:
    cells = [reference.Setting(**SHAPE, value_gain=gain) for gain in (0.5, 1.0)]
    alone = reference.survey(cells, SEEDS, np.float64, rank=False)
    shared = reference.survey_sharing(cells, SEEDS, np.float64, rank=False)
    turned = [shared[2 * s + c] for c in range(2) for s in range(len(SEEDS))]
    for one, two in zip(alone, turned, strict=True):
        np.testing.assert_array_equal(one["v"], two["v"])
