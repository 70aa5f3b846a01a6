"""The figures of the fusion runs say what the runs say, and each caption can be refuted."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from paper_figures.figures.paper import fig1b, fig1c, fig5_tuned, fig6, fig7, fusion_score, table1
from paper_figures.sources.fusion_plans import SHARING
from paper_figures.sources.fusion_runs import load_experiments
from paper_figures.workshop.build import Caption, Figure, Settings, build
from paper_figures.workshop.data import Dataset, dumps, loads
from paper_figures.workshop.data import load as load_data
from paper_figures.workshop.reference import load_reference
from simulations.fusion.recipe import FUSIONS
from simulations.fusion.scores import fusion_scores
from tests.test_paper_figures.helpers.invented_runs import RECIPES, SEEDS, Run, store
from theory.arrays import InputError

Change = Callable[[Run], None]
MODULES = (
    fig1b,
    fig1c,
    fig5_tuned,
    fig6,
    fig7,
    fusion_score,
    table1,
)
FIGURES: dict[str, Figure] = {module.FIGURE.name: module.FIGURE for module in MODULES}


def alter(folder: Path, change: Change, *, names: Iterable[str] = RECIPES) -> None:
    """Change every stored run of the named files."""
    for name in names:
        runs = json.loads((folder / f"{name}.json").read_text())
        for run in runs:
            change(run)
        store(folder, name, runs)


def compute(name: str) -> Dataset:
    return FIGURES[name].compute(Settings())


def better_below(run: Run) -> None:
    if "layer_scores" in run:
        run["layer_scores"][-3] = run["layer_scores"][-1] + 0.01 + 0.001 * run["recipe"]["seed"]


def alike_below(run: Run) -> None:
    run["cosine"][-2] = 0.99


def better_when_deep(run: Run) -> None:
    run["score"] = 0.01 * run["recipe"]["depth"] * (1 + 0.01 * run["recipe"]["seed"])


def alike_after_the_gate(run: Run) -> None:
    run["cosine_fused"] = run["cosine"][-1]


def one_layer_only(run: Run) -> None:
    if "gate" in run:
        run["gate"] = [0.0] * (len(run["gate"]) - 1) + [1.0]


def better_everywhere(run: Run) -> None:
    seed = run["recipe"]["seed"]
    run["score"] = 0.5 + (0.1 + 1e-3 * seed) * (run["recipe"]["fusion"] == "max")


def larger_where_alike(run: Run) -> None:
    run["sigma_product_last"] = list(run["cosine"][-1] * np.geomspace(0.5, 2.0, 101))


def costly_sharing(run: Run) -> None:
    run["score"] -= 0.1 * (run["recipe"]["shared"] == [1, 12])


WRONG = [
    ("fig1b", better_below),
    ("fig1b", alike_below),
    ("fig1c", better_when_deep),
    ("fig5_tuned", larger_where_alike),
    ("fig6", alike_after_the_gate),
    ("fig7", one_layer_only),
    ("fusion_score", better_everywhere),
    ("table1", costly_sharing),
]


@pytest.mark.parametrize(("name", "change"), WRONG)
def test_runs_that_say_otherwise_refute_the_caption(
    folder: Path, name: str, change: Change
) -> None:
    figure = FIGURES[name]
    assert not figure.refuted(compute(name))
    alter(folder, change, names=[SHARING] if name == "table1" else RECIPES)
    assert figure.refuted(compute(name))


def test_each_figure_has_a_test_that_refutes_it() -> None:
    assert {name for name, _ in WRONG} == set(FIGURES)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_built_and_its_caption_has_the_runs_numbers(name: str, tmp_path: Path) -> None:
    stored, *pictures = build(FIGURES[name], out=tmp_path / "out")
    attrs = load_data(stored).attrs
    assert "would refute" in attrs["caption"]
    assert not re.search(r"nan|[{}]", attrs["caption"])
    assert attrs["seeds"] == len(SEEDS)
    assert "oversmooth fuse --data" in attrs["runs_commands"]
    assert all(path.stat().st_size > 1000 for path in pictures)


@pytest.mark.parametrize("name", FIGURES)
def test_one_seed_has_no_interval_and_is_drawn_all_the_same(name: str, folder: Path) -> None:
    for path in folder.glob("*.json"):
        runs = [run for run in json.loads(path.read_text()) if run["recipe"]["seed"] == 0]
        store(folder, path.stem, runs)
    data = compute(name)
    assert not re.search(r"nan|\u00b1", Caption().vformat(FIGURES[name].caption, (), data.attrs))
    FIGURES[name].draw(Canvas(), loads(dumps(data)))


@pytest.mark.usefixtures("folder")
def test_the_score_figure_holds_mean_interval_and_seeds_of_every_experiment_and_fusion() -> None:
    data = compute("fusion_score")
    for i, experiment in enumerate(load_experiments()):
        rows = {row.fusion: row for row in fusion_scores(experiment.runs)}
        for j, fusion in enumerate(FUSIONS):
            if fusion not in rows:
                assert np.isnan(data["score"][i, j])
                assert data["seeds"][i, j] == 0
                continue
            row = rows[fusion]
            assert data["seeds"][i, j] == row.seeds
            for name, wanted in (
                ("score", row.score),
                ("score_half", row.half_width),
                ("gain", row.gain),
                ("gain_half", row.gain_half_width),
            ):
                if wanted is not None:
                    assert data[name][i, j] == pytest.approx(100 * wanted)


@pytest.mark.usefixtures("folder")
def test_the_papers_gains_are_those_of_its_tables() -> None:
    gains = compute("fusion_score")["paper_gain"]
    assert gains[0] == pytest.approx([0, 0.8, 0.9, 1.3])
    assert gains[1] == pytest.approx([0, 0.5, 0.8, 0.9])
    table = [row.value for row in load_reference("table3").rows]
    means = np.asarray(table).reshape(4, 5).mean(axis=1)
    assert gains[2] == pytest.approx(means - means[0])


@pytest.mark.usefixtures("folder")
def test_the_gain_by_depth_is_of_the_fusions_that_every_depth_has() -> None:
    data = compute("fig1c")
    assert data["fusion"].tolist() == ["baseline", "gate"]
    assert data["depth"].tolist() == [4, 12]


@pytest.mark.usefixtures("folder")
def test_a_density_from_quantiles_integrates_to_one_around_the_median() -> None:
    data = compute("fig5_tuned")
    logs = np.log10(data["grid"])
    for density, median in zip(data["density"], data["median"], strict=True):
        assert np.trapezoid(density, logs) == pytest.approx(1, abs=0.02)
        below = np.trapezoid(density * (logs < np.log10(median.mean())), logs)
        assert below == pytest.approx(0.5, abs=0.02)


@pytest.mark.usefixtures("folder")
def test_the_ranges_of_the_table_run_from_none_to_all_and_save_more_and_more() -> None:
    data = compute("table1")
    ranges = ["none", "11-12", "9-12", "7-12", "5-12", "3-12", "1-12"]
    assert data["range"].tolist() == data["paper_range"].tolist() == ranges
    assert data["saved"].tolist() == [0, 1, 3, 5, 7, 9, 11]
    # What the paper prints is three maps a layer less two for each layer that is saved.
    saved = data["paper_saved"]
    assert saved.tolist() == [0, 2, 4, 6, 8, 10, 11]
    assert data["paper_flops"] == pytest.approx(100 - 100 * 2 * saved / 36, abs=3)
    assert (np.diff(data["flops"]) < 0).all()
    assert data["flops"][0] == data["paper_flops"][0] == 100
    assert (data["change"][0], data["paper_change"][0]) == (0, 0)
    assert data["paper_change"][1:] == pytest.approx([0.2, -0.1, -0.4, -0.4, -2.5, -2.9])


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_whose_runs_are_missing_says_which_command_makes_them(
    name: str, folder: Path
) -> None:
    for path in folder.glob("*.json"):
        path.unlink()
    with pytest.raises(InputError, match="oversmooth fuse"):
        compute(name)
