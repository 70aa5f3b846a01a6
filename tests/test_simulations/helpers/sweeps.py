"""Small sweeps, and computations that fail on purpose, for the tests of sweeps."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from simulations.sweeps.cells import Task
from simulations.sweeps.config import Sweep, make_sweep
from simulations.sweeps.store import Store, read_cell, stored_keys
from simulations.sweeps.task import Readings, compute_task

STACK = {"tokens": 4, "width": 4, "heads": 1, "ffn_width": 8, "depth": 3}


def small_sweep(**changes: Any) -> Sweep:
    """Return a sweep of 24 tiny cells in 4 tasks, changed as asked."""
    content: dict[str, Any] = {
        "name": "small",
        "stack": STACK,
        "axes": {"value_gain": [0.5, 1.0], "mask": ["full", "causal"]},
        "seeds": {"count": 6},
        "quantities": ["distance", "coefficients"],
        "run": {"cells_per_task": 6},
    }
    return make_sweep(**(content | changes))


def everything(root: Path) -> dict[str, dict[str, Any]]:
    """Return the arrays of all cells of a store, by key."""
    store = Store(root)
    return {key: read_cell(store, key)[0] for key in stored_keys(store)}


def same(left: dict[str, dict[str, Any]], right: dict[str, dict[str, Any]]) -> bool:
    """Whether two stores hold the same cells with the same numbers, to the last bit."""
    return left.keys() == right.keys() and all(
        left[key].keys() == right[key].keys()
        and all(left[key][name].tobytes() == right[key][name].tobytes() for name in left[key])
        for key in left
    )


def slowly(sweep: Sweep, task: Task) -> Readings:
    """Compute a task so slowly that there is time to kill somebody."""
    time.sleep(1.0)
    return compute_task(sweep, task)


GATE = "SWEEP_GATE"
"""The variable that names the file which `gated` waits for."""


def gated(sweep: Sweep, task: Task) -> Readings:
    """Compute the first task, and the others only when a file is there: a sweep held half-way."""
    while task.number > 0 and not Path(os.environ[GATE]).exists():
        time.sleep(0.05)
    return compute_task(sweep, task)


def _is_poison(task: Task) -> bool:
    return 3 in task.seeds and any(
        case.mask == "causal" and case.stack.value_gain == 0.5 for case in task.cases
    )


def deadly(sweep: Sweep, task: Task) -> Readings:
    """Kill the process in one cell, as a segmentation fault would."""
    if _is_poison(task):
        os.kill(os.getpid(), signal.SIGSEGV)
    return compute_task(sweep, task)


def raising(sweep: Sweep, task: Task) -> Readings:
    """Raise in one cell."""
    if _is_poison(task):
        raise ZeroDivisionError("poison")
    return compute_task(sweep, task)


def empty(sweep: Sweep, task: Task) -> Readings:
    """Return no more than a number a cell: what is left is the cost of the machinery."""
    return {"tokens/distance": np.zeros((1, len(task.cases), len(task.seeds)))}
