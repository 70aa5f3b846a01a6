"""Which cells does a sweep have?"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulations.machine.formats import is_array_name
from simulations.stacks.graphs import mask_by_name
from simulations.stacks.room import require_room
from simulations.stacks.stack import Stack
from simulations.sweeps.axes import Sobol, typed
from simulations.sweeps.cells import Case, Dimension, Grid
from simulations.sweeps.config import MOST_CELLS, Sweep, make_sweep
from theory.arrays import InputError


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
    shapes: set[tuple[str | int, ...]] = set()
    base = {name: typed(name, value) for name, value in sweep.stack.items()}
    for place in itertools.product(*(range(len(each.points)) for each in dimensions)):
        values: dict[str, Any] = dict(base)
        for dimension, i in zip(dimensions, place, strict=True):
            values |= dimension.points[i]
        mask = values.pop("mask", sweep.mask)
        try:
            case = Case(place, Stack(**values), str(mask))
            shape = (*case.stack.draw_key()[1:4], case.stack.gated, case.stack.tokens)
            if shape not in shapes:
                require_room(case.stack)
                shapes.add(shape)
            if case.mask not in (mask_files or ()) and (case.mask, case.stack.tokens) not in masks:
                mask_by_name(case.mask, case.stack.tokens)
                masks.add((case.mask, case.stack.tokens))
                if is_array_name(case.mask):
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


def _dimensions(sweep: Sweep) -> Iterator[Dimension]:
    for name, axis in sweep.axes.items():
        yield Dimension(name, tuple({name: typed(name, value)} for value in axis.points()))
    for group in sweep.zipped:
        together = zip(*(axis.points() for axis in group.values()), strict=True)
        points = tuple(
            {name: typed(name, value) for name, value in zip(group, values, strict=True)}
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
