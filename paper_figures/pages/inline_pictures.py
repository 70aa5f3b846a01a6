"""How do formulas and small graphs get into a page that needs no other file?"""

import base64
import io
import re
from functools import cache
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from paper_figures.workshop.build import STYLE
from paper_figures.workshop.drawing import draw_graph

_WIDEST = 74
"""About how many letters of a formula fit on a line."""

# What TeX allows and matplotlib's mathtext does not: short commands, arguments without braces.
_TO_MATHTEXT: tuple[tuple[str, Any], ...] = (
    (r"\\(t?)frac(?![A-Za-z])", lambda found: "\\frac" if found[1] else "\\dfrac"),
    (r"\\top(?![A-Za-z])", "{T}"),
    (r"\\dots(?![A-Za-z])", r"\\ldots"),
    (r"\\(le|ge|ne)(?![A-Za-z])", r"\\\1q"),
    (r"\\not\\to(?![A-Za-z])", r"\\nrightarrow"),
    (r"\\(sqrt|d?frac)\s*(\\[A-Za-z]+|[A-Za-z0-9])", r"\\\1{\2}"),
    (r"(\\d?frac\{[^{}]*\})\s*([A-Za-z0-9])", r"\1{\2}"),
)
_BARE = {"Date": None, "Creator": None, "Format": None, "Type": None}


def formula_pictures(claim: str) -> list[str]:
    """Return a claim in LaTeX as addresses of pictures, one a line, each an SVG in the page itself.

    Raises: ValueError for what mathtext cannot read
    """
    with matplotlib.style.context(["default", STYLE]):
        return [_line(f"${line}$") for line in formula_lines(claim)]


@cache
def _line(text: str) -> str:
    letters = FontProperties(size=13, math_fontfamily="stix")
    width, height, depth, *_ = MathTextParser("path").parse(text, dpi=72, prop=letters)
    frame = width + 4, height + 4  # points; a little air, or the outermost strokes are cut
    canvas = Canvas(figsize=(frame[0] / 72, frame[1] / 72))
    canvas.set_layout_engine("none")
    canvas.text(2 / frame[0], (depth + 2) / frame[1], text, fontproperties=letters)
    return _svg(canvas)


def formula_lines(claim: str) -> list[str]:
    """Break a claim where it has a wide space, and at its commas where a line gets too long."""
    for pattern, other in _TO_MATHTEXT:
        claim = re.sub(pattern, other, claim)
    lines = []
    for part in re.split(r"\\quad|\\;", claim):
        line = ""
        for piece in _at_commas(part.strip()):
            if line and _length(line + piece) > _WIDEST:
                lines.append(line.strip())
                line = ""
            line += piece
        lines.append(line.strip())
    return [re.sub(r"^\\ ", "", line).strip() for line in lines if line.strip(" \\")]


def _at_commas(text: str) -> list[str]:
    """Split after every comma with a space behind it that is in no bracket."""
    pieces, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "{([") - (letter in "})]")
        if letter == "," and depth == 0 and text[place + 1 : place + 2] in (" ", "\\"):
            pieces.append(text[start : place + 1])
            start = place + 1
    return [*pieces, text[start:]]


def _length(text: str) -> int:
    """Count about what is seen: a command is one letter, braces are none."""
    words = re.sub(r"\\(text|mathrm|mathbf|dfrac|frac|max|min|sum|log|tanh)", "", text)
    return len(re.sub(r"\\[A-Za-z]+|\\.", "x", words).translate(str.maketrans("", "", "{}^_ ")))


def graph_picture(weights: Any, places: Any) -> str:
    """Draw who listens to whom: thick where much, darker tokens listen to themselves.

    Negative weights are dashed in red.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    most = float(np.abs(matrix).max()) or 1.0
    shade = np.clip(np.diag(matrix) / most, 0, 1)
    with matplotlib.style.context(["default", STYLE]):
        canvas = Canvas(figsize=(1.9, 1.9))
        canvas.set_layout_engine("none")
        axes = canvas.add_axes((0, 0, 1, 1))
        discs = {"node_size": 170, "node_color": shade, "cmap": "Blues", "vmin": 0, "vmax": 1.6}
        arrows = {"node_size": 170, "arrowsize": 8, "connectionstyle": "arc3,rad=0.12"}
        signs = (np.maximum(matrix, 0), "0.25", "solid"), (np.maximum(-matrix, 0), "C2", "dashed")
        for part, color, line in signs:
            if (part > 0).any() or color == "0.25":
                edges = {**arrows, "edge_color": color, "style": line}
                draw_graph(
                    axes,
                    np.asarray(places),
                    np.where(part > 1e-3 * most, part, 0),
                    discs=discs,
                    edges=edges,
                    thickness=2.2 / most,
                )
        for number, (x, y) in enumerate(places, start=1):
            axes.text(x, y, str(number), ha="center", va="center", fontsize=8)
        bottom, top = np.min(places, axis=0)[1], np.max(places, axis=0)[1]
        axes.set(xlim=(-1.35, 1.35), ylim=(bottom - 0.4, top + 0.4))
        return _svg(canvas, bbox_inches="tight", pad_inches=0.03)


def _svg(canvas: Canvas, **options: Any) -> str:
    with io.BytesIO() as file:
        canvas.savefig(file, format="svg", metadata=_BARE, **options)
        data = base64.b64encode(file.getvalue()).decode()
    return f"data:image/svg+xml;base64,{data}"
