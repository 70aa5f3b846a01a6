"""One trace as a quick picture: similarity, distance, and the three rates against depth."""

import io
import os
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.workshop.build import DOUBLE_COLUMN, STYLE
from simulations.instruments.trace import Trace
from simulations.machine.files import write_over
from simulations.numbers import Numbers
from theory.arrays import InputError

_RATES = (
    ("v", "v"),
    ("v_sharp", "v sharp"),
    ("v_stacked", "v stacked"),
    ("measured_ratio", "measured"),
)


def require_plot(path: Path) -> None:
    """Refuse a file that could not be drawn to, before the work is done.

    Raises: InputError if it has another ending, or its folder is missing or cannot be written
    """
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"plot must end in .png, .pdf or .svg, but is {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"plot must go to a folder that exists, but {str(path.parent)!r} does not")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise InputError(f"plot {str(path)!r} cannot be written")


def plot_trace(trace: Trace, path: Path, *, title: str) -> None:
    """Draw a trace to a .png, .pdf or .svg file; bands run from the least to the largest member.

    Raises: InputError if the file has another ending or cannot be written
    """
    require_plot(path)
    with matplotlib.style.context(["default", STYLE]):
        canvas = Figure(figsize=(DOUBLE_COLUMN, 2.5), layout="constrained")
        canvas.suptitle(title)
        cosine, distance, rates = canvas.subplots(1, 3)
        depth = np.arange(trace.depth + 1)
        _band(cosine, depth, trace.tokens["cosine_similarity"])
        cosine.set(xlabel="layer", ylabel="CosSim")
        _band(distance, depth, trace.tokens["log10_relative_distance"])
        distance.set(xlabel="layer", ylabel=r"$\log_{10}\ d_M / |H|$")
        for name, label in _RATES:
            if name in trace.blocks:
                _band(rates, depth[1:], trace.blocks[name], label=label)
        rates.axhline(1, color="0.6", lw=0.6, zorder=0)
        rates.set(xlabel="layer", ylabel="factor on $d_M$ a layer", yscale="log")
        rates.legend()
        picture = io.BytesIO()
        canvas.savefig(picture, format=path.suffix[1:].lower())
    try:
        write_over(path, picture.getbuffer())
    except OSError as error:
        raise InputError(f"plot {str(path)!r} cannot be written: {error.strerror}") from error


def _band(ax: Axes, depth: Numbers, values: Numbers, *, label: str | None = None) -> None:
    """Draw the median of all batch members, and from the least to the largest as a band."""
    flat = values.reshape(len(values), -1)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    (line,) = ax.plot(depth, np.nanmedian(flat, axis=1), marker=".", label=label)
    ax.fill_between(
        depth,
        np.nanmin(flat, axis=1),
        np.nanmax(flat, axis=1),
        color=line.get_color(),
        alpha=0.2,
        lw=0,
    )
