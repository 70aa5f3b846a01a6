"""How is a sweep run to its end, on one machine or many, through crashes of any part of it?

The driver holds the store, hands out the tasks that miss a cell, and takes note of failures. The
workers compute and commit cells themselves, so what is done stays done whoever dies.
"""

import json
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulations.records import (
    CorruptError,
    DiskError,
    Store,
    commit_file,
    create_store,
    only_driver,
    read_cell,
    set_aside,
    stored_keys,
    sweep_parts,
)
from simulations.sweep_cells import Case, Grid, Task, cell_key, expand
from simulations.sweep_config import Sweep
from simulations.sweep_task import Compute, compute_task, run_task
from simulations.sweep_workers import WorkerLostError, task_results
from theory.arrays import InputError

Progress = Callable[["Tally"], None]


@dataclass(frozen=True)
class Tally:
    """How far a sweep is: cells in all, kept, failed, and found damaged (then done again)."""

    cells: int
    done: int
    failed: int = 0
    corrupt: int = 0

    @property
    def missing(self) -> int:
        """How many cells have neither been kept nor failed."""
        return self.cells - self.done - self.failed


def run_sweep(
    sweep: Sweep,
    root: Path | str,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    retry_failed: bool = False,
    compute: Compute = compute_task,
    on_progress: Progress | None = None,
) -> Tally:
    """Compute every cell that the store does not have yet, and keep it there.

    ``workers`` processes on this machine, each with one thread; 0 computes in this process.
    ``scheduler`` is the address of a running Dask scheduler, whose workers must see the store
    under the same path. A cell that fails is noted with its traceback; it is tried again with
    ``retry_failed``. A damaged cell is put aside, into the store's folder corrupt/, and done
    again. Calling this again after a crash does what is missing.

    Raises: InputError if the store belongs to another sweep or another process, or cannot be
            written; KeyboardInterrupt, with what is done kept
    """
    if not 0 <= workers <= 1024:
        raise InputError(f"workers must be a whole number from 0 to 1024, but is {workers!r}")
    grid = expand(sweep)
    store = create_store(Path(root).absolute(), sweep.manifest())
    with only_driver(store):
        sweep_parts(store)
        wanted = grid.keys()
        if retry_failed:
            for key in stored_keys(store, "failed") & wanted:
                store.failure_path(key).unlink()
        done, corrupt = _sound(store, wanted)
        failed = (stored_keys(store, "failed") & wanted) - done
        driver = _Driver(grid, store, compute, done, failed, corrupt, on_progress)
        driver.tell()
        with task_results(workers=workers, scheduler=scheduler) as run:
            driver.go_through([task for task in grid.tasks if driver.todo(task)], run)
        return driver.tally()


def _sound(store: Store, wanted: set[str]) -> tuple[set[str], int]:
    """Return the cells whose files are what was written, and how many had to be put aside."""
    done, corrupt = set(), 0
    for key in stored_keys(store) & wanted:
        try:
            read_cell(store, key)
            done.add(key)
        except CorruptError:
            set_aside(store, store.cell_path(key))
            corrupt += 1
    return done, corrupt


@dataclass
class _Driver:
    """What the driver knows while it hands out tasks."""

    grid: Grid
    store: Store
    compute: Compute
    done: set[str]
    failed: set[str]
    corrupt: int
    on_progress: Progress | None

    def tally(self) -> Tally:
        return Tally(self.grid.size, len(self.done), len(self.failed), self.corrupt)

    def tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.tally())

    def keys(self, task: Task) -> dict[str, tuple[Case, int]]:
        return {cell_key(self.grid.sweep, *cell): cell for cell in task.cells()}

    def todo(self, task: Task) -> bool:
        return any(key not in self.done and key not in self.failed for key in self.keys(task))

    def go_through(self, tasks: list[Task], run: Any) -> None:
        """Run tasks; those that fail or kill their workers are run again cell by cell."""
        apart: list[Task] = []
        for task, error in run(self._calls(tasks)):
            if error is None:
                self.done |= set(self.keys(task))
            elif isinstance(error, (DiskError, KeyboardInterrupt)):
                raise error
            elif task.size > 1:
                apart += _cells_apart(task)
            else:
                self._note_failure(task, error)
            self.tell()
        if apart:
            self.go_through([task for task in apart if self.todo(task)], run)

    def _calls(self, tasks: list[Task]) -> Iterator[tuple[Task, tuple[Any, ...]]]:
        for task in tasks:
            done = frozenset(set(self.keys(task)) & self.done)
            yield task, (run_task, self.grid.sweep, task, self.store.root, done, self.compute)

    def _note_failure(self, task: Task, error: BaseException) -> None:
        (key, (case, seed)), *_ = self.keys(task).items()
        lost = isinstance(error, WorkerLostError)
        told = {
            "place": case.place,
            "stack": str(case.stack),
            "mask": case.mask,
            "seed": seed,
            "error": str(error) if lost else f"{type(error).__name__}: {error}",
            "traceback": "" if lost else "".join(traceback.format_exception(error)),
        }
        commit_file(self.store.failure_path(key), json.dumps(told, indent=1).encode())
        self.failed.add(key)


def _cells_apart(task: Task) -> list[Task]:
    return [
        replace(task, cases=(case,), seeds=range(seed, seed + 1)) for case, seed in task.cells()
    ]
