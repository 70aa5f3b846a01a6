"""What did the stored fusion runs give? They are read here; drawing them needs no torch.

Each file of the folder fusion_runs holds runs of `oversmooth fuse` as that command stored them:
recipe, scores, measures, and the command, commit and versions that made them.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulations.fusion import Row, summarise
from simulations.fusion_recipe import FUSIONS
from theory.arrays import InputError

FOLDER = Path(__file__).with_name("fusion_runs")
LABELS = {
    "reviews-e5-tuned": "reviews, e5-small tuned",
    "reviews-minilm-tuned": "reviews, MiniLM tuned",
    "topics-minilm-frozen": "topics, MiniLM frozen",
    "pairs-minilm-frozen": "news pairs, MiniLM frozen",
    "fashion-depth4": "clothes, 4 blocks",
    "fashion-depth8": "clothes, 8 blocks",
    "fashion-depth12": "clothes, 12 blocks",
    "fashion-depth16": "clothes, 16 blocks",
    "fashion-depth24": "clothes, 24 blocks",
}
"""The experiments, in the order of the figures."""
SHARING = "sharing"
"""The file of baseline runs that share attention matrices over ranges of blocks, or do not."""

_MAY_DIFFER = ("fusion", "seed", "shared", "rate")

Run: TypeAlias = dict[str, Any]
Range: TypeAlias = tuple[int, int] | None


@dataclass(frozen=True)
class Experiment:
    """The runs of one data set, encoder and depth: all fusions and seeds, paired by seed."""

    name: str
    label: str
    runs: tuple[Run, ...]

    def rows(self) -> dict[str, Row]:
        """Return the summary of each fusion."""
        return {row.fusion: row for row in summarise(self.runs)}

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
    def from_scratch(self) -> bool:
        """Whether the encoder began with drawn weights."""
        return bool(self.runs[0]["recipe"]["encoder"] == "scratch")

    @property
    def tuned(self) -> bool:
        """Whether a pretrained encoder was trained further."""
        return not (self.from_scratch or self.runs[0]["recipe"]["frozen"])


@dataclass(frozen=True)
class Sharing:
    """Runs of one data set, encoder and depth by the range of blocks that share a matrix."""

    runs: tuple[Run, ...]

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The ranges, from none to the longest."""
        return tuple(sorted({_range(run) for run in self.runs}, key=shared_layers))

    def values(self, shared: Range, measure: str) -> NDArray[np.float64]:
        """Return a measure of all runs of a range, by seed: (seeds, ...)."""
        return np.asarray([r[measure] for r in _by_seed(self.runs) if _range(r) == shared])


def load_experiments(folder: Path | None = None) -> tuple[Experiment, ...]:
    """Return all stored experiments, in the order of `LABELS`.

    Raises: InputError that names a file that is damaged, not paired or has no label here
    """
    found = {}
    for path in sorted((folder or FOLDER).glob("*.json")):
        if path.stem == SHARING:
            continue
        if path.stem not in LABELS:
            raise InputError(f"{path.name} must be one of {', '.join([*LABELS, SHARING])}")
        runs = _load(path, _fusion)
        if "baseline" not in {_fusion(run) for run in runs}:
            raise InputError(f"{path.name} must have runs of the baseline")
        found[path.stem] = Experiment(path.stem, LABELS[path.stem], runs)
    if not found:
        raise InputError("there are no stored fusion runs; oversmooth fuse makes them")
    return tuple(found[name] for name in LABELS if name in found)


def load_sharing(folder: Path | None = None) -> Sharing:
    """Return the stored runs that share attention matrices.

    Raises: InputError if there are none, or they are damaged, not paired or lack "no sharing"
    """
    path = (folder or FOLDER) / f"{SHARING}.json"
    if not path.exists():
        raise InputError("there are no stored runs of sharing; oversmooth fuse --shared makes them")
    sharing = Sharing(_load(path, _range))
    if len(sharing.ranges) < 2 or sharing.ranges[0] is not None:
        raise InputError(f"{path.name} must have runs without sharing and with")
    return sharing


def shared_layers(shared: Range) -> int:
    """Return how many layers use one attention matrix: 0 if none is shared."""
    return 0 if shared is None else shared[1] - shared[0] + 1


def say(mean: float, half: float) -> str:
    """Return a change with its interval, where it has one."""
    return f"{mean:+.1f}" + ("" if np.isnan(half) else f" \u00b1 {half:.1f}")


def facts(experiments: Iterable[Experiment | Sharing]) -> dict[str, str | int]:
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


def collect(
    *runs: Path, name: str, fusions: Iterable[str] = FUSIONS, folder: Path | None = None
) -> Path:
    """Join the run files of `oversmooth fuse` in the folders ``runs`` into one stored file.

    A name that ends with "-depth" and a number takes the runs of that depth only, "sharing" the
    baseline's only, and all others those that share nothing. Only seeds that every fusion (or
    range) has are taken, so that all comparisons are paired; ``fusions`` can leave out one that
    is not finished.

    Raises: InputError if the name is unknown, runs differ in more than they may, one is there
            twice, or no seed is complete
    """
    if name not in (*LABELS, SHARING):
        raise InputError(f"name must be one of {', '.join([*LABELS, SHARING])}, but is {name!r}")
    paths = [path for runs_folder in runs for path in sorted(runs_folder.glob("*.json"))]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    depth = re.search(r"-depth(\d+)$", name)
    if depth:
        found = [run for run in found if run["recipe"]["depth"] == int(depth[1])]
    wanted = set(fusions)
    found = [run for run in found if _fusion(run) in wanted]
    key: Callable[[Run], Any] = _fusion
    if name == SHARING:
        key = _range
        found = [run for run in found if _fusion(run) == "baseline"]
    else:
        found = [run for run in found if _range(run) is None]
    common = set.intersection(*_seeds(found, key).values()) if found else set()
    kept = [run for run in _by_seed(found) if run["recipe"]["seed"] in common]
    if not kept:
        where = ", ".join(map(str, runs))
        raise InputError(f"{where} must hold at least one seed that all runs of {name} have")
    _require_one_kind(name, kept, key)
    path = (folder or FOLDER) / f"{name}.json"
    lines = ",\n".join(json.dumps(run, allow_nan=False) for run in kept)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return path


def _load(path: Path, key: Callable[[Run], Any]) -> tuple[Run, ...]:
    try:
        runs: list[Run] = json.loads(path.read_text(encoding="utf-8"))
        seeds = _seeds(runs, key)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path.name} is damaged: {type(error).__name__}: {error}") from error
    if len(set(map(frozenset, seeds.values()))) != 1:
        raise InputError(f"{path.name} must have the same seeds for each of {seeds}")
    _require_one_kind(path.name, runs, key)
    return tuple(runs)


def _require_one_kind(name: str, runs: Iterable[Run], key: Callable[[Run], Any]) -> None:
    """Raise InputError unless the runs differ in seed, key and rate only, each there once.

    Fusions may each have the learning rate that suits them best.
    """
    runs = list(runs)
    places = [(key(run), run["recipe"]["seed"]) for run in runs]
    if len(set(places)) != len(places):
        raise InputError(f"{name} must hold each run once, but has {len(places)} for {set(places)}")
    for field in [name for name in runs[0]["recipe"] if name not in _MAY_DIFFER]:
        kinds = {run["recipe"][field] for run in runs}
        if len(kinds) != 1:
            raise InputError(f"{name} must hold runs of one {field}, but has {kinds}")


def _fusion(run: Mapping[str, Any]) -> str:
    return str(run["recipe"]["fusion"])


def _range(run: Mapping[str, Any]) -> Range:
    shared = run["recipe"]["shared"]
    return None if shared is None else (int(shared[0]), int(shared[1]))


def _by_seed(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run["recipe"]["seed"])


def _seeds(runs: Iterable[Run], key: Callable[[Run], Any]) -> dict[Any, set[int]]:
    seeds: dict[Any, set[int]] = {}
    for run in runs:
        seeds.setdefault(key(run), set()).add(int(run["recipe"]["seed"]))
    return seeds
