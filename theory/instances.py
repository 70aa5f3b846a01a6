"""How is an instance of a theorem taken apart: its arrays, its dtype, its batch members?"""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from array_api_compat import is_array_api_obj

from theory.arrays import Array, InputError, namespace
from theory.layers import Attention, Block, FeedForward
from theory.normalisation import Norm

Instance = TypeVar("Instance")

# How many axes an array has when nothing is batched. A theorem's own instance class states
# this for its fields in a class variable AXES.
_LAYER_AXES: dict[type, dict[str, int]] = {
    Norm: {"gain": 1, "shift": 1},
    Attention: {
        **dict.fromkeys(("query", "key", "value", "output"), 3),
        **dict.fromkeys(("query_bias", "key_bias"), 2),
        "bias": 1,
    },
    FeedForward: {"weight_in": 2, "weight_out": 2, "bias_in": 1, "bias_out": 1},
    Block: {},
}


def map_arrays(function: Callable[[Array, int], Array], instance: Instance) -> Instance:
    """Return a copy with ``function(array, axes)`` in the place of every array.

    ``axes`` is the number of the array's axes that are no batch.

    Raises: InputError if an array sits in a field that no class variable AXES mentions
    """
    assert is_dataclass(instance)
    changes: dict[str, Any] = {}
    axes = _LAYER_AXES.get(type(instance)) or getattr(type(instance), "AXES", {})
    for field in fields(instance):
        value = getattr(instance, field.name)
        if is_dataclass(value):
            changes[field.name] = map_arrays(function, value)
        elif is_array_api_obj(value):
            if field.name not in axes:
                raise InputError(
                    f"{type(instance).__name__}.{field.name} must not be an array, or its class "
                    "must state in AXES how many axes it has"
                )
            changes[field.name] = function(value, axes[field.name])
    return cast(Instance, replace(instance, **changes))  # type: ignore[type-var]


def leaves(instance: object) -> Iterator[Array]:
    """Yield every array of the instance."""
    found: list[Array] = []

    def note(array: Array, _: int) -> Array:
        found.append(array)
        return array

    map_arrays(note, instance)
    return iter(found)


def as_float64(instance: Instance) -> Instance:
    """Return the instance with all numbers as float64 in their own library; masks stay boolean."""

    def convert(array: Array, _: int) -> Array:
        xp = namespace(array)
        return array if array.dtype == xp.bool else xp.astype(array, xp.float64)

    return map_arrays(convert, instance)


def member(instance: Instance, index: tuple[int, ...]) -> Instance:
    """Return one member of a batch; an array without batch axes belongs to every member."""

    def pick(array: Array, axes: int) -> Array:
        return array[(*index, ...)] if array.ndim > axes else array

    return map_arrays(pick, instance)
