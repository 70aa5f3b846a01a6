"""Figure 6: are the fused tokens less alike than those of the last layer?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.fusion_runs import fusion_facts, load_experiments
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import panels
from paper_figures.workshop.reference import load_reference
from simulations.fusion.recipe import FUSIONS
from simulations.fusion.scores import over_seeds
from theory.arrays import InputError

_SERIES = ("baseline", "gate")
_SAME = 1e-6  # a frozen encoder's layers are alike with and without the gate, up to rounding
_COLORS = tuple(FUSIONS.index(fusion) for fusion in _SERIES)


def compute(_: Settings) -> Dataset:
    """Return CosSim by layer and of F, with 95 % over seeds, with and without the gate."""
    experiments = [x for x in load_experiments() if "gate" in x.fusions]
    if not experiments:
        raise InputError("there are no stored runs of the gate; oversmooth fuse makes them")
    depth = max(x.values("gate", "cosine").shape[1] for x in experiments)
    shape = (len(experiments), len(_SERIES))
    cosine, cosine_half = np.full((2, *shape, depth), np.nan)
    fused, fused_half = np.full((2, *shape), np.nan)
    average = np.asarray([x.values("gate", "cosine_average").mean() for x in experiments])
    for i, experiment in enumerate(experiments):
        for j, fusion in enumerate(_SERIES):
            layers = experiment.depth + 1
            mean, half = over_seeds(experiment.values(fusion, "cosine"))
            cosine[i, j, :layers], cosine_half[i, j, :layers] = mean, half
            fused[i, j], fused_half[i, j] = over_seeds(experiment.values(fusion, "cosine_fused"))
    paper = {(row.quantity, row.series): row.value for row in load_reference("fig6").rows}
    sets = list(dict.fromkeys(series for _, series in paper))
    quantities = ("CosSim BERT", "CosSim gate")
    paper_values = np.asarray([[paper[quantity, name] for quantity in quantities] for name in sets])
    last = np.asarray([x.values("gate", "cosine").mean(axis=0)[-1] for x in experiments])
    plain_last = np.asarray([x.values("baseline", "cosine").mean(axis=0)[-1] for x in experiments])
    three = ("experiment", "fusion", "layer")
    return Dataset(
        {
            "cosine": Variable(three, cosine, "CosSim, mean over seeds"),
            "cosine_half": Variable(three, cosine_half, "half of its 95 % interval"),
            "fused": Variable(three[:2], fused, "CosSim of F, mean over seeds"),
            "fused_half": Variable(three[:2], fused_half, "half of its 95 % interval"),
            "last": Variable(("experiment",), last, "CosSim of the gate run's last layer"),
            "average": Variable(
                ("experiment",), average, "CosSim of the plain average of the gate run's layers"
            ),
            "paper": Variable(("task", "fusion"), paper_values, "CosSim of F, off figure 6"),
        },
        {
            "experiment": Variable(
                ("experiment",), np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "fusion": Variable(("fusion",), np.asarray(_SERIES), "fusion"),
            "layer": Variable(("layer",), np.arange(depth), "layer; 0: embeddings"),
            "task": Variable(("task",), np.asarray(sets), "the paper's data set"),
        },
        {
            "experiments": len(experiments),
            "least": float(np.min(last - fused[:, 1])),
            "below_baseline": int((fused[:, 1] < fused[:, 0]).sum()),
            "above_average": int((fused[:, 1] > average).sum()),
            "last_above": int((last > plain_last + _SAME).sum()),
            **fusion_facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that the gate's output is less alike than the layer below it."""
    return bool((data["fused"][:, 1] >= data["last"]).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw one panel for each experiment and one with the paper's values of F."""
    count = len(data["experiment"])
    grid = panels(canvas, count + 1, columns=5, sharey=True)
    for i, label in enumerate(data["experiment"]):
        axes = grid[i]
        there = ~np.isnan(data["cosine"][i, 0])
        depth = int(there.sum()) - 1
        for j, fusion in enumerate(data["fusion"]):
            style = {"color": f"C{_COLORS[j]}", "lw": 1}
            axes.errorbar(
                data["layer"][there], data["cosine"][i, j, there],
                yerr=data["cosine_half"][i, j, there], marker="o", ms=2.5, label=fusion, **style,
            )  # fmt: skip
            axes.errorbar(
                depth + 1 + depth / 12, data["fused"][i, j], yerr=data["fused_half"][i, j],
                marker="*", ms=7, ls="", **style,
            )  # fmt: skip
        axes.plot(depth + 1 + depth / 12, data["average"][i], "D", ms=4, color="0.3", mfc="none")
        ticks = [0, depth // 2, depth]
        axes.set_xticks([*ticks, depth + 1 + depth / 12], [*map(str, ticks), "F"])
        axes.set_title(str(label).replace(", ", ",\n"))
        axes.set_ylim(0, 1)
    grid[0].legend()
    axes = grid[count]
    for j, label in enumerate(("BERT", "gate")):
        axes.plot(
            data["task"], data["paper"][:, j], color=f"C{_COLORS[j]}", marker="*", ms=7, ls="",
            mfc="white", label=label,
        )  # fmt: skip
    axes.set_title("paper:\nF only")
    axes.margins(x=0.2)
    axes.legend(loc="lower left")
    canvas.supylabel("CosSim", fontsize=9)
    canvas.supxlabel("layer (0: embeddings; star: F; diamond: the plain average)", fontsize=9)


FIGURE = Figure(
    name="fig6",
    title="Token similarity with and without the gate (the paper\u2019s figure 6)",
    caption=(
        "In all {experiments} experiments the gate\u2019s output F (star) is less alike than the "
        "last layer that it fuses, by {least:.2f-down} or more, and in {below_baseline} of them "
        "less than the baseline\u2019s, although in {last_above} the last layer below the gate is "
        "more alike than the baseline\u2019s; in {above_average} F is more alike than the plain "
        "average of the same layers (diamond), which needs no gate (means over {seeds} or more "
        "seeds, bars: 95 %, beside the paper\u2019s F); an F that is as alike as the last layer "
        "would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 5.4),
    seconds=3,
)
