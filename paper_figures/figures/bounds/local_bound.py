"""Figure: how far does a bound on all inputs near a text reach, in a trained model's layers?"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.local_bounds import load_bounds
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset

_NAME = "minilm"


def compute(_: Settings) -> Dataset:
    """Return what is stored; there is no small version and no other seed."""
    stored = load_bounds(_NAME)
    return Dataset(stored.data_vars, stored.coords, {**stored.attrs, **_told(stored)})


def _told(data: Dataset) -> dict[str, Any]:
    """Return the numbers of the caption."""
    radius, ratio = data["radius"], data["ratio"][:, None]
    told = int(np.flatnonzero(radius == 1e-3)[0])
    own = data["bound"] < 0.999 * data["saturation"]
    proved = data["bound"][:, told] < 1
    contracting = [str(layer) for layer in data["layer"][proved]]
    return {
        "told_radius": float(radius[told]),
        "proved": ", ".join(contracting) or "none",
        "measured_below": int((data["ratio"] < 1).sum()),
        "proved_number": int(proved.sum()),
        "factor_highest": float((data["bound"] / ratio)[:, told].max()),
        "reach_gap": float((data["bound"] / data["reached"])[:, told].max()),
        "own_until": float(radius[own.all(axis=0)].max()),
        "saturation_highest": float((data["saturation"] / ratio)[:, told].max()),
        "v_lowest": float(data["v"].min()),
        "v_highest": float(data["v"].max()),
        "largest_radius": float(radius.max()),
        "reached_highest": float(data["reached"].max()),
    }


def refuted(data: Dataset) -> bool:
    """Whether ascent passes a bound, or a bound at 1e-3 is no better than saturation or far off."""
    passed = (data["reached"] > data["bound"]).any()
    loose = data.attrs["factor_highest"] > 1.02 or data.attrs["own_until"] < 1e-3
    return bool(passed or loose or data.attrs["proved_number"] < data.attrs["measured_below"])


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a panel a layer: what ascent reaches, the bound, saturation, and v far above."""
    panels = canvas.subplots(2, 3, sharex=True, sharey=True).ravel()
    radius = data["radius"]
    for i, (axes, layer) in enumerate(zip(panels, data["layer"], strict=True)):
        axes.axhline(1, color="0.6", lw=0.6, zorder=0)
        # a bound holds for every smaller ball, and what is reached is in every larger one
        axes.plot(radius, data["saturation"][i], "--", color="0.4", label="saturation")
        upper = {"ds": "steps-pre", "marker": "o", "ms": 3, "label": "bound for all inputs"}
        axes.plot(radius, data["bound"][i], "C0", **upper)
        lower = {"ds": "steps-post", "marker": "^", "ms": 3, "label": "reached by ascent"}
        axes.plot(radius, data["reached"][i], "C1", **lower)
        axes.axhline(data["ratio"][i], color="C2", lw=0.8, ls=":", label="measured ratio")
        axes.set(xscale="log", title=f"layer {layer}: $v$ = {data['v'][i]:,.0f}")
        axes.title.set_fontsize(8)
    panels[1].legend(fontsize=6.5, loc="upper left")
    for axes in panels[3:]:
        axes.set_xlabel("radius, relative to each token")
    for axes in panels[::3]:
        axes.set_ylabel("$d_M$ after / before")


FIGURE = Figure(
    name="local_bound",
    title="What is proved of a trained model on all inputs near a sentence",
    caption=(
        "Around one sentence of {tokens} tokens in {model}, where v is {v_lowest:,.0f} to "
        "{v_highest:,.0f}, an upper bound on the ratio of d_M for every input whose tokens are "
        "within a radius, relative to their lengths, with all roundings counted: at "
        "{told_radius:g} it is at most {factor_highest:.4f-up} times the measured ratio and "
        "{reach_gap:.4f-up} times what gradient ascent reaches, and contraction of the whole ball "
        "is proved in layers {proved}, all {measured_below} whose measured ratio is below 1; up to "
        "{own_until:g} it is below saturation (a norm's outputs have a largest length: dashed, up "
        "to {saturation_highest:.2f} times the ratio) in every layer, and nothing better is known "
        "beyond, where ascent reaches {reached_highest:.2f}; an input above a bound, or a bound at "
        "{told_radius:g} more than 2 % off, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.9),
    seconds=4,
)
