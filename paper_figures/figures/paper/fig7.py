"""Figure 7: which layers does the gate listen to?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.fusion_runs import fusion_facts, load_experiments
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import panels
from simulations.fusion.scores import over_seeds
from theory.arrays import InputError

_ONE_LAYER = 0.9


def compute(_: Settings) -> Dataset:
    """Return the mean share of each layer over tokens, for every seed and with 95 %."""
    experiments = [x for x in load_experiments() if "gate" in x.fusions]
    if not experiments:
        raise InputError("there are no stored runs of the gate; oversmooth fuse makes them")
    shares = [x.values("gate", "gate") for x in experiments]
    seeds, depth = (max(share.shape[axis] for share in shares) for axis in (0, 1))
    gate = np.full((len(shares), seeds, depth), np.nan)
    mean, half = np.full((2, len(shares), depth), np.nan)
    for i, share in enumerate(shares):
        gate[i, : share.shape[0], : share.shape[1]] = share
        mean[i, : share.shape[1]], half[i, : share.shape[1]] = over_seeds(share)
    depths = (~np.isnan(mean)).sum(axis=1)
    last = mean[np.arange(len(depths)), depths - 1]
    dims = ("experiment", "layer")
    return Dataset(
        {
            "gate": Variable(("experiment", "seed", "layer"), gate, "mean share over tokens"),
            "mean": Variable(dims, mean, "its mean over seeds"),
            "half_width": Variable(dims, half, "half of its 95 % interval over seeds"),
        },
        {
            "experiment": Variable(
                ("experiment",), np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "seed": Variable(("seed",), np.arange(seeds), "seed"),
            "layer": Variable(("layer",), np.arange(1, depth + 1), "layer"),
        },
        {
            "largest": float(np.nanmax(gate)),
            "last_most": int((last >= np.nanmax(mean, axis=1)).sum()),
            "experiments": len(experiments),
            **fusion_facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that no layer takes nearly all."""
    return bool(np.nanmax(data["gate"]) > _ONE_LAYER)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the shares by layer: every seed thin, their mean thick."""
    grid = panels(canvas, len(data["experiment"]), columns=4)
    for i, axes in enumerate(grid):
        gate, mean, half = (data[name][i] for name in ("gate", "mean", "half_width"))
        there = ~np.isnan(gate).all(axis=0)
        for seed in gate:
            axes.plot(data["layer"][there], seed[there], color="C0", lw=0.6, alpha=0.5)
        axes.errorbar(
            data["layer"][there], mean[there], yerr=half[there],
            color="C0", marker="o", ms=2.5,
        )  # fmt: skip
        axes.axhline(1 / there.sum(), color="0.6", lw=0.8, ls="--")
        axes.set_title(str(data["experiment"][i]).replace(", ", ",\n"))
        axes.set_ylim(0, 1.05 * np.nanmax([*gate.ravel(), *mean + half]))
        axes.set_xticks([1, int(there.sum() + 1) // 2, int(there.sum())])
    canvas.supxlabel("layer", fontsize=9)
    canvas.supylabel("share of the layer", fontsize=9)


FIGURE = Figure(
    name="fig7",
    title="What the gate gives each layer (the paper\u2019s figure 7)",
    caption=(
        "The gate\u2019s mean share of each layer over tokens, by seed (thin) and on average "
        "(thick, with 95 % over {seeds} or more seeds; dashed: equal shares), is at most "
        "{largest:.2f-up} for any layer: no layer takes nearly all of the tokens; it is largest "
        "for the last one in {last_most} of {experiments} experiments; a share above 0.9 would "
        "refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 4.6),
    seconds=3,
)
