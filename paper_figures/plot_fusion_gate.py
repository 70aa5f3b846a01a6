"""Figure 7: which layers does the gate listen to?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Variable
from paper_figures.fusion_runs import facts, load_experiments

_ONE_LAYER = 0.9


def compute(_: Settings) -> Dataset:
    """Return the mean share of each layer over tokens, for every seed."""
    experiments = [x for x in load_experiments() if x.has_gate]
    shares = [x.values("gate", "gate") for x in experiments]
    seeds, depth = (max(share.shape[axis] for share in shares) for axis in (0, 1))
    gate = np.full((len(shares), seeds, depth), np.nan)
    for i, share in enumerate(shares):
        gate[i, : share.shape[0], : share.shape[1]] = share
    return Dataset(
        {"gate": Variable(("experiment", "seed", "layer"), gate, "mean share over tokens")},
        {
            "experiment": Variable(
                ("experiment",), np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "seed": Variable(("seed",), np.arange(seeds), "seed"),
            "layer": Variable(("layer",), np.arange(1, depth + 1), "layer"),
        },
        {"largest": float(np.nanmax(gate)), **facts(experiments)},
    )


def refuted(data: Dataset) -> bool:
    """The caption says that no gate ends on one layer."""
    return bool(np.nanmax(data["gate"]) > _ONE_LAYER)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the shares by layer: every seed thin, their mean thick."""
    panels = canvas.subplots(1, len(data["experiment"]), sharey=True, squeeze=False)[0]
    for axes, label, gate in zip(panels, data["experiment"], data["gate"], strict=True):
        there = ~np.isnan(gate).all(axis=0)
        for seed in gate:
            axes.plot(data["layer"][there], seed[there], color="C0", lw=0.6, alpha=0.5)
        mean = np.nanmean(gate[:, there], axis=0)
        axes.plot(data["layer"][there], mean, color="C0", marker="o")
        axes.axhline(1 / there.sum(), color="0.6", lw=0.8, ls="--")
        axes.set(title=str(label).replace(", ", "\n"), xlabel="layer")
        axes.set_ylim(bottom=0, auto=True)  # shared: the panels after this one may need more
        axes.set_xticks([1, int(there.sum() + 1) // 2, int(there.sum())])
    panels[0].set_ylabel("share of the layer")


FIGURE = Figure(
    name="fig7",
    title="What the gate gives each layer (the paper\u2019s figure 7)",
    caption=(
        "The gate\u2019s mean share of each layer over tokens, by seed (thin) and on average "
        "(thick; dashed: equal shares), is at most {largest:.2f-up} for any layer, so that every "
        "gate still mixes layers; a share above 0.9 would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.2),
)
