"""How does a figure come about: compute, store, then draw only what was stored?"""

import os
import platform
import string
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure as Canvas

from paper_figures.workshop.data import Dataset, dumps, load
from paper_figures.workshop.pools import run_lanes
from simulations.machine.provenance import commit, versions
from theory.arrays import InputError
from theory.records import brief_repr

SINGLE_COLUMN, DOUBLE_COLUMN = 3.3, 6.8
"""Widths in inches: sizes are final, nothing is scaled afterwards."""

STYLE = Path(__file__).with_name("style.mplstyle")
SUFFIXES = (".json", ".pdf", ".png")
_LIBRARIES = ("oversmooth", "numpy", "scipy", "matplotlib", "networkx")


class Caption(string.Formatter):
    """Fills captions; `up` or `down` after a format rounds outward.

    "At most" and "at least" must stay true of the printed digits: ``{worst:.2f-up}``.
    """

    def format_field(self, value: Any, spec: str) -> str:
        """Format one number, rounded up or down if its format says so."""
        spec, _, way = spec.partition("-")
        if way:
            digits = int(spec[1:-1])
            rounding = {"up": ROUND_CEILING, "down": ROUND_FLOOR}[way]
            number = Decimal(value)
            if spec.endswith("g"):
                number = Context(prec=digits, rounding=rounding).create_decimal(number)
            else:
                number = number.quantize(Decimal(1).scaleb(-digits), rounding=rounding)
            value = float(number)
        return str(super().format_field(value, spec))


@dataclass(frozen=True)
class Settings:
    """What a run may choose: a small version of the same figure, and the seed."""

    quick: bool = False
    seed: int = 0


@brief_repr
@dataclass(frozen=True)
class Figure:
    """A figure as data and two functions.

    ``compute`` returns the numbers and knows no plot; ``draw`` puts stored numbers on paper
    and computes nothing. ``caption`` is one sentence that says what is seen and what would
    refute it; braces in it are filled from the attributes that ``compute`` returns, so that
    it cannot quote a number that this run did not give. ``refuted`` decides from the stored
    data whether the thing that would refute the caption has happened.
    ``packages`` names what ``compute`` reads beyond the libraries that every figure uses.
    ``seconds`` is about what it took one core, once: it orders the work and tells what is left.
    """

    name: str
    title: str
    caption: str
    compute: Callable[[Settings], Dataset]
    draw: Callable[[Canvas, Dataset], None]
    refuted: Callable[[Dataset], bool]
    size: tuple[float, float] = (SINGLE_COLUMN, 2.4)
    packages: tuple[str, ...] = ()
    seconds: float = 1.0


@brief_repr
@dataclass(frozen=True)
class Outcome:
    """What became of one figure: its files, or why there are none."""

    name: str
    files: tuple[Path, ...] = ()
    refuted: bool = False
    error: str | None = None


def build(figure: Figure, *, out: Path, quick: bool = False, seed: int = 0) -> tuple[Path, ...]:
    """Compute, store and draw one figure; return the paths of its JSON, PDF and PNG.

    The three files appear together at the end, each in one step: whoever is interrupted
    keeps the previous ones.

    Raises: InputError if ``out`` cannot be a folder, and whatever the figure raises
    """
    folder = _folder(out)
    computed = figure.compute(Settings(quick=quick, seed=seed))
    attrs = {
        "title": figure.title,
        "caption": Caption().vformat(figure.caption, (), computed.attrs),
        "refuted": figure.refuted(computed),
        **computed.attrs,
        **_made_by(figure, quick=quick, seed=seed),
    }
    text = dumps(replace(computed, attrs=attrs))
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as name:
        stage = Path(name)
        stored = stage / f"{figure.name}.json"
        stored.write_text(text, encoding="utf-8")
        render(figure, stored, into=stage)
        finished = tuple(folder / f"{figure.name}{suffix}" for suffix in SUFFIXES)
        for path in finished:
            (stage / path.name).replace(path)
    return finished


def _made_by(figure: Figure, *, quick: bool, seed: int) -> dict[str, str | int]:
    """Describe a run well enough to repeat it; no date and no path, so that repeats agree."""
    return {
        "command": f"oversmooth figures {figure.name} --seed {seed}" + " --quick" * quick,
        "seed": seed,
        "commit": commit(),
        "python": platform.python_version(),
        **versions(*_LIBRARIES, *figure.packages),
    }


def render(figure: Figure, stored: Path | str, *, into: Path | str) -> tuple[Path, Path]:
    """Draw a stored data file as PDF and PNG; the same file always gives the same bytes."""
    data, into = load(Path(stored)), Path(into)
    with matplotlib.style.context(["default", STYLE]):  # a user's own settings do not leak in
        canvas = Canvas(figsize=figure.size)
        figure.draw(canvas, data)
        pdf, png = into / f"{figure.name}.pdf", into / f"{figure.name}.png"
        canvas.savefig(pdf, metadata={"CreationDate": None})
        canvas.savefig(png)
    return pdf, png


def make(
    figures: Iterable[Figure],
    *,
    out: Path | str,
    quick: bool = False,
    seed: int = 0,
    on_progress: Callable[[str, str], None] = lambda name, event: None,
    parallel: bool = False,
) -> list[Outcome]:
    """Build figures; one that fails does not cost the others.

    In ``parallel``, figures that read installed models share one new process, in which these
    are loaded once, and all others a second one, the shortest first; else they are built here,
    one by one.
    ``on_progress(name, event)`` is called with the events "start", "done" and "failed".
    """
    figures = tuple(figures)
    job = partial(_attempt, out=_folder(Path(out)), quick=quick, seed=seed)
    outcomes: dict[str, Outcome] = {}

    def start(figure: Figure) -> None:
        on_progress(figure.name, "start")

    def end(figure: Figure, outcome: Outcome) -> None:
        outcomes[figure.name] = outcome
        on_progress(figure.name, "failed" if outcome.error else "done")

    if parallel:
        quick_first = sorted(figures, key=lambda figure: figure.seconds)
        lanes = [[f for f in quick_first if bool(f.packages) == reads] for reads in (True, False)]
        run_lanes([x for x in lanes if x], job, failed=_lost, on_start=start, on_end=end)
    else:
        for figure in figures:
            start(figure)
            end(figure, job(figure))
    return [outcomes[figure.name] for figure in figures]


def _attempt(figure: Figure, *, out: Path, quick: bool, seed: int) -> Outcome:
    try:
        files = build(figure, out=out, quick=quick, seed=seed)
    except Exception as error:  # noqa: BLE001 - reported, and the next figure goes on
        return _lost(figure, error)
    return Outcome(figure.name, files=files, refuted=bool(load(files[0]).attrs["refuted"]))


def _lost(figure: Figure, error: BaseException) -> Outcome:
    return Outcome(figure.name, error=f"{type(error).__name__}: {error}")


def select(catalogue: Mapping[str, Figure], names: Iterable[str]) -> list[Figure]:
    """Return the named figures in the catalogue's order; all of them if none is named.

    Raises: InputError that names every unknown figure and what may have been meant
    """
    wanted = list(names)
    complaints = []
    for name in wanted:
        if name not in catalogue:
            near = get_close_matches(name, catalogue, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            complaints.append(f"{name!r}{hint}")
    if complaints:
        raise InputError(
            f"NAME must be one of {', '.join(catalogue)}, but is {', '.join(complaints)}"
        )
    return [figure for name, figure in catalogue.items() if name in wanted or not wanted]


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out must be a folder that can be written, but: {error}") from error
    if not os.access(out, os.W_OK):
        raise InputError(f"out must be a folder that can be written, but {out} cannot")
    return out
