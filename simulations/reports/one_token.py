"""Is it one token that a trace's distances speak of, and what do the others show?"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from rich import box
from rich.table import Table

from simulations.instruments.trace import Trace
from simulations.numbers import Numbers
from simulations.reports.tables import number

_HALF: Final = 0.5 + 1e-4  # of two tokens each has one half, up to rounding

_WIDE: Final = 100  # columns of a terminal that the whole table needs


def mean_of_known(values: Numbers) -> float:
    """Return the mean over the texts or seeds that have the number; NaN if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def largest_known(values: Numbers) -> float:
    """Return the largest over the texts or seeds that have the number; NaN if none has."""
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else float("nan")


def _agreed(values: Numbers) -> float:
    """Return the number that all texts or seeds have; NaN if they differ."""
    first = values.reshape(-1)[0]
    return float(first) if (values == first).all() else float("nan")


# Heading, group, name, how several texts or seeds are put together.
_LARGEST: Final = (
    ("token", "tokens", "largest_token", _agreed),
    ("share", "tokens", "largest_share", mean_of_known),
    ("longest", "tokens", "largest_norm", mean_of_known),
    ("median", "tokens", "median_norm", mean_of_known),
    ("CosSim", "tokens", "cosine_similarity_without_largest", mean_of_known),
    ("d_M/|H|", "tokens", "relative_distance_without_largest", mean_of_known),
    ("ratio", "blocks", "measured_ratio_without_largest", largest_known),
)
_FIRST: Final = (
    ("CosSim -0", "tokens", "cosine_similarity_without_first", mean_of_known),
    ("d_M/|H| -0", "tokens", "relative_distance_without_first", mean_of_known),
    ("ratio -0", "blocks", "measured_ratio_without_first", largest_known),
)


def is_massive(trace: Trace) -> bool:
    """Whether somewhere one token makes more than half of d_M^2."""
    return "largest_share" in trace.tokens and bool((trace.tokens["largest_share"] > _HALF).any())


def warning(trace: Trace) -> str:
    """Say where one token makes more than half of d_M^2; "" where that is nowhere."""
    if not is_massive(trace):
        return ""
    shares = trace.tokens["largest_share"].reshape(trace.depth + 1, -1)
    layers = np.flatnonzero((shares > _HALF).any(axis=1))
    members = int((shares > _HALF).any(axis=0).sum())
    shares = np.where(np.isnan(shares), 0.0, shares)
    layer, member = np.unravel_index(np.argmax(shares), shares.shape)
    token = trace.tokens["largest_token"].reshape(trace.depth + 1, -1)[layer, member]
    several = f", in {members} of {shares.shape[1]} texts or seeds" if shares.shape[1] > 1 else ""
    return (
        f"Warning: one token makes more than half of d_M^2 after {ranges(layers)}{several}; at "
        f"most {shares.max():.3f}, token {token:.0f} after layer {layer}. There d_M, its ratio, "
        'd_M/|H| and CosSim speak of that token; tables and names with "without" have the others.'
    )


def without_tables(trace: Trace, *, width: int) -> list[Table]:
    """Return a table of the largest token's size, and of the others without it.

    And without the first in its place, in the columns with -0; two tables on a narrow terminal.
    """
    title = "Without the token that makes most of d_M^2"
    if width >= _WIDE:
        return [_table(trace, (*_LARGEST, *_FIRST), title=f"{title} (-0: without the first)")]
    return [_table(trace, _LARGEST, title=title), _table(trace, _FIRST, title="Without the first")]


def _table(trace: Trace, columns: Sequence[tuple[str, str, str, Any]], *, title: str) -> Table:
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in ("layer", *(heading for heading, *_ in columns)):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in range(trace.depth + 1):
        cells = [str(layer)]
        for _, group, name, join in columns:
            row = layer if group == "tokens" else layer - 1
            cells.append(number(join(getattr(trace, group)[name][row])) if row >= 0 else "")
        table.add_row(*cells)
    return table


def ranges(layers: Numbers, of: str = "layer") -> str:
    """Write whole numbers that follow each other as ranges: "layers 1 to 3, 5"."""
    parts = np.split(layers, np.flatnonzero(np.diff(layers) > 1) + 1)
    told = [f"{part[0]}" if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return f"{of}{'s' if len(layers) > 1 else ''} {', '.join(told)}"
