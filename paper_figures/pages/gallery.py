"""How are all figures shown on one page that needs no network?"""

import html
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from paper_figures.workshop.build import SINGLE_COLUMN, SUFFIXES, Figure
from paper_figures.workshop.data import load
from simulations.machine.files import write_over

_SHOWN_APART = ("title", "caption", "refuted", "command", "commit")


def gallery(
    figures: Iterable[Figure], *, out: Path | str, pages: Mapping[str, Path] | None = None
) -> Path:
    """Write ``out/index.html`` with those of the figures whose three files lie in ``out``.

    ``pages`` are other pages in ``out``, by what the links to them say. All words and numbers on
    the page come from the stored data files; links are relative.

    Raises: InputError if a data file cannot be read
    """
    figures, out = tuple(figures), Path(out)
    found = [f for f in figures if all((out / f"{f.name}{s}").is_file() for s in SUFFIXES)]
    cards = [_card(figure, number, out=out) for number, figure in enumerate(found, start=1)]
    missing = [figure.name for figure in figures if figure not in found]
    count = f"{len(found)} of {len(figures)} figures are here."
    if missing:
        count += f" Not built: {html.escape(', '.join(missing))}."
    links = (
        f'<a href="{html.escape(path.name)}">{html.escape(text)}</a>.'
        for text, path in (pages or {}).items()
    )
    page = _template("gallery").substitute(
        figures="\n".join(cards), count=" ".join((count, *links))
    )
    index = out / "index.html"
    write_over(index, page.encode())
    return index


def _card(figure: Figure, number: int, *, out: Path) -> str:
    attrs = load(out / f"{figure.name}.json").attrs
    verdict = (
        '<p class="refuted">These data refute the caption: look closely.</p>'
        if attrs["refuted"]
        else ""
    )
    return _template("card").substitute(
        name=figure.name,
        number=number,
        width="wide" if figure.size[0] > 1.2 * SINGLE_COLUMN else "narrow",
        pixels=round(figure.size[0] * 150),
        title=html.escape(attrs["title"]),
        caption=html.escape(attrs["caption"]),
        verdict=verdict,
        command=html.escape(attrs["command"]),
        commit=html.escape(re.sub("[0-9a-f]{40}", lambda found: found[0][:12], attrs["commit"])),
        origin=_origin(attrs),
    )


def _origin(attrs: Mapping[str, Any]) -> str:
    facts = (
        f"{key}: {value}"
        for key, value in attrs.items()
        if key not in _SHOWN_APART and not isinstance(value, list)  # tables are in the data file
    )
    return "<br>\n".join(html.escape(fact) for fact in facts)


def _template(name: str) -> Template:
    return Template(Path(__file__).with_name(f"{name}.html").read_text(encoding="utf-8"))
