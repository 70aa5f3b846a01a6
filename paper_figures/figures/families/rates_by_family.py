"""Figure: how far is the theorem's v from the measured ratio in every kind of Transformer?"""

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullFormatter

from paper_figures.sources.families import FAMILIES, PACKAGES, counts, runs_by_family
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import (
    band_variables,
    draw_band,
    each_installed,
    legend_below,
)
from simulations.numbers import geometric_mean

_BOUNDS = {"v": "$v$ (theorem)", "v_sharp": "$v$ sharp", "v_diameter": "$v$ diameter"}
_SMALLEST = "smallest"
"""What is drawn of the bounds on d_M beside v and v sharp: at every layer the smallest of all."""
_ON_DISTANCE = ("v", "v_sharp", "v_stacked", "saturation")
_DRAWN = {**_BOUNDS, _SMALLEST: "smallest bound on $d_M$"}
_INKS = (("C0", "-"), ("C7", "-"), ("C4", ":"), ("C3", "-"))
_RATIOS = {
    "measured_ratio": "measured ratio of $d_M$",
    "measured_ratio_without_largest": "the same without the largest token",
}
_LOOKS = (("C2", "-"), ("C1", "--"))
_FAR = 1.5
"""By which factor the largest ratio is that of one token, so that the caption has it without."""
_ROWS = (r"$\lambda$", "bound on the factor", "factor on $d_M$")


def compute(settings: Settings) -> Dataset:
    """Return lambda, v, its sharper forms and the measured ratios, layer by layer."""
    found, others = runs_by_family(settings)
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs: dict[str, str | int | float] = {
        f"missing_{name.replace('-', '_')}": lines for name, lines in others.items()
    }
    worst, least, spans, lambdas = list[float](), list[float](), list[str](), list[str]()
    lowest = list[float]()
    for name, runs in found.items():
        key, blocks = name.replace("-", "_"), runs.detailed.blocks
        layer = f"layer_{key}"
        coords[layer] = Variable((layer,), np.arange(1, runs.every.depth + 1), "layer")
        for part in ("lambda", *_BOUNDS):
            variables[f"{part}_{key}"] = Variable(
                (layer,), geometric_mean(blocks[part], axis=1), f"{part} of {name}: geometric mean"
            )
        for part in _RATIOS:
            variables |= band_variables(
                f"{part}_{key}",
                runs.every.blocks[part].T,
                (layer,),
                f"{part} of {name}",
                logarithmic=True,
            )
        known = [blocks[part] for part in _ON_DISTANCE if part in blocks]
        smallest = np.fmin.reduce(known)
        variables[f"{_SMALLEST}_{key}"] = Variable(
            (layer,),
            geometric_mean(smallest, axis=1),
            f"smallest bound on d_M of {name}: geometric mean",
        )
        worst.append(float((blocks["measured_ratio"] / smallest).max()))
        worst.append(float((blocks["diameter_ratio"] / blocks["v_diameter"]).max()))
        lowest.append(float(smallest.min()))
        least.append(float(blocks["v_sharp"].min()))
        every, rest = (variables[f"{part}_{key}_mean"].values for part in _RATIOS)
        spans.append(f"{_span(every)} in {name}")
        if every.max() > _FAR * rest.max():
            spans[-1] += f" ({_span(rest)} without the largest token)"
        above = int((variables[f"lambda_{key}"].values > 1).sum())
        lambdas.append(f"{above} of {runs.every.depth} layers of {name}")
        attrs |= runs.facts
    attrs |= {
        "detailed": counts(settings)[1],
        "worst": max(worst),
        "least": min(least),
        "lowest": min(lowest),
        "spans": ", ".join(spans),
        "lambdas": ", ".join(lambdas),
    }
    return Dataset(variables, coords, attrs)


def _span(values: Values) -> str:
    return f"{values.min():.2g} to {values.max():.2g}"


def refuted(data: Dataset) -> bool:
    """Whether a ratio is above a bound, or the sharper form below 1 and so of some use."""
    return bool(data.attrs["worst"] > 1 or data.attrs["least"] <= 1)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a column for each model, all on logarithmic axes: lambda, the bounds, the ratios."""
    panels = canvas.subplots(3, len(FAMILIES), sharey="row", sharex="col")
    for column, key, title in each_installed(panels, FAMILIES, data):
        layer = f"layer_{key}"
        own, bounds, ratios = column
        own.plot(data[layer], data[f"lambda_{key}"], color="0.3")
        for (color, ls), (part, label) in zip(_INKS, _DRAWN.items(), strict=True):
            bounds.plot(data[layer], data[f"{part}_{key}"], color=color, ls=ls, label=label)
        for (color, ls), (part, label) in zip(_LOOKS, _RATIOS.items(), strict=True):
            draw_band(ratios, data, layer, f"{part}_{key}", color=color, label=label, ls=ls)
        for axes in column:
            axes.axhline(1, color="0.6", lw=0.6, zorder=0)
            axes.set(yscale="log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        last = int(data[layer][-1])
        ratios.set(xlabel="layer", xticks=[1, last // 2, last])
        own.set_title(title, fontsize=8)
    for axes, label in zip(panels[:, 0], _ROWS, strict=True):
        axes.set_ylabel(label)
    legend_below(canvas, panels[1:].ravel())


FIGURE = Figure(
    name="rates_by_family",
    title="\u03bb, v and the measured ratio in an encoder, a repeated block, a decoder, for images",
    caption=(
        "In every layer the measured ratio of d_M stays below all bounds, and that of the diameter "
        "below v diameter (at most {worst:.2g-up} of any, on {detailed} input(s) a model), but v "
        "says nothing of convergence, for even its sharper form is never below {least:.3g-down}; "
        "the smallest bound, which where a norm ends each block is saturation and knows nothing of "
        "what the block does, is {lowest:.2g-down} or more: the ratios, "
        "geometric means over the inputs, run from {spans} (bands hold 5 to 95 % of the inputs), "
        "and \u03bb is above 1 in {lambdas}; a ratio above its bound, or a sharper form of at "
        "most 1, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.8),
    packages=PACKAGES,
    seconds=2,
)
