"""How do a model's readings change while it trains?"""

import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simulations.capture.family import Family
from simulations.capture.ready import in_eval_mode, unwrapped
from simulations.capture.trace import trace_model
from simulations.instruments.trace import Trace
from simulations.machine.json import to_line
from simulations.numbers import Numbers
from theory.arrays import Array, InputError
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Tracker:
    """Measures a model every so many steps of its training, into a file of JSON lines.

    In a loop of your own call ``tracker(step)`` after each step; to a transformers Trainer give it
    among the callbacks. Every ``every`` steps the model is put in eval mode, the same ``inputs``
    go through it as `simulations.capture.trace_model` takes them, each module goes back to the
    mode it was in, and one line a depth is added to the file. No random number is drawn.

    The first reading raises what is wrong; a later one that fails (tokens that are not finite,
    say) is a warning and a line that says so, for a training of days is worth more.

    ``weights`` is False for a quick look at tokens and attention alone.
    """

    model: Any
    inputs: Any
    path: Path | str
    every: int = 100
    family: Family | str | None = None
    present: Array | None = None
    weights: bool = True
    _steps: list[int] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"every must be a positive number of steps, but is {self.every}")

    def __call__(self, step: int) -> bool:
        """Measure if it is time to; return whether it was."""
        if step % self.every:
            return False
        path = Path(self.path)
        model = unwrapped(self.model)
        try:
            with in_eval_mode(model):
                trace = trace_model(
                    model,
                    self.inputs,
                    family=self.family,
                    present=self.present,
                    weights=self.weights,
                )
            lines = _lines(step, trace)
            self._steps.append(step)
        except InputError as error:
            if not self._steps:
                raise
            warnings.warn(f"no reading at step {step}: {error}", stacklevel=2)
            lines = to_line({"step": step, "error": str(error)})
        _append(path, lines)
        return True

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Measure before a Trainer's first step."""
        self(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Measure after a Trainer's step."""
        self(state.global_step)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Do nothing at the other events of a Trainer, which all callbacks hear of."""
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *_, **__: None


@brief_repr
@dataclass(frozen=True, eq=False)
class Tracks:
    """What a `Tracker` wrote: readings by step, as in a trace; ``errors`` says what failed when.

    Shapes: steps (s,), tokens[name] (s, L + 1, b), blocks[name] (s, L, b)
    """

    steps: Numbers
    tokens: dict[str, Numbers]
    blocks: dict[str, Numbers]
    errors: dict[int, str]


def read_tracks(path: Path | str) -> Tracks:
    """Return the readings in a `Tracker`'s file.

    Of a step that was measured again, after a restart say, the later reading counts; one of which
    a kill cut off a line is left out. What JSON has no number for (NaN, infinity) is NaN.

    Raises: InputError if the file cannot be read or holds no reading
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    steps: dict[int, dict[int, Any]] = {}
    errors: dict[int, str] = {}
    for line in text.splitlines():
        try:
            row = json.loads(line)
            step, depth = row["step"], row.get("depth", 0)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if "error" in row:
            errors[step] = row["error"]
        elif depth == 0:
            steps[step] = {0: row}
        else:
            steps.setdefault(step, {})[depth] = row
    whole = {
        step: [rows[depth] for depth in sorted(rows)]
        for step, rows in sorted(steps.items())
        if len(rows) == rows[max(rows)]["depths"]
    }
    if not whole:
        raise InputError(f"{path} holds no whole reading")
    return Tracks(
        np.asarray(list(whole)),
        _stacked(list(whole.values()), "tokens"),
        _stacked([rows[1:] for rows in whole.values()], "block"),
        errors,
    )


def _append(path: Path, lines: str) -> None:
    """Add whole lines, after an end to one that a kill cut off.

    Raises: InputError if the file cannot be written
    """
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                lines = lines if file.read(1) == b"\n" else "\n" + lines
            file.write(lines.encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _lines(step: int, trace: Trace) -> str:
    rows = []
    for depth in range(trace.depth + 1):
        row: dict[str, Any] = {"step": step, "depth": depth, "depths": trace.depth + 1}
        row["tokens"] = {name: values[depth] for name, values in trace.tokens.items()}
        if depth:
            row["block"] = {name: values[depth - 1] for name, values in trace.blocks.items()}
            row["reason"] = trace.reasons[depth - 1] if trace.reasons else ""
        rows.append(to_line(row))
    return "".join(rows)


def _stacked(steps: list[list[Any]], group: str) -> dict[str, Numbers]:
    names = dict.fromkeys(name for rows in steps for row in rows for name in row[group])
    nothing = np.full_like(np.asarray(steps[0][0]["tokens"]["distance"], dtype=float), np.nan)
    return {
        name: np.asarray(
            [
                [np.asarray(row[group].get(name, nothing), dtype=float) for row in rows]
                for rows in steps
            ]
        )
        for name in names
    }
