"""The command ``oversmooth``: parse, call, print, return an exit code.

0: fine; 1: a verdict that was not expected; 2: the question was wrong.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import cyclopts
from cyclopts import Parameter
from rich.progress import Progress

from paper_figures.command import attack as attack_commands
from paper_figures.command import fuse as fuse_commands
from paper_figures.command import law as law_commands
from paper_figures.command import sweeps as sweep_commands
from paper_figures.command import theorems as theorem_commands
from paper_figures.command import traces as trace_commands
from paper_figures.command.terminal import app, complain, err, out
from simulations.stacks.seeds import generator
from theory.arrays import InputError

COMMANDS = (
    theorem_commands,
    attack_commands,
    trace_commands,
    law_commands,
    sweep_commands,
    fuse_commands,
)
"""The modules that add commands to the application when they are imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a wrong question is one line on stderr."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        _require_whole(words)
        found = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:  # closed by whoever started this
            sys.stdout.flush()
    except (InputError, cyclopts.CycloptsError) as error:
        complain(error)
        return 2
    except BrokenPipeError:
        return 0
    except OSError as error:  # a full disk under stdout, say
        complain(f"the output cannot be written: {error}")
        return 2
    except MemoryError as error:
        complain(f"there is not enough memory for this; ask for less ({error})")
        return 2
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    return int(found or 0)


def _require_whole(words: Sequence[str]) -> None:
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
            raise InputError(f"{option} must be a whole number, but is {' '.join(values)}")


def _of_ints(hint: Any) -> bool:
    """Whether an option is a whole number, or several."""
    return hint is int or any(map(_of_ints, get_args(hint)))


@app.command
def figures(
    *names: str,
    out_dir: Annotated[Path, Parameter(name="--out")] = Path("paper_figures/out"),
    quick: Annotated[bool, Parameter(negative=())] = False,
    seed: int = 0,
) -> int:
    """Compute, store and draw the paper's figures, each beside the paper's own values.

    Writes PDF, PNG and data (JSON) of each figure, and a page index.html that shows them all.

    Parameters
    ----------
    names
        Which figures; all if none is named.
    out_dir
        The folder to write to.
    quick
        Fewer sentences and seeds: under a minute.
    seed
        Chooses the sentences and the random weights.
    """
    from paper_figures.figures.catalogue import (
        make_figures,  # it imports matplotlib, which takes a second
    )

    generator(seed)  # a seed that cannot be used is refused before anything is written
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("figures", total=None)

        def show(name: str, event: str) -> None:
            progress.update(task, description=f"{name}: {event}")
            if event != "start":
                err.print(f"{event:>6}  {name}")

        outcomes = make_figures(names, out=out_dir, quick=quick, seed=seed, on_progress=show)
    for outcome in outcomes:
        if outcome.error:
            complain(f"{outcome.name}: {outcome.error}")
        elif outcome.refuted:
            complain(f"{outcome.name}: the data refute its caption")
    out.print(f"{out_dir / 'index.html'}", soft_wrap=True)
    return 1 if any(outcome.error or outcome.refuted for outcome in outcomes) else 0
