"""The figures of the fusion runs say what the runs say, and each caption can be refuted."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from scipy import stats

from paper_figures import (
    fusion_runs,
    plot_fusion_classifiers,
    plot_fusion_depth,
    plot_fusion_gate,
    plot_fusion_layers,
    plot_fusion_score,
    plot_fusion_sharing,
    plot_fusion_sigmas,
)
from paper_figures.build import Caption, Figure, Settings, build
from paper_figures.data import Dataset, dumps, loads
from paper_figures.data import load as load_data
from paper_figures.fusion_runs import (
    LABELS,
    SHARING,
    collect,
    load_experiments,
    load_sharing,
    over_seeds,
)
from paper_figures.reference import load as load_reference
from simulations.fusion import summarise
from simulations.fusion_recipe import FUSIONS, Recipe
from theory.arrays import InputError
from theory.sharing import attention_flops

Run = dict[str, Any]
Change = Callable[[Run], None]
MODULES = (
    plot_fusion_classifiers,
    plot_fusion_depth,
    plot_fusion_sigmas,
    plot_fusion_layers,
    plot_fusion_gate,
    plot_fusion_score,
    plot_fusion_sharing,
)
FIGURES: dict[str, Figure] = {module.FIGURE.name: module.FIGURE for module in MODULES}
SEEDS = range(3)
RECIPES = {
    "reviews-e5-tuned": Recipe("rotten-tomatoes", encoder="e5-small", depth=12),
    "reviews-minilm-tuned": Recipe("rotten-tomatoes", encoder="minilm", depth=6),
    "pairs-minilm-frozen": Recipe("lee", encoder="minilm", frozen=True, depth=6),
    "fashion-depth4": Recipe("fashion-mnist", placement="pre", depth=4),
    "fashion-depth12": Recipe("fashion-mnist", placement="pre", depth=12),
}
GAINS = {"baseline": 0.0, "concat": -0.02, "max": 0.01, "gate": 0.02}


def record(recipe: Recipe) -> Run:
    """Return an invented run: what the figures make of it is tested, not how it came about."""
    rng = np.random.default_rng([recipe.seed, recipe.depth, FUSIONS.index(recipe.fusion)])
    layers = np.linspace(0, 1, recipe.depth + 1)
    level = {"e5-small": 0.1, "minilm": 0.5, "scratch": 3.0}[recipe.encoder]
    alike = {"e5-small": 0.8, "minilm": 0.4, "scratch": 0.2}[recipe.encoder]
    noise = 0.03 * float(rng.standard_normal())
    first, last = recipe.shared or (1, 1)
    score = 0.8 - 0.005 * recipe.depth + GAINS[recipe.fusion] + noise
    run: Run = {
        "recipe": json.loads(json.dumps(asdict(recipe))),
        "score": score - 0.002 * (last - first),
        "cosine": list(0.05 + (alike - 0.05) * layers + 0.001 * recipe.seed * layers),
        "cosine_fused": (0.6 if recipe.fusion == "gate" else 1.0) * alike,
        "sigma_product_last": list(level * np.geomspace(0.5, 2.0, 101) * (1 + 0.01 * recipe.seed)),
        "attention_flops": attention_flops(depth=recipe.depth, n=8, d=16, first=first, last=last),
        "provenance": {
            "command": f"oversmooth fuse --data {recipe.data}",
            "commit": "0" * 40,
            "data": recipe.data,
            "weights": "",
            "torch": "2.0",
        },
    }
    if recipe.fusion == "baseline" and recipe.shared is None:
        run["layer_scores"] = list(score - 0.1 * (1 - layers))
    if recipe.fusion == "gate":
        share = np.linspace(1, 2, recipe.depth) + 0.01 * recipe.seed
        run["gate"] = list(share / share.sum())
    return run


def runs_of(name: str) -> list[Run]:
    """Return the invented runs of one experiment; other depths than 12 lack two fusions."""
    few = name == "fashion-depth4"
    return [
        record(replace(RECIPES[name], fusion=fusion, seed=seed))
        for seed in SEEDS
        for fusion in (("baseline", "gate") if few else FUSIONS)
    ]


def sharing_runs() -> list[Run]:
    """Return invented baseline runs by range."""
    base = RECIPES["fashion-depth12"]
    ranges = (None, (11, 12), (7, 12), (1, 12))
    return [record(replace(base, shared=shared, seed=seed)) for shared in ranges for seed in SEEDS]


def store(folder: Path, name: str, runs: Iterable[Run]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(list(runs)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put invented runs in the stored ones' place."""
    place = tmp_path / "stored"
    place.mkdir()
    for name in RECIPES:
        store(place, name, runs_of(name))
    store(place, SHARING, sharing_runs())
    monkeypatch.setattr(fusion_runs, "FOLDER", place)
    return place


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
        run["layer_scores"][-3] = run["layer_scores"][-1] + 0.01


def alike_below(run: Run) -> None:
    run["cosine"][-2] = 0.99


def better_when_deep(run: Run) -> None:
    run["score"] = 0.01 * run["recipe"]["depth"]


def alike_after_the_gate(run: Run) -> None:
    run["cosine_fused"] = run["cosine"][-1]


def one_layer_only(run: Run) -> None:
    if "gate" in run:
        run["gate"] = [0.0] * (len(run["gate"]) - 1) + [1.0]


def better_everywhere(run: Run) -> None:
    run["score"] = 0.5 + 0.1 * (run["recipe"]["fusion"] == "max") + 1e-3 * run["recipe"]["seed"]


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


def test_the_interval_is_students_and_missing_where_seeds_cannot_tell() -> None:
    values = np.random.default_rng(0).standard_normal((5, 2))
    mean, half = over_seeds(values)
    for j in range(2):
        low, high = stats.ttest_1samp(values[:, j], 0.0).confidence_interval(0.95)
        assert (mean[j] - half[j], mean[j] + half[j]) == pytest.approx((low, high))
    assert np.isnan(over_seeds(values[:1])[1]).all()
    assert np.isnan(over_seeds(np.full((5, 1), 0.3))[1]).all()


@pytest.mark.usefixtures("folder")
def test_the_score_figure_holds_mean_interval_and_seeds_of_every_experiment_and_fusion() -> None:
    data = compute("fusion_score")
    for i, experiment in enumerate(load_experiments()):
        rows = {row.fusion: row for row in summarise(experiment.runs)}
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
    assert data["range"].tolist() == ["none", "11-12", "9-12", "7-12", "5-12", "3-12", "1-12"]
    here = ~np.isnan(data["flops"])
    assert data["range"][here].tolist() == ["none", "11-12", "7-12", "1-12"]
    assert (np.diff(data["flops"][here]) < 0).all()
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


def write_runs(place: Path, runs: Iterable[Run]) -> Path:
    """Write runs as the command does: a file each."""
    place.mkdir()
    for number, run in enumerate(runs):
        (place / f"{number}.json").write_text(json.dumps(run))
    return place


def test_collected_runs_are_those_that_are_loaded(tmp_path: Path, folder: Path) -> None:
    runs = runs_of("reviews-minilm-tuned")
    alone = record(replace(RECIPES["reviews-minilm-tuned"], seed=9))  # no fusion has this seed
    half = len(runs) // 2
    one = write_runs(tmp_path / "one", runs[:half])
    two = write_runs(tmp_path / "two", [*runs[half:], alone])
    collect(one, two, name="reviews-minilm-tuned")
    (found,) = [x for x in load_experiments() if x.name == "reviews-minilm-tuned"]
    assert found.rows() == {row.fusion: row for row in summarise(runs)}
    assert {run["recipe"]["seed"] for run in found.runs} == set(SEEDS)


def test_a_depth_in_the_name_takes_the_runs_of_that_depth(tmp_path: Path, folder: Path) -> None:
    runs = [*runs_of("fashion-depth4"), *runs_of("fashion-depth12")]
    collect(write_runs(tmp_path / "all", runs), name="fashion-depth4")
    (found,) = [x for x in load_experiments() if x.name == "fashion-depth4"]
    assert (found.depth, len(found.runs)) == (4, 2 * len(SEEDS))


def test_sharing_takes_the_baseline_only_and_the_others_what_shares_nothing(
    tmp_path: Path, folder: Path
) -> None:
    sharing = sharing_runs()
    apart = write_runs(tmp_path / "shared", [run for run in sharing if run["recipe"]["shared"]])
    rest = write_runs(tmp_path / "rest", runs_of("fashion-depth12"))
    collect(apart, rest, name=SHARING)
    found = load_sharing()
    assert found.ranges == (None, (11, 12), (7, 12), (1, 12))
    assert found.values((7, 12), "score").tolist() == [
        run["score"] for run in sharing if run["recipe"]["shared"] == [7, 12]
    ]
    collect(apart, rest, name="fashion-depth12")
    (experiment,) = [x for x in load_experiments() if x.name == "fashion-depth12"]
    assert len(experiment.runs) == len(FUSIONS) * len(SEEDS)


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path, folder: Path) -> None:
    runs = runs_of("reviews-minilm-tuned")
    with pytest.raises(InputError, match="name must be one of"):
        collect(tmp_path, name="reviews")
    with pytest.raises(InputError, match="at least one seed"):
        collect(tmp_path, name="reviews-minilm-tuned")
    twice = write_runs(tmp_path / "twice", [*runs, runs[0]])
    with pytest.raises(InputError, match="each run once"):
        collect(twice, name="reviews-minilm-tuned")
    other = [record(replace(RECIPES["reviews-e5-tuned"], fusion="max", seed=s)) for s in SEEDS]
    mixed = [run for run in runs if run["recipe"]["fusion"] != "max"]
    with pytest.raises(InputError, match="one encoder"):
        collect(write_runs(tmp_path / "mixed", [*mixed, *other]), name="reviews-minilm-tuned")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("reviews-e5-tuned", "[{", "reviews-e5-tuned.json is damaged"),
        ("reviews-e5-tuned", '[{"recipe": 1}]', "reviews-e5-tuned.json is damaged"),
        ("reviews", "[]", "reviews.json must be one of"),
        (SHARING, "[]", "sharing.json must have"),
        (SHARING, "null", "sharing.json is damaged"),
    ],
)
def test_a_stored_file_that_is_damaged_is_named(
    folder: Path, name: str, content: str, message: str
) -> None:
    (folder / f"{name}.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_sharing() if name == SHARING else load_experiments()


def test_stored_runs_must_be_paired_and_have_a_baseline(folder: Path) -> None:
    name = "reviews-e5-tuned"
    store(folder, name, runs_of(name)[1:])
    with pytest.raises(InputError, match="the same seeds"):
        load_experiments()
    store(folder, name, [run for run in runs_of(name) if run["recipe"]["fusion"] != "baseline"])
    with pytest.raises(InputError, match="baseline"):
        load_experiments()
    shared = [run for run in sharing_runs() if run["recipe"]["shared"]]
    store(folder, SHARING, shared)
    with pytest.raises(InputError, match="without sharing"):
        load_sharing()


def test_every_stored_file_of_the_project_has_a_label() -> None:
    stems = {path.stem for path in fusion_runs.FOLDER.glob("*.json")}
    assert stems
    assert stems <= {*LABELS, SHARING}
