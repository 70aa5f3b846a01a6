"""What did the sweeps behind the figures give? Their summaries are read here, and made.

A store of a hundred thousand files is no part of the sources; what a figure draws from it is: one
file of the folder sweep_summaries, which `python -m paper_figures.command.summaries NAME
STORE` makes from the complete store of examples/NAME.toml. Reading it needs NumPy alone.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from paper_figures.sources.law_summary import summarise_law
from paper_figures.sources.survey_summary import summarise_survey
from paper_figures.workshop.data import Dataset, dumps, load
from simulations.machine.provenance import commit
from theory.arrays import InputError

if TYPE_CHECKING:  # they need what reading a summary does not
    from simulations.sweeps.cells import Grid
    from simulations.sweeps.store import Store

_FOLDER = Path(__file__).parents[1] / "sweep_summaries"
EXAMPLES = Path(__file__).parents[2] / "examples"
_MADE_BY = ("oversmooth", "numpy", "scipy", "python", "commit", "machine")

_Cells: TypeAlias = Iterator[list[dict[str, Any]]]
_Summarise: TypeAlias = Callable[["Grid", _Cells], Dataset]

SUMMARIES: dict[str, _Summarise] = {
    "phase_diagram": summarise_survey,
    "law_value_ffn": summarise_law,
    "law_value_residual": summarise_law,
    "law_value_sigma": summarise_law,
}
"""What is made of the cells of each sweep, which come case by case, seed by seed."""


def load_summary(name: str, *, folder: Path | str | None = None) -> Dataset:
    """Return the stored summary of a sweep.

    Raises: InputError if there is none, or it is damaged
    """
    path = Path(folder or _FOLDER) / f"{name}.json"
    if not path.exists():
        raise InputError(f"{path.name} is missing; `{summary_command(name)}` makes it from a store")
    return load(path)


def sweep_facts(names: Sequence[str], summaries: Sequence[Dataset]) -> dict[str, str | int]:
    """Return what made the summaries, for the figures' data files."""
    found: dict[str, str | int] = {}
    for name, summary in zip(names, summaries, strict=True):
        for key in ("store_command", "cells", "dtype", "made_with_numpy", "made_with_commit"):
            found[f"{name}_{key}"] = summary.attrs[key]
    return found


def make_summary(name: str, root: Path | str, *, folder: Path | str | None = None) -> Path:
    """Summarise a complete store into the folder; return the file.

    Raises: InputError for an unknown name, a store of another sweep than the example of that name
            (or of an older version of it), or one of which a cell is missing, failed or damaged
    """
    if name not in SUMMARIES:
        raise InputError(f"NAME must be one of {', '.join(SUMMARIES)}, but is {name!r}")
    try:
        from simulations.sweeps.config import read_sweep
        from simulations.sweeps.expansion import expand
        from simulations.sweeps.status import sweep_status
        from simulations.sweeps.store import open_store, read_manifest
    except ImportError as error:
        raise InputError(f"stores need {error.name}: pip install 'oversmooth[sweep]'") from error

    grid = expand(read_sweep(EXAMPLES / f"{name}.toml"))
    store = open_store(root)
    found, wanted = read_manifest(store), grid.manifest()
    if found != wanted:
        changed = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
        raise InputError(
            f"store {root} must be of examples/{name}.toml, but differs in {', '.join(changed)}"
        )
    tally = sweep_status(root).tally
    if tally.done != tally.cells:
        raise InputError(
            f"store {root} must hold all {tally.cells:,} cells, but {tally.missing:,} are missing, "
            f"{tally.corrupt:,} of them damaged, and {tally.failed:,} failed: start its sweep again"
        )
    made: dict[str, set[str]] = defaultdict(set)
    seconds = [0.0]
    summary = SUMMARIES[name](grid, _cells(store, grid, made, seconds))
    makers = {f"made_with_{key}": ", ".join(sorted(values)) for key, values in made.items()}
    attrs = {
        "sweep_file": f"examples/{name}.toml",
        "store_command": f"oversmooth sweep examples/{name}.toml --store STORE",
        "summary_command": summary_command(name),
        "summary_commit": commit(),
        "cells": tally.cells,
        "done": tally.done,
        "failed": tally.failed,
        "corrupt": tally.corrupt,
        "dtype": grid.sweep.run.dtype,
        "core_seconds": round(seconds[0], 1),
        **makers,
        "sweep": json.dumps(wanted, sort_keys=True),
    }
    path = Path(folder or _FOLDER) / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dumps(replace(summary, attrs=attrs | dict(summary.attrs))), encoding="utf-8")
    return path


def _cells(store: "Store", grid: "Grid", made: dict[str, set[str]], seconds: list[float]) -> _Cells:
    """Yield the arrays of all seeds of each case, and note who made them in how long."""
    from simulations.sweeps.store import read_cell

    for case in grid.cases:
        some = []
        for key in grid.keys_of(case, grid.seeds):
            arrays, header = read_cell(store, key)
            _note(header, made)
            seconds[0] += header["seconds"]
            some.append(arrays)
        yield some


def _note(header: Mapping[str, Any], made: dict[str, set[str]]) -> None:
    for key in _MADE_BY:
        made[key].add(str(header[key]))


def summary_command(name: str) -> str:
    """Return the command that makes a summary from a store."""
    return f"python -m paper_figures.command.summaries {name} STORE"
