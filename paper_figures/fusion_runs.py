"""What did the stored fusion runs give? They are read here; drawing them needs no torch.

Each file of the folder fusion_runs holds runs of `oversmooth fuse` as that command stored them:
recipe, scores, measures, and the command, commit and versions that made them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.fusion import Row, summarise
from theory.arrays import InputError

FOLDER = Path(__file__).with_name("fusion_runs")
LABELS = {
    "rotten-tomatoes-frozen": "reviews, MiniLM frozen",
    "rotten-tomatoes-tuned": "reviews, MiniLM tuned",
    "lee-frozen": "news pairs, MiniLM frozen",
    "mnist-depth4": "digits, 4 blocks",
    "mnist-depth8": "digits, 8 blocks",
    "mnist-depth12": "digits, 12 blocks",
}
"""The experiments, in the order of the figures."""


@dataclass(frozen=True)
class Experiment:
    """The runs of one data set, encoder and depth, all fusions and seeds."""

    name: str
    label: str
    runs: tuple[dict[str, Any], ...]

    def rows(self) -> dict[str, Row]:
        """Return the summary of each fusion."""
        return {row.fusion: row for row in summarise(self.runs)}

    def values(self, fusion: str, measure: str) -> NDArray[np.float64]:
        """Return a measure of all runs of a fusion: (seeds, ...)."""
        return np.asarray([r[measure] for r in self.runs if r["recipe"]["fusion"] == fusion])

    @property
    def has_gate(self) -> bool:
        """Whether the gate was among the fusions."""
        return any(run["recipe"]["fusion"] == "gate" for run in self.runs)


def load_experiments(folder: Path = FOLDER) -> tuple[Experiment, ...]:
    """Return all stored experiments.

    Raises: InputError that names a file that is damaged or has no label here
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            runs = json.loads(path.read_text(encoding="utf-8"))
            seeds = {fusion: _seeds(runs, fusion) for fusion in {_fusion(run) for run in runs}}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path.name} is damaged: {type(error).__name__}: {error}") from error
        if path.stem not in LABELS:
            raise InputError(f"{path.name} must be one of {', '.join(LABELS)}")
        if len(set(map(frozenset, seeds.values()))) != 1 or "baseline" not in seeds:
            raise InputError(f"{path.name} must have the same seeds for every fusion: {seeds}")
        found[path.stem] = Experiment(path.stem, LABELS[path.stem], tuple(runs))
    if not found:
        raise InputError("there are no stored fusion runs; oversmooth fuse makes them")
    return tuple(found[name] for name in LABELS if name in found)


def facts(experiments: Iterable[Experiment]) -> dict[str, str | int]:
    """Return what made the runs, for the figures' data files."""
    runs = [(experiment.name, run) for experiment in experiments for run in experiment.runs]
    commands = sorted({run["provenance"]["command"] for _, run in runs})
    return {
        "seeds": min(len({run["recipe"]["seed"] for run in x.runs}) for x in experiments),
        "runs_commands": "; ".join(commands),
        "runs_commits": ", ".join(sorted({run["provenance"]["commit"] for _, run in runs})),
        "runs_torch": ", ".join(sorted({run["provenance"]["torch"] for _, run in runs})),
    }


def _fusion(run: Mapping[str, Any]) -> str:
    return str(run["recipe"]["fusion"])


def _seeds(runs: Iterable[Mapping[str, Any]], fusion: str) -> set[int]:
    return {int(run["recipe"]["seed"]) for run in runs if _fusion(run) == fusion}


def collect(runs: Path, name: str, *, depth: int | None = None, folder: Path = FOLDER) -> Path:
    """Join the run files of `oversmooth fuse` into one file of the folder, and return it.

    Only seeds that every fusion has are taken, so that all comparisons are paired.

    Raises: InputError if the name is none of `LABELS`, or no seed is complete
    """
    if name not in LABELS:
        raise InputError(f"name must be one of {', '.join(LABELS)}, but is {name!r}")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob("*.json"))]
    found = [run for run in found if depth in (None, run["recipe"]["depth"])]
    fusions = {_fusion(run) for run in found}
    common = set.intersection(*(_seeds(found, fusion) for fusion in fusions)) if fusions else set()
    kept = [run for run in found if run["recipe"]["seed"] in common]
    if not kept:
        raise InputError(f"{runs} must hold at least one seed that every fusion has")
    path = folder / f"{name}.json"
    lines = ",\n".join(json.dumps(run, allow_nan=False) for run in kept)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return path
