"""What does the machinery of a sweep cost, when the cells cost nothing?

    python -m benchmarks.sweep_load [--cells 100000] [--per-task 64] [--workers 1 2]

Two things are timed apart: tasks that keep nothing (Dask and the driver), and empty cells that are
kept (with the store). Then what a second start and a look at the status of that store take.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulations.machine.files import DiskError
from simulations.sweeps.cells import Task
from simulations.sweeps.config import Sweep, make_sweep
from simulations.sweeps.expansion import expand
from simulations.sweeps.run import run_sweep
from simulations.sweeps.status import sweep_status
from simulations.sweeps.store import Arrays, Store, commit_cells
from simulations.sweeps.task import Order, Readings
from simulations.sweeps.workers import task_results


def empty(sweep: Sweep, task: Task) -> Readings:
    """Return one number a cell."""
    del sweep
    return {"tokens/distance": np.zeros((1, len(task.cases), len(task.seeds)))}


def load_sweep(cells: int, *, per_task: int) -> Sweep:
    """Return a sweep of so many cells, eight of which share each draw."""
    gains = {"logspace": [0.25, 4.0, 8]}
    return make_sweep(
        name="empty",
        axes={"value_gain": gains},
        seeds={"count": max(1, cells // 8)},
        quantities=["distance"],
        run={"cells_per_task": per_task},
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(prog="sweep_load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--per-task", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where the stores are made, and removed again")
    options = parser.parse_args(argv)
    found: dict[str, Any] = {"cells": options.cells, "per_task": options.per_task}
    sweep = load_sweep(options.cells, per_task=options.per_task)
    for workers in options.workers:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found[f"{workers} workers"] = measure(sweep, Path(folder) / "store", workers=workers)
    found["load"] = os.getloadavg()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


def measure(sweep: Sweep, root: Path, *, workers: int) -> dict[str, float]:
    """Return seconds and rates for one number of workers."""
    start = time.perf_counter()
    grid = expand(sweep)
    tasks = grid.tasks
    grid.keys()
    found = {"expand_seconds": time.perf_counter() - start}
    # A worker that does not see the store answers at once: what is left is Dask.
    orders = ((task, Order(sweep, task, (None,) * task.size, root, "")) for task in tasks)
    with task_results(workers=workers, scheduler=None, compute=empty) as run:
        start = time.perf_counter()
        answered = sum(1 for _ in run(orders))
        seconds = time.perf_counter() - start
    found["dask_milliseconds_per_task"] = 1e3 * seconds / answered
    start = time.perf_counter()
    run_sweep(sweep, root, workers=workers, compute=empty)
    seconds = time.perf_counter() - start
    found["cells_per_second"] = grid.size / seconds
    start = time.perf_counter()
    run_sweep(sweep, root, workers=workers, compute=empty)
    found["second_start_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    sweep_status(root)
    found["status_seconds"] = time.perf_counter() - start
    found["commits_per_second_alone"] = commit_rate(root.parent / "alone")
    return found


def commit_rate(root: Path, *, cells: int = 2048, cells_at_once: int = 64) -> float:
    """Return how many cells a second one writer keeps, of the size that a phase diagram has.

    Raises: DiskError if one was there already
    """
    arrays: Arrays = {f"tokens/{i}": np.zeros(25) for i in range(14)}
    store, header = Store(root), {"header": "x" * 1200}
    start = time.perf_counter()
    for first in range(0, cells, cells_at_once):
        if (
            commit_cells(
                store,
                [
                    (f"{i * 97 % 256:02x}{i:030x}", arrays, header)
                    for i in range(first, first + cells_at_once)
                ],
            )
            < 1
        ):
            raise DiskError(f"{root} must be empty")
    return cells / (time.perf_counter() - start)


if __name__ == "__main__":
    raise SystemExit(main())
