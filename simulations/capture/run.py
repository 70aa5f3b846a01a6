"""How does a model run while its blocks are read, several inputs at a time?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from simulations.capture.attention import HiddenWeightsError
from simulations.capture.family import Family
from simulations.capture.find import Part, find_blocks, find_family
from simulations.capture.pieces import Reading, read_call, read_tokens
from simulations.capture.ready import (
    arguments,
    can_be_eager,
    eager_attention,
    plain_torch,
    require_ready,
    unwrapped,
)
from simulations.capture.watch import Call, watching
from simulations.models.messages import reason
from theory.arrays import Floats, InputError, as_mask, to_numpy


@dataclass(frozen=True, eq=False)
class Watched:
    """A model that is ready to be watched, and which of its calls are wanted."""

    model: Any
    family: Family
    parts: list[Part]
    present: Any
    stage: int | None
    weights: bool


@dataclass
class _Stages:
    """The runs of blocks in which the tokens of one go straight into the next."""

    sizes: list[int] = field(default_factory=list)
    firsts: list[str] = field(default_factory=list)
    before: Floats | None = None

    def add(self, call: Call) -> int:
        """Return the stage of a call, and remember it."""
        goes_on = self.before is not None and np.array_equal(
            self.before, call.tokens, equal_nan=True
        )
        if not goes_on:
            self.sizes.append(0)
            self.firsts.append(call.part.name)
        self.sizes[-1] += 1
        self.before = call.output
        return len(self.sizes) - 1


def make_watched(
    model: Any,
    family: Family | str | None,
    *,
    present: Any,
    stage: int | None,
    weights: bool = True,
) -> Watched:
    """Return a model that is ready to be watched.

    Raises: InputError if it is not: it trains, is of no known family, or has other parts
    """
    model = unwrapped(model)
    require_ready(model)
    name, found = find_family(model, family)
    return Watched(model, found, find_blocks(model, name, found), present, stage, weights)


def batches(
    watched: Watched, inputs: Any, at_once: int | None
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], Any]]:
    """Yield arguments for the model, and who is present, for a few inputs after the other.

    Raises: InputError if the inputs make no tensors, or at_once does not fit them
    """
    args, kwargs = arguments(watched.model, inputs)
    present = watched.present
    present = None if present is None else as_mask("present", to_numpy(present))
    tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor)]
    if at_once is None:
        yield args, kwargs, present
        return
    lengths = {len(each) for each in tensors if each.ndim}
    if at_once < 1 or len(lengths) != 1:
        raise InputError(
            f"at_once must be positive, of inputs that all have one first axis, the batch, but is "
            f"{at_once} for first axes {sorted(lengths)}"
        )
    for start in range(0, lengths.pop(), at_once):
        rows = slice(start, start + at_once)

        def part(each: Any, rows: slice = rows) -> Any:
            return each[rows] if isinstance(each, torch.Tensor) and each.ndim else each

        some = {name: part(each) for name, each in kwargs.items()}
        yield tuple(map(part, args)), some, None if present is None else present[rows]


def read_batch(
    watched: Watched,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    present: Any,
    on_reading: Callable[[Reading], object],
) -> None:
    """Run the model once; ``on_reading`` gets what each block says when it is done.

    Raises: InputError as `simulations.capture.pieces.read_call` does, or if the model's blocks
            are no single run and no stage is asked for
    """
    read = 0

    def count(reading: Reading) -> None:
        nonlocal read
        read += 1
        on_reading(reading)

    try:
        _run(watched, args, kwargs, present, count)
    except HiddenWeightsError:
        if read or not can_be_eager(watched.model):
            raise
        with eager_attention(watched.model):
            _run(watched, args, kwargs, present, on_reading)


def _run(
    watched: Watched,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    present: Any,
    on_reading: Callable[[Reading], object],
) -> None:
    stages = _Stages()
    ours: list[Exception] = []

    def watch(call: Call) -> None:
        try:
            on_call(call)
        except Exception as error:
            ours.append(error)  # no fault of the model's
            raise

    def on_call(call: Call) -> None:
        stage = stages.add(call)
        if stage != (watched.stage or 0):
            return
        crossed = call.part.inside.get(watched.family.cross or "") is not None
        there = _present(call, kwargs, present, crossed=crossed)
        read = read_call if watched.weights else read_tokens
        on_reading(read(call, stages.sizes[-1] - 1, watched.family, there))

    with plain_torch(), watching(watched.parts, watched.family, watch):
        try:
            watched.model(*args, **kwargs)
        except InputError:
            raise
        except Exception as error:  # a model has endless ways to fail
            if ours:
                raise
            shapes = {name: tuple(each.shape) for name, each in _named(args, kwargs).items()}
            raise InputError(
                f"the model cannot be run on what it is given, {shapes}: {reason(error)}"
            ) from error
    runs = ", ".join(
        f"{i}: {size} from {first}"
        for i, (size, first) in enumerate(zip(stages.sizes, stages.firsts, strict=True))
    )
    if not stages.sizes:
        raise InputError(
            f"none of the {len(watched.parts)} blocks was called ({watched.parts[0].name} for one)"
        )
    if watched.stage is None and len(stages.sizes) > 1:
        raise InputError(
            f"stage must be given: the tokens of the blocks do not go straight from one to the "
            f"next, but in {len(stages.sizes)} runs of blocks ({runs})"
        )
    if watched.stage is not None and not 0 <= watched.stage < len(stages.sizes):
        raise InputError(f"stage must be one of these runs of blocks, {runs}: not {watched.stage}")


def _named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors that the model is given, by name."""
    named = dict(zip(["inputs"], args, strict=False)) | kwargs  # one at most has no name
    return {name: each for name, each in named.items() if isinstance(each, torch.Tensor)}


def _present(call: Call, kwargs: dict[str, Any], given: Any, *, crossed: bool) -> Any:
    """Return which tokens count: as given, or as the mask says that the model gets; None for all.

    Raises: InputError if the mask is not of these tokens, or leaves fewer than two of a text
    """
    shape = call.tokens.shape[:2]
    name, mask = "present", given
    if mask is None:
        name = "decoder_attention_mask" if crossed else "attention_mask"
        mask = kwargs.get(name)
        torchs = "tgt_key_padding_mask" if crossed else "src_key_padding_mask"
        if mask is None and (silent := kwargs.get(torchs)) is not None:
            name, mask = torchs, silent
            if silent.dtype != torch.bool:
                raise InputError(f"present must be given: {torchs} is not boolean")
            mask = ~silent
        if mask is not None and mask.ndim != 2:
            raise InputError(
                f"present must be given, (batch, tokens): {name} has shape {tuple(mask.shape)}"
            )
    if mask is None:
        counted = np.full(shape, True)
    else:
        counted = np.atleast_2d(as_mask(name, to_numpy(mask)))
    if counted.shape != shape:
        raise InputError(
            f"{name} has shape {counted.shape}, but the blocks have {shape[0]} x {shape[1]} "
            "tokens: say with present= which of these count, (batch, tokens), all True if all do"
        )
    few = np.flatnonzero(counted.sum(axis=1) < 2)
    if len(few):
        raise InputError(
            f"every input must have two tokens or more, for d_M is 0 otherwise, but input {few[0]} "
            f"has {counted[few[0]].sum()}"
        )
    return None if counted.all() else counted
