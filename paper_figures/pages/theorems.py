"""How are all theorems, and what was found against them, shown on one page?"""

import html
from pathlib import Path
from string import Template
from typing import Any

from paper_figures.pages.statements import summary_row, theorem_article, trend_article
from paper_figures.workshop.data import load
from simulations.machine.files import write_over

_DATA, _PAGE = "tightness.json", "theorems.html"
_RECORDED = ("command", "commit", "python", "numpy", "scipy", "matplotlib", "networkx")


def theorem_page(*, out: Path | str) -> Path | None:
    """Write ``out/theorems.html`` from the stored data of the figure "tightness".

    Returns None, and leaves no page, where that figure has not been built. The page holds its
    own formulas and graphs; it asks for no file but the figure beside it.

    Raises: InputError if the data file cannot be read
    """
    out = Path(out)
    page = out / _PAGE
    if not (out / _DATA).is_file():
        page.unlink(missing_ok=True)  # it would show other data than the gallery
        return None
    text = page_text(load(out / _DATA).attrs)
    write_over(page, text.encode())
    return page


def page_text(attrs: Any) -> str:
    """Return the page for a figure's stored attributes."""
    theorems = [x for x in attrs["statements"] if x["kind"] == "inequality"]
    trends = [x for x in attrs["statements"] if x["kind"] == "trend"]
    template = Path(__file__).with_name(_PAGE).read_text(encoding="utf-8")
    return Template(template).substitute(
        effort=_effort(attrs, len(theorems), len(trends)),
        unexpected=_unexpected(attrs["unexpected"]),
        caption=html.escape(attrs.get("caption", "")),
        rows="\n".join(map(summary_row, theorems)),
        theorems="\n".join(map(theorem_article, theorems)),
        trends="\n".join(map(trend_article, trends)),
        origin="<br>\n".join(
            html.escape(f"{name}: {attrs[name]}") for name in _RECORDED if name in attrs
        ),
    )


def _effort(attrs: Any, theorems: int, trends: int) -> str:
    return (
        f"Here are {theorems} inequalities and {trends} trends. Each inequality was tried on "
        f"{attrs['trials']:,} random instances, attacked with a budget of {attrs['budget']:,} "
        f"evaluations, and compared with {attrs['members']:,} Gaussian instances of a "
        f"Transformer&rsquo;s sizes and with {attrs['layers']} layers of all-MiniLM-L6-v2 on "
        f"{attrs['sentences']:,} sentence{'s' if attrs['sentences'] > 1 else ''}."
    )


def _unexpected(keys: list[str]) -> str:
    if not keys:
        return "<p>Every verdict is the expected one.</p>"
    return f'<p class="bad">Not as expected: {html.escape(", ".join(keys))}.</p>'
