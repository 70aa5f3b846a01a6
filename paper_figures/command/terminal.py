"""What all commands share: where they print, how they print JSON, and what a flag is.

A command's module holds its options and is light; what the command needs is loaded when it runs.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from simulations.machine.words import shortened

# A pipe has no width to fit in.
out = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 160)
err = Console(stderr=True)
_MOST_LINES = 50
Flag = Annotated[bool, Parameter(negative=())]


def emit(value: Any) -> None:
    """Print one JSON object, as it is, on stdout."""
    from simulations.machine.json import to_json

    sys.stdout.write(to_json(value) + "\n")


@contextmanager
def steps(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how many of how many steps are done, and the time left.

    Gives what is to be told both numbers at each step.
    """
    from rich import progress as bars  # not for the help of a command

    columns = (
        *(bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn()),
        *(bars.TimeElapsedColumn(), bars.TimeRemainingColumn()),
    )
    with bars.Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


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
