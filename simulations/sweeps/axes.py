"""Which values does an axis of a sweep have, as its file says?"""

import math
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from simulations.machine.words import told
from simulations.stacks.stack import Stack
from simulations.sweeps.problems import not_known
from theory.arrays import InputError

FiniteFloat: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Value: TypeAlias = int | FiniteFloat | str | bool
# A file has lists where Python has tuples; the numbers in them stay strict.
Spaced: TypeAlias = Annotated[
    tuple[FiniteFloat, FiniteFloat, Annotated[int, Field(ge=1, le=1_000_000)]], Field(strict=False)
]
STACK_FIELDS = tuple(field.name for field in fields(Stack))
AXES = (*STACK_FIELDS, "mask")
REAL_FIELDS = tuple(field.name for field in fields(Stack) if field.type in (float, float | None))
_WHOLE_FIELDS = tuple(each.name for each in fields(Stack) if each.type is int)
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)


class Axis(BaseModel):
    """The values of an axis: a list, or numbers spaced evenly or by equal ratios, ends included."""

    model_config = STRICT
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

    def ends(self) -> list[Any]:
        """Return the values that were written down: a list, or the ends of a spaced axis."""
        return self.values or list((self.linspace or self.logspace or ())[:2])

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


Axes: TypeAlias = Annotated[dict[str, Axis], AfterValidator(lambda axes: only_known(axes, AXES))]


class SobolAxis(BaseModel):
    """The range of one axis of a Sobol sequence."""

    model_config = STRICT
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

    model_config = STRICT
    points: Annotated[int, Field(ge=1, le=2**24)]
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0
    axes: Annotated[
        dict[str, SobolAxis],
        Field(min_length=1),
        AfterValidator(lambda axes: only_known(axes, REAL_FIELDS)),
    ]


def field_problem(name: str, value: Any) -> str | None:
    """Say what is wrong with one field of a stack, whatever the others are; None for nothing."""
    if name not in STACK_FIELDS:
        return None
    try:
        alone: dict[str, Any] = {name: typed(name, value)}
        if type(alone[name]) is int and alone[name] > 0:  # what has to fit with another field
            fitting = {"width": {"heads": 1, "rank": 1}, "rank": {"width": value, "heads": 1}}
            alone |= {"heads": {"width": value}, **fitting}.get(name, {})
        Stack(**alone)
    except InputError as error:
        return str(error).removeprefix(f"{name} ")
    return None


def typed(name: str, value: Any) -> Any:
    """Return a number as its field wants it, so that 1 and 1.0 are one cell.

    Raises: InputError for a whole number that no float holds
    """
    if isinstance(value, float) and name in _WHOLE_FIELDS and value.is_integer():
        return int(value)
    if type(value) is int and name in REAL_FIELDS:
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{name} must be within float64, but is {told(value)}") from None
    return value


def only_known(given: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Refuse names that are not known, all at once."""
    unknown = [f"{name}: {not_known(name, known)}" for name in given if name not in known]
    if unknown:
        raise ValueError("\n".join(unknown))
    return given
