"""What all commands share: the application, where they print, and how they print JSON."""

import sys
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from simulations.machine.json import to_json
from simulations.machine.provenance import version

# A pipe has no width to fit in.
out = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 160)
err = Console(stderr=True)
Json = Annotated[bool, Parameter(negative=())]

app = App(
    name="oversmooth",
    help="Over-smoothing in Transformers: theorems, simulations and real models.",
    version=version("oversmooth"),
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # so that `main` can say that it stopped
)


def emit(value: Any) -> None:
    """Print one JSON object, as it is, on stdout."""
    if sys.stdout is not None:  # closed by whoever started this
        sys.stdout.write(to_json(value) + "\n")


def complain(message: object) -> None:
    """Print a line for each problem on stderr, as it is: no markup, no emoji codes."""
    for line in str(message).splitlines():
        err.print(f"oversmooth: {line}", highlight=False, markup=False, emoji=False, soft_wrap=True)
