"""How do the readings of many texts become one JSON object, a table, and a line a text?"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from rich import box
from rich.table import Table

from simulations.instruments.corpus import Window
from simulations.instruments.trace import Trace
from simulations.machine.json import to_line
from simulations.numbers import Numbers
from simulations.reports.tables import number
from simulations.reports.traces import trace_json

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

# What the table of quantiles shows: heading, group, name.
_ROWS = (
    ("CosSim", "tokens", "cosine_similarity"),
    ("d_M/|H|", "tokens", "relative_distance"),
    ("eff. rank", "tokens", "effective_rank"),
    ("share", "tokens", "largest_share"),
    ("v", "blocks", "v"),
    ("ratio", "blocks", "measured_ratio"),
)


def corpus_json(window: Window) -> dict[str, Any]:
    """Return a corpus as one object: a trace's, with lists over layers in the place of texts.

    Of numbers there are mean, min, max, quantiles and count, how many texts have the number at
    all; of words, how many texts each is true of; of yes and no, how many texts are a yes.
    """
    lengths, found = window.text_tokens, trace_json(window.trace)
    return {
        "texts": len(lengths),
        "skipped_short": window.skipped,
        "text_tokens": {
            "sum": lengths.sum(),
            "mean": lengths.mean(),
            "min": lengths.min(),
            "max": lengths.max(),
        },
        "prefix": window.prefix,
        "truncated": window.truncated.sum(),
        **{name: _summed_up(value, texts=len(lengths)) for name, value in found.items()},
    }


def _summed_up(value: Any, *, texts: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _summed_up(entry, texts=texts) for name, entry in value.items()}
    if not isinstance(value, np.ndarray) or value.shape[-1:] != (texts,):
        return value
    if value.dtype.kind == "U":
        return {str(word): (value == word).sum(axis=-1) for word in np.unique(value)}
    if value.dtype.kind == "b":
        return value.sum(axis=-1)
    return _statistics(value)


def _statistics(values: Numbers) -> dict[str, Any]:
    """Return statistics over the last axis, of what is defined: NaN is left out and counted."""
    rows = [row[~np.isnan(row)] for row in values.reshape(-1, values.shape[-1])]

    def each(function: Any) -> Numbers:
        found = np.array([function(row) if len(row) else np.nan for row in rows])
        return found.reshape(values.shape[:-1])

    return {
        "mean": each(_mean),
        "min": each(np.min),
        "max": each(np.max),
        "quantiles": {str(part): each(partial(_quantile, part)) for part in QUANTILES},
        "count": np.array([len(row) for row in rows]).reshape(values.shape[:-1]),
    }


def _mean(row: Numbers) -> float:
    with np.errstate(invalid="ignore"):  # infinities of both signs have none
        return float(row.mean(dtype=np.float64))


def _quantile(part: float, row: Numbers) -> float:
    """Return the reading of one of the texts: nothing is interpolated, as it may be infinite."""
    return float(np.quantile(row, part, method="inverted_cdf"))


def quantile_table(trace: Trace) -> Table:
    """Return a table of quantiles over the texts, a row for each measure and depth."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("measure", "layer", *(f"{100 * part:g} %" for part in QUANTILES)):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading, group, name in _ROWS:
        found = _statistics(getattr(trace, group)[name])["quantiles"]
        first = trace.depth + 1 - len(found["0.5"])
        for row in range(len(found["0.5"])):
            cells = (number(found[str(part)][row]) for part in QUANTILES)
            end = row + 1 == len(found["0.5"])
            table.add_row(heading, str(first + row), *cells, end_section=end)
    return table


def text_lines(window: Window) -> Iterator[bytes]:
    """Yield a line of JSON for each text: its place, its length, its readings layer by layer."""
    found = trace_json(window.trace)
    texts = len(window.numbers)
    for row in range(texts):
        about = {
            "number": window.numbers[row],
            "line": window.lines[row] or None,
            "text_tokens": window.text_tokens[row],
            "truncated": window.truncated[row],
        }
        yield to_line(about | _of_text(found, row, texts)).encode()


def _of_text(value: Any, row: int, texts: int) -> Any:
    """Return what belongs to one text; None for what is about all of them."""
    if isinstance(value, Mapping):
        parts = {name: _of_text(entry, row, texts) for name, entry in value.items()}
        return {name: part for name, part in parts.items() if part is not None} or None
    if isinstance(value, np.ndarray) and value.shape[-1:] == (texts,):
        return value[..., row].tolist()
    return None
