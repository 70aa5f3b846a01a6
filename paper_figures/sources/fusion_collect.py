"""How do finished fusion runs become a stored file, so that nothing is lost or mixed?"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from paper_figures.sources import fusion_runs
from paper_figures.sources.fusion_plans import PLANS
from simulations.fusion.files import Run, read_runs, recipe_of
from simulations.fusion.recipe import Recipe
from simulations.machine.files import write_over
from theory.arrays import InputError


def collect(*places: Path | str, name: str, folder: Path | str | None = None) -> Path:
    """Join the run files of an experiment, found in the folders ``places``, into one stored file.

    Runs of other experiments are left where they are. Only seeds that all of the experiment's
    runs have are taken, so that all comparisons are paired.

    Raises: InputError if the name is unknown, a file is damaged, a run is there twice, no seed is
            complete, or the stored file has runs that would be lost
    """
    if name not in PLANS:
        raise InputError(f"name must be one of {', '.join(PLANS)}, but is {name!r}")
    wanted = PLANS[name].recipes()
    first = wanted[0].seed
    found: dict[Recipe, Run] = {}
    for path in sorted(path for place in places for path in Path(place).glob("*.json")):
        for run in read_runs(path):
            recipe = recipe_of(run)
            if replace(recipe, seed=first) not in wanted:
                continue
            if recipe in found:
                raise InputError(f"{path} must not be there twice: {recipe.name} is elsewhere too")
            found[recipe] = run
    kept = {
        recipe: run
        for seed in sorted({recipe.seed for recipe in found})
        for recipe, run in _of_seed(seed, wanted, found)
    }
    if not kept:
        where = ", ".join(map(str, places)) or "no folder"
        raise InputError(f"{where} must hold at least one seed that all runs of {name} have")
    path = Path(folder or fusion_runs.RUNS_FOLDER) / f"{name}.json"
    stored = {recipe_of(run) for run in read_runs(path)} if path.exists() else set()
    lost = {each.name for each in stored - kept.keys() if replace(each, seed=first) in wanted}
    if lost:
        raise InputError(
            f"{path.name} has {len(lost)} runs that would be lost, such as "
            f"{min(lost)}; take a folder that has them, or remove it"
        )
    lines = ",\n".join(json.dumps(run, allow_nan=False) for run in kept.values())
    write_over(path, f"[\n{lines}\n]\n".encode())
    return path


def _of_seed(
    seed: int, wanted: Iterable[Recipe], found: dict[Recipe, Run]
) -> list[tuple[Recipe, Run]]:
    """Return the runs of a seed, or none if one is missing."""
    recipes = [replace(recipe, seed=seed) for recipe in wanted]
    if not all(recipe in found for recipe in recipes):
        return []
    return [(recipe, found[recipe]) for recipe in recipes]
