"""What are the readings worth, and which questions are refused?"""

from dataclasses import replace

import numpy as np
import pytest

from simulations.engine.draws import Draws
from simulations.engine.scales import cell_scales
from simulations.engine.step import step
from simulations.engine.surveys import DEFAULT_QUANTITIES, QUANTITIES, grid, survey
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import Floats
from tests.test_simulations.helpers.surveys import SEEDS, SMALL
from theory.arrays import Array, InputError, eps
from theory.magnitude import frobenius_norm
from theory.spectra.norms import coupling


def true_lambda(adjacency: Floats) -> Array:
    return coupling(adjacency).max(axis=-1) ** 2


@pytest.mark.parametrize("score_gain", [0.01, 1.0, 10.0])
def test_lambda_without_a_flag_is_right_to_the_tolerance_in_single_precision(
    score_gain: float,
) -> None:
    stack = Stack(depth=1, tokens=16, width=32, heads=4, ffn_width=32, score_gain=score_gain)
    seeds, tolerance, flags = range(16), 1e-2, []
    wide, narrow = backend(), backend(dtype="float32")
    for spread in 10.0 ** -np.arange(0.0, 8.0):
        rng = np.random.default_rng(0)
        common = rng.standard_normal((len(seeds), 1, 1, stack.width))
        tokens = common + spread * rng.standard_normal((len(seeds), 1, stack.tokens, stack.width))
        tokens = tokens.astype("float32")
        drawn_32 = Draws(stack, seeds=seeds, on=narrow).part(0, slice(0, len(seeds)))
        drawn_64 = wide.move(drawn_32)
        here = step(stack, drawn_32, cell_scales([stack], on=narrow), tokens, None)
        there = step(stack, drawn_64, cell_scales([stack], on=wide), wide.move(tokens), None)
        found, truth = (true_lambda(x.adjacency.astype("float64")) for x in (here, there))
        error = np.abs(found / truth - 1)
        size = frobenius_norm(here.adjacency).max(axis=-1)
        noise = 2 * eps(tokens) * (1 + here.score) * size > tolerance / 2 * np.sqrt(found)
        assert (error[~noise] < 2 * tolerance).all()
        flags.append(noise.mean())
    assert flags[0] < 0.1
    assert flags[-1] == 1


def test_flags_are_raised_as_tokens_merge() -> None:
    stack = Stack(depth=40, tokens=8, width=16, heads=2, ffn_width=0, value_gain=3.0, residual=0.2)
    found = survey([stack], seeds=range(3), on=backend(dtype="float32"))
    for flags in (found.tokens["distance_noise"], found.blocks["lambda_noise"]):
        assert not flags[0].any()
        assert flags[-1].all()
        assert (np.diff(flags.astype(int), axis=0) >= 0).all()


def test_tokens_without_direction_give_nan_and_leave_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = draw_tokens(SMALL, seeds=SEEDS)
    entry[1] = 3.0  # all features equal
    monkeypatch.setattr("simulations.engine.chunk.draw_entry", lambda *a, **k: entry)
    cells = grid(replace(SMALL, placement="pre"), value_gain=[0.5, 1.0])
    found = survey(cells, seeds=SEEDS)
    assert not found.complete[:, 1].any()
    assert found.complete[:, [0, 2, 3, 4]].all()
    assert np.isnan(found.blocks["v"][:, :, 1]).all()
    assert not np.isnan(found.blocks["v"][:, :, 0]).any()


def test_numbers_beyond_the_range_give_nan_from_there_on() -> None:
    stack = replace(SMALL, norm="none", activation="identity", ffn_gain=1e12, depth=5)
    found = survey([stack], seeds=SEEDS, on=backend(dtype="float32"))
    assert not found.complete.any()
    assert np.isfinite(found.tokens["distance"][0]).all()


def test_only_what_is_asked_for_is_there() -> None:
    found = survey([SMALL], seeds=SEEDS, quantities=["cosine_similarity"])
    assert found.tokens.keys() == {"cosine_similarity"}
    assert not found.blocks


def test_bad_questions_are_refused_with_a_reason() -> None:
    with pytest.raises(InputError, match="share their draws"):
        survey([SMALL, replace(SMALL, width=24)], seeds=SEEDS)
    with pytest.raises(InputError, match="at least one member"):
        survey([], seeds=SEEDS)
    with pytest.raises(InputError, match="at least one member"):
        survey([SMALL], seeds=range(0))
    with pytest.raises(InputError, match="quantities must be"):
        survey([SMALL], seeds=SEEDS, quantities=["speed"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="tolerance"):
        survey([SMALL], seeds=SEEDS, tolerance=0)
    with pytest.raises(InputError, match="mask"):
        survey([SMALL], seeds=SEEDS, mask=np.ones((3, 3), bool))
    with pytest.raises(InputError, match="listen"):
        survey([SMALL], seeds=SEEDS, mask=np.zeros((7, 7), bool))
    with pytest.raises(InputError, match="axis of a grid"):
        grid(SMALL, width=[12, 24])


def test_a_grid_has_every_combination_and_the_last_axis_runs_fastest() -> None:
    cells = grid(SMALL, value_gain=[1.0, 2.0], tau=[3.0, 4.0])
    assert [(cell.value_gain, cell.tau) for cell in cells] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    costly = {"effective_rank", "diameter"}
    assert tuple(q for q in QUANTITIES if q not in costly) == DEFAULT_QUANTITIES
