"""Stored fusion runs are joined, checked and summarised as they came; bad ones are named."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paper_figures.sources.fusion_collect import collect
from paper_figures.sources.fusion_plans import PLANS, SHARING
from paper_figures.sources.fusion_runs import load_experiments, load_sharing
from simulations.fusion.recipe import FUSIONS
from simulations.fusion.scores import fusion_scores
from tests.test_paper_figures.helpers.invented_runs import (
    RECIPES,
    SEEDS,
    Run,
    record,
    runs_of,
    store,
)
from theory.arrays import InputError


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
    assert found.rows() == {row.fusion: row for row in fusion_scores(runs)}
    assert {run["recipe"]["seed"] for run in found.runs} == set(SEEDS)


def test_a_depth_in_the_name_takes_the_runs_of_that_depth(tmp_path: Path, folder: Path) -> None:
    runs = [*runs_of("fashion-depth4"), *runs_of("fashion-depth12")]
    collect(write_runs(tmp_path / "all", runs), name="fashion-depth4")
    (found,) = [x for x in load_experiments() if x.name == "fashion-depth4"]
    assert (found.depth, len(found.runs)) == (4, 2 * len(SEEDS))


def test_only_seeds_that_all_fusions_have_are_taken(tmp_path: Path, folder: Path) -> None:
    name = "reviews-minilm-tuned"
    runs = [
        run
        for run in runs_of(name)
        if (run["recipe"]["fusion"], run["recipe"]["seed"]) != ("max", 1)
    ]
    (folder / f"{name}.json").unlink()
    collect(write_runs(tmp_path / "runs", runs), name=name)
    (found,) = [x for x in load_experiments() if x.name == name]
    assert found.fusions == FUSIONS
    assert {run["recipe"]["seed"] for run in found.runs} == {0, 2}


def test_a_stored_run_is_never_lost(tmp_path: Path, folder: Path) -> None:
    name = "reviews-minilm-tuned"
    before = (folder / f"{name}.json").read_text()
    place = write_runs(tmp_path / "runs", [r for r in runs_of(name) if r["recipe"]["seed"] < 2])
    with pytest.raises(InputError, match=f"{name}.json has 4 runs that would be lost"):
        collect(place, name=name)
    assert (folder / f"{name}.json").read_text() == before


def test_runs_of_other_experiments_and_sizes_are_left_where_they_are(
    tmp_path: Path, folder: Path
) -> None:
    name = "fashion-depth12"
    small = [record(replace(RECIPES[name], train=200, seed=seed)) for seed in SEEDS]
    others = [*small, *runs_of("fashion-depth4"), *runs_of(SHARING)[1:]]
    with pytest.raises(InputError, match="at least one seed"):
        collect(write_runs(tmp_path / "others", others), name=name)


def test_sharing_takes_the_baseline_only_and_the_others_what_shares_nothing(
    tmp_path: Path, folder: Path
) -> None:
    sharing = runs_of(SHARING)
    apart = write_runs(tmp_path / "shared", [run for run in sharing if run["recipe"]["shared"]])
    rest = write_runs(tmp_path / "rest", runs_of("fashion-depth12"))
    collect(apart, rest, name=SHARING)
    found = load_sharing()
    assert found.ranges == PLANS[SHARING].ranges
    assert found.values((7, 12), "score").tolist() == [
        run["score"] for run in sharing if run["recipe"]["shared"] == [7, 12]
    ]
    collect(apart, rest, name="fashion-depth12")
    (experiment,) = [x for x in load_experiments() if x.name == "fashion-depth12"]
    assert len(experiment.runs) == len(FUSIONS) * len(SEEDS)


def test_runs_that_cannot_be_collected_are_refused(tmp_path: Path, folder: Path) -> None:
    runs = runs_of("reviews-minilm-tuned")
    with pytest.raises(InputError, match="name must be one of"):
        collect(tmp_path, name="reviews")
    with pytest.raises(InputError, match="at least one seed"):
        collect(tmp_path, name="reviews-minilm-tuned")
    twice = write_runs(tmp_path / "twice", [*runs, runs[0]])
    with pytest.raises(InputError, match="twice"):
        collect(twice, name="reviews-minilm-tuned")
    (twice / "0.json").write_text("{")
    with pytest.raises(InputError, match=r"0\.json is damaged"):
        collect(twice, name="reviews-minilm-tuned")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 8}, "runs of depth 4"),
        ({"data": "mnist"}, "runs of data fashion-mnist"),
        ({"tied": True}, "runs of tied False"),
    ],
)
def test_a_stored_file_holds_what_its_name_says(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    recipe = replace(RECIPES["fashion-depth4"], **changes)
    store(folder, "fashion-depth4", [record(replace(recipe, seed=seed)) for seed in SEEDS])
    with pytest.raises(InputError, match=message):
        load_experiments()


def test_a_stored_file_holds_runs_of_one_kind_each_once(folder: Path) -> None:
    name = "fashion-depth4"
    gate = [record(replace(RECIPES[name], fusion="gate", epochs=2, seed=s)) for s in SEEDS]
    store(folder, name, [run for run in runs_of(name) if run["recipe"]["fusion"] != "gate"] + gate)
    with pytest.raises(InputError, match="runs of one epochs"):
        load_experiments()
    store(folder, name, 2 * runs_of(name))
    with pytest.raises(InputError, match="each run once"):
        load_experiments()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("reviews-e5-tuned", "[{", "reviews-e5-tuned.json is damaged"),
        ("reviews-e5-tuned", '[{"recipe": 1}]', "reviews-e5-tuned.json is damaged"),
        ("reviews", "[]", "reviews.json must be one of"),
        (SHARING, "[]", "sharing.json is damaged"),
        ("reviews-e5-tuned", "[NaN]", "reviews-e5-tuned.json is damaged: ValueError: it holds NaN"),
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
    shared = [run for run in runs_of(SHARING) if run["recipe"]["shared"]]
    store(folder, SHARING, shared)
    with pytest.raises(InputError, match="without sharing"):
        load_sharing()
