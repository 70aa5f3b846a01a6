"""What does a sweep's file say, and what is wrong with it?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)

from simulations.engine.surveys import DEFAULT_QUANTITIES, QUANTITIES, Quantity
from simulations.sweeps.axes import (
    STACK_FIELDS,
    STRICT,
    Axes,
    Axis,
    Sobol,
    SobolAxis,
    Value,
    field_problem,
    only_known,
)
from simulations.sweeps.file import read_sweep_file
from simulations.sweeps.near_consensus import LEAST_DEPTH
from simulations.sweeps.problems import in_file, line_numbers, places_of, problems_of, without
from theory.arrays import InputError

LAW: Final = "law"
"""What small differences do, and what the law says: see `simulations.sweeps.near_consensus`."""
Asked: TypeAlias = Literal[Quantity, "law"]
_ROUNDS, _MOST_PROBLEMS = 5, 50
MOST_CELLS = 10**7
"""The driver keeps a line of memory for every cell; more of them are several sweeps."""


class Seeds(BaseModel):
    """Consecutive seeds."""

    model_config = STRICT
    first: Annotated[int, Field(ge=0, le=2**62)] = 0
    count: Annotated[int, Field(ge=1)] = 1


class RunSettings(BaseModel):
    """On what, and in which portions, the cells are computed."""

    model_config = STRICT
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

    model_config = STRICT
    name: str = ""
    stack: Annotated[
        dict[str, Value], AfterValidator(lambda fields: only_known(fields, STACK_FIELDS))
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
    for name, value in sweep.stack.items():
        if problem := field_problem(name, value):
            yield f"stack.{name}: {problem}"
    for place, group in groups[: 1 + len(sweep.zipped)]:
        for name, axis in group.items():
            wrong = (field_problem(name, value) for value in axis.ends())
            if problem := next(filter(None, wrong), None):
                yield f"{place}.{name}: {problem}"
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
    text, content = read_sweep_file(path)
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        lines = line_numbers(text)
        told = [in_file(path, lines, problem) for problem in _all_problems(error, content)]
        raise InputError("\n".join(told)) from None


def make_sweep(**content: Any) -> Sweep:
    """Return a sweep from the same keys that a file has.

    Raises: InputError with every problem
    """
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        told = [f"{key}: {what}" for key, what in _all_problems(error, content)]
        raise InputError("\n".join(told)) from None


def _all_problems(error: ValidationError, content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every problem: what is wrong with a key hides what is wrong between others.

    So what is wrong is taken out, and the rest is looked at again. Of very many the first are told.
    """
    found: dict[tuple[str, str], None] = {}
    left: Any = content
    for _ in range(_ROUNDS):
        for one in error.errors()[:_MOST_PROBLEMS]:
            found |= dict.fromkeys(problems_of(one, _known))
        places = [place for one in error.errors() for place in places_of(one)]
        if len(found) >= _MOST_PROBLEMS or not places:
            break
        left = without(left, places)
        try:
            Sweep.model_validate(left)
            break
        except ValidationError as another:
            error = another
    return list(found)


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
