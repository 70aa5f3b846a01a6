"""Figure: how far is the block theorem's bound from what the blocks do?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import MODELS, PACKAGES, counts, runs_of
from paper_figures.sources.stacks import trace
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import band_variables, draw_band
from simulations.numbers import geometric_mean
from simulations.stacks.stack import Stack

_RANDOM = Stack(depth=6, tokens=128, width=768, heads=12, ffn_width=3072, weights="bert")
SMALL = Stack(depth=6, tokens=32, width=384, heads=12, ffn_width=1536, weights="bert")
_PANELS = {"random": "random weights", **MODELS}
_CURVES = ("v", "v_sharp", "ratio")


def compute(settings: Settings) -> Dataset:
    """Return v, its sharper form and the measured ratio of d_M, layer by layer."""
    stack = SMALL if settings.quick else _RANDOM
    seeds = range(settings.seed, settings.seed + (1 if settings.quick else 2))
    run = trace(stack, seeds=seeds)
    random = tuple(run.blocks[name].T for name in ("v", "v_sharp", "measured_ratio"))
    measured = {"random": random}
    facts = dict[str, str | int]()
    for name in MODELS:
        runs = runs_of(name, settings)
        measured[name] = (runs.v, runs.v_sharp, runs.ratio)
        facts |= runs.facts
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    worst, least = 0.0, dict[str, float]()
    for name, curves in measured.items():
        key = name.replace("-", "_")
        layer = f"layer_{key}"
        for curve, values in zip(_CURVES, curves, strict=True):
            variables |= band_variables(
                f"{curve}_{key}", values, (layer,), f"{curve} of {name}", logarithmic=True
            )
        coords[layer] = Variable((layer,), np.arange(1, curves[0].shape[1] + 1), "layer")
        worst = max(worst, *(float((curves[2] / bound).max()) for bound in curves[:2]))
        least[name] = float(curves[1].min())
    attrs = {
        "stack": repr(stack),
        "sentences": counts(settings)[1],
        "worst": worst,
        "least": min(least.values()),
        "trained_least": min(least[name] for name in MODELS),
        "random_v": float(geometric_mean(random[0])),
        "random_ratio": float(geometric_mean(random[2])),
        **facts,
    }
    return Dataset(variables, coords, attrs)


def refuted(data: Dataset) -> bool:
    """Whether a ratio is above a bound, or the sharper form below 1 and so of some use."""
    return bool(data.attrs["worst"] > 1 or data.attrs["least"] <= 1)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the three curves of each set of weights on one logarithmic axis."""
    panels = canvas.subplots(1, 3, sharey=True, width_ratios=(0.8, 1.2, 0.8))
    labels = (r"$v$ (theorem)", r"$v$ sharp", r"measured ratio of $d_M$")
    for axes, (name, title) in zip(panels, _PANELS.items(), strict=True):
        key = name.replace("-", "_")
        for index, (curve, label) in enumerate(zip(_CURVES, labels, strict=True)):
            draw_band(
                axes,
                data,
                f"layer_{key}",
                f"{curve}_{key}",
                color=f"C{index}",
                label=label,
                marker="o",
            )
        axes.axhline(1, color="0.6", lw=0.6, zorder=0)
        axes.set(title=title, xlabel="layer", yscale="log")
        axes.set_xticks(data[f"layer_{key}"])
    panels[0].set_ylabel("factor on $d_M$ in one layer")
    panels[0].legend(loc="upper left")


FIGURE = Figure(
    name="bound_vs_rate",
    title="The block theorem\u2019s bound beside the measured rate",
    caption=(
        "In every layer the measured ratio of d_M stays below v and its sharper form (at most "
        "{worst:.2g-up} of either), but neither says anything about convergence, for even the "
        "sharper form is never below {least:.2f-down}: random weights of BERT\u2019s kind have v = "
        "{random_v:.2f} at a ratio of {random_ratio:.3f} (geometric means), and trained ones a "
        "sharper form of {trained_least:.3g-down} or more ({sentences} sentences; bands hold 5 to "
        "95 % of them); a ratio above its bound, or a sharper form of at most 1, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.7),
    packages=PACKAGES,
    seconds=16,
)
