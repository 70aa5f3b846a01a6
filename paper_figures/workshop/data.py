"""What a figure is drawn from: labelled arrays that a JSON file holds without loss."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from simulations.machine.json import plain
from theory.arrays import InputError
from theory.records import brief_repr

Values: TypeAlias = NDArray[Any]
Record: TypeAlias = dict[str, Any]
"""What is told of one theorem or trend, as JSON holds it."""

_KINDS = {"f": "float64", "i": "int64", "b": "bool", "U": "str"}


@brief_repr
@dataclass(frozen=True)
class Variable:
    """One labelled array: what its axes are called, what it holds and in which unit.

    Floats may be NaN (nothing was measured there), never infinite.

    Raises: InputError for a wrong number of axes, an infinite entry or an unknown dtype
    """

    dims: tuple[str, ...]
    values: Values
    long_name: str
    units: str = "1"

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        if values.ndim != len(self.dims):
            raise InputError(
                f"{self.long_name}: dims {self.dims} name {len(self.dims)} axes, "
                f"but the values have shape {values.shape}"
            )
        if values.dtype.kind not in _KINDS:
            raise InputError(
                f"{self.long_name}: values must be floats, integers, booleans or strings, "
                f"but have dtype {values.dtype}"
            )
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise InputError(f"{self.long_name}: values must not be infinite")
        object.__setattr__(self, "values", values)


@brief_repr
@dataclass(frozen=True)
class Dataset:
    """Variables on shared axes; ``data["name"]`` gives the plain array.

    Raises: InputError if two variables disagree on the length of an axis
    """

    data_vars: Mapping[str, Variable]
    coords: Mapping[str, Variable] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths: dict[str, int] = {}
        for name, variable in {**self.coords, **self.data_vars}.items():
            for dim, length in zip(variable.dims, variable.values.shape, strict=True):
                if lengths.setdefault(dim, length) != length:
                    raise InputError(
                        f"{name} has length {length} along {dim!r}, but others have {lengths[dim]}"
                    )
        object.__setattr__(self, "sizes", lengths)

    sizes: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __getitem__(self, name: str) -> Values:
        """Return the values of one variable or coordinate."""
        return {**self.coords, **self.data_vars}[name].values


def dumps(data: Dataset) -> str:
    """Write JSON in the layout of ``xarray.Dataset.to_dict``, one variable a line.

    NaN becomes null; every finite float comes back bit for bit. ``dtype`` is recorded beside
    each variable because null alone does not tell a float.
    """
    groups = {
        "coords": {name: _encode(v) for name, v in data.coords.items()},
        "data_vars": {name: _encode(v) for name, v in data.data_vars.items()},
        "attrs": dict(data.attrs),
        "dims": dict(data.sizes),
    }
    parts = []
    for group, members in groups.items():
        lines = [f"  {_json(name)}: {_json(member)}" for name, member in members.items()]
        parts.append(f" {_json(group)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def loads(text: str) -> Dataset:
    """Read what `dumps` wrote."""
    raw = json.loads(text)
    return Dataset(
        data_vars={name: _decode(v, raw["dims"]) for name, v in raw["data_vars"].items()},
        coords={name: _decode(v, raw["dims"]) for name, v in raw["coords"].items()},
        attrs=raw["attrs"],
    )


def load(path: Path) -> Dataset:
    """Read a figure's data file.

    Raises: InputError if the file is missing, truncated or of another layout
    """
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path.name} must be a figure's data file, but cannot be read as one: {error}"
        ) from error


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _encode(variable: Variable) -> dict[str, Any]:
    values = variable.values
    kind = _KINDS[values.dtype.kind]
    typed = values if kind == "str" else values.astype(kind)
    return {
        "dims": list(variable.dims),
        "attrs": {"long_name": variable.long_name, "units": variable.units},
        "dtype": kind,
        "data": plain(typed),
    }


def _decode(raw: Mapping[str, Any], sizes: Mapping[str, int]) -> Variable:
    values = np.asarray(raw["data"], dtype=raw["dtype"])  # None becomes NaN here, and only here
    if values.size == 0:  # nested lists forget the axes inside an empty one
        values = values.reshape([sizes[dim] for dim in raw["dims"]])
    return Variable(
        dims=tuple(raw["dims"]),
        values=values,
        long_name=raw["attrs"]["long_name"],
        units=raw["attrs"]["units"],
    )
