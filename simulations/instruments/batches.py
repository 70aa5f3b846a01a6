"""How do many texts go through a model in little memory?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulations.instruments.readings import norms_of_blocks
from simulations.instruments.trace import Trace, trace_blocks
from simulations.machine.backends import Backend, backend
from simulations.models.architecture import Architecture
from simulations.models.checkpoint import Checkpoint
from simulations.models.forward import causal_mask, embed
from simulations.models.tokens import Encoded
from theory.bounds.coefficients import WeightNorms

BATCH_BYTES: Final = 2**27
"""What the texts that are measured at once may take; more is not faster on a processor."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bench:
    """A model made ready for one batch of texts after the other.

    ``on`` is None for NumPy in the checkpoint's own dtype. The weights' norms do not depend on
    the texts and are found once.
    """

    checkpoint: Checkpoint
    on: Backend | None
    skip_special: bool
    norms: Sequence[WeightNorms] | None

    def trace(self, encoded: Encoded) -> Trace:
        """Measure one batch, all of it at once."""
        there, present = self._there, encoded.token_mask
        earlier = causal_mask(self.checkpoint, present.shape[-1])
        counted = there.move(present & ~encoded.special_mask) if self.skip_special else None
        return trace_blocks(
            self._blocks,
            there.move(embed(self.checkpoint, encoded)),
            mask=None if earlier is None else there.move(earlier),
            present=there.move(present),
            token_mask=counted,
            norms=self.norms,
        )

    @property
    def _there(self) -> Backend:
        dtype = str(self.checkpoint.embeddings.dtype)
        return backend(dtype=dtype) if self.on is None else self.on

    @property
    def _blocks(self) -> Any:
        blocks = self.checkpoint.blocks
        return blocks if self.on is None else self.on.move_each(blocks)


def make_ready(checkpoint: Checkpoint, *, skip_special: bool, on: Backend | None) -> Bench:
    """Return a model that is ready to measure; it takes seconds, for the weights' norms."""
    bench = Bench(checkpoint, on, skip_special, None)
    like = bench._there.xp.zeros(1, dtype=bench._there.dtype)
    return replace(bench, norms=norms_of_blocks(bench._blocks, like))


def bytes_of_text(model: Architecture, tokens: int) -> int:
    """Return about how much memory a text takes while it is measured, generously.

    The most is used in the feed-forward sublayer, in the attention, or where the heads' values
    are put side by side, whose (d, d) Gram matrix each text has for itself.
    """
    wide, square = tokens * model.ffn, model.heads * tokens**2
    most = max(5 * wide, 8 * square, 4 * model.width**2)
    return 8 * (most + 2 * square + 12 * tokens * model.width)


def in_order(encoded: Encoded, model: Architecture) -> Iterator[tuple[Rows, int]]:
    """Yield the rows of one batch after the other, all as wide as the longest text.

    No reading depends on what else is in a batch, so these are those of one large batch.
    """
    texts, width = encoded.ids.shape
    each = max(1, BATCH_BYTES // bytes_of_text(model, width))
    for start in range(0, texts, each):
        yield np.arange(start, min(start + each, texts)), width


def by_length(encoded: Encoded, model: Architecture) -> Iterator[tuple[Rows, int]]:
    """Yield rows and width of one batch after the other, short texts first: little is padding."""
    lengths = encoded.token_mask.sum(axis=1)
    rows: list[int] = []
    width = 0
    for row in np.argsort(lengths, kind="stable").tolist():
        length = int(lengths[row])
        if rows and (len(rows) + 1) * bytes_of_text(model, length) > BATCH_BYTES:
            yield np.asarray(rows), width
            rows = []
        rows.append(row)
        width = length
    yield np.asarray(rows), width


def trace_in_batches(
    bench: Bench,
    encoded: Encoded,
    batches: Callable[[Encoded, Architecture], Iterator[tuple[Rows, int]]],
    *,
    on_batch: Callable[[int], object] | None = None,
) -> Trace:
    """Measure a batch at a time and return one trace, the texts in their own order.

    ``on_batch`` gets the number of texts of each batch when it is measured.
    """
    found: list[tuple[Rows, Trace]] = []
    for rows, width in batches(encoded, bench.checkpoint.architecture):
        found.append((rows, bench.trace(_take(encoded, rows, width))))
        if on_batch is not None:
            on_batch(len(rows))
    return _join(found, len(encoded.ids))


def _take(encoded: Encoded, rows: Rows, width: int) -> Encoded:
    """Return some texts of a batch, without the padding that none of them needs."""
    return encoded._replace(
        ids=encoded.ids[rows, :width],
        token_mask=encoded.token_mask[rows, :width],
        special_mask=encoded.special_mask[rows, :width],
        truncated=encoded.truncated[rows],
        pieces=tuple(encoded.pieces[row] for row in rows.tolist()),
        pixels=None if encoded.pixels is None else encoded.pixels[rows],
    )


def _join(parts: Sequence[tuple[Rows, Trace]], texts: int) -> Trace:
    """Return the readings of all parts, those of each text in its own place."""
    order = np.empty(texts, dtype=np.int64)
    order[np.concatenate([rows for rows, _ in parts])] = np.arange(texts)

    def joined(group: str) -> dict[str, NDArray[Any]]:
        names = getattr(parts[0][1], group)
        each = {name: [getattr(trace, group)[name] for _, trace in parts] for name in names}
        return {name: np.concatenate(values, axis=1)[:, order] for name, values in each.items()}

    return Trace(joined("tokens"), joined("blocks"))
