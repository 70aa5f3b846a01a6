"""The command that makes the paper's figures: figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from paper_figures.command.terminal import Flag, complain, err, out

if TYPE_CHECKING:  # matplotlib takes a second to import
    from paper_figures.workshop.build import Outcome


def figures(
    *names: str,
    out_dir: Annotated[Path, Parameter(name="--out")] = Path("paper_figures/out"),
    quick: Flag = False,
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
    outcomes = _make(names, out_dir, quick=quick, seed=seed)
    for outcome in outcomes:
        if outcome.error:
            complain(f"{outcome.name}: {outcome.error}")
        elif outcome.refuted:
            complain(f"{outcome.name}: the data refute its caption")
    out.print(f"{out_dir / 'index.html'}", soft_wrap=True)
    return 1 if any(outcome.error or outcome.refuted for outcome in outcomes) else 0


def _make(names: Sequence[str], folder: Path, *, quick: bool, seed: int) -> "list[Outcome]":
    """Make the figures while a bar shows which are being made, and about how long it will take."""
    from rich.progress import Progress

    from paper_figures.figures.catalogue import FIGURES, make_figures
    from paper_figures.workshop.build import select
    from simulations.stacks.seeds import generator

    generator(seed)  # a seed that cannot be used is refused before anything is written
    total = sum(figure.seconds for figure in select(FIGURES, names))
    # A long figure is one step, so the speed is read over the whole run.
    with Progress(
        console=err, transient=True, disable=not err.is_terminal, speed_estimate_period=3600
    ) as progress:
        task = progress.add_task("figures", total=total)

        def show(name: str, event: str) -> None:
            progress.update(task, description=f"{name}: {event}")
            if event != "start":
                progress.advance(task, FIGURES[name].seconds)
                rest = progress.tasks[task].time_remaining
                about = f", about {rest:.0f} s to go" if rest else ""
                err.print(f"{event:>6}  {name}{about}")

        return make_figures(names, out=folder, quick=quick, seed=seed, on_progress=show)
