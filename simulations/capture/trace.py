"""What do the instruments read, block by block, in any model that torch can run?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulations.capture.family import Family
from simulations.capture.measure import measure_block
from simulations.capture.pieces import Reading
from simulations.capture.run import batches, make_watched, read_batch
from simulations.instruments.envelopes import Start, start_of, with_envelopes
from simulations.instruments.readings import counting, norms_of_blocks, token_row
from simulations.instruments.trace import Trace
from simulations.numbers import Numbers, host, stack_rows
from theory.arrays import Array, Floats, as_mask, to_numpy
from theory.blocks.weights import Block
from theory.bounds.coefficients import WeightNorms


def trace_model(
    model: Any,
    inputs: Any,
    *,
    family: Family | str | None = None,
    present: Array | None = None,
    token_mask: Array | None = None,
    stage: int | None = None,
    at_once: int | None = None,
    weights: bool = True,
) -> Trace:
    """Run a torch or transformers model once, and measure every block that it ran.

    ``inputs`` is what the model is called with, a mapping of names to tensors (what a tokenizer or
    an image processor gives) or the one tensor it wants. ``family`` names the parts of its blocks:
    None asks the model's configuration, a name is one of `simulations.capture.FAMILIES`, and for
    any other module it is a `Family` of yours. ``present`` is False for padding, None stands for
    the attention mask among the inputs; ``token_mask`` says which tokens the similarity measures
    count, None all of them. Where the tokens do not go straight from one block to the next (an
    encoder and a decoder, Swin's stages) ``stage`` says which run of blocks is meant. ``at_once``
    is how many inputs the model gets at a time, None all of them. Without ``weights`` only tokens
    and attention are measured, in a fraction of the time: no s, sigma, v or verdict.

    What is read of a block (weights, placement, norms, activation, attention weights) is compared
    with the model's own numbers, piece by piece and as a whole, and refused above 1e-5, relative
    (4 eps for models in 16 bits, 16 for a whole block); ``blocks["reconstruction_error"]`` has the
    largest. The block is then computed again in float64, and all verdicts are about that. Where
    the theorem does not apply, ``reasons`` says why, and v is NaN. The model has to be in eval
    mode and is left as it was, also after an error.

    Shapes: present, token_mask (b, n), boolean or the integers 0 and 1
    Raises: InputError if the model trains, is of no known family, hides its attention weights, is
            quantised, or computes anything else than was read of it; if the inputs are texts, or
            hold fewer than two tokens
    """
    watched = make_watched(model, family, present=present, stage=stage, weights=weights)
    mask = None if token_mask is None else as_mask("token_mask", to_numpy(token_mask))
    known: dict[str, WeightNorms] = {}
    traces: list[Trace] = []
    start = 0
    for args, kwargs, there in batches(watched, inputs, at_once):
        rows = _Rows(known, mask, start)
        read_batch(watched, args, kwargs, there, rows.add)
        traces.append(rows.trace())
        start += len(traces[-1].tokens["distance"][0])
    return _joined(traces)


def read_model(
    model: Any,
    inputs: Any,
    *,
    family: Family | str | None = None,
    present: Array | None = None,
    stage: int | None = None,
) -> tuple[Reading, ...]:
    """Return each block of a model as arrays, with the tokens that entered it: see `trace_model`.

    ``reading.block``, ``reading.tokens`` and ``reading.adjacency`` go into `check_block`, say.

    Raises: InputError as `trace_model` does
    """
    watched = make_watched(model, family, present=present, stage=stage)
    found: list[Reading] = []
    for args, kwargs, there in batches(watched, inputs, None):
        read_batch(watched, args, kwargs, there, found.append)
    return tuple(found)


def count_tokens(model: Any, inputs: Any, stage: int | None = None) -> int:
    """Return how many tokens go into the first block, or into the first one of a stage.

    Raises: InputError as `trace_model` does
    """
    watched = make_watched(model, None, present=None, stage=stage, weights=False)
    found: list[int] = []
    for args, kwargs, there in batches(watched, inputs, None):
        read_batch(watched, args, kwargs, there, lambda each: found.append(each.tokens.shape[-2]))
    return found[0]


@dataclass(eq=False)
class _Rows:
    """The readings of one batch, the inputs from ``start`` on, block by block as they come."""

    known: dict[str, WeightNorms]
    mask: Any
    start: int
    tokens: list[dict[str, Numbers]] = field(default_factory=list)
    blocks: list[dict[str, Numbers]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    earlier: Floats | None = None
    first: Start | None = None

    def add(self, reading: Reading) -> None:
        """Measure what one block did."""
        counted = self.mask
        if counted is not None:
            counted = counted[self.start : self.start + len(reading.tokens)]
        counts = counting(reading.tokens.shape[-2], reading.present, counted)
        if not self.tokens:
            self.tokens.append(host(token_row(reading.tokens, counts)))
            self.first = start_of(reading.tokens, present=reading.present)

        def norms_of(block: Block) -> WeightNorms:
            if reading.name not in self.known:
                (self.known[reading.name],) = norms_of_blocks([block], reading.tokens)
            return self.known[reading.name]

        self.blocks.append(host(measure_block(reading, norms_of, self.earlier)))
        self.tokens.append(host(token_row(reading.output, counts)))
        self.reasons.append(reading.reason)
        self.earlier = reading.adjacency

    def trace(self) -> Trace:
        reasons = tuple(self.reasons) if any(self.reasons) else ()
        blocks = with_envelopes(self.first, self.blocks)
        return Trace(stack_rows(self.tokens), stack_rows(blocks), reasons=reasons)


def _joined(traces: Sequence[Trace]) -> Trace:
    """Return one trace of several batches, a reason that any of them has being kept."""
    first, *others = traces
    if not others:
        return first

    def joined(group: str) -> dict[str, Numbers]:
        parts: list[Mapping[str, Numbers]] = [getattr(each, group) for each in traces]
        return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}

    several = [each.reasons for each in traces if each.reasons]
    reasons = tuple(next(filter(None, each), "") for each in zip(*several, strict=True))
    return Trace(joined("tokens"), joined("blocks"), reasons=reasons)
