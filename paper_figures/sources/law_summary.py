"""What do the cells of a plane of the law's phase diagrams say, seed by seed?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.workshop.data import Dataset, Variable
from simulations.sweeps.near_consensus import READINGS

if TYPE_CHECKING:
    from simulations.sweeps.cells import Grid

_DIGITS = 7  # enough for a picture and for per cents; the file is half as long


def summarise_law(grid: "Grid", cells: Iterator[list[dict[str, Any]]]) -> Dataset:
    """Return every reading of every cell: the sweep's dimensions, and the seeds."""
    shape = (*grid.shape, len(grid.seeds))
    found = {name: np.full(shape, np.nan) for name in READINGS}
    for case, runs in zip(grid.cases, cells, strict=True):
        for i, run in enumerate(runs):
            for name in READINGS:
                found[name][(*case.place, i)] = float(f"{run[f'cells/{name}'][0]:.{_DIGITS}g}")
    names = (*(dimension.name for dimension in grid.dimensions), "seed")
    coords = {
        d.name: Variable((d.name,), np.asarray([p[d.name] for p in d.points]), d.name)
        for d in grid.dimensions
    }
    coords["seed"] = Variable(("seed",), np.asarray(grid.seeds), "seed")
    variables = {name: Variable(names, found[name], text) for name, text in READINGS.items()}
    base = grid.cases[0].stack
    attrs = {"stack": repr(base), "depth": base.depth, "digits": _DIGITS}
    return Dataset(variables, coords, attrs)
