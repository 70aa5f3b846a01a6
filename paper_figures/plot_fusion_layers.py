"""Figure 6: are the fused tokens less alike than those of the last layer?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Variable
from paper_figures.fusion_runs import facts, load_experiments
from paper_figures.reference import load

_SERIES = ("baseline", "gate")


def compute(_: Settings) -> Dataset:
    """Return CosSim by layer and of F, mean over seeds, with and without the gate."""
    experiments = [x for x in load_experiments() if x.has_gate]
    depth = max(x.values("gate", "cosine").shape[1] for x in experiments)
    shape = (len(experiments), len(_SERIES))
    cosine, fused = np.full((*shape, depth), np.nan), np.full(shape, np.nan)
    for i, experiment in enumerate(experiments):
        for j, fusion in enumerate(_SERIES):
            mean = experiment.values(fusion, "cosine").mean(axis=0)
            cosine[i, j, : len(mean)] = mean
            fused[i, j] = experiment.values(fusion, "cosine_fused").mean()
    paper = {(row.quantity, row.series): row.value for row in load("fig6").rows}
    sets = list(dict.fromkeys(series for _, series in paper))
    quantities = ("CosSim BERT", "CosSim gate")
    paper_values = np.asarray([[paper[quantity, name] for quantity in quantities] for name in sets])
    last = np.asarray([x.values("gate", "cosine").mean(axis=0)[-1] for x in experiments])
    return Dataset(
        {
            "cosine": Variable(("experiment", "fusion", "layer"), cosine, "CosSim, mean"),
            "fused": Variable(("experiment", "fusion"), fused, "CosSim of F, mean"),
            "last": Variable(("experiment",), last, "CosSim of the gate run's last layer"),
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
        {"least": float(np.min(last - fused[:, 1])), **facts(experiments)},
    )


def refuted(data: Dataset) -> bool:
    """The caption says that the gate's output is less alike than the layer below it."""
    return bool((data["fused"][:, 1] >= data["last"]).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw one panel for each experiment and one with the paper's values of F."""
    panels = canvas.subplots(2, -(-(len(data["experiment"]) + 1) // 2), sharey=True).ravel()
    for i, label in enumerate(data["experiment"]):
        axes = panels[i]
        for j, fusion in enumerate(data["fusion"]):
            curve = data["cosine"][i, j]
            curve = curve[~np.isnan(curve)]
            axes.plot(np.arange(len(curve)), curve, color=f"C{j}", marker="o", label=str(fusion))
            axes.plot(len(curve), data["fused"][i, j], color=f"C{j}", marker="*", ms=7, ls="")
        ticks = [0, (len(curve) - 1) // 2, len(curve) - 1]
        axes.set_xticks([*ticks, len(curve)], [*map(str, ticks), "F"])
        axes.set_title(str(label))
        axes.set_ylim(0, 1)
    panels[0].legend()
    axes = panels[len(data["experiment"])]
    for j, label in enumerate(("BERT", "gate")):
        axes.plot(
            data["task"], data["paper"][:, j], color=f"C{j}", marker="*", ms=7, ls="", mfc="white",
            label=label,
        )  # fmt: skip
    axes.set_title("paper: F only")
    axes.margins(x=0.2)
    axes.legend(loc="lower left")
    for axes in panels[len(data["experiment"]) + 1 :]:
        axes.set_axis_off()
    canvas.supylabel("CosSim", fontsize=9)
    canvas.supxlabel("layer (0: embeddings; F: fused, star)", fontsize=9)


FIGURE = Figure(
    name="fig6",
    title="Token similarity with and without the gate (the paper\u2019s figure 6)",
    caption=(
        "In every experiment the gate\u2019s output F is less alike than the last layer that it "
        "fuses, by {least:.2f-down} or more (means over {seeds} or more seeds, beside the "
        "paper\u2019s values of F); an F that is as alike as the last layer would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.6),
)
