"""What all commands share: where they print, how they print JSON, and what a flag is.

A command's module holds its options and is light; what the command needs is loaded when it runs.
"""

import sys
from contextlib import suppress
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

# A pipe has no width to fit in.
out = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 160)
err = Console(stderr=True)
_MOST_LINES = 50
Flag = Annotated[bool, Parameter(negative=())]


def emit(value: Any) -> None:
    """Print one JSON object, as it is, on stdout."""
    from simulations.machine.json import to_json

    sys.stdout.write(to_json(value) + "\n")


def complain(message: object) -> None:
    """Print a line for each problem on stderr, as it is: no markup, no emoji codes.

    A long line loses its middle, and many lines their end: what a file holds may be megabytes.
    """
    lines = str(message).splitlines()
    told, left = lines[:_MOST_LINES], len(lines) - _MOST_LINES
    if left > 0:
        told.append(f"and {left:,} more")
    for line in told:
        text = f"oversmooth: {shortened(line)}"
        with suppress(OSError):  # stderr is full or gone: the exit code is left to tell
            err.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def shortened(text: str, longest: int = 1000) -> str:
    """Return a text whose middle is left out if it is long."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... ({len(text):,} characters) ... {text[-half // 2:]}"
