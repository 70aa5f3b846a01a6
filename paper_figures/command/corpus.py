"""How does `analyze` read its texts, a few at once or a corpus part by part?"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, Protocol

import numpy as np

from paper_figures.command.terminal import complain, emit, err, out
from simulations.instruments.analysis import Analysis, analyze
from simulations.instruments.corpus import Window, analyze_corpus, count_texts, long_enough
from simulations.instruments.trace import Trace
from simulations.machine.backends import Backend
from simulations.machine.files import opened_over
from simulations.models.find import load_checkpoint
from simulations.models.texts import DEFAULT_TEXTS, TextFile, read_texts, require_some
from simulations.numbers import Numbers
from simulations.reports.corpus import corpus_json, quantile_table, text_lines
from simulations.reports.traces import reading, trace_tables
from theory.arrays import InputError

FEW: Final = 64
"""So many texts are told one by one; more are a corpus, and summed up."""

_SECONDS = 60  # between two lines that say how far it is, where there is no terminal


class Asked(NamedTuple):
    """What the command was asked; ``options`` are those of `analyze` and `analyze_corpus`.

    ``stage`` is which run of blocks is wanted, of a captured model that has several.
    """

    model: str
    dtype: Literal["float32", "float64"]
    on: Backend | None
    skip_short: bool
    options: dict[str, Any]
    via: Literal["files", "capture"] = "files"
    stage: int | None = None


class Told(Protocol):
    """A model as reports tell of it, whoever read it.

    `simulations.models.checkpoint.Checkpoint` says more of each.
    """

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def source(self) -> str:
        """Where its weights came from."""

    @property
    def weights_sha256(self) -> str:
        """The digest of their file."""

    @property
    def widened(self) -> str | None:
        """In how many bits they were kept, if that was not all."""


def find_texts(path: Path | None) -> tuple[Iterable[str], bool]:
    """Return the texts of a file, ours without one, and whether they are few.

    A file is read as the texts are asked for; a pipe can be read only once, and is at once.

    Raises: InputError if the file is missing, not text, or empty
    """
    if path is None:
        return DEFAULT_TEXTS, True
    texts = TextFile(path) if path.is_file() else read_texts(path)
    head = tuple(islice(texts, FEW + 1))
    few = len(head) <= FEW
    return (require_some(path, head) if few else texts), few


def require_out(path: Path | None) -> None:
    """Refuse a file that could not be written, before the work is done; None is none.

    Raises: InputError if it has another ending, or its folder is missing or cannot be written
    """
    if path is None:
        return
    if path.suffix != ".jsonl":
        raise InputError(f"out must end in .jsonl, but is {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"out must go to a folder that exists, but {str(path.parent)!r} does not")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise InputError(f"out {str(path)!r} cannot be written")


def analyze_few(
    asked: Asked, texts: tuple[str, ...], *, out_file: Path | None
) -> tuple[Trace, dict[str, Any], str]:
    """Measure texts that are told one by one: return the trace, what it is about, and a title."""
    with _written(out_file) as write, err.status(f"{asked.model}: {len(texts)} text(s)"):
        checkpoint, found, kept = _measured(asked, texts)
        write(_window(found, kept, skipped=len(texts) - len(kept)))
    encoded = found.encoded
    lengths = encoded.token_mask.sum(axis=-1)
    about = about_model(checkpoint) | {
        "texts": len(lengths),
        "text_tokens": lengths,
        "prefix": encoded.prefix,
        "truncated": encoded.truncated,
        "skip_special": asked.options["skip_special"],
    }
    if asked.skip_short:
        about["skipped_short"] = len(texts) - len(kept)
    _warn(len(texts) - len(kept), encoded.truncated, lengths)
    return found.trace, about, _title(checkpoint, lengths, encoded.prefix)


def _measured(asked: Asked, texts: tuple[str, ...]) -> tuple[Told, Analysis, tuple[str, ...]]:
    """Return a model, its readings on texts, and which of these are left."""
    if asked.via == "capture":
        from paper_figures.command.captured import analyze_texts  # it asks for torch

        options: dict[str, Any] = {"dtype": asked.dtype, "skip_short": asked.skip_short}
        options["stage"] = asked.stage
        return analyze_texts(asked.model, texts, **options, options=asked.options)
    checkpoint, kept = load_checkpoint(asked.model, dtype=asked.dtype), texts
    if asked.skip_short:
        kept = long_enough(checkpoint, texts, **asked.options)
    return checkpoint, analyze(checkpoint, kept, on=asked.on, **asked.options), kept


def show_corpus(
    asked: Asked, texts: Iterable[str], *, json: bool, out_file: Path | None, plot: Path | None
) -> int:
    """Measure a corpus, print what it comes to; 1 if the inequality is refuted on any text."""
    with _written(out_file) as write:
        measure = _captured_corpus if asked.via == "capture" else _read_corpus
        checkpoint, window = measure(asked, texts, write)
    _warn(window.skipped, window.truncated, window.text_tokens)
    title = _title(checkpoint, window.text_tokens, window.prefix)
    if json:
        skip_special = asked.options["skip_special"]
        emit(about_model(checkpoint) | {"skip_special": skip_special} | corpus_json(window))
    else:
        out.print(*trace_tables(window.trace, title=title, width=out.width))
        out.print("Quantiles over the texts:", quantile_table(window.trace))
        out.print(reading(window.trace), soft_wrap=True, highlight=False)
    if plot is not None:
        from paper_figures.command.picture_trace import plot_trace  # it imports matplotlib

        plot_trace(window.trace, plot, title=title)
    inequality = window.trace.inequality
    return 1 if inequality is not None and (inequality == "refuted").any() else 0


def _read_corpus(
    asked: Asked, texts: Iterable[str], write: Callable[[Window], object]
) -> tuple[Told, Window]:
    """Measure a part of the texts after the other, and write each down."""
    with err.status(f"{asked.model}: reading the texts"):
        checkpoint = load_checkpoint(asked.model, dtype=asked.dtype)
        count = count_texts(checkpoint, texts, skip_short=asked.skip_short, **asked.options)
    with _progress(checkpoint.name, count.texts - count.short) as advance:
        window = analyze_corpus(
            checkpoint,
            texts,
            skip_short=asked.skip_short,
            on=asked.on,
            on_progress=advance,
            on_window=write,
            **asked.options,
        )
    return checkpoint, window


def _captured_corpus(
    asked: Asked, texts: Iterable[str], write: Callable[[Window], object]
) -> tuple[Told, Window]:
    """Measure all texts as one part: a text in memory is small beside a model that runs."""
    given = tuple(texts)
    with err.status(f"{asked.model}: {len(given)} texts"):
        model, found, kept = _measured(asked, given)
    left = {id(text) for text in kept}
    at = np.array([row for row, text in enumerate(given) if id(text) in left])
    window = _window(found, kept, skipped=len(given) - len(kept))._replace(numbers=at)
    write(window)
    return model, window


@contextmanager
def _written(path: Path | None) -> Iterator[Callable[[Window], object]]:
    """Give what writes a window's texts to a file, which is there at the end or not at all.

    Raises: InputError if it cannot be written
    """
    if path is None:
        yield lambda window: None
        return

    def write(file: IO[bytes], window: Window) -> None:
        with _told(path):
            file.writelines(text_lines(window))

    with ExitStack() as open_files:
        with _told(path):
            file = open_files.enter_context(opened_over(path))
        yield partial(write, file)
        with _told(path):  # what is left in the buffer, and the name
            open_files.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Name the file that cannot be written, and no other one: what is measured may fail too."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"out {str(path)!r} cannot be written: {reason}") from error


@contextmanager
def _progress(name: str, texts: int) -> Iterator[Callable[[int], object]]:
    """Show how far a corpus is: a bar on a terminal, elsewhere a line now and then."""
    if not err.is_terminal:
        yield _Lines(texts).advance
        return
    from rich import progress as bars

    columns = (
        *(bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn()),
        *(bars.TimeElapsedColumn(), bars.TimeRemainingColumn()),
    )
    # Texts of like length are measured together: only a long period has some of all lengths.
    with bars.Progress(
        *columns, console=err, transient=True, speed_estimate_period=600
    ) as progress:
        bar = progress.add_task(name, total=texts)
        yield partial(progress.advance, bar)


class _Lines:
    """What says now and then how many texts are measured, and how long the others may take."""

    def __init__(self, texts: int) -> None:
        self._texts, self._done = texts, 0
        self._start = self._told = time.monotonic()

    def advance(self, texts: int) -> None:
        self._done += texts
        now = time.monotonic()
        if now - self._told < _SECONDS:
            return
        self._told = now
        left = (now - self._start) / self._done * (self._texts - self._done)
        time_left = timedelta(seconds=round(left))
        complain(f"{self._done} of {self._texts} texts, about {time_left} left")


def _window(found: Analysis, texts: tuple[str, ...], *, skipped: int) -> Window:
    encoded = found.encoded
    return Window(
        found.trace,
        np.arange(len(texts)),
        np.array([getattr(text, "number", 0) for text in texts]),
        encoded.token_mask.sum(axis=1),
        encoded.truncated,
        skipped,
        encoded.prefix,
    )


def about_model(checkpoint: Told) -> dict[str, Any]:
    """Return what a model is called, and where its weights came from."""
    return {
        "model": checkpoint.name,
        "source": checkpoint.source,
        "weights_sha256": checkpoint.weights_sha256,
        **({} if checkpoint.widened is None else {"widened": checkpoint.widened}),
    }


def _warn(short: int, truncated: Numbers, lengths: Numbers) -> None:
    """Say on stderr which texts are not measured, or not whole."""
    if short:
        complain(f"{short} of {short + len(lengths)} texts were left out: fewer than 2 tokens")
    if cut := int(truncated.sum()):
        complain(f"{cut} of {len(lengths)} texts were cut at {lengths.max()} tokens")


def _title(checkpoint: Told, lengths: Numbers, prefix: str) -> str:
    title = f"{checkpoint.name}: {len(lengths)} text(s), {lengths.min()} to {lengths.max()} tokens"
    title += "" if checkpoint.widened is None else f", weights widened from {checkpoint.widened}"
    return f"{title}, prefix {prefix!r}" if prefix else title
