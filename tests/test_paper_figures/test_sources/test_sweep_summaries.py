"""Do the stored summaries say what their stores hold, and do their figures notice a refutation?"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paper_figures.command.summaries import main
from paper_figures.figures.bounds import phase_diagram
from paper_figures.figures.exact_law import law_phase_diagrams
from paper_figures.sources import sweep_summaries
from paper_figures.sources.sweep_summaries import SUMMARIES, load_summary, make_summary
from paper_figures.workshop.build import Settings
from paper_figures.workshop.data import Dataset
from simulations.engine.surveys import survey as survey_of
from simulations.instruments.trace import trace_centred
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import InputError
from theory.statements.instances import member

TOML = """
quantities = {quantities}
[stack]
tokens = 4
width = 4
heads = 1
ffn_width = 8
depth = 6
[axes]
value_gain = [0.5, 8.0]
{axes}
[seeds]
count = 3
[run]
dtype = "{dtype}"
"""


def changed(data: Dataset, name: str, values: Any) -> Dataset:
    """Return the data with other values of one variable."""
    variable = replace(data.data_vars[name], values=np.asarray(values))
    return replace(data, data_vars={**data.data_vars, name: variable})


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a tiny sweep in the place of examples/phase_diagram.toml, and return its file."""
    pytest.importorskip("pydantic")
    pytest.importorskip("safetensors")
    path = tmp_path / "phase_diagram.toml"
    path.write_text(
        TOML.format(
            quantities='["distance", "coefficients"]',
            axes='placement = ["post", "pre"]\nmask = ["full", "causal"]',
            dtype="float32",
        )
    )
    monkeypatch.setattr(sweep_summaries, "EXAMPLES", tmp_path)
    return path


def _run(path: Path, root: Path) -> None:
    from simulations.sweeps.config import read_sweep
    from simulations.sweeps.run import run_sweep

    run_sweep(read_sweep(path), root, workers=0)


def test_a_summary_is_what_the_store_says(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    from simulations.sweeps.dataset import read_store

    root = tmp_path / "s"
    _run(small, root)
    summary = load_summary(
        "phase_diagram", folder=make_summary("phase_diagram", root, folder=tmp_path / "f").parent
    )
    data = read_store(root)
    noisy = data["distance_noise"].values.astype(bool)
    clear = ~(noisy[..., 1:] | noisy[..., :-1] | data["lambda_noise"].values.astype(bool))
    assert clear.any()
    assert not clear.all()
    np.testing.assert_array_equal(summary["clear"], clear.sum(axis=(-2, -1)))
    ratio = data["measured_ratio"].values.astype(np.float64)
    for bound in ("v", "v_sharp"):
        tightness = np.where(clear, ratio / data[bound].values, np.nan)
        largest = np.nanmax(tightness)
        told = summary.attrs[f"{bound}_largest"]
        assert told["ratio"] == pytest.approx(largest, rel=1e-6)
        place = {"value_gain": told["value_gain"], "placement": told["placement"]}
        place |= {"mask": told["mask"], "seed": told["seed"], "block": told["block"]}
        at = data["measured_ratio"].sel(place) / data[bound].sel(place)
        assert float(at) == pytest.approx(largest, rel=1e-6)
        middle = np.nanmedian(tightness, axis=(-2, -1))
        assert summary[f"{bound}_tightness"][..., 3] == pytest.approx(middle, rel=1e-6)
        above = ratio / data[bound].values > 1
        assert (
            summary[f"{bound}_violated"].sum() + summary[f"{bound}_undecided"].sum() == above.sum()
        )
    runs = np.nanmean(np.where(clear, np.log(ratio), np.nan), axis=-1)
    assert summary["measured"] == pytest.approx(np.exp(np.nanmean(runs, axis=-1)), rel=1e-6)
    assert summary.attrs["cells"] == summary.attrs["done"] == 24
    assert summary.attrs["dtype"] == "float32"
    assert json.loads(summary.attrs["sweep"])["stack"]["depth"] == 6
    assert summary.attrs["made_with_numpy"] == np.__version__


def test_a_law_summary_is_what_the_store_says(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    from simulations.sweeps.dataset import read_store

    path = small.with_name("law_value_ffn.toml")
    path.write_text(
        TOML.format(quantities='["law"]', axes="ffn_gain = [0.5, 1.0]", dtype="float64")
    )
    root = tmp_path / "s"
    _run(path, root)
    made = make_summary("law_value_ffn", root, folder=tmp_path / "f")
    summary, data = load_summary("law_value_ffn", folder=made.parent), read_store(root)
    for name, variable in summary.data_vars.items():
        assert variable.dims == data[name].dims == ("value_gain", "ffn_gain", "seed")
        assert variable.values == pytest.approx(data[name].values, rel=1e-6)


def test_a_store_that_is_not_whole_or_of_another_sweep_is_refused(
    small: Path, tmp_path: Path
) -> None:
    from simulations.sweeps.store import Store, stored_keys

    root = tmp_path / "s"
    _run(small, root)
    store = Store(root)
    key, other = sorted(stored_keys(store))[:2]
    store.cell_path(key).unlink()
    content = bytearray(store.cell_path(other).read_bytes())
    content[-1] ^= 1
    store.cell_path(other).write_bytes(bytes(content))
    with pytest.raises(InputError, match="2 are missing, 1 of them damaged, and 0 failed"):
        make_summary("phase_diagram", root, folder=tmp_path / "f")
    small.write_text(small.read_text().replace("count = 3", "count = 4"))
    with pytest.raises(InputError, match="differs in seeds"):
        make_summary("phase_diagram", root, folder=tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    assert main([]) == 2
    assert main(["no-such-sweep", str(tmp_path)]) == 2
    with pytest.raises(InputError, match="is missing; `python -m"):
        load_summary("phase_diagram", folder=tmp_path)


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_stored_summary_is_of_the_example_as_it_is(name: str) -> None:
    pytest.importorskip("pydantic")
    from simulations.sweeps.config import read_sweep
    from simulations.sweeps.expansion import expand

    grid = expand(read_sweep(sweep_summaries.EXAMPLES / f"{name}.toml"))
    attrs = load_summary(name).attrs
    assert json.loads(attrs["sweep"]) == grid.manifest()
    assert attrs["cells"] == attrs["done"] == grid.size
    assert attrs["failed"] == attrs["corrupt"] == 0


@pytest.fixture(scope="module")
def survey() -> Dataset:
    return phase_diagram.compute(Settings())


def test_the_caption_of_the_phase_diagram_is_what_its_data_say(survey: Dataset) -> None:
    assert not phase_diagram.refuted(survey)
    clear = survey["clear"].sum()
    assert survey.attrs["hidden_share"] == pytest.approx(100 * (1 - clear / 2_457_600))
    for bound in ("v", "v_sharp"):
        assert survey.attrs[f"{bound}_ratio"] == survey[f"{bound}_tightness"].max()
        assert survey.attrs[f"{bound}_ratio"] == survey[f"{bound}_curve"].max()
    assert survey["measured_low"].min() <= survey["measured"].min()
    assert (survey["v_sharp"] <= survey["v"]).all()
    assert np.isnan(survey["measured_one"]).all()


def test_every_part_of_the_phase_diagram_caption_can_be_refuted(survey: Dataset) -> None:
    for name in ("v_violated", "v_sharp_violated"):
        one = survey[name].copy()
        one[0, 0, 0] = 1
        assert phase_diagram.refuted(changed(survey, name, one))
    for name in ("measured", "v", "v_sharp"):
        assert phase_diagram.refuted(changed(survey, name, 1 / survey[name]))
    grown = survey["relative"].copy()
    grown[0, 0, 0] = 1.01
    assert phase_diagram.refuted(changed(survey, "relative", grown))
    assert phase_diagram.refuted(changed(survey, "clear", survey["clear"] // 2))
    assert phase_diagram.refuted(changed(survey, "measured", np.full_like(grown, np.nan)))


def test_the_planes_of_the_law_lie_on_the_places_that_are_drawn() -> None:
    data = law_phase_diagrams.compute(Settings())
    assert data["law"].shape == (3, 3, 13, 13)
    for i, (name, second) in enumerate(law_phase_diagrams.PLANES.values()):
        summary = load_summary(name)
        np.testing.assert_array_equal(data["y"][i], summary[second])
        np.testing.assert_array_equal(data["law_each"][i], summary["law_rate"])
        middle = np.median(summary["law_measured"], axis=-1)
        np.testing.assert_array_equal(data["measured"][i], middle)


def test_blocks_that_float32_hides_obey_the_bound_in_float64() -> None:
    stack = Stack(depth=24, tokens=64, width=64, heads=4, ffn_width=256, value_gain=16.0)
    seeds = range(376, 377)
    single = backend("numpy", dtype="float32")
    read = survey_of([stack], seeds=seeds, on=single, quantities=["distance", "coefficients"])
    above = read.blocks["measured_ratio"] > read.blocks["v_sharp"]
    assert above.sum() > 10
    assert (read.tokens["distance_noise"][1:] & read.blocks["lambda_noise"])[above].all()
    blocks = (member(block, (0,)) for block in draw_blocks(stack, seeds=seeds))
    run = trace_centred(blocks, draw_tokens(stack, seeds=seeds)[0])
    assert (run.blocks["measured_ratio"] < 0.25 * run.blocks["v_sharp"]).all()
    assert (run.blocks["v_sharp"] < 1).any()
