"""One trace as a quick picture: similarity, distance, and the three rates against depth."""

from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.command.pictures import require_plot, save_plot
from paper_figures.workshop.build import DOUBLE_COLUMN, STYLE
from simulations.instruments.trace import Trace
from simulations.numbers import Numbers

_RATES = (
    ("v", "v"),
    ("v_sharp", "v sharp"),
    ("v_stacked", "v stacked"),
    ("v_diameter", "v diameter"),
    ("saturation", "saturation"),
    ("measured_ratio", "measured"),
)


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
        save_plot(canvas, path)


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
