"""Figure: which stacks smooth over, by value gain, graph and placement, and how tight is v?"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.sweep_summaries import load_summary, sweep_facts
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import where_one

_NAME = "phase_diagram"
_FIELDS = {
    "measured": "measured factor on $d_M$ a layer",
    "v_sharp": "$v$ sharp",
    "v": "$v$",
}
_PLACEMENTS = {"post": "post-LN", "pre": "pre-LN"}
_HIDDEN = 0.1
"""Settings of which more of the blocks are hidden by rounding are marked."""


def compute(_: Settings) -> Dataset:
    """Return what the stored summary says; there is no small version and no other seed."""
    summary = load_summary(_NAME)
    grid = ("value_gain", "placement", "mask")
    gain = summary["value_gain"]
    variables = dict(summary.data_vars)
    for name in ("measured", "v_sharp", "v"):
        factor = summary[name]
        crossing = np.apply_along_axis(lambda values: where_one(gain, values), 0, factor)
        variables[f"{name}_one"] = Variable(
            grid[1:], crossing, f"value gain at which the mean of {name} is 1"
        )
    variables["marked"] = Variable(
        grid, summary["hidden"] > _HIDDEN, f"rounding hides more than {_HIDDEN:.0%} of the blocks"
    )
    attrs = {**summary.attrs, **_told(summary, variables), **sweep_facts([_NAME], [summary])}
    return Dataset(variables, summary.coords, attrs)


def _told(summary: Dataset, variables: dict[str, Variable]) -> dict[str, Any]:
    """Return the numbers of the caption."""
    kinds = list(summary["placement"])
    found: dict[str, Any] = {
        "settings": int(summary["measured"].size),
        "gain_lowest": float(summary["value_gain"].min()),
        "gain_highest": float(summary["value_gain"].max()),
        "masks": len(summary["mask"]),
        "hidden_share": 100 * (1 - summary.attrs["clear"] / summary.attrs["blocks"]),
        "crossings": int(np.isfinite(variables["measured_one"].values).sum()),
        "v_crossings": int(
            np.isfinite([variables[f"{name}_one"].values for name in ("v", "v_sharp")]).sum()
        ),
        "v_lowest": float(summary["v"].min()),
        "sharp_lowest": float(summary["v_sharp"].min()),
    }
    for kind in _PLACEMENTS:
        at = kinds.index(kind)
        for name in ("measured", "relative"):
            values = summary[name][:, at]
            found[f"{kind}_{name}_lowest"] = float(values.min())
            found[f"{kind}_{name}_highest"] = float(values.max())
    for bound in ("v", "v_sharp"):
        for count in ("below", "violated", "undecided"):
            found[f"{bound}_{count}"] = int(summary[f"{bound}_{count}"].sum())
        largest = summary.attrs[f"{bound}_largest"]
        found[f"{bound}_ratio"] = largest["ratio"]
        placement = _PLACEMENTS[largest["placement"]]
        found[f"{bound}_at"] = f"{placement}, {largest['mask']}, gain {largest['value_gain']:g}"
    return found


def refuted(data: Dataset) -> bool:
    """Whether a bound is violated, a mean crosses 1, or too little is left to see that."""
    post, pre = (list(data["placement"]).index(kind) for kind in ("post", "pre"))
    factor = data["measured"]
    violated = data["v_violated"].sum() + data["v_sharp_violated"].sum()
    parted = (factor[:, post] < 1).all() and (factor[:, pre] > 1).all()
    vacuous = (data["v"] > 1).all() and (data["v_sharp"] > 1).all()
    merging = (data["relative"] < 1).all()
    seen = data["clear"].sum() > 0.9 * data["blocks"].sum()
    return bool(violated or not (parted and vacuous and merging and seen))


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw factor and bounds over gain and graph, and how near the ratios come to the bounds."""
    panels = canvas.subplots(3, 3, height_ratios=(1.25, 1.25, 1.0))
    norms = {
        "measured": TwoSlopeNorm(1.0, vmin=0.2, vmax=1.2),
        "v_sharp": LogNorm(1.0, 100.0),
        "v": LogNorm(1.0, 1e4),
    }
    for j, (name, label) in enumerate(_FIELDS.items()):
        maps = {"norm": norms[name], "cmap": "RdBu_r" if name == "measured" else "YlOrRd"}
        for i, kind in enumerate(_PLACEMENTS):
            shades = _map(panels[i, j], data, name, list(data["placement"]).index(kind), maps)
            panels[i, j].set_title(f"{_PLACEMENTS[kind]}: {label}", fontsize=8)
            if j:
                panels[i, j].set_yticklabels([])
        bar = canvas.colorbar(
            shades, ax=list(panels[:2, j]), location="bottom", shrink=0.9, aspect=25, pad=0.02
        )
        if name == "measured":
            bar.set_ticks([0.2, 0.6, 1.0, 1.1, 1.2])
    for axes, bound in zip(panels[2, :2], ("v_sharp", "v"), strict=True):
        for i, kind in enumerate(data["kind"]):
            curve = data[f"{bound}_curve"][i]
            axes.plot(curve, data["share"], color=f"C{i}", label=_PLACEMENTS[str(kind)])
        axes.axvline(1, color="0.4", lw=0.8)
        axes.set(xscale="log", xlabel=f"ratio of $d_M$ over {_FIELDS[bound]}", ylim=(0, 1.01))
    panels[2, 0].set_ylabel("share of blocks")
    panels[2, 0].legend(loc="upper left", fontsize=7)
    _worst(panels[2, 2], data)


def _map(axes: Axes, data: Dataset, name: str, placement: int, maps: dict[str, Any]) -> Any:
    gain, masks = data["value_gain"], [str(mask) for mask in data["mask"]]
    columns, rows = np.arange(len(gain)), np.arange(len(masks))
    shades = axes.pcolormesh(columns, rows, data[name][:, placement].T, rasterized=True, **maps)
    x, y = np.nonzero(data["marked"][:, placement])
    axes.plot(x, y, ls="", marker="x", ms=3, mew=0.6, color="0.15")
    axes.set_xticks(columns[::2], labels=[f"{g:g}" for g in gain[::2]])
    axes.set_yticks(rows, labels=masks, fontsize=5.5)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_xlabel("value gain", fontsize=7)
    return shades


def _worst(axes: Axes, data: Dataset) -> None:
    """Draw the largest ratio over the sharper bound against the gain, for three graphs."""
    masks = [str(mask) for mask in data["mask"]]
    styles = {"full": "-", "causal": "--", "window:1": ":"}
    for mask, style in styles.items():
        axes.plot([], [], color="0.3", ls=style, label=mask)
        for i, kind in enumerate(data["kind"]):
            at = list(data["placement"]).index(kind)
            worst = data["v_sharp_tightness"][:, at, masks.index(mask), -1]
            axes.plot(data["value_gain"], worst, color=f"C{i}", ls=style)
    axes.axhline(1, color="0.4", lw=0.8)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="value gain", ylim=(0, 1.05), title="largest ratio over $v$ sharp")
    axes.title.set_fontsize(8)
    axes.legend(loc="upper left", fontsize=6.5)


FIGURE = Figure(
    name="phase_diagram",
    title="Which stacks smooth over, and how near their blocks come to the theorem",
    caption=(
        "In {cells:,} random stacks (64 tokens and features, 24 layers; {masks} graphs, value "
        "gains {gain_lowest:g} to {gain_highest:g}, {seeds} seeds each) the placement of the norms "
        "decides whether d_M shrinks: its mean factor a layer is {post_measured_lowest:.2f} to "
        "{post_measured_highest:.3f} in post-LN and {pre_measured_lowest:.3f} to "
        "{pre_measured_highest:.2f} in pre-LN, where the tokens themselves grow (d_M / |H|: "
        "{pre_relative_lowest:.3f} to {pre_relative_highest:.3f}), and is 1 along the gain in "
        "{crossings} of the rows, as v and its sharper form are in {v_crossings}: their means are "
        "nowhere below {v_lowest:.1f-down} and {sharp_lowest:.1f-down}; of {blocks:,} blocks "
        "float32 may hide {hidden_share:.1f} % (crosses: more than a tenth of a setting), and in "
        "the others, of which {v_below:,} and {v_sharp_below:,} have a v and a sharp v below 1, "
        "the measured ratio is at most {v_ratio:.2f-up} of v ({v_at}; median {v_median:.3f}) and "
        "{v_sharp_ratio:.2f-up} of sharp v ({v_sharp_at}; median {v_sharp_median:.2f}), above "
        "them in {v_violated:,} and {v_sharp_violated:,} blocks, while {v_undecided:,} and "
        "{v_sharp_undecided:,} of the hidden ones read above them; one clear block above, a mean "
        "on the other side of 1, or a d_M / |H| that grows would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 7.0),
    seconds=5,
)
