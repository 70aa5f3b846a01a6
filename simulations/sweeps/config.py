"""What does a sweep's file say, and what is wrong with it?"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from simulations.engine.surveys import DEFAULT_QUANTITIES, QUANTITIES, Quantity
from simulations.stacks.stack import Stack
from simulations.sweeps.near_consensus import LEAST_DEPTH
from simulations.sweeps.problems import in_file, not_known, problems_of
from theory.arrays import InputError

FiniteFloat: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Value: TypeAlias = int | FiniteFloat | str | bool
# A file has lists where Python has tuples; the numbers in them stay strict.
Spaced: TypeAlias = Annotated[
    tuple[FiniteFloat, FiniteFloat, Annotated[int, Field(ge=1, le=1_000_000)]], Field(strict=False)
]

LAW: Final = "law"
"""What small differences do, and what the law says: see `simulations.sweeps.near_consensus`."""
Asked: TypeAlias = Literal[Quantity, "law"]

STACK_FIELDS = tuple(field.name for field in fields(Stack))
AXES = (*STACK_FIELDS, "mask")
REAL_FIELDS = tuple(field.name for field in fields(Stack) if field.type in (float, float | None))
MOST_CELLS = 10**7
"""The driver keeps a line of memory for every cell; more of them are several sweeps."""

_STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)


class Axis(BaseModel):
    """The values of an axis: a list, or numbers spaced evenly or by equal ratios, ends included."""

    model_config = _STRICT
    values: list[Value] | None = None
    linspace: Spaced | None = None
    logspace: Spaced | None = None

    @model_validator(mode="before")
    @classmethod
    def _list_means_values(cls, value: Any) -> Any:
        return {"values": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_way(self) -> "Axis":
        given = [way for way in (self.values, self.linspace, self.logspace) if way is not None]
        if len(given) != 1:
            raise ValueError(
                "must be a list, or one of {linspace = [from, to, count]} and logspace"
            )
        if self.logspace is not None and min(self.logspace[:2]) <= 0:
            raise ValueError("logspace must have positive ends: the numbers, not their logarithms")
        if not self.points():
            raise ValueError("must hold at least one value, but is empty")
        if not all(math.isfinite(point) for point in self.points() if isinstance(point, float)):
            raise ValueError("has ends too far apart for the numbers between them")
        if len(set(self.points())) < len(self.points()):
            raise ValueError("holds a value twice")
        return self

    def points(self) -> list[Any]:
        """Return the values; the ends of a spaced axis are exact."""
        if self.values is not None:
            return list(self.values)
        low, high, count = self.linspace or self.logspace or (0.0, 0.0, 0)
        if count < 2:
            return [low][:count]
        if self.linspace is not None:
            middle = (low + (high - low) * i / (count - 1) for i in range(1, count - 1))
        else:
            middle = (low * (high / low) ** (i / (count - 1)) for i in range(1, count - 1))
        return [low, *middle, high]


Axes: TypeAlias = Annotated[dict[str, Axis], AfterValidator(lambda axes: _named(axes, AXES))]


class SobolAxis(BaseModel):
    """The range of one axis of a Sobol sequence."""

    model_config = _STRICT
    low: FiniteFloat
    high: FiniteFloat
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _ordered(self) -> "SobolAxis":
        if not self.low < self.high or (self.scale == "log" and self.low <= 0):
            raise ValueError("low must be below high, and positive on a log scale")
        if not math.isfinite(self.high / self.low if self.scale == "log" else self.high - self.low):
            raise ValueError("has ends too far apart for the numbers between them")
        return self


class Sobol(BaseModel):
    """Points of a scrambled Sobol sequence over several axes at once."""

    model_config = _STRICT
    points: Annotated[int, Field(ge=1, le=2**24)]
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0
    axes: Annotated[
        dict[str, SobolAxis],
        Field(min_length=1),
        AfterValidator(lambda axes: _named(axes, REAL_FIELDS)),
    ]


class Seeds(BaseModel):
    """Consecutive seeds."""

    model_config = _STRICT
    first: Annotated[int, Field(ge=0, le=2**62)] = 0
    count: Annotated[int, Field(ge=1)] = 1


class RunSettings(BaseModel):
    """On what, and in which portions, the cells are computed."""

    model_config = _STRICT
    backend: Literal["numpy", "torch", "cupy"] = "numpy"
    device: str | None = None
    dtype: Literal["float32", "float64"] = "float64"
    chunk_megabytes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    cells_per_task: Annotated[int, Field(ge=1, le=100_000)] = 64


class Sweep(BaseModel):
    """A grid of stacks, the seeds of each, and what to read from them.

    The cells are the product of ``axes``, of the ``zipped`` groups (whose axes move together) and
    of the ``sobol`` points, each with every seed. An axis is a field of `Stack`, or "mask".
    """

    model_config = _STRICT
    name: str = ""
    stack: Annotated[
        dict[str, Value], AfterValidator(lambda fields: _named(fields, STACK_FIELDS))
    ] = {}
    mask: str = "full"
    axes: Axes = {}
    zipped: list[Axes] = []
    sobol: Sobol | None = None
    seeds: Seeds = Seeds()
    quantities: list[Asked] = list(DEFAULT_QUANTITIES)
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-2
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _consistent(self) -> "Sweep":
        problems = list(_problems(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def manifest(self) -> dict[str, Any]:
        """Return all that the sweep's numbers depend on, and its name, as JSON can hold it."""
        found: dict[str, Any] = self.model_dump(mode="json")
        return found


def _named(given: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Refuse names that are not known, all at once."""
    unknown = [f"{name}: {not_known(name, known)}" for name in given if name not in known]
    if unknown:
        raise ValueError("\n".join(unknown))
    return given


def _problems(sweep: Sweep) -> Iterator[str]:
    """Yield what no single key could know; each line starts with the key it is about."""
    seen = dict.fromkeys(sweep.stack, "stack")
    if sweep.mask != "full":
        seen["mask"] = "mask"
    groups: list[tuple[str, Mapping[str, Any]]] = [("axes", sweep.axes)]
    groups += [(f"zipped.{i}", group) for i, group in enumerate(sweep.zipped)]
    groups += [("sobol.axes", sweep.sobol.axes)] if sweep.sobol else []
    for place, group in groups:
        for name in group:
            if name in seen:
                yield f"{place}.{name}: is set twice, here and in {seen[name]}"
            seen[name] = place
    for i, group in enumerate(sweep.zipped):
        lengths = {name: len(axis.points()) for name, axis in group.items()}
        if len(set(lengths.values())) != 1:
            yield f"zipped.{i}: its axes must have one length, but have {lengths or 'no axis'}"
    if len(set(sweep.quantities)) < max(1, len(sweep.quantities)):
        yield f"quantities: must be some of {', '.join((*QUANTITIES, LAW))}, each once"
    if LAW in sweep.quantities:
        yield from _law_problems(sweep)


def _law_problems(sweep: Sweep) -> Iterator[str]:
    """Yield what keeps the law from being computed: it is of differences far below rounding."""
    for name, wanted in (("backend", "numpy"), ("dtype", "float64")):
        given = getattr(sweep.run, name)
        if given != wanted:
            yield f"run.{name}: must be {wanted!r} for the quantity 'law', but is {given!r}"
    axes = [group["depth"].points() for group in (sweep.axes, *sweep.zipped) if "depth" in group]
    depths = [sweep.stack.get("depth", LEAST_DEPTH), *(depth for axis in axes for depth in axis)]
    if any(isinstance(depth, int | float) and depth < LEAST_DEPTH for depth in depths):
        yield f"quantities: law must have stacks of {LEAST_DEPTH} layers or more to find a rate"


def read_sweep(path: Path | str) -> Sweep:
    """Read a sweep from a TOML file.

    Raises: InputError with every problem of the file, one a line, as file:line: key: what is wrong
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    try:
        return TypeAdapter(Sweep).validate_python(content)
    except ValidationError as error:
        lines = [
            in_file(path, text, problem)
            for one in error.errors()
            for problem in problems_of(one, _known)
        ]
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def make_sweep(**content: Any) -> Sweep:
    """Return a sweep from the same keys that a file has.

    Raises: InputError with every problem
    """
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        told = [
            f"{key}: {what}" for one in error.errors() for key, what in problems_of(one, _known)
        ]
        raise InputError("\n".join(dict.fromkeys(told))) from None


def _known(location: list[str]) -> tuple[str, ...]:
    models: dict[str, type[BaseModel]] = {
        "": Sweep, "run": RunSettings, "seeds": Seeds, "sobol": Sobol,
    }  # fmt: skip
    place = ".".join(location)
    if place in models:
        return tuple(models[place].model_fields)
    if place.startswith("sobol.axes"):
        return tuple(SobolAxis.model_fields)
    return tuple(Axis.model_fields) if place.startswith(("axes", "zipped")) else ()
