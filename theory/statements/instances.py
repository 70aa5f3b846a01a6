"""How is an instance of a theorem taken apart: its arrays, its dtype, its batch members?"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np
from array_api_compat import is_array_api_obj

from theory.arrays import (
    Array,
    InputError,
    ShapeError,
    namespace,
    require_mask,
    require_same_lengths,
)
from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import Positions
from theory.blocks.weights import Attention, Block, FeedForward
from theory.records import one_line

Instance = TypeVar("Instance")

# The axes an array has when nothing is batched. A theorem's own instance class states this for
# its fields in a class variable AXES. Axes of one name have one length in all of an instance.
_LAYER_AXES: dict[type, dict[str, str]] = {
    Norm: {"gain": "d", "shift": "d"},
    HeadNorm: {"gain": "h k", "shift": "h k"},
    Positions: {
        "bias": "h n n",
        "by_offset": "h offsets",
        "frequencies": "pairs",
        "angles": "n pairs",
    },
    Attention: {
        "query": "h d k",
        "key": "h d k",
        "value": "h d m",
        "output": "h m d",
        "query_bias": "h k",
        "key_bias": "h k",
        "bias": "d",
    },
    FeedForward: {
        "weight_in": "d f",
        "weight_out": "f d",
        "bias_in": "f",
        "bias_out": "d",
        "weight_gate": "d f",
        "bias_gate": "f",
    },
    Block: {},
}


def map_arrays(function: Callable[[Array, tuple[str, ...]], Array], instance: Instance) -> Instance:
    """Return a copy with ``function(array, axes)`` in the place of every array.

    ``axes`` are the names of the array's axes that are no batch.

    Raises: InputError for anything but a dataclass, for an array in a field that no class variable
    AXES mentions, and for a list or an array of too few axes in one that it does
    """
    changes = {
        name: map_arrays(function, value) if axes is None else function(value, axes)
        for name, value, axes in _parts(instance)
    }
    return replace(instance, **changes)  # type: ignore[type-var]


def leaves(instance: object) -> Iterator[Array]:
    """Yield every array of the instance."""
    return (array for _, array, _ in _named(instance))


def require_axes(instance: object) -> None:
    """Raise InputError unless the arrays go together, and masks alone are boolean.

    A mask may have one row for all tokens.
    """
    every = list(_named(instance))
    namespace(*(array for _, array, _ in every))  # of one library
    for i, (name, array, axes) in enumerate(every):
        if name.endswith("mask"):
            require_mask(name, array, *axes)
            if array.shape[-2] == 1:
                every[i] = (name, array, ("1", axes[-1]))
        elif ".positions." in name and axes[0] == "h" and array.shape[-len(axes)] == 1:
            every[i] = (name, array, ("1", *axes[1:]))  # one bias for all heads
        elif array.dtype == namespace(array).bool:
            raise InputError(f"{name} must hold numbers, but is boolean; convert it to float64")
    require_same_lengths(every)


def require_batch(instance: object, batch: tuple[int, ...]) -> None:
    """Raise ShapeError unless every array has these batch axes, or none."""
    for name, array, axes in _named(instance):
        have = tuple(array.shape[: array.ndim - len(axes)])
        if have not in ((), batch):
            raise ShapeError(
                f"{name} must have the batch axes {batch} of the instance, or none, but has {have}"
            )


def _named(instance: object, prefix: str = "") -> Iterator[tuple[str, Array, tuple[str, ...]]]:
    """Yield the path, the array and its axes for every array of the instance."""
    for name, value, axes in _parts(instance):
        if axes is None:
            yield from _named(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, axes


def _parts(instance: object) -> Iterator[tuple[str, Any, tuple[str, ...] | None]]:
    """Yield the arrays of this very object with their axes, and its dataclasses with None."""
    if not is_dataclass(instance) or isinstance(instance, type):
        raise InputError(f"an instance must be a dataclass of arrays, but is {one_line(instance)}")
    kind = type(instance)
    layer = next((base for base in kind.__mro__ if base in _LAYER_AXES), None)
    stated = getattr(kind, "AXES", {}) if layer is None else _LAYER_AXES[layer]
    hints = _hints(kind)
    for field in fields(instance):
        name, value = field.name, getattr(instance, field.name)
        path = f"{kind.__name__}.{name}"
        wanted = hints.get(name, (type(None),))
        parts = tuple(part for part in wanted if isinstance(part, type) and is_dataclass(part))
        if value is None:
            if type(None) not in wanted:
                raise InputError(f"{path} must not be None")
        elif parts and not isinstance(value, parts):
            kinds = " or ".join(part.__name__ for part in parts)
            raise InputError(f"{path} must be a {kinds}, but is {one_line(value)}")
        elif is_dataclass(value):
            yield name, value, None
        elif isinstance(value, np.ma.MaskedArray):
            raise InputError(f"{path} must not be a masked array: fill it first")
        elif is_array_api_obj(value):
            if name not in stated and value.ndim == 0:
                continue  # a setting that happens to be a NumPy number
            if name not in stated:
                raise InputError(f"{path} must not be an array, or its class must state its AXES")
            axes = tuple(stated[name].split())
            if value.ndim < len(axes):
                raise InputError(
                    f"{path} must have shape (..., {', '.join(axes)}), but has {value.shape}"
                )
            yield name, value, axes
        elif name in stated:
            raise InputError(f"{path} must be an array, but is {one_line(value)}")


@cache
def _hints(kind: type) -> dict[str, tuple[Any, ...]]:
    """Return for each field what it may hold: a union's parts, or one hint."""
    try:
        hints = get_type_hints(kind)
    except NameError:  # a class within a function, its annotations kept as strings
        return {}
    return {name: get_args(hint) or (hint,) for name, hint in hints.items()}


def as_float64(instance: Instance) -> Instance:
    """Return the instance with all numbers as float64 in their own library; masks stay boolean.

    Raises: InputError for what is not real numbers
    """

    def convert(array: Array, _: tuple[str, ...]) -> Array:
        xp = namespace(array)
        if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
            raise InputError(f"every array must be of real numbers, but one is {array.dtype}")
        return array if array.dtype == xp.bool else xp.astype(array, xp.float64)

    return map_arrays(convert, instance)


def member(instance: Instance, index: tuple[int, ...]) -> Instance:
    """Return one member of a batch; an array without batch axes belongs to every member."""

    def pick(array: Array, axes: tuple[str, ...]) -> Array:
        return array[(*index, ...)] if array.ndim > len(axes) else array

    return map_arrays(pick, instance)
