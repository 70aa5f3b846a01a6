"""How is a store read as one labelled data set?"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulations.machine.files import CorruptError
from simulations.sweeps.cells import Grid
from simulations.sweeps.expansion import grid_of
from simulations.sweeps.near_consensus import READINGS as LAW_READINGS
from simulations.sweeps.store import open_store, read_cell, read_manifest
from theory.arrays import InputError

_MADE_BY = ("oversmooth", "numpy", "scipy", "python", "commit")
_RENAMED = {"norm": "token_norm"}  # "norm" may be an axis: which norm the blocks have
_TEXTS = {
    "cosine_similarity": "mean cosine of the angle between two tokens",
    "token_norm": "Frobenius norm of the tokens, |H|",
    "distance": "distance to consensus, d_M(H)",
    "log_distance": "natural logarithm of d_M(H)",
    "relative_distance": "d_M(H) / |H|",
    "distance_noise": "whether rounding alone may move the distance by more than the tolerance",
    "participation_rank": "participation rank of the tokens",
    "diameter": "largest distance of two tokens",
    "effective_rank": "effective rank of the tokens (exponential of the entropy)",
    "measured_ratio": "d_M after the block over d_M before it",
    "lambda_lower": "lower end of lambda, the coupling of the heads",
    "lambda_upper": "upper end of lambda, the coupling of the heads",
    "lambda_tier": "how the bracket of lambda was found",
    "lambda_noise": "whether rounding alone may move lambda by more than the tolerance",
    "s_lower": "lower end of s, the largest singular value of the weights",
    "s_upper": "upper end of s, the largest singular value of the weights",
    "sigma_1": "smallest standard deviation that the first norm divides by",
    "sigma_2": "smallest standard deviation that the second norm divides by",
    "v": "coefficient of the block theorem, upper end",
    "v_sharp": "sharper coefficient of the block theorem, upper end",
    "attention_diameter": "sum over the heads of Dobrushin's coefficient times the norm, upper end",
    "v_diameter": "coefficient of the block theorem for the diameter, upper end",
    "diameter_ratio": "diameter after the block over that before it",
    "saturation": "largest d_M that a block ending with a norm puts out, over d_M before it",
    **LAW_READINGS,
}
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

    Raises: InputError if there is no store, or xarray is not installed
    """
    xarray = _xarray()
    store = open_store(Path(root))
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
            for name in _MADE_BY:
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
        short = _RENAMED.get(short, short)
        values = values if _ALONG[kind] else values[..., 0]
        told = {"long_name": _TEXTS[short], "units": "1"}
        variables[short] = ((*names, *_ALONG[kind]), values, told)
    told = {"long_name": "whether the cell is there", "units": "1"}
    variables["complete"] = (names, complete, told)
    return xarray.Dataset(variables, _coordinates(grid, depth), _attributes(manifest, made))


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


def _attributes(manifest: Mapping[str, Any], made: Mapping[str, set[str]]) -> dict[str, str]:
    makers = {name: ", ".join(sorted(found)) for name, found in made.items()}
    return {"title": manifest["name"], "sweep": json.dumps(manifest), **makers}


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise InputError("reading a store needs xarray: pip install 'oversmooth[sweep]'") from error
    return xarray
