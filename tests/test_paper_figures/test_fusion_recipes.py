"""The stored fusion runs are those that are planned, and the docs tell them."""

from dataclasses import replace
from pathlib import Path

import pytest

from paper_figures.fusion_plans import PLANS, SEEDS
from paper_figures.fusion_report import table
from paper_figures.fusion_runs import FOLDER, load_experiments
from simulations.fusion_files import read_runs, recipe_of


@pytest.mark.parametrize("name", PLANS)
def test_stored_runs_are_those_that_one_command_trains(name: str) -> None:
    found = [recipe_of(run) for run in read_runs(FOLDER / f"{name}.json")]
    recipes = PLANS[name].recipes()
    wanted = {replace(recipe, seed=seed) for recipe in recipes for seed in range(SEEDS)}
    assert len(found) == len(wanted)
    assert set(found) == wanted


def test_nothing_else_is_stored() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(PLANS)


def test_the_docs_have_the_table_of_the_stored_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "fusion.md"
    assert table(load_experiments()) in page.read_text(encoding="utf-8")
