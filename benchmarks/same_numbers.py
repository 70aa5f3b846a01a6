"""What do the functions of this checkout answer, wherever they are kept now?

    python -m benchmarks.same_numbers WHAT [FOLDER ...]

Prints JSON for `benchmarks.same_answers`, which starts this in a process of its own.
"""

import importlib
import json
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PACKAGES = ("oversmooth", "theory", "simulations", "paper_figures")
"""Where a name is looked for; those that this checkout has not are passed over."""

CHECKOUT = Path(__file__).resolve().parents[1]


class _CutOffError(Exception):
    """Stops a training where a kill would."""


def find(name: str) -> Any:
    """Return what the packages define under a public name, in whichever module.

    Raises: LookupError if it is nowhere, or different things have that name
    """
    found = {}
    for module in _modules():
        value = vars(module).get(name)
        if value is not None and not isinstance(value, ModuleType):
            found[id(value)] = (module.__name__, value)
    if len(found) != 1:
        where = ", ".join(module for module, _ in found.values()) or "none"
        raise LookupError(f"{name} must be one thing in all modules, but differs in {where}")
    return next(value for _, value in found.values())


def _modules() -> Iterator[ModuleType]:
    """Yield all modules of the packages but the commands, which would run."""
    for package in PACKAGES:
        if not (CHECKOUT / package).is_dir():  # another checkout may be installed
            continue
        top = importlib.import_module(package)
        yield top
        for each in pkgutil.walk_packages(top.__path__, f"{package}."):
            if not each.name.endswith("__main__"):
                yield importlib.import_module(each.name)


def plain(value: Any) -> Any:
    """Return arrays and dataclasses as what JSON can hold, without loss of a digit."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain({name: getattr(value, name) for name in vars(value)})
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "items"):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, range):
        return str(value)
    return value


def survey(folder: Path) -> Any:
    """Return all readings of several stacks, and their draws."""
    del folder
    stack_of, ask, on_backend = find("Stack"), find("survey"), find("backend")
    small = stack_of(depth=4, tokens=8, width=16, heads=2, ffn_width=32)
    stacks = {
        "plain": small,
        "pre": replace(small, placement="pre", bias_std=0.2, value_gain=2.0),
        "sandwich": replace(small, placement="sandwich", norm="rms", residual=0.7),
        "bare": replace(small, norm="none", ffn_width=0, weights="orthogonal"),
        "low rank": replace(small, weights="low-rank", rank=3, initial="clustered"),
        "near": replace(small, initial="near-consensus", depth=20, tied=True),
        "bert": replace(small, weights="bert", activation="silu", fixed_std=1.3),
        "large": replace(small, tokens=40, width=48, heads=4, ffn_width=96, tau=1.5),
    }
    causal = np.tril(np.ones((8, 8), dtype=bool))
    quantities = find("QUANTITIES")
    found: dict[str, Any] = {}
    for name, stack in stacks.items():
        gains = (0.5, 3.0)
        cells = [stack, *(replace(stack, value_gain=gain) for gain in gains)]
        for dtype in ("float32", "float64"):
            read = ask(cells, seeds=range(2, 5), on=on_backend(dtype=dtype), quantities=quantities)
            found[f"{name}, {dtype}"] = {"tokens": read.tokens, "blocks": read.blocks}
        found[f"{name}, tokens"] = find("draw_tokens")(stack, seeds=range(2))
        found[f"{name}, blocks"] = list(find("draw_blocks")(stack, seeds=range(1)))[:2]
    masked = ask([small], seeds=range(3), mask=causal)
    found["causal"] = {"tokens": masked.tokens, "blocks": masked.blocks}
    return found


def dataset(path: Path) -> Any:
    """Return the arrays, labels and attributes of an exported sweep."""
    import xarray

    with xarray.open_dataset(path) as read:
        arrays = {name: read[name] for name in sorted((*read.coords, *read.data_vars), key=str)}
        told = {
            str(name): {"dims": list(each.dims), "attrs": each.attrs, "values": each.values}
            for name, each in arrays.items()
        }
        return {"attrs": read.attrs, "arrays": told}


def stored() -> Any:
    """Return the runs and summaries that are kept with the sources, as the figures see them."""
    experiments = find("load_experiments")()
    sharing = find("load_sharing")()
    summaries = {name: find("load_summary")(name) for name in find("SUMMARIES")}
    return {
        "experiments": [(each.name, each.label, each.runs, each.rows()) for each in experiments],
        "sharing": (sharing.runs, sharing.ranges),
        "summaries": summaries,
    }


def break_store(store: Path, broken: Path) -> Any:
    """Copy a store without every second cell, and with half of one that is left."""
    shutil.copytree(store, broken)
    cells = sorted(path for path in (broken / "cells").rglob("*") if path.is_file())
    for path in cells[::2]:
        path.unlink()
    content = cells[1].read_bytes()
    cells[1].write_bytes(content[: len(content) // 2])
    return [path.name for path in cells]


def _training(folder: Path, on_progress: Callable[[str], None]) -> Any:
    """Train small runs in the folder, or go on with them."""
    recipe = find("recipe_for")("mnist", size="quick", depth=2, epochs=4, fusion="gate")
    return find("run_all")(
        [recipe], seeds=1, out=folder, command="cut off", resume=True, on_progress=on_progress
    )


def cut(folder: Path) -> Any:
    """Break a training off in its third epoch; what is left is its checkpoint."""
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if "epoch 3" in line:
            raise _CutOffError

    try:
        _training(folder, stop)
    except _CutOffError:
        return lines
    raise LookupError("the training must tell of its epochs, or it cannot be cut off")


def resume(folder: Path) -> Any:
    """Go on with the training that was broken off, and say how."""
    if not list(folder.glob("*.checkpoint")):
        raise LookupError(f"{folder} must hold the checkpoint of a run that was cut off")
    lines: list[str] = []
    found = _training(folder, lines.append)
    return {"found": found, "lines": lines}


ASKED: dict[str, Callable[..., Any]] = {
    "survey": survey,
    "dataset": dataset,
    "stored": stored,
    "break": break_store,
    "cut": cut,
    "resume": resume,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Answer one question as JSON."""
    what, *folders = sys.argv[1:] if argv is None else list(argv)
    found = plain(ASKED[what](*map(Path, folders)))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
