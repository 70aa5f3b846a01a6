"""How are numbers and pairs written in a table?"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich import box
from rich.table import Table


def pairs_table(rows: Iterable[tuple[str, Any]], *, title: str) -> Table:
    """Return a table of names and values."""
    table = Table(title=title, box=box.SIMPLE_HEAD, show_header=False, title_justify="left")
    table.add_column()
    table.add_column()
    for name, value in rows:
        if isinstance(value, tuple):
            value = "\n".join(value)
        table.add_row(name, number(value) if isinstance(value, float) else str(value))
    return table


def number(value: Any) -> str:
    """Return four significant digits, or a dash where nothing is defined."""
    value = float(value)
    if math.isnan(value):
        return "-"
    return f"{value:.4g}"


def count_words(words: Any) -> str:
    """Return 'holds' where all agree, else how many say what."""
    kinds, counts = np.unique(np.asarray(words), return_counts=True)
    if len(kinds) == 1:
        return str(kinds[0])
    return ", ".join(f"{kind} {count}" for kind, count in zip(kinds, counts, strict=True))
