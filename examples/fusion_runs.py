"""Make the stored fusion runs anew, all or some: hours of one core, less with two at a time.

    python examples/fusion_runs.py FOLDER [NAME ...] [--store]

Runs that FOLDER has are kept and broken ones go on, so the same line can be given again after a
kill. With --store the finished experiments replace those in paper_figures/fusion_runs.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from paper_figures.sources.fusion_collect import collect
from paper_figures.sources.fusion_plans import PLANS, SEEDS, SHARING, TRIED
from simulations.fusion.recipe import Recipe
from simulations.fusion.runs import run_all
from theory.arrays import InputError


def main() -> None:
    """Train what is asked for, and store it if that is asked for too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*PLANS, "rates"]))
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    for name in options.names:
        if name not in (*PLANS, "rates"):
            parser.error(f"NAME must be one of {', '.join([*PLANS, 'rates'])}, but is {name}")
    for name in options.names or PLANS:
        try:
            if name == "rates":
                try_rates(options.folder / name)
                continue
            folders = train(options.folder, name)
            if options.store:
                sys.stdout.write(f"{collect(*folders, name=name)}\n")
        except InputError as error:
            sys.exit(f"{parser.prog}: {error}")


def train(folder: Path, name: str) -> list[Path]:
    """Train the runs of an experiment that lack, and return the folders that they are in."""
    folders = [folder / name]
    recipes = PLANS[name].recipes()
    if name == SHARING:  # compared with the baseline that shares nothing, which is trained already
        folders.append(folder / "fashion-depth12")
        make(folders[1], recipes[:1])
        for recipe in recipes[1:]:
            make(folders[0], [recipe])
    else:
        make(folders[0], recipes)
    return folders


def try_rates(folder: Path) -> None:
    """Print the validation score of every fusion at every rate that is tried."""
    for name, plan in PLANS.items():
        for rate in TRIED if plan.rates else ():
            recipes = [replace(recipe, rate=rate, seed=SEEDS) for recipe in plan.recipes()]
            for run in make(folder / f"{rate:g}", recipes, seeds=1):
                fusion, score = run["recipe"]["fusion"], run["validation"]
                sys.stdout.write(f"{name}, {fusion}, rate {rate:g}: validation {score:.3f}\n")


def make(out: Path, recipes: list[Recipe], *, seeds: int = SEEDS) -> list[dict[str, Any]]:
    """Train what the folder lacks, and return all of it."""
    command = f"python examples/fusion_runs.py FOLDER {out.name}"

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    found = run_all(recipes, seeds=seeds, out=out, command=command, resume=True, on_progress=say)
    runs: list[dict[str, Any]] = found["runs"]
    return runs


if __name__ == "__main__":
    main()
