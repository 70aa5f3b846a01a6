"""What does one task of a sweep do, wherever it runs?"""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from simulations.backends import backend
from simulations.engine import survey
from simulations.mask_names import mask_by_name
from simulations.provenance import commit, version
from simulations.records import Store, commit_cell
from simulations.sweep_cells import Task, cell_key
from simulations.sweep_config import Sweep

Readings: TypeAlias = Mapping[str, np.ndarray[Any, Any]]
Compute: TypeAlias = Callable[[Sweep, Task], Readings]

_LIBRARIES = ("oversmooth", "numpy", "scipy")


def compute_task(sweep: Sweep, task: Task) -> dict[str, np.ndarray[Any, Any]]:
    """Return the readings of all cells of a task.

    Names are those of `simulations.engine.Survey`, as "tokens/name" with one row before the first
    block and one after each, and "blocks/name" with one row a block.

    Shapes: (L + 1, cases, seeds) or (L, cases, seeds)
    """
    case = task.cases[0]
    chunk = sweep.run.chunk_megabytes
    found = survey(
        [each.stack for each in task.cases],
        seeds=task.seeds,
        mask=mask_by_name(case.mask, case.stack.tokens),
        on=backend(sweep.run.backend, device=sweep.run.device, dtype=sweep.run.dtype),
        quantities=sweep.quantities,
        tolerance=sweep.tolerance,
        chunk_bytes=None if chunk is None else max(1, int(chunk * 1e6)),
    )
    tokens = {f"tokens/{name}": values for name, values in found.tokens.items()}
    return tokens | {f"blocks/{name}": values for name, values in found.blocks.items()}


def run_task(
    sweep: Sweep, task: Task, root: Path, done: frozenset[str], compute: Compute = compute_task
) -> int:
    """Compute a task and keep those of its cells that are not ``done``; return how many.

    The whole task is computed even if a part of it is there already, so that the numbers are
    those of an undisturbed run.
    """
    store = Store(root)
    start = time.perf_counter()
    readings = compute(sweep, task)
    seconds = (time.perf_counter() - start) / task.size
    new = 0
    for i, (case, seed) in enumerate(task.cells()):
        key = cell_key(sweep, case, seed)
        if key in done:
            continue
        at = (slice(None), *divmod(i, len(task.seeds)))
        arrays = {name: values[at] for name, values in readings.items()}
        header = {
            "stack": asdict(case.stack),
            "mask": case.mask,
            "seed": seed,
            "quantities": list(sweep.quantities),
            "run": sweep.run.model_dump(mode="json"),
            "task": {"number": task.number, "cells": task.size},
            "seconds": seconds,
            "commit": commit(),
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{library: version(library) for library in _LIBRARIES},
        }
        new += commit_cell(store, key, arrays, header)
    return new
