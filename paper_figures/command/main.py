"""The command ``oversmooth``: parse, call, print, return an exit code.

0: fine; 1: a verdict that was not expected; 2: the question was wrong.
"""

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, get_args

from cyclopts import App, CycloptsError

from paper_figures.command.guard import exit_code
from paper_figures.command.terminal import complain
from simulations.machine.provenance import version


class Command(NamedTuple):
    """Where a command is told: a function of its name in a module; and what it does, in a line."""

    module: str
    line: str


COMMANDS = {
    "attack": Command(
        "attack", "Search for the instance that violates a theorem, or comes nearest to it."
    ),
    "replay": Command(
        "attack", "Build a stored instance again and check it: 0 if what it claims still comes out."
    ),
    "fuse": Command(
        "fuse",
        "Train encoders whose layers are fused, or not, and compare them over paired seeds.",
    ),
    "law": Command(
        "law",
        "Say how fast tokens merge near consensus, exactly, on any graph, beside a simulation.",
    ),
    "sweep": Command(
        "sweeps",
        "Run every cell of a sweep that its store does not have yet; killed, start it again.",
    ),
    "status": Command(
        "sweeps",
        "Say how far a sweep is, or a training that a Tracker measures, and what went wrong in it.",
    ),
    "export": Command(
        "sweeps",
        "Write a sweep's cells, or a training's readings, as one data set: netCDF or zarr.",
    ),
    "verify": Command(
        "theorems", "Try to refute every theorem and every trend, or the named ones."
    ),
    "check": Command(
        "theorems",
        "Put one block, given as arrays from any framework, through the block theorem.",
    ),
    "prove": Command("prove", "Prove a statement, kept as a certificate; or check a certificate."),
    "simulate": Command(
        "traces", "Send random tokens through a random stack and measure layer by layer."
    ),
    "analyze": Command(
        "traces", "Put a pretrained model and real texts, or images, through the same instruments."
    ),
    "models": Command(
        "zoo", "List the models that have a name: what they are, and whether they are installed."
    ),
    "figures": Command(
        "figures",
        "Compute, store and draw the paper's figures, each beside the paper's own values.",
    ),
}
"""The lines stand here too so that the overview loads no command, which would take a second."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a wrong question is one line on stderr."""
    words = sys.argv[1:] if argv is None else list(argv)
    if sys.stdout is None:
        complain("stdout must be open: send it to /dev/null if nobody is to read it")
        return 2
    try:
        app = _application(words)
        _require_whole(app, words)
        found = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        complain(error)
        return 2
    except BaseException as error:  # noqa: BLE001  a panic of an extension in Rust is no Exception
        return exit_code(error)
    return int(found or 0)


def _application(words: Sequence[str]) -> App:
    """Return the application, with the command that is asked for loaded and no other."""
    app = App(
        name="oversmooth",
        help="Over-smoothing in Transformers: theorems, simulations and real models.",
        version=partial(version, "oversmooth"),
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,  # so that `main` can say that it stopped
    )
    for name, command in COMMANDS.items():
        module = f"paper_figures.command.{command.module}"
        if name in words[:1]:
            app.command(getattr(import_module(module), name))
        else:
            app.command(f"{module}:{name}", name=name, help=command.line)
    return app


def _require_whole(app: App, words: Sequence[str]) -> None:
    """Refuse fractions for whole numbers, which the parser would round without a word."""
    command, apps, _ = app.parse_commands(words)
    if not command or command[-1].startswith("-"):  # --help, --version
        return
    whole = {
        name: argument.token_count()[0]
        for argument in apps[-1].assemble_argument_collection()
        if _of_ints(argument.hint)
        for name in argument.names
    }
    for place, word in enumerate(words):
        option, _, attached = word.partition("=")
        values = [attached] if attached else words[place + 1 : place + 1 + whole.get(option, 0)]
        if option in whole and any("." in text for text in values):
            from theory.arrays import InputError

            raise InputError(f"{option} must be a whole number, but is {' '.join(values)}")


def _of_ints(hint: Any) -> bool:
    """Whether an option is a whole number, or several."""
    return hint is int or any(map(_of_ints, get_args(hint)))
