"""What does one task of a sweep do, wherever it runs?"""

import hashlib
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from simulations.engine.surveys import Quantity, survey
from simulations.machine.backends import backend, device_count
from simulations.machine.files import CorruptError, DiskError, read_file
from simulations.machine.provenance import made_by
from simulations.stacks.graphs import mask_by_name
from simulations.sweeps.cells import Task
from simulations.sweeps.config import LAW, RunSettings, Sweep
from simulations.sweeps.near_consensus import law_readings
from simulations.sweeps.store import Store, commit_cells
from theory.arrays import InputError

Readings: TypeAlias = Mapping[str, np.ndarray[Any, Any]]
Compute: TypeAlias = Callable[[Sweep, Task], Readings]

_LIBRARIES = ("oversmooth", "numpy", "scipy")


class StopError(InputError):
    """Nothing that this worker is given could go well: the sweep had better stop."""


@dataclass(frozen=True)
class Order:
    """A task as a worker gets it: the keys of its cells, None for those that are kept already."""

    sweep: Sweep
    task: Task
    keys: tuple[str | None, ...]
    root: Path
    manifest: str
    """Hash of the store's sweep, by which a worker knows that it sees the driver's store."""
    mask_file: str | None = None


def compute_task(sweep: Sweep, task: Task) -> dict[str, np.ndarray[Any, Any]]:
    """Return the readings of all cells of a task.

    Names are those of `simulations.engine.surveys.Survey`, as "tokens/name" with one row before the
    first block and one after each, and "blocks/name" with one row a block; and those of
    `simulations.sweeps.near_consensus`, as "cells/name" with one row in all.

    Shapes: (L + 1, cases, seeds), (L, cases, seeds) or (1, cases, seeds)
    """
    found: dict[str, np.ndarray[Any, Any]] = {}
    case = task.cases[0]
    mask = mask_by_name(case.mask, case.stack.tokens)
    engines: list[Quantity] = [name for name in sweep.quantities if name != LAW]
    if engines:
        found |= _surveyed(sweep, task, engines, mask)
    if LAW in sweep.quantities:
        law = law_readings([each.stack for each in task.cases], seeds=task.seeds, mask=mask)
        found |= {f"cells/{name}": values[None] for name, values in law.items()}
    return found


def _surveyed(
    sweep: Sweep, task: Task, quantities: list[Quantity], mask: Any
) -> dict[str, np.ndarray[Any, Any]]:
    """Return what the engine reads of a task."""
    chunk = sweep.run.chunk_megabytes
    found = survey(
        [each.stack for each in task.cases],
        seeds=task.seeds,
        mask=mask,
        on=backend(sweep.run.backend, device=sweep.run.device, dtype=sweep.run.dtype),
        quantities=quantities,
        tolerance=sweep.tolerance,
        chunk_bytes=None if chunk is None else max(1, int(chunk * 1e6)),
    )
    tokens = {f"tokens/{name}": values for name, values in found.tokens.items()}
    return tokens | {f"blocks/{name}": values for name, values in found.blocks.items()}


def run_task(order: Order, compute: Compute = compute_task) -> int:
    """Compute a task and keep those of its cells that are asked for; return how many were new.

    The whole task is computed even if a part of it is there already, so that the numbers are
    those of an undisturbed run.

    Raises: StopError if this worker cannot see the store or has no such device, DiskError if the
            store takes no more, and whatever ``compute`` raises
    """
    store = Store(order.root)
    _require_same(store, order)
    run = worker_run(order.sweep.run, worker_number())
    try:
        backend(run.backend, device=run.device, dtype=run.dtype)
    except InputError as error:
        raise StopError(str(error)) from error
    sweep, task = order.sweep.model_copy(update={"run": run}), order.task
    if order.mask_file is not None:
        path = _sound_mask(store.mask_path(order.mask_file))
        task = replace(task, cases=tuple(replace(c, mask=str(path)) for c in task.cases))
    start = time.perf_counter()
    readings = compute(sweep, task)
    seconds = (time.perf_counter() - start) / task.size
    cells = []
    for i, ((case, seed), key) in enumerate(zip(order.task.cells(), order.keys, strict=True)):
        if key is None:
            continue
        at = (slice(None), *divmod(i, len(task.seeds)))
        arrays = {name: values[at] for name, values in readings.items()}
        header = {
            "stack": vars(case.stack),
            "mask": case.mask,
            "seed": seed,
            "quantities": list(sweep.quantities),
            "run": run.model_dump(mode="json"),
            "task": {"number": task.number, "cells": task.size},
            "seconds": seconds,
            **made_by(*_LIBRARIES),
        }
        cells.append((key, arrays, header))
    return commit_cells(store, cells)


def manifest_hash(store: Store) -> str:
    """Return a hash of what the store's sweep was told to do."""
    return hashlib.sha256(read_file(store.manifest_path)).hexdigest()


def _require_same(store: Store, order: Order) -> None:
    """Refuse to make a store of its own where the driver's cannot be seen, which none would find.

    Raises: StopError if the store at this path is not the driver's
    """
    try:
        same = manifest_hash(store) == order.manifest
    except (FileNotFoundError, CorruptError):
        same = False
    if not same:
        raise StopError(
            f"the worker on {platform.node()} does not see the store {store.root}: every worker "
            "must see the driver's folder under the same path"
        )


def _sound_mask(path: Path) -> Path:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DiskError(f"mask {path} cannot be read: {error.strerror}") from error
    if found != path.stem:
        raise DiskError(f"mask {path} is damaged; start the sweep again to have it copied anew")
    return path


def worker_number() -> int | None:
    """Return the number of this worker in a local cluster, which a restarted worker keeps."""
    if "distributed" not in sys.modules:
        return None
    import distributed

    try:
        name = distributed.get_worker().name
    except ValueError:  # the driver itself
        return None
    return name if isinstance(name, int) else None


def worker_run(run: RunSettings, number: int | None) -> RunSettings:
    """Return on what a worker computes: device "cuda" becomes one device for each worker in turn.

    Not tried on several devices; its rule is tested with a count of them made up.
    """
    devices = device_count(run.backend) if any_device(run) else 0
    if number is None or devices == 0:
        return run
    return run.model_copy(update={"device": f"cuda:{number % devices}"})


def any_device(run: RunSettings) -> bool:
    """Whether a sweep wants whichever CUDA device there is, not a certain one."""
    return run.device == "cuda" or (run.backend == "cupy" and run.device is None)
