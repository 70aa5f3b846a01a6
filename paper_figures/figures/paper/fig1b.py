"""Figure 1b: does a classifier on an earlier layer beat the one on the last, whose tokens merge?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.fusion_runs import fusion_facts, load_experiments, say
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference
from simulations.fusion.scores import over_seeds
from theory.arrays import InputError


def compute(_settings: Settings) -> Dataset:
    """Return CosSim and error by layer of each tuned baseline, and the paper's values."""
    experiments = [x for x in load_experiments() if x.tuned]
    if not experiments:
        raise InputError("there are no stored runs of a tuned encoder; oversmooth fuse makes them")
    layers = 1 + max(x.depth for x in experiments)
    comparisons = sum(x.depth for x in experiments)  # each earlier layer with the last one
    shape = (len(experiments), layers)
    names = ("cosine", "cosine_half", "error", "error_half", "gain", "gain_half")
    found = {name: np.full(shape, np.nan) for name in names}
    for i, experiment in enumerate(experiments):
        error = 100 * (1 - experiment.values("baseline", "layer_scores"))
        saved = error[:, -1:] - error  # paired: what an earlier layer saves
        measures = {
            "cosine": over_seeds(experiment.values("baseline", "cosine")),
            "error": over_seeds(error),
            "gain": over_seeds(saved, comparisons=comparisons),
        }
        for name, (mean, half) in measures.items():
            found[name][i, : len(mean)], found[f"{name}_half"][i, : len(mean)] = mean, half
    reference = load_reference("fig1b")
    paper_layer, paper_cosine = reference.series("BERT", quantity="CosSim")
    _, paper_error = reference.series("BERT", quantity="error (%)")
    both = ("experiment", "layer")
    half_name = "half of its 95 % interval over seeds"
    jointly = f"{half_name}, all layers together"
    earlier = np.where(np.arange(layers) < [[x.depth] for x in experiments], found["gain"], np.nan)
    best, at = divmod(int(np.nanargmax(earlier)), layers)
    return Dataset(
        {
            "cosine": Variable(both, found["cosine"], "CosSim, mean over seeds"),
            "cosine_half": Variable(both, found["cosine_half"], half_name),
            "error": Variable(both, found["error"], "error of a refitted classifier", "%"),
            "error_half": Variable(both, found["error_half"], half_name, "%"),
            "gain": Variable(both, found["gain"], "the last layer's error minus it", "%"),
            "gain_half": Variable(both, found["gain_half"], jointly, "%"),
            "paper_cosine": Variable(("paper_layer",), paper_cosine, "CosSim, MRPC"),
            "paper_error": Variable(("paper_layer",), paper_error, "error, MRPC", "%"),
        },
        {
            "experiment": Variable(
                ("experiment",), np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "layer": Variable(("layer",), np.arange(layers), "layer; 0: embeddings"),
            "paper_layer": Variable(("paper_layer",), paper_layer, "layer"),
        },
        {
            "nearest": say(-found["gain"][best, at], found["gain_half"][best, at]),
            "nearest_label": experiments[best].label,
            "nearest_layer": at,
            "paper_nearest": float(paper_error.min() - paper_error[-1]),
            **fusion_facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that no earlier layer is clearly better, and that the last is most alike."""
    clear = (data["gain"] - data["gain_half"] > 0).any()
    last = [row[~np.isnan(row)][-1] for row in data["cosine"]]
    return bool(clear or (np.nanmax(data["cosine"], axis=1) > last).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw CosSim above and error below, a column for each encoder and one for the paper."""
    columns = len(data["experiment"]) + 1
    above, below = canvas.subplots(2, columns, sharex="col", sharey="row")
    for name, panels, color in (("cosine", above, "C0"), ("error", below, "C1")):
        for i, label in enumerate(data["experiment"]):
            axes, there = panels[i], ~np.isnan(data[name][i])
            axes.errorbar(
                data["layer"][there], data[name][i, there], yerr=data[f"{name}_half"][i, there],
                color=color, marker="o", lw=1,
            )  # fmt: skip
            depth = int(there.sum()) - 1
            axes.set_xticks([0, depth // 2, depth])
            if panels is above:
                axes.set_title(str(label).replace(", ", ",\n"))
        panels[-1].plot(data["paper_layer"], data[f"paper_{name}"], "s--", color=color, mfc="white")
    above[-1].set_title("paper: MRPC,\nBERT tuned")
    below[-1].set_xticks(data["paper_layer"][[0, 3, 5]])
    above[0].set(ylabel="CosSim", ylim=(0, 1))
    below[0].set(ylabel="error, %", ylim=(0, None))
    canvas.supxlabel("layer (0: embeddings)", fontsize=9)


FIGURE = Figure(
    name="fig1b",
    title="CosSim and error by layer (the paper\u2019s figure 1b)",
    caption=(
        "In every tuned encoder the tokens of the last layer are the most alike, yet a classifier "
        "refitted on an earlier layer is nowhere clearly better: the nearest, "
        "layer {nearest_layer} of {nearest_label}, differs in error by {nearest} points from "
        "the last (the paper\u2019s best: {paper_nearest:+.1f}; bars: 95 % over {seeds} or more "
        "seeds); an earlier layer that is more alike, or that errs clearly less (95 % over all "
        "layers together), would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.4),
    seconds=2,
)
