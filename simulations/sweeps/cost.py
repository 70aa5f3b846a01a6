"""What will a sweep cost, in time and on the disk, before it is started?"""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulations.engine.surveys import SCALING
from simulations.stacks.stack import Stack
from simulations.sweeps.cells import Case, Grid, Task
from simulations.sweeps.task import compute_task

_LAYERS_TRIED = 2
_SHAPES_TRIED = 6
_BLOCK_BYTES = 4096  # what a file system gives a file at least
_HEADER_BYTES = 3000  # the header and the names of the arrays


@dataclass(frozen=True)
class Cost:
    """An estimate: cells and tasks are exact, seconds are of one worker, bytes are on the disk."""

    cells: int
    tasks: int
    seconds: float
    disk_bytes: int


def estimate(grid: Grid) -> Cost:
    """Time a few layers of a few of the sweep's shapes, and take the rest in proportion.

    Where there are more shapes than are tried, those between count as the mean of the tried.
    """
    shapes: dict[Stack, list[Task]] = defaultdict(list)
    plain = {name: getattr(Stack(), name) for name in SCALING}
    for task in grid.tasks:
        shapes[replace(task.cases[0].stack, **plain, depth=1)].append(task)
    tried = list(shapes)[:: max(1, -(-len(shapes) // _SHAPES_TRIED))]
    per_cell_layer: dict[Stack, float] = {}
    cell_bytes: dict[Stack, tuple[float, float]] = {}
    _try(grid, shapes[tried[0]][0])  # what only the first run pays is not the sweep's rate
    for shape in tried:
        per_cell_layer[shape], cell_bytes[shape] = _try(grid, shapes[shape][0])
    mean_seconds = sum(per_cell_layer.values()) / len(tried)
    mean_bytes = (
        sum(layer for layer, _ in cell_bytes.values()) / len(tried),
        sum(whole for _, whole in cell_bytes.values()) / len(tried),
    )
    seconds = disk = 0.0
    for shape, tasks in shapes.items():
        for task in tasks:
            depth = task.cases[0].stack.depth
            seconds += per_cell_layer.get(shape, mean_seconds) * depth * task.size
            layer_bytes, whole_bytes = cell_bytes.get(shape, mean_bytes)
            size = layer_bytes * depth + whole_bytes + _HEADER_BYTES
            disk += -(-size // _BLOCK_BYTES) * _BLOCK_BYTES * task.size
    return Cost(grid.size, len(grid.tasks), seconds, int(disk))


def _try(grid: Grid, task: Task) -> tuple[float, tuple[float, float]]:
    """Return seconds of one cell and layer, and bytes of each layer and of the whole of a cell.

    They are those of a task cut to two layers.
    """
    layers = min(_LAYERS_TRIED, task.cases[0].stack.depth)
    cut = replace(task, cases=tuple(_shallow(case, layers) for case in task.cases))
    start = time.perf_counter()
    readings: Mapping[str, Any] = compute_task(grid.sweep, cut)
    seconds = time.perf_counter() - start
    whole = sum(values.nbytes for name, values in readings.items() if name.startswith("cells/"))
    layered = sum(values.nbytes for values in readings.values()) - whole
    return seconds / (layers * task.size), (layered / (layers * task.size), whole / task.size)


def _shallow(case: Case, layers: int) -> Case:
    return replace(case, stack=replace(case.stack, depth=layers))
