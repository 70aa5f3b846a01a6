"""Which cells does a sweep have, and which of them are computed together?

A cell is one stack with one seed. Cells that only scale the same draw share it, so they make up a
task. Tasks follow from the sweep alone, never from what is still missing: a batch decides the
last bits of its members.
"""

import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from simulations.engine.surveys import SCALING
from simulations.stacks.graphs import mask_by_name
from simulations.stacks.stack import Stack
from simulations.sweeps.config import MOST_CELLS, REAL_FIELDS, Sobol, Sweep, make_sweep
from theory.arrays import InputError

_PLAIN = Stack()
_WHOLE_FIELDS = tuple(each.name for each in fields(Stack) if each.type is int)


@dataclass(frozen=True)
class Dimension:
    """One direction of the grid: its name, and at each point the values of its axes."""

    name: str
    points: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Case:
    """A stack and a mask, at a place on the grid; with a seed it is a cell."""

    place: tuple[int, ...]
    stack: Stack
    mask: str


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
            "stack": vars(case.stack),
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


def grid_of(manifest: Mapping[str, Any]) -> Grid:
    """Return the cells that a store was made for, whatever has become of the files of its masks."""
    content = dict(manifest)
    mask_files = content.pop("mask_files", {})
    return expand(make_sweep(**content), mask_files=mask_files)


def expand(sweep: Sweep, *, mask_files: Mapping[str, str] | None = None) -> Grid:
    """Return the cells of a sweep; masks that are files are read, unless their hashes are given.

    Raises: InputError if there are too many, or a cell is no stack (its place is named)
    """
    count = _count(sweep)
    if count > MOST_CELLS:
        raise InputError(
            f"a sweep must have at most {MOST_CELLS:,} cells, but has {count:,}: make several of "
            "it, with other seeds say, each with its store"
        )
    dimensions = tuple(_dimensions(sweep))
    cases = []
    hashes = dict(mask_files or {})
    masks: set[tuple[str, int]] = set()
    base = {name: _typed(name, value) for name, value in sweep.stack.items()}
    for place in itertools.product(*(range(len(each.points)) for each in dimensions)):
        values: dict[str, Any] = dict(base)
        for dimension, i in zip(dimensions, place, strict=True):
            values |= dimension.points[i]
        mask = values.pop("mask", sweep.mask)
        try:
            case = Case(place, Stack(**values), str(mask))
            if case.mask not in (mask_files or ()) and (case.mask, case.stack.tokens) not in masks:
                mask_by_name(case.mask, case.stack.tokens)
                masks.add((case.mask, case.stack.tokens))
                if case.mask.endswith(".npy"):
                    hashes[case.mask] = hashlib.sha256(Path(case.mask).read_bytes()).hexdigest()
        except InputError as error:
            told = ", ".join(f"{name} = {value!r}" for name, value in values.items())
            raise InputError(f"{error} (in the cell with {told or 'nothing set'})") from None
        cases.append(case)
    seeds = range(sweep.seeds.first, sweep.seeds.first + sweep.seeds.count)
    return Grid(sweep, dimensions, tuple(cases), seeds, hashes)


def _count(sweep: Sweep) -> int:
    """Return how many cells there are, before the points are made: that may take minutes."""
    groups = [{name: axis} for name, axis in sweep.axes.items()] + sweep.zipped
    lengths = (len(next(iter(group.values())).points()) for group in groups)
    points = 1 if sweep.sobol is None else sweep.sobol.points
    return sweep.seeds.count * points * math.prod(lengths)


def _typed(name: str, value: Any) -> Any:
    """Return a number as its field wants it, so that 1 and 1.0 are one cell."""
    if isinstance(value, float) and name in _WHOLE_FIELDS and value.is_integer():
        return int(value)
    if type(value) is int and name in REAL_FIELDS:
        try:
            return float(value)
        except OverflowError:
            raise InputError(
                f"{name} must be within float64, but has {len(str(value))} digits"
            ) from None
    return value


def _dimensions(sweep: Sweep) -> Iterator[Dimension]:
    for name, axis in sweep.axes.items():
        yield Dimension(name, tuple({name: _typed(name, value)} for value in axis.points()))
    for group in sweep.zipped:
        together = zip(*(axis.points() for axis in group.values()), strict=True)
        points = tuple(
            {name: _typed(name, value) for name, value in zip(group, values, strict=True)}
            for values in together
        )
        yield Dimension("+".join(group), points)
    if sweep.sobol is not None:
        yield Dimension("point", tuple(_sobol_points(sweep.sobol)))


def _sobol_points(sobol: Sobol) -> Iterator[Mapping[str, float]]:
    """Yield points of the sequence; more points go on where fewer stop."""
    from scipy.stats import qmc

    unit = qmc.Sobol(len(sobol.axes), rng=np.random.default_rng(sobol.seed)).random_base2(
        max(0, (sobol.points - 1).bit_length())
    )[: sobol.points]
    for point in unit:
        values = {}
        for (name, axis), share in zip(sobol.axes.items(), point, strict=True):
            if axis.scale == "log":
                values[name] = float(axis.low * (axis.high / axis.low) ** share)
            else:
                values[name] = float(axis.low + (axis.high - axis.low) * share)
        yield values


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
