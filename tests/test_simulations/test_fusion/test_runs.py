"""Fusion runs: what is stored is kept, what is summarised is right, what lacks is said."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulations.datasets.load import DATA
from simulations.fusion.recipe import DataName, Recipe
from simulations.fusion.scores import fusion_scores, over_seeds
from simulations.fusion.sizes import recipe_for
from simulations.fusion.store import Place
from tests.test_paper_figures.helpers.invented_runs import record
from theory.arrays import InputError


def invented(fusion: str, seed: int, score: float) -> dict[str, Any]:
    recipe = {"data": "x", "depth": 4, "fusion": fusion, "seed": seed}
    return {"recipe": recipe, "score": score, "cosine": [0.1, 0.5], "cosine_fused": 0.3}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(-0.5, 0.5))
def test_a_constant_gain_over_the_baseline_has_an_interval_of_width_zero(
    scores: list[float], gain: float
) -> None:
    runs = [invented("baseline", seed, score) for seed, score in enumerate(scores)]
    runs += [invented("gate", seed, score + gain) for seed, score in enumerate(scores)]
    plain, gate = fusion_scores(runs)
    assert plain.gain is None
    assert gate.gain == pytest.approx(gain, abs=1e-12)
    assert (gate.gain_half_width or 0.0) == pytest.approx(0, abs=1e-12)
    assert gate.seeds == len(scores)


def test_only_seeds_that_both_have_are_paired() -> None:
    runs = [invented("baseline", 0, 0.5), invented("gate", 0, 0.6), invented("gate", 1, 0.9)]
    gate = fusion_scores(runs)[1]
    assert gate.gain == pytest.approx(0.1)
    assert gate.gain_half_width is None
    assert gate.score == pytest.approx(0.75)


def test_the_interval_is_students_and_missing_where_seeds_cannot_tell() -> None:
    values = np.random.default_rng(0).standard_normal((5, 2))
    mean, half = over_seeds(values)
    for j in range(2):
        low, high = stats.ttest_1samp(values[:, j], 0.0).confidence_interval(0.95)
        assert (mean[j] - half[j], mean[j] + half[j]) == pytest.approx((low, high))
    ten = stats.ttest_1samp(values[:, 0], 0.0).confidence_interval(1 - 0.05 / 10)
    assert over_seeds(values, comparisons=10)[1][0] == pytest.approx((ten[1] - ten[0]) / 2)
    assert np.isnan(over_seeds(values[:1])[1]).all()
    assert np.isnan(over_seeds(np.full((5, 1), 0.3))[1]).all()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"fusion": "sum"}, "fusion"),
        ({"width": 10}, "width"),
        ({"rate": 0.0}, "rate"),
        ({"shared": (2, 13)}, "shared"),
        ({"shared": (2, 2)}, "two or more"),
        ({"encoder": "minilm", "tied": True}, "minilm"),
        ({"depth": 0}, "depth"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Recipe(data="mnist", **changes)


def test_the_command_knows_every_data_set() -> None:
    assert get_args(DataName) == tuple(DATA)


@pytest.mark.parametrize("size", ["quick", "usual", "full"])
@pytest.mark.parametrize("data", DATA)
def test_every_size_of_every_data_set_is_a_recipe(data: str, size: Any) -> None:
    recipe = recipe_for(data, size=size)
    assert recipe.data == data
    assert (recipe.encoder == "scratch") == (data.endswith("mnist"))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"data": "mnist", "depth": 0}, "depth"),
        ({"data": "fashion-mnist", "encoder": "minilm"}, "encoder must be scratch"),
        ({"data": "mnist", "frozen": True}, "frozen"),
        ({"data": "lee", "encoder": "scratch", "frozen": True}, "frozen"),
    ],
)
def test_settings_that_fit_no_data_are_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        recipe_for(**settings)


WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Absent())
from paper_figures.command.main import main
sys.exit(main(["fuse", "--data", "mnist", "--quick", "--out", sys.argv[1]]))
"""


def test_without_torch_one_line_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "pip install 'oversmooth[fusion]'" in done.stderr
    assert done.stdout == ""


def test_no_flipped_bit_of_a_finished_run_goes_unseen(tmp_path: Path) -> None:
    place = Place(recipe_for("mnist", size="quick"), tmp_path)
    run = record(place.recipe)
    place.write(run)
    assert place.read() == run
    sound = place.record.read_bytes()
    seen = 0
    for at in range(len(sound)):
        bit = 1 << at % 8
        place.record.write_bytes(sound[:at] + bytes([sound[at] ^ bit]) + sound[at + 1 :])
        try:
            read = place.read()
        except InputError:
            seen += 1
        else:  # a space became another, or an exponent's e its capital: the same run
            assert read == run, at
    assert seen > len(sound) / 2


def test_a_run_that_is_older_than_checksums_is_read(tmp_path: Path) -> None:
    place = Place(recipe_for("mnist", size="quick"), tmp_path)
    run = record(place.recipe)
    place.record.write_text(json.dumps(run))
    assert place.read() == run


def test_a_run_of_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    place = Place(recipe_for("mnist", size="quick"), tmp_path)
    assert place.read() is None
    other = record(replace(place.recipe, tied=True))
    place.record.write_text(json.dumps(other))
    with pytest.raises(InputError, match="another recipe"):
        place.read()
    for text in ("{", "[]", "null", "[" * 100_000, json.dumps({**other, "score": math.nan})):
        place.record.write_text(text)
        with pytest.raises(InputError, match="damaged"):
            place.read()
    for name in ("score", "cosine", "gate", "provenance"):
        gate = record(replace(place.recipe, fusion="gate"))
        for broken in ({k: v for k, v in gate.items() if k != name}, {**gate, name: "0.5"}):
            place.record.write_text(json.dumps(broken))
            with pytest.raises(InputError, match="damaged"):
                place.read()
    place.record.unlink()
    place.record.symlink_to("nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        place.read()


def test_a_finished_run_is_never_overwritten_and_needs_no_checkpoint(tmp_path: Path) -> None:
    place = Place(recipe_for("mnist", size="quick"), tmp_path)
    place.checkpoint.write_text("here")
    run = record(place.recipe)
    place.write(run)
    assert place.read() == run
    assert not place.checkpoint.exists()
    with pytest.raises(InputError, match="another process"):
        place.write(run)
    with pytest.raises(ValueError, match="JSON"):
        Place(replace(place.recipe, seed=1), tmp_path).write({"score": float("nan")})


def test_one_process_at_a_time_trains_a_run(tmp_path: Path) -> None:
    place = Place(recipe_for("mnist", size="quick"), tmp_path)
    with place.held():
        with pytest.raises(InputError, match=r"mnist.* is in use by process"), place.held():
            raise AssertionError("two had it")
        with Place(replace(place.recipe, seed=1), tmp_path).held():
            pass
    with place.held():
        pass


def test_two_runs_of_a_seed_are_not_averaged_in_silence() -> None:
    with pytest.raises(InputError, match="two are"):
        fusion_scores([invented("baseline", 0, 0.9), invented("baseline", 0, 0.1)])
