"""How is a store read as one labelled data set?"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from simulations.machine.files import CorruptError
from simulations.sweeps.cells import Grid
from simulations.sweeps.expansion import grid_of
from simulations.sweeps.labels import MADE_BY, import_xarray, named
from simulations.sweeps.store import Store, open_store, read_cell, read_manifest
from simulations.sweeps.training import read_course, stacked
from theory.arrays import InputError

_ALONG = {"tokens": ("layer",), "blocks": ("block",), "cells": ()}
"""The dimension of a kind of reading beside those of the sweep."""


def read_store(root: Path | str) -> Any:
    """Return all cells of a store as an `xarray.Dataset`.

    Dimensions: those of the sweep (an axis, a zipped group as "a+b", "point" of a Sobol
    sequence), "seed", and "layer" (0 is before the first block) or "block" (from 1), neither for
    what the quantity "law" reads. A cell that is missing, failed or damaged is NaN (-1 for whole
    numbers and flags), and so are the layers below the last of a stack that is less deep than
    others; ``complete`` (dimensions of the sweep, seed) says which cells are there. All numbers
    are without a unit.

    Of a training, the dimensions are "step", "layer" or "block", and "input"; ``complete`` says
    which steps have a reading, the attribute ``errors`` why others have none.

    Raises: InputError if there is no store, or xarray is not installed
    """
    xarray = import_xarray()
    store = open_store(root)
    if store.kind == "training":
        return _read_training(store, xarray)
    manifest = read_manifest(store)
    grid = grid_of(manifest)
    depth = max(case.stack.depth for case in grid.cases)
    shape = (*grid.shape, len(grid.seeds))
    rows = {"tokens": depth + 1, "blocks": depth, "cells": 1}
    columns: dict[str, np.ndarray[Any, Any]] = {}
    complete = np.zeros(shape, dtype=bool)
    made: dict[str, set[str]] = defaultdict(set)
    for case in grid.cases:
        for i, key in enumerate(grid.keys_of(case, grid.seeds)):
            try:
                arrays, header = read_cell(store, key)
            except (FileNotFoundError, CorruptError):
                continue
            complete[(*case.place, i)] = True
            for name in MADE_BY:
                made[name].add(header[name])
            for name, values in arrays.items():
                if name not in columns:
                    length = rows[name.partition("/")[0]]
                    columns[name] = _nothing((*shape, length), values.dtype)
                columns[name][(*case.place, i)][: len(values)] = values
    names = (*(dimension.name for dimension in grid.dimensions), "seed")
    variables = {}
    for name, values in columns.items():
        kind, short = name.split("/")
        short, told = named(short)
        values = values if _ALONG[kind] else values[..., 0]
        variables[short] = ((*names, *_ALONG[kind]), values, told)
    told = {"long_name": "whether the cell is there", "units": "1"}
    variables["complete"] = (names, complete, told)
    about = {"title": manifest["name"], "sweep": json.dumps(manifest)}
    return xarray.Dataset(variables, _coordinates(grid, depth), _attributes(about, made))


def _read_training(store: Store, xarray: ModuleType) -> Any:
    """Return the readings of a training, as `read_store` does."""
    course = read_course(store.root)
    if not course.readings:
        raise InputError(f"{store.root} holds no reading yet")
    steps = sorted({*course.readings, *course.errors})
    variables: dict[str, Any] = {}
    for name, values in stacked(course).items():
        kind, short = name.split("/")
        short, told = named(short)
        variables[short] = (("step", *_ALONG[kind], "input"), values, told)
    told = {"long_name": "whether there is a reading of the step", "units": "1"}
    variables["complete"] = ("step", np.isin(steps, [*course.readings]), told)
    depth, inputs = variables["distance"][1].shape[1] - 1, variables["distance"][1].shape[2]
    places = {"step": steps, "layer": range(depth + 1), "block": range(1, depth + 1)}
    made: dict[str, set[str]] = defaultdict(set)
    reasons: dict[str, list[str]] = {}
    for step, (_, header) in course.readings.items():
        for name in (*MADE_BY, "torch"):
            made[name].add(header[name])
        if any(header["reasons"]):
            reasons[str(step)] = header["reasons"]
    attributes = _attributes({"title": course.manifest["model"]}, made) | {
        "training": json.dumps(course.manifest),
        "errors": json.dumps(course.errors),
        "reasons": json.dumps(reasons),  # why the theorem does not apply, by step and block
    }
    coordinates = {name: np.asarray(found) for name, found in places.items()}
    return xarray.Dataset(variables, coordinates | {"input": np.arange(inputs)}, attributes)


def _nothing(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Return an array of what stands for a missing number."""
    if dtype.kind == "f":
        return np.full(shape, np.nan, dtype=dtype)
    return np.full(shape, -1, dtype=np.int8)


def _coordinates(grid: Grid, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dimension in grid.dimensions:
        for name in dimension.points[0]:
            values = [point[name] for point in dimension.points]
            text = isinstance(values[0], str)  # as objects: fixed-width text has no zarr format
            found[name] = (dimension.name, np.asarray(values, dtype=object if text else None))
    found["seed"] = np.asarray(grid.seeds)
    found["layer"], found["block"] = np.arange(depth + 1), np.arange(1, depth + 1)
    return found


def _attributes(about: Mapping[str, str], made: Mapping[str, set[str]]) -> dict[str, str]:
    return {**about, **{name: ", ".join(sorted(found)) for name, found in made.items()}}
