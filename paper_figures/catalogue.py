"""Which figures are there, in the order of the gallery, and how are they all made?"""

from collections.abc import Callable, Iterable
from pathlib import Path

from paper_figures.build import Figure, Outcome, make, select
from paper_figures.gallery import gallery

_ALL: tuple[Figure, ...] = ()
FIGURES: dict[str, Figure] = {figure.name: figure for figure in _ALL}


def make_figures(
    names: Iterable[str] = (),
    *,
    out: Path,
    quick: bool = False,
    seed: int = 0,
    on_progress: Callable[[str, str], None] = lambda name, event: None,
) -> list[Outcome]:
    """Build the named figures (all if none is named) and the page ``out/index.html``.

    ``on_progress(name, event)`` is called with the events "start", "done" and "failed".
    A figure that fails is reported in its outcome and does not stop the others.

    Raises: InputError for an unknown name or a folder that cannot be written
    """
    figures = select(FIGURES, names)
    outcomes = make(figures, out=out, quick=quick, seed=seed, on_progress=on_progress)
    gallery(FIGURES.values(), out=out)
    return outcomes
