"""Make the stored fusion runs anew, all or some: hours of one core, less with two at a time.

    python examples/fusion_runs.py FOLDER [NAME ...] [--store]

Runs that FOLDER has are kept and broken ones go on, so the same line can be given again after a
kill. With --store the finished experiments replace those in paper_figures/fusion_runs.
"""

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

from paper_figures.fusion_runs import collect
from simulations.fusion import recipe_for, run_all
from simulations.fusion_recipe import FUSIONS, Fusion

SEEDS = 5
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "reviews-e5-tuned": {"data": "rotten-tomatoes", "encoder": "e5-small"},
    "reviews-minilm-tuned": {"data": "rotten-tomatoes"},
    "topics-minilm-frozen": {"data": "newsgroups", "frozen": True},
    "pairs-minilm-frozen": {"data": "lee", "frozen": True},
    **{f"fashion-depth{n}": {"data": "fashion-mnist", "depth": n} for n in (4, 8, 12, 16, 24)},
}
FEWER: dict[str, tuple[Fusion, ...]] = dict.fromkeys(
    (f"fashion-depth{n}" for n in (4, 8, 16, 24)), ("baseline", "gate")
)
"""Where concat and max were left out, to save time."""
RATES: dict[str, dict[Fusion, float]] = {
    "topics-minilm-frozen": {"baseline": 3e-3, "concat": 1e-3, "max": 1e-2, "gate": 3e-3}
}
"""Where each fusion learns at a rate of its own: the one of `TRIED` that the name "rates" finds.

It is that with the best validation score, with a seed that is none of those compared.
"""
TRIED = (1e-3, 3e-3, 1e-2)
RANGES = [(first, 12) for first in (11, 9, 7, 5, 3, 1)]


def main() -> None:
    """Train what is asked for, and store it if that is asked for too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS, "sharing", "rates"])
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    for name in options.names or [*EXPERIMENTS, "sharing"]:
        if name == "rates":
            try_rates(options.folder / name)
            continue
        folders = [options.folder / name]
        if name == "sharing":  # compared with the baseline that shares nothing
            folders.append(options.folder / "fashion-depth12")
            for shared in RANGES:
                settings = {**EXPERIMENTS["fashion-depth12"], "shared": shared}
                make(folders[0], settings, ("baseline",))
        elif name in RATES:
            for fusion, rate in RATES[name].items():
                make(folders[0], {**EXPERIMENTS[name], "rate": rate}, (fusion,))
        else:
            make(folders[0], EXPERIMENTS[name], FEWER.get(name, FUSIONS))
        if options.store:
            sys.stdout.write(f"{collect(*folders, name=name)}\n")


def try_rates(folder: Path) -> None:
    """Print the validation score of every fusion at every rate that is tried."""
    for name, rate in itertools.product(RATES, TRIED):
        settings = {**EXPERIMENTS[name], "rate": rate, "seed": SEEDS}
        for run in make(folder / f"{rate:g}", settings, FUSIONS, seeds=1):
            fusion, score = run["recipe"]["fusion"], run["validation"]
            sys.stdout.write(f"{name}, {fusion}, rate {rate:g}: validation {score:.3f}\n")


def make(
    out: Path, settings: dict[str, Any], fusions: tuple[Fusion, ...], *, seeds: int = SEEDS
) -> list[dict[str, Any]]:
    """Train what the folder lacks, and return all of it."""
    command = f"python examples/fusion_runs.py FOLDER {out.name}"

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    made = run_all(
        recipe_for(**settings),
        fusions=fusions,
        seeds=seeds,
        out=out,
        command=command,
        resume=True,
        on_progress=say,
    )
    runs: list[dict[str, Any]] = made["runs"]
    return runs


if __name__ == "__main__":
    main()
