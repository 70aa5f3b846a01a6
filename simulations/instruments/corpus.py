"""What do the instruments read on a corpus: more texts than one may hold in memory?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from simulations.instruments.analysis import length_limit
from simulations.instruments.batches import by_length, make_ready, trace_in_batches
from simulations.instruments.trace import Trace
from simulations.machine.backends import Backend
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.tokens import LongEnough, encode_long_enough, longest_text
from simulations.numbers import Numbers
from theory.arrays import InputError
from theory.records import brief_repr

WINDOW: Final = 1024
"""Texts that are read at once, and sorted by length among each other."""

_NAMED = 3  # texts that an error names; it counts the others


@brief_repr
class Window(NamedTuple):
    """Texts that follow each other in a corpus, measured.

    Shapes: trace with one batch member a text; numbers (b,), which text of the corpus it is,
            from 0 up; lines (b,), its line in its file, 0 where it came from none; text_tokens
            (b,); truncated (b,) boolean; skipped counts those left out for being short
    """

    trace: Trace
    numbers: Numbers
    lines: Numbers
    text_tokens: Numbers
    truncated: Numbers
    skipped: int
    prefix: str


class Count(NamedTuple):
    """How many texts a corpus has, and how many of them are too short to be measured."""

    texts: int
    short: int


def count_texts(
    checkpoint: Checkpoint,
    texts: Iterable[str],
    *,
    max_length: int | Literal["auto"] | None = "auto",
    skip_special: bool = False,
    prefix: str | None = None,
    skip_short: bool = False,
) -> Count:
    """Read a corpus once without measuring it, so that what is wrong with it is told first.

    The options are those of `analyze_corpus`.

    Raises: InputError as `analyze_corpus` does
    """
    total = 0
    short: list[str] = []
    for first, part, found in _encoded(checkpoint, texts, max_length, skip_special, prefix):
        total = first + len(part)
        short += found.short
    _require_long_enough(short, skip_short=skip_short)
    _require_any(total - len(short))
    return Count(total, len(short))


def long_enough(
    checkpoint: Checkpoint,
    texts: Iterable[str],
    *,
    max_length: int | Literal["auto"] | None = "auto",
    skip_special: bool = False,
    prefix: str | None = None,
) -> tuple[str, ...]:
    """Return those texts of which two or more tokens count.

    Raises: InputError if there are none
    """
    kept: list[str] = []
    for _, part, found in _encoded(checkpoint, texts, max_length, skip_special, prefix):
        kept += [part[row] for row in found.rows.tolist()]
    _require_any(len(kept))
    return tuple(kept)


def trace_windows(
    checkpoint: Checkpoint,
    texts: Iterable[str],
    *,
    max_length: int | Literal["auto"] | None = "auto",
    skip_special: bool = False,
    prefix: str | None = None,
    skip_short: bool = False,
    on: Backend | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Iterator[Window]:
    """Measure a corpus a window of texts at a time, in order, and keep none: see `analyze_corpus`.

    Raises: InputError as `analyze_corpus` does, when the text is met
    """
    bench, skipped = make_ready(checkpoint, skip_special=skip_special, on=on), 0
    for first, part, found in _encoded(checkpoint, texts, max_length, skip_special, prefix):
        _require_long_enough(found.short, skip_short=skip_short)
        skipped += len(found.short)
        encoded = found.encoded
        if encoded is None:  # told with the next window
            continue
        trace = trace_in_batches(bench, encoded, by_length, on_batch=on_progress)
        lines = [getattr(part[row], "number", 0) for row in found.rows.tolist()]
        yield Window(
            trace,
            first + found.rows,
            np.asarray(lines, dtype=np.int64),
            encoded.token_mask.sum(axis=1),
            encoded.truncated,
            skipped,
            encoded.prefix,
        )
        skipped = 0


def analyze_corpus(
    checkpoint: Checkpoint | str | Path,
    texts: Iterable[str],
    *,
    max_length: int | Literal["auto"] | None = "auto",
    skip_special: bool = False,
    prefix: str | None = None,
    skip_short: bool = False,
    on: Backend | None = None,
    on_progress: Callable[[int], object] | None = None,
    on_window: Callable[[Window], object] | None = None,
) -> Window:
    """Send any number of texts through a checkpoint, and keep their readings and nothing else.

    As `simulations.instruments.analysis.analyze`, with these differences. ``texts`` may be
    anything that gives one text after the other, such as a `simulations.models.texts.TextFile`.
    Texts of like length are measured together, so that the last digits of a text's readings may
    depend on its neighbours. A text of which fewer than two tokens count is refused, or, with
    ``skip_short``, left out and counted. ``max_length`` None cuts without a warning. All texts
    come back as one `Window`, whose trace takes 8 bytes a reading: of MiniLM's 6 layers 2.2 kB a
    text. ``on_progress`` gets the number of texts of each batch once it is measured, and
    ``on_window`` each window, in order, to write it down say.

    Raises: InputError as `analyze` does, when the text is met
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    windows: list[Window] = []
    options: dict[str, Any] = {"max_length": max_length, "skip_special": skip_special}
    options |= {"prefix": prefix, "skip_short": skip_short, "on": on, "on_progress": on_progress}
    for window in trace_windows(checkpoint, texts, **options):
        if on_window is not None:
            on_window(window)
        windows.append(window)
    _require_any(len(windows))
    return join_windows(windows)


def join_windows(windows: list[Window]) -> Window:
    """Return several windows as one; the list is emptied, so that no reading is there twice."""
    about = {
        name: np.concatenate([getattr(window, name) for window in windows])
        for name in ("numbers", "lines", "text_tokens", "truncated")
    }
    skipped, prefix = sum(window.skipped for window in windows), windows[-1].prefix
    tokens = [dict(window.trace.tokens) for window in windows]
    blocks = [dict(window.trace.blocks) for window in windows]
    windows.clear()
    return Window(Trace(_joined(tokens), _joined(blocks)), **about, skipped=skipped, prefix=prefix)


def _joined(parts: list[dict[str, Numbers]]) -> dict[str, Numbers]:
    names = tuple(parts[0])
    return {name: np.concatenate([part.pop(name) for part in parts], axis=1) for name in names}


def _encoded(
    checkpoint: Checkpoint,
    texts: Iterable[str],
    max_length: int | Literal["auto"] | None,
    skip_special: bool,
    prefix: str | None,
) -> Iterator[tuple[int, list[str], LongEnough]]:
    """Yield the number of each window's first text, its texts, and what they are as tokens."""
    if isinstance(texts, str):
        raise InputError("texts must be strings one by one, but is one string: write [text]")
    length = length_limit(checkpoint, max_length)
    length = longest_text(checkpoint) if length is None else length
    rest, first = iter(texts), 0
    while part := list(islice(rest, WINDOW)):
        found = encode_long_enough(
            checkpoint,
            part,
            max_length=length,
            prefix=prefix,
            skip_special=skip_special,
            first=first,
        )
        yield first, part, found
        first += len(part)


def _require_long_enough(short: Sequence[str], *, skip_short: bool) -> None:
    if short and not skip_short:
        named = ", ".join(short[:_NAMED])
        others = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        raise InputError(
            f"every text must have at least 2 tokens that count, but {named}{others} have fewer; "
            "skip_short (--skip-short) leaves them out"
        )


def _require_any(texts: int) -> None:
    if not texts:
        raise InputError("texts must hold at least one text of two tokens or more, but have none")
