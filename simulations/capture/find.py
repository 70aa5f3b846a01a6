"""Of which family is a model, and which of its modules are blocks?"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from simulations.capture.family import Family
from simulations.capture.known import FAMILIES, OTHER_NAMES
from theory.arrays import InputError


class Part(NamedTuple):
    """A block of a model: its path, its module, and the modules inside by their names."""

    name: str
    module: Any
    inside: dict[str, Any]


def find_family(model: Any, family: Family | str | None) -> tuple[str, Family]:
    """Return a family and its name: as given, or as the model or its parts call themselves.

    Raises: InputError, with all known names, if there is none or more than one
    """
    if isinstance(family, Family):
        return "given", family
    if family is not None:
        name = OTHER_NAMES.get(family, family)
        if name not in FAMILIES:
            raise InputError(f"family must be one of {_known()}, or a Family, but is {family!r}")
        name = _fitting(model, name)
        return name, FAMILIES[name]
    found = dict.fromkeys(_names(model))
    if len(found) == 1:
        name = _fitting(model, next(iter(found)))
        return name, FAMILIES[name]
    if found:
        raise InputError(
            f"family must be named, for the model has parts of several: {', '.join(found)}"
        )
    told = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    raise InputError(
        f"family must be given for a model called {told!r}: known are {_known()}. For any other, "
        "name its parts: trace_model(model, inputs, family=Family(blocks='layers', "
        "attention='attn', value='attn.v', output='attn.o', up='mlp.up', down='mlp.down', "
        f"norms=('norm1', 'norm2'))). {_lists(model)}"
    )


def find_blocks(model: Any, name: str, family: Family) -> list[Part]:
    """Return the blocks of a model in the order of its modules.

    Raises: InputError if there is none, or one lacks a module that the family names
    """
    parts = list(_parts(model, family))
    if not parts:
        raise InputError(
            f"family {name!r} looks for blocks in a list {family.blocks!r}, but the model has none "
            f"called so. {_lists(model)}"
        )
    for number, part in enumerate(parts):
        if _crosses(family, part):
            continue
        for use, wanted in family.parts.items():
            if wanted not in part.inside:
                leaves = [key for key, module in part.inside.items() if not list(module.children())]
                raise InputError(
                    f"block {number} ({part.name}) has no module {wanted!r}, which family {name!r} "
                    f"names as {use}; it has {', '.join(leaves)}"
                )
    return parts


def listens(part: Part, family: Family) -> str:
    """Return the name of the module that attends; torch's own is its value projection too."""
    value = part.inside.get(family.value)
    return family.value if isinstance(value, nn.MultiheadAttention) else family.attention


def _crosses(family: Family, part: Part) -> bool:
    return bool(family.cross) and part.inside.get(family.cross or "") is not None


def _fitting(model: Any, name: str) -> str:
    """Return the first family of this name, or with more behind a hyphen, that has all parts."""
    for each in (name, *(key for key in FAMILIES if key.startswith(f"{name}-"))):
        family = FAMILIES[each]
        if any(_has_all(family, part) for part in _parts(model, family)):
            return each
    return name


def _has_all(family: Family, part: Part) -> bool:
    return all(name in part.inside for name in family.parts.values())


def _parts(model: Any, family: Family) -> Iterator[Part]:
    path_of_list = rf"(?:.*\.)?{re.escape(family.blocks)}\." if family.blocks else ""
    wanted = re.compile(rf"{path_of_list}\d+")
    for path, module in model.named_modules():
        name = path.replace("_orig_mod.", "")  # what torch.compile wraps
        if wanted.fullmatch(name):
            inside = {
                key.replace("_orig_mod.", ""): each for key, each in module.named_modules() if key
            }
            yield Part(name, module, inside)


def _names(model: Any) -> Iterator[str]:
    """Yield the known families that a model, or else its outermost known parts, say they are."""
    told = getattr(getattr(model, "config", None), "model_type", None)
    name = OTHER_NAMES.get(told, told) if isinstance(told, str) else None
    if name in FAMILIES:
        yield name
    elif isinstance(model, nn.TransformerEncoder | nn.TransformerDecoder):
        yield "torch"
    else:
        for child in model.children():
            yield from _names(child)


def _known() -> str:
    return ", ".join(sorted(FAMILIES))


def _lists(model: Any) -> str:
    found = [
        f"{path or 'the model'} ({len(module)} x {type(module[0]).__name__})"
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList | nn.Sequential) and len(module)
    ]
    return (
        f"Its lists of modules: {', '.join(found[:12])}" if found else "It has no list of modules"
    )
