"""How do a model's readings change while it trains?"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulations.capture.family import Family
from simulations.capture.ready import in_eval_mode, unwrapped
from simulations.capture.trace import trace_model
from simulations.instruments.trace import Trace
from simulations.sweeps.store import Store, create_store
from simulations.sweeps.training import keep_reading, next_start, note_failure
from theory.arrays import Array, InputError
from theory.records import brief_repr


@dataclass
class _Kept:
    """Where the readings of this start go, and what the last one was about."""

    store: Store | None = None
    start: int = 0
    last: int = -1
    steps: int | None = None


@brief_repr
@dataclass(frozen=True, eq=False)
class Tracker:
    """Measures a model every so many steps of its training, into a store.

    In a loop of your own call ``tracker(step)`` after each step; to a transformers Trainer give it
    among the callbacks. Every ``every`` steps the model is put in eval mode, the same ``inputs``
    go through it as `simulations.capture.trace_model` takes them, each module goes back to the
    mode it was in, and the reading is kept as one file, whole or not at all. No random number is
    drawn. ``oversmooth status`` and ``oversmooth export`` read the ``store``, a folder, and so does
    `simulations.sweeps.read_store`.

    The first reading raises what is wrong; a later one that fails (tokens that are not finite, a
    disk that is full) is a warning and a note in the store, for a training of days is worth more.
    Of steps that are measured again, by a training that goes on from a checkpoint, the later
    reading counts.

    ``steps`` is how many the training will have, if you know; a Trainer says it itself.
    ``weights`` is False for a quick look at tokens and attention alone.
    """

    model: Any
    inputs: Any
    store: Path | str
    every: int = 100
    family: Family | str | None = None
    present: Array | None = None
    weights: bool = True
    steps: int | None = None
    _kept: _Kept = field(default_factory=_Kept, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"every must be a positive number of steps, but is {self.every}")
        self._kept.steps = self.steps

    def __call__(self, step: int) -> bool:
        """Measure if it is time to; return whether it was."""
        if step % self.every:
            return False
        kept, step = self._kept, int(step)
        if kept.store is not None and step <= kept.last:  # the training went back
            kept.start = next_start(kept.store)
        try:
            self._keep(step)
        except InputError as error:
            if kept.store is None:
                raise
            warnings.warn(f"no reading at step {step}: {error}", stacklevel=2)
            self._note(kept.store, step, str(error))
        kept.last = step
        return True

    def _keep(self, step: int) -> None:
        kept, model = self._kept, unwrapped(self.model)
        with in_eval_mode(model):
            trace = trace_model(
                model,
                self.inputs,
                family=self.family,
                present=self.present,
                weights=self.weights,
            )
        store = kept.store
        if store is None:
            about = {"model": type(model).__name__, "every": self.every, "weights": self.weights}
            store = create_store(Path(self.store).absolute(), about, kind="training")
            kept.start = next_start(store)
        header = {"start": kept.start, "steps": kept.steps, "reasons": [*trace.reasons]}
        keep_reading(store, _arrays(trace), start=kept.start, step=step, about=header)
        kept.store = store

    def _note(self, store: Store, step: int, error: str) -> None:
        try:
            note_failure(store, error, start=self._kept.start, step=step)
        except InputError as full:
            warnings.warn(str(full), stacklevel=3)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure before a Trainer's first step."""
        if self.steps is None and state.max_steps > 0:
            self._kept.steps = state.max_steps
        self.on_step_end(args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Measure after a Trainer's step; of several processes the first does."""
        if state.is_world_process_zero:
            self(state.global_step)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Do nothing at the other events of a Trainer, which all callbacks hear of."""
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *_, **__: None


def _arrays(trace: Trace) -> Mapping[str, Any]:
    """Return a trace's readings by name, as a store keeps them."""
    tokens = {f"tokens/{name}": values for name, values in trace.tokens.items()}
    return tokens | {f"blocks/{name}": values for name, values in trace.blocks.items()}
