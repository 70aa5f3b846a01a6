"""What all commands share: where they print, how they print JSON, and what a flag is.

A command's module holds its options and is light; what the command needs is loaded when it runs.
"""

import sys
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

# A pipe has no width to fit in.
out = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 160)
err = Console(stderr=True)
Flag = Annotated[bool, Parameter(negative=())]


def emit(value: Any) -> None:
    """Print one JSON object, as it is, on stdout."""
    from simulations.machine.json import to_json

    if sys.stdout is not None:  # closed by whoever started this
        sys.stdout.write(to_json(value) + "\n")


def complain(message: object) -> None:
    """Print a line for each problem on stderr, as it is: no markup, no emoji codes."""
    for line in str(message).splitlines():
        err.print(f"oversmooth: {line}", highlight=False, markup=False, emoji=False, soft_wrap=True)
