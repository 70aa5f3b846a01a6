"""What does a store hold of a model that trains, and how far is the training?

A reading is a cell, whose key is the number of the start that took it and its step. Who starts
again, from a checkpoint say, measures steps again: those count, and of the earlier start those
before them.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulations.machine.files import CorruptError, commit_file
from simulations.machine.provenance import made_by
from simulations.sweeps.store import (
    Arrays,
    Store,
    commit_cell,
    open_store,
    read_cell,
    read_manifest,
    read_note,
    stored_keys,
)
from theory.arrays import InputError
from theory.records import brief_repr

_KEY: Final = re.compile(r"(\d{6})-(\d{12})")
_LIBRARIES: Final = ("oversmooth", "numpy", "scipy", "torch")


@brief_repr
@dataclass(frozen=True, eq=False)
class Course:
    """What was read of a training by step: arrays and header; why steps have none.

    ``arrays`` are named "tokens/name" (L + 1, b) and "blocks/name" (L, b).
    """

    manifest: Mapping[str, Any]
    readings: Mapping[int, tuple[Arrays, Mapping[str, Any]]]
    errors: Mapping[int, str]
    corrupt: int


@dataclass(frozen=True)
class TrainingStatus:
    """How many readings there are, at which steps, and how fast the training goes.

    ``steps`` is how many it will have, None if nobody said; ``seconds_left`` is what they take at
    the rate of the last start.
    """

    readings: int
    failed: int
    corrupt: int
    every: int
    first_step: int | None
    last_step: int | None
    steps: int | None
    steps_per_second: float | None
    seconds_left: float | None

    @property
    def finished(self) -> bool:
        """Whether no reading is lacking, as far as is known."""
        last = -1 if self.last_step is None else self.last_step
        over = self.steps is None or last + self.every > self.steps
        return over and not self.failed and not self.corrupt and self.readings > 0


def next_start(store: Store) -> int:
    """Return the number of a start that comes after all that left something in the store."""
    return 1 + max((start for start, _, _ in _places(store)), default=0)


def keep_reading(
    store: Store, arrays: Arrays, *, start: int, step: int, about: Mapping[str, Any]
) -> None:
    """Keep a reading, whole or not at all.

    Raises: DiskError if it cannot be written
    """
    header = {**about, "step": step, "written": time.time(), **made_by(*_LIBRARIES)}
    commit_cell(store, _key(start, step), arrays, header)


def note_failure(store: Store, error: str, *, start: int, step: int) -> None:
    """Keep why a step has no reading.

    Raises: DiskError if it cannot be written
    """
    note = json.dumps({"step": step, "error": error}).encode()
    commit_file(store.failure_path(_key(start, step)), note)


def read_course(root: Path | str) -> Course:
    """Read all that a store holds of a training; nothing is changed.

    A damaged reading is among the errors, and counted.

    Raises: InputError if there is no store of a training, or a newer version wrote it
    """
    store = open_store(root, kind="training")
    readings: dict[int, tuple[Arrays, Mapping[str, Any]]] = {}
    errors: dict[int, str] = {}
    corrupt = 0
    for step, (key, failed) in sorted(_counting(store).items()):
        try:
            if failed:
                errors[step] = str(read_note(store.failure_path(key)).get("error", ""))
            else:
                readings[step] = read_cell(store, key)
        except CorruptError as error:
            errors[step] = str(error)
            corrupt += 1
        except FileNotFoundError:  # somebody removes readings by hand
            continue
    return Course(read_manifest(store), readings, errors, corrupt)


def training_status(course: Course) -> TrainingStatus:
    """Say how far a training is."""
    headers = [header for _, header in course.readings.values()]
    steps = [*course.readings]
    last = headers[-1] if headers else {}
    total = last.get("steps")
    own = [each for each in headers if each["start"] == last["start"]]
    rate = None
    if len(own) > 1 and (seconds := own[-1]["written"] - own[0]["written"]) > 0:
        rate = (own[-1]["step"] - own[0]["step"]) / seconds
    return TrainingStatus(
        readings=len(steps),
        failed=len(course.errors) - course.corrupt,
        corrupt=course.corrupt,
        every=course.manifest["every"],
        first_step=min(steps, default=None),
        last_step=max(steps, default=None),
        steps=total,
        steps_per_second=rate,
        seconds_left=max(0, total - steps[-1]) / rate if rate and total is not None else None,
    )


def stacked(course: Course) -> dict[str, np.ndarray[Any, Any]]:
    """Return each reading by its name, NaN for steps and depths that have none.

    Shapes: "tokens/name" (steps, L + 1, b), "blocks/name" (steps, L, b)
    """
    steps = sorted({*course.readings, *course.errors})
    shapes: dict[str, tuple[int, ...]] = {}
    for arrays, _ in course.readings.values():
        for name, values in arrays.items():
            known = shapes.get(name, (0,) * values.ndim)
            shapes[name] = tuple(map(max, known, values.shape))
    found = {name: np.full((len(steps), *shape), np.nan) for name, shape in shapes.items()}
    for i, step in enumerate(steps):
        arrays = course.readings[step][0] if step in course.readings else {}
        for name, values in arrays.items():
            there = tuple(slice(size) for size in values.shape)
            found[name][i][there] = values
    return found


def _key(start: int, step: int) -> str:
    if not 0 <= step < 10**12:
        raise InputError(f"step must be a number from 0, but is {step}")
    return f"{start:06d}-{step:012d}"


def _places(store: Store) -> list[tuple[int, int, bool]]:
    """Return start and step of all that is kept, and whether it is a failure, in order."""
    return sorted(
        (int(match[1]), int(match[2]), folder == "failed")
        for folder in ("cells", "failed")
        for match in map(_KEY.fullmatch, stored_keys(store, folder))
        if match
    )


def _counting(store: Store) -> dict[int, tuple[str, bool]]:
    """Return by step the key of what counts, and whether it is a failure."""
    found: dict[int, tuple[str, bool]] = {}
    before = 0
    for start, step, failed in _places(store):
        if start != before:  # its first step: what was at and after it is of another course
            found = {earlier: kept for earlier, kept in found.items() if earlier < step}
            before = start
        found[step] = (_key(start, step), failed)
    return found
