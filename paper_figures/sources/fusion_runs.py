"""What did the stored fusion runs give? They are read here; drawing them needs no torch.

Each file of the folder fusion_runs holds runs of `oversmooth fuse` as that command stored them:
recipe, scores, measures, and the command, commit and versions that made them.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paper_figures.sources.fusion_plans import PLANS, SHARING, Range
from simulations.fusion.files import Run, read_runs, recipe_of
from simulations.fusion.recipe import FUSIONS, Recipe
from simulations.fusion.scores import FusionScore, fusion_scores
from theory.arrays import InputError
from theory.records import brief_repr

RUNS_FOLDER = Path(__file__).parents[1] / "fusion_runs"
_KIND = ("data", "encoder", "frozen", "depth", "tied", "readout")
_FREE = ("fusion", "seed", "shared", "rate")


@brief_repr
@dataclass(frozen=True)
class FusionExperiment:
    """The runs of one data set, encoder and depth: all fusions and seeds, paired by seed."""

    name: str
    label: str
    runs: tuple[Run, ...]

    def rows(self) -> dict[str, FusionScore]:
        """Return the summary of each fusion."""
        return {row.fusion: row for row in fusion_scores(self.runs)}

    def values(self, fusion: str, measure: str) -> NDArray[np.float64]:
        """Return a measure of all runs of a fusion, by seed: (seeds, ...)."""
        return np.asarray([r[measure] for r in _by_seed(self.runs) if _fusion(r) == fusion])

    @property
    def fusions(self) -> tuple[str, ...]:
        """The fusions that were tried, in the order of the figures."""
        return tuple(fusion for fusion in FUSIONS if any(_fusion(r) == fusion for r in self.runs))

    @property
    def depth(self) -> int:
        """How many blocks the encoder has."""
        return int(self.runs[0]["recipe"]["depth"])

    @property
    def encoder(self) -> str:
        """Whose weights the encoder began with."""
        return str(self.runs[0]["recipe"]["encoder"])

    @property
    def from_scratch(self) -> bool:
        """Whether they were drawn."""
        return self.encoder == "scratch"

    @property
    def tuned(self) -> bool:
        """Whether a pretrained encoder was trained further."""
        return not (self.from_scratch or self.runs[0]["recipe"]["frozen"])


@brief_repr
@dataclass(frozen=True)
class Sharing:
    """Runs of one data set, encoder and depth by the range of blocks that share a matrix."""

    runs: tuple[Run, ...]

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The ranges, from none to the longest."""
        found = {_range(run) for run in self.runs}
        return tuple(sorted(found, key=lambda shared: shared or (99, 99), reverse=True))

    def values(self, shared: Range, measure: str) -> NDArray[np.float64]:
        """Return a measure of all runs of a range, by seed: (seeds, ...)."""
        return np.asarray([r[measure] for r in _by_seed(self.runs) if _range(r) == shared])


def load_experiments(folder: Path | str | None = None) -> tuple[FusionExperiment, ...]:
    """Return all stored experiments, in the order of `PLANS`.

    Raises: InputError that names a file that is damaged, mixed, not paired or of no plan
    """
    found = {}
    for path in sorted(Path(folder or RUNS_FOLDER).glob("*.json")):
        if path.stem == SHARING:
            continue
        runs = _load(path, lambda recipe: recipe.fusion)
        if "baseline" not in {_fusion(run) for run in runs}:
            raise InputError(f"{path.name} must have runs of the baseline")
        found[path.stem] = FusionExperiment(path.stem, PLANS[path.stem].label, runs)
    if not found:
        raise InputError("there are no stored fusion runs; oversmooth fuse makes them")
    return tuple(found[name] for name in PLANS if name in found)


def load_sharing(folder: Path | str | None = None) -> Sharing:
    """Return the stored runs that share attention matrices.

    Raises: InputError if there are none, or they are damaged, mixed, not paired or lack "no
            sharing"
    """
    path = Path(folder or RUNS_FOLDER) / f"{SHARING}.json"
    if not path.exists():
        raise InputError("there are no stored runs of sharing; oversmooth fuse --shared makes them")
    sharing = Sharing(_load(path, lambda recipe: recipe.shared))
    if len(sharing.ranges) < 2 or sharing.ranges[0] is not None:
        raise InputError(f"{path.name} must have runs without sharing and with")
    return sharing


def say(mean: float, half: float) -> str:
    """Return a change with its interval, where it has one."""
    return f"{mean:+.1f}" + ("" if np.isnan(half) else f" \u00b1 {half:.1f}")


def fusion_facts(experiments: Iterable[FusionExperiment | Sharing]) -> dict[str, str | int]:
    """Return what made the runs, for the figures' data files."""
    groups = [experiment.runs for experiment in experiments]
    runs = [run for group in groups for run in group]

    def all_of(key: str, join: str = ", ") -> str:
        return join.join(sorted({run["provenance"][key] for run in runs} - {""}))

    return {
        "seeds": min(len({run["recipe"]["seed"] for run in group}) for group in groups),
        "runs": len(runs),
        "runs_commands": all_of("command", "; "),
        "runs_commits": all_of("commit"),
        "runs_data": all_of("data", "; "),
        "runs_weights": all_of("weights", "; "),
        "runs_torch": all_of("torch"),
    }


def _load(path: Path, key: Callable[[Recipe], Any]) -> tuple[Run, ...]:
    """Return the runs of a file: each of its plan's kind, there once, all keys with all seeds."""
    if path.stem not in PLANS:
        raise InputError(f"{path.name} must be one of {', '.join(PLANS)}")
    runs = read_runs(path)
    recipes = [recipe_of(run) for run in runs]
    planned = asdict(PLANS[path.stem].recipes()[0])
    for field in sorted(planned.keys() - set(_FREE)):
        kinds = {getattr(recipe, field) for recipe in recipes}
        if field in _KIND and kinds - {planned[field]}:
            raise InputError(f"{path.name} must hold runs of {field} {planned[field]}, not {kinds}")
        if len(kinds) > 1:
            raise InputError(f"{path.name} must hold runs of one {field}, but has {kinds}")
    seeds: dict[Any, list[int]] = {}
    for recipe in recipes:
        seeds.setdefault(key(recipe), []).append(recipe.seed)
    if len({tuple(sorted(each)) for each in seeds.values()}) > 1:
        raise InputError(f"{path.name} must have the same seeds for each of {seeds}")
    if any(len(set(each)) < len(each) for each in seeds.values()):
        raise InputError(f"{path.name} must hold each run once, but has {seeds}")
    return tuple(runs)


def _fusion(run: Run) -> str:
    return str(run["recipe"]["fusion"])


def _range(run: Run) -> Range:
    return recipe_of(run).shared


def _by_seed(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run["recipe"]["seed"])
