"""How is a sweep run to its end, on one machine or many, through crashes of any part of it?

The driver holds the store, hands out the tasks that miss a cell, and takes note of failures. The
workers compute and commit cells themselves, so what is done stays done whoever dies.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from simulations.machine.files import CorruptError, commit_file, commit_raw, read_file, remove_file
from simulations.sweeps.cells import Grid, Task
from simulations.sweeps.config import Sweep
from simulations.sweeps.expansion import expand
from simulations.sweeps.store import (
    Store,
    create_store,
    only_driver,
    own_parts_removed,
    set_aside,
    stored_keys,
    sweep_parts,
)
from simulations.sweeps.task import Compute, Order, StopError, compute_task, manifest_hash
from simulations.sweeps.workers import (
    Failure,
    RunTasks,
    default_workers,
    require_dask,
    task_results,
)
from theory.arrays import InputError


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
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    compute: Compute = compute_task,
    on_progress: Callable[[Tally], None] | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> Tally:
    """Compute every cell that the store does not have yet, and keep it there.

    ``workers`` processes on this machine, each with one thread, as many as there are cores (or
    devices, if the sweep runs on those) unless it is said; 0 computes in this process.
    ``scheduler`` is the address of a running Dask scheduler, whose workers must see the store
    under the same path. A cell that fails is noted with its traceback; it is tried again with
    ``retry_failed``. A damaged cell is put aside, into the store's folder corrupt/, and done
    again. ``on_phase`` is told what goes on while no cell comes. Calling this again after a crash
    does what is missing.

    Raises: InputError if the store belongs to another sweep or another process, or cannot be
            written; KeyboardInterrupt, with what is done kept
    """
    if workers is None:
        workers = default_workers(sweep.run)
    if not 0 <= workers <= 1024:
        raise InputError(f"workers must be a whole number from 0 to 1024, but is {workers!r}")
    if workers or scheduler:
        require_dask()
    grid = expand(sweep)
    store = create_store(Path(root).absolute(), grid.manifest())
    with only_driver(store):
        sweep_parts(store)
        _copy_masks(store, grid)
        on_phase("looking at what is there")
        wanted = grid.keys()
        failed = stored_keys(store, "failed") & wanted
        if retry_failed:
            for key in failed:
                remove_file(store.failure_path(key))
            failed = set()
        done, corrupt = _sound(store, wanted)
        driver = _Driver(grid, store, done, failed - done, corrupt, on_progress)
        driver.tell()
        todo = [task for task in grid.tasks if driver.todo(task)]
        if todo:
            whose = own_parts_removed(store) if scheduler is None else nullcontext()
            on_phase(f"starting {workers} worker(s)" if workers and not scheduler else "")
            with (
                whose,
                task_results(workers=workers, scheduler=scheduler, compute=compute) as run,
            ):
                on_phase("")
                driver.go_through(todo, run)
        return driver.tally()


def _copy_masks(store: Store, grid: Grid) -> None:
    """Keep the masks that are files with the cells, for workers elsewhere and for later."""
    for name, digest in grid.mask_files.items():
        path, content = store.mask_path(digest), _content(name)
        if path.is_dir() or (path.exists() and path.read_bytes() != content):
            set_aside(store, path)
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(f"mask file {name!r} must stay as it is while a sweep starts")
        commit_raw(path, content)


def _content(mask: str) -> bytes:
    try:
        return Path(mask).read_bytes()
    except OSError as error:
        raise InputError(f"mask file {mask!r} cannot be read: {error.strerror}") from error


def _sound(store: Store, wanted: set[str]) -> tuple[set[str], int]:
    """Return the cells whose files are what was written, and how many had to be put aside."""
    done, corrupt = set(), 0
    for key in stored_keys(store) & wanted:
        path = store.cell_path(key)
        try:
            read_file(path)
            done.add(key)
        except CorruptError:
            set_aside(store, path)
            corrupt += 1
        except FileNotFoundError:  # somebody removes cells by hand
            if path.is_symlink():  # to nothing: it would be in the way of the cell
                set_aside(store, path)
                corrupt += 1
    return done, corrupt


@dataclass
class _Driver:
    """What the driver knows while it hands out tasks."""

    grid: Grid
    store: Store
    done: set[str]
    failed: set[str]
    corrupt: int
    on_progress: Callable[[Tally], None] | None
    manifest: str = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = manifest_hash(self.store)

    def tally(self) -> Tally:
        return Tally(self.grid.size, len(self.done), len(self.failed), self.corrupt)

    def tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.tally())

    def todo(self, task: Task) -> bool:
        keys = self.grid.task_keys(task)
        return any(key not in self.done and key not in self.failed for key in keys)

    def go_through(self, tasks: Iterable[Task], run: RunTasks) -> None:
        """Run tasks; those that raise or kill their workers are run again cell by cell.

        A worker takes the tasks that wait for it along when it dies. So those that were lost are
        run again one at a time, where nothing else can be to blame, and first as they are: a cell
        that was only near keeps the numbers of an undisturbed run.
        """
        raised, lost = self._round(tasks, run)
        _, lost_apart = self._round(_cells_apart(raised), run)
        for task in lost + lost_apart:
            self._alone(task, run)

    def _alone(self, task: Task, run: RunTasks) -> None:
        raised, lost = self._round([task], run, last=True)
        for cell in _cells_apart(raised + lost):
            self._round([cell], run, last=True)

    def _round(
        self, tasks: Iterable[Task], run: RunTasks, *, last: bool = False
    ) -> tuple[list[Task], list[Task]]:
        """Run tasks and return those that raised, which have several cells, and those lost.

        With ``last`` a single cell that is lost has failed.
        """
        raised: list[Task] = []
        lost: list[Task] = []
        with closing(run(self._orders(tasks))) as outcomes:  # type: ignore[type-var]
            for task, failure in outcomes:
                if failure is None:
                    self.done.update(self.grid.task_keys(task))
                elif failure.kind == "stop":
                    raise StopError(failure.error)
                elif failure.kind == "lost" and not (last and task.size == 1):
                    lost.append(task)
                elif task.size > 1:
                    raised.append(task)
                else:
                    self._note_failure(task, failure)
                self.tell()
        return raised, lost

    def _orders(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Order]]:
        for task in tasks:
            if self.todo(task):
                keys = self.grid.task_keys(task)
                missing = tuple(None if key in self.done else key for key in keys)
                mask = self.grid.mask_files.get(task.cases[0].mask)
                root = self.store.root
                yield task, Order(self.grid.sweep, task, missing, root, self.manifest, mask)

    def _note_failure(self, task: Task, failure: Failure) -> None:
        (key,) = self.grid.task_keys(task)
        ((case, seed),) = task.cells()
        told = {
            "place": case.place,
            "stack": str(case.stack),
            "mask": case.mask,
            "seed": seed,
            "error": failure.error,
            "traceback": failure.traceback,
        }
        commit_file(self.store.failure_path(key), json.dumps(told, indent=1).encode())
        self.failed.add(key)


def _cells_apart(tasks: Iterable[Task]) -> list[Task]:
    return [
        replace(task, cases=(case,), seeds=range(seed, seed + 1))
        for task in tasks
        for case, seed in task.cells()
    ]
