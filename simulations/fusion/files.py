"""Is a stored fusion run whole? Files are read here, one run or a list of them each."""

import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np

from simulations.fusion.recipe import Recipe
from simulations.machine.formats import FormatError, read_json
from theory.arrays import InputError

Run: TypeAlias = dict[str, Any]
_CHECKSUM, _DIGITS = "sha256", 64


def read_runs(path: Path | str) -> list[Run]:
    """Return the runs of a file.

    Raises: InputError that names the file if it cannot be read, or a run of it is not whole
    """
    path = Path(path)
    try:
        content = read_json(path, name=path.name, parse_constant=_no_number)
        runs = content if isinstance(content, list) else [content]
        if not runs:
            raise ValueError("it holds no runs")
        for run in runs:
            _require_sound(run)
            _require_whole(run)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise InputError(f"{path.name} is damaged: ValueError: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        told = str(error) or type(error).__name__
        raise InputError(f"{path.name} is damaged: {type(error).__name__}: {told}") from error
    return runs


def recipe_of(run: Run) -> Recipe:
    """Return the recipe of a run; settings that are newer than the run have their defaults."""
    told = dict(run["recipe"])
    if told["shared"] is not None:
        told["shared"] = tuple(told["shared"])
    return Recipe(**told)


def with_checksum(run: Run) -> Run:
    """Return a run with a checksum of the rest of it, as a record has it."""
    return {**run, _CHECKSUM: _checksum(run)}


def _require_sound(run: Any) -> None:
    """Take the checksum of a record off; raise an error if a bit of the rest has changed.

    Records that are older than checksums have none; but a bit of its name may have changed too.
    """
    told = run.pop(_CHECKSUM, None)
    lost = any(isinstance(each, str) and len(each) == _DIGITS for each in run.values())
    if lost or (told is not None and told != _checksum(run)):
        raise ValueError("its checksum does not fit its content")


def _checksum(run: Run) -> str:
    """Cover names and values, not spaces: Python writes a float so that it is read as it was."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _require_whole(run: Any) -> None:
    """Raise an error unless a run has its recipe and all that figures draw of it."""
    recipe = recipe_of(run)
    shapes: dict[str, tuple[int, ...]] = {
        "score": (),
        "cosine": (recipe.depth + 1,),
        "cosine_fused": (),
        "sigma_product_last": (101,),
        "attention_flops": (),
    }
    if recipe.fusion == "gate":
        shapes |= {"gate": (recipe.depth,), "cosine_average": ()}
    if recipe.fusion == "baseline" and recipe.shared is None:
        shapes["layer_scores"] = (recipe.depth + 1,)
    for name, shape in shapes.items():
        values = np.asarray(run[name])
        if values.shape != shape or values.dtype.kind not in "if":
            raise ValueError(f"its {name} must be numbers of shape {shape}")
    for name in ("command", "commit", "data", "weights", "torch"):
        if not isinstance(run["provenance"][name], str):
            raise TypeError(f"its {name} must be a text")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")
