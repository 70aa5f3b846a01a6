"""How does a room offer names at its door without loading what nobody asks for?

A room's stub, ``__init__.pyi``, says where each name that it offers is at home. Type checkers and
editors read it, and so does `door` when the program runs: a home is imported when one of its names
is used. The house itself imports from the homes.

Some homes need a library that only an extra brings. Where it is not installed their names are there
all the same, so that ``help`` and ``import *`` work; called, they say what is missing.
"""

import ast
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

_OWN = ("oversmooth", "theory", "simulations", "paper_figures")


def door(room: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return what a package has as ``__getattr__``, ``__dir__`` and ``__all__``, from its stub."""
    stub = pkgutil.get_data(room, "__init__.pyi") or b""
    homes = {
        alias.asname or alias.name: (getattr(line, "module", None), alias.name)
        for line in ast.parse(stub).body
        for alias in getattr(line, "names", ())
    }

    def get(name: str) -> Any:
        if name not in homes:
            text = f"module {room!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=sys.modules[room])
        home, original = homes[name]
        if home is None:  # import theory as theory
            return import_module(original)
        if home == room:  # from theory import blocks as blocks
            return import_module(f"{room}.{original}")
        try:
            return getattr(import_module(home), original)
        except ModuleNotFoundError as error:
            library = (error.name or "").partition(".")[0]
            if not library or library in _OWN:
                raise
            return _absent(f"{room}.{name}", library)

    return get, lambda: sorted(homes), sorted(homes)


def _absent(name: str, library: str) -> Callable[..., Any]:
    """Return what stands for a name whose home needs a library that is not installed."""

    def refuse(*_: object, **__: object) -> Any:
        from theory.arrays import InputError  # it imports numpy, which a door does not

        raise InputError(
            f"{name} needs the package {library}, which is not installed; "
            "the extras of oversmooth bring such packages, as in pip install 'oversmooth[sweep]'"
        )

    return refuse
