"""What is a cell of a sweep, and which cells are computed together?

A cell is one stack with one seed. Cells that only scale the same draw share it, so they make up a
task. Tasks follow from the sweep alone, never from what is still missing: a batch decides the
last bits of its members.
"""

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from simulations.engine.surveys import SCALING
from simulations.stacks.stack import Stack
from simulations.sweeps.config import Sweep
from theory.records import brief_repr

_PLAIN = Stack()
_LATER = ("gated", "residual_attention", "residual_ffn")
"""Fields that came later: a cell without them keeps the key that it had in older stores."""


@brief_repr
@dataclass(frozen=True)
class Dimension:
    """One direction of the grid: its name, and at each point the values of its axes."""

    name: str
    points: tuple[Mapping[str, Any], ...]


@brief_repr
@dataclass(frozen=True)
class Case:
    """A stack and a mask, at a place on the grid; with a seed it is a cell."""

    place: tuple[int, ...]
    stack: Stack
    mask: str


@brief_repr
@dataclass(frozen=True)
class Task:
    """Cells that are computed together: cases that share their draws, on some seeds."""

    number: int
    cases: tuple[Case, ...]
    seeds: range

    def cells(self) -> Iterator[tuple[Case, int]]:
        """Yield case and seed of every cell."""
        yield from itertools.product(self.cases, self.seeds)

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.cases) * len(self.seeds)


@brief_repr
@dataclass(frozen=True)
class Grid:
    """All the cells of a sweep, in their tasks."""

    sweep: Sweep
    dimensions: tuple[Dimension, ...]
    cases: tuple[Case, ...]
    seeds: range
    mask_files: Mapping[str, str] = field(default_factory=dict)
    """The sha256 of every mask that is a file: its content may change where its name does not."""

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks; each has at most ``cells_per_task`` cells."""
        return tuple(_tasks(self))

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.cases) * len(self.seeds)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dimensions, without the seeds."""
        return tuple(len(dimension.points) for dimension in self.dimensions)

    def keys(self) -> set[str]:
        """Return the keys of all cells."""
        return {key for case in self.cases for key in self.keys_of(case, self.seeds)}

    def keys_of(self, case: Case, seeds: range) -> list[str]:
        """Return a case's key for each seed: a hash of all that a cell's numbers depend on."""
        run = self.sweep.run
        told = {
            "stack": _told(case.stack),
            "mask": self.mask_files.get(case.mask, case.mask),
            "quantities": sorted(self.sweep.quantities),
            "tolerance": self.sweep.tolerance,
            "dtype": run.dtype,
            "backend": run.backend,
        }
        common = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        found = []
        for seed in seeds:  # what the seeds share is hashed once
            digest = common.copy()
            digest.update(b" seed %d" % seed)
            found.append(digest.hexdigest()[:32])
        return found

    def task_keys(self, task: Task) -> list[str]:
        """Return the keys of a task's cells, in their order."""
        return [key for case in task.cases for key in self.keys_of(case, task.seeds)]

    def manifest(self) -> dict[str, Any]:
        """Return all that the sweep's numbers depend on, as JSON can hold it."""
        return self.sweep.manifest() | {"mask_files": dict(self.mask_files)}


def _told(stack: Stack) -> dict[str, Any]:
    """Return the fields of a stack, without those that once were not there and are plain."""
    fields = vars(stack).items()
    return {name: x for name, x in fields if name not in _LATER or x != getattr(_PLAIN, name)}


def _tasks(grid: Grid) -> Iterator[Task]:
    limit = grid.sweep.run.cells_per_task
    plain = {name: getattr(_PLAIN, name) for name in SCALING}
    sharing: dict[tuple[Stack, str], list[Case]] = defaultdict(list)
    for case in grid.cases:
        sharing[replace(case.stack, **plain), case.mask].append(case)
    number = itertools.count()
    for cases in sharing.values():
        for some in _pieces(cases, limit):
            for seeds in _pieces(grid.seeds, max(1, limit // len(some))):
                yield Task(next(number), tuple(some), seeds)


def _pieces(whole: Sequence[Any], length: int) -> Iterator[Any]:
    for start in range(0, len(whole), length):
        yield whole[start : start + length]
