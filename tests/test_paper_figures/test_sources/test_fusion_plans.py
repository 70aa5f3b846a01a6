"""The stored fusion runs are those that are planned, and the docs tell them."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paper_figures.sources.fusion_plans import PLANS, SEEDS
from paper_figures.sources.fusion_report import table
from paper_figures.sources.fusion_runs import RUNS_FOLDER, load_experiments
from simulations.fusion.files import read_runs, recipe_of
from simulations.fusion.recipe import Recipe

_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", PLANS)
def test_stored_runs_are_those_that_one_command_trains(name: str) -> None:
    found = [recipe_of(run) for run in read_runs(RUNS_FOLDER / f"{name}.json")]
    recipes = PLANS[name].recipes()
    wanted = {replace(recipe, seed=seed) for recipe in recipes for seed in range(SEEDS)}
    assert len(found) == len(wanted)
    assert set(found) == wanted


@pytest.mark.parametrize("name", PLANS)
def test_the_script_trains_what_is_planned(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("script", _ROOT / "examples" / "fusion_runs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    asked: list[Recipe] = []

    def ask(recipes: list[Recipe], **_settings: Any) -> dict[str, Any]:
        assert len({replace(each, fusion="baseline", rate=0.1) for each in recipes}) == 1
        asked.extend(recipes)
        return {"runs": []}

    monkeypatch.setattr(script, "run_all", ask)
    script.train(tmp_path, name)
    assert asked == PLANS[name].recipes()


def test_nothing_else_is_stored() -> None:
    assert {path.stem for path in RUNS_FOLDER.iterdir()} == set(PLANS)


def test_the_docs_have_the_table_of_the_stored_runs() -> None:
    page = (_ROOT / "docs" / "fusion.md").read_text(encoding="utf-8")
    assert table(load_experiments()) in page
