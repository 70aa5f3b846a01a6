"""Figure 5 per data set: is sigma_1 sigma_2 larger where the trained encoder's tokens merge?"""

import numpy as np
from matplotlib.figure import Figure as Canvas
from scipy.stats import gaussian_kde, spearmanr

from paper_figures.sources.fusion_runs import fusion_facts, load_experiments
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference
from theory.arrays import InputError

_STEPS = 401
_ONLY_DEPTH = 12  # of the encoders that differ in depth alone: one for each data set
_MARKERS = {"STS-B": "s", "CoLA": "^", "SQuAD": "v"}


def compute(_: Settings) -> Dataset:
    """Return the density of log10 sigma_1 sigma_2 over tokens for each baseline.

    Of each run 101 quantiles are stored. The inner 99 of them stand for equal shares of the
    tokens, so a Gaussian kernel estimate (Scott's width) on those of all seeds is drawn.
    """
    experiments = [x for x in load_experiments() if x.depth == _ONLY_DEPTH or not x.from_scratch]
    if sum(not x.from_scratch for x in experiments) < 3:
        raise InputError(
            "fig5_tuned needs stored runs of three pretrained encoders; oversmooth fuse"
        )
    quantiles = [x.values("baseline", "sigma_product_last") for x in experiments]
    logs = [np.log10(values[:, 1:-1]).ravel() for values in quantiles]
    ends = min(map(np.min, logs)) - 0.3, max(map(np.max, logs)) + 0.3
    grid = np.linspace(*ends, _STEPS)
    density = np.stack([gaussian_kde(values)(grid) for values in logs])
    seeds = max(map(len, quantiles))
    median, last = np.full((2, len(experiments), seeds), np.nan)
    for i, experiment in enumerate(experiments):
        median[i, : len(quantiles[i])] = quantiles[i][:, 50]
        last[i, : len(quantiles[i])] = experiment.values("baseline", "cosine")[:, -1]
    reference = load_reference("fig5")
    paper_cosine = {
        row.series: row.value
        for row in load_reference("fig6").rows
        if row.quantity == "CosSim BERT"
    }
    middle, alike = np.nanmean(median, axis=1), np.nanmean(last, axis=1)
    post = np.asarray([not x.from_scratch for x in experiments])  # post-LN; the drawn are pre-LN
    most = int(np.where(post, alike, -1.0).argmax())
    dims = ("experiment",)
    return Dataset(
        {
            "density": Variable(("experiment", "grid"), density, "density of log10 of the product"),
            "mode": Variable(dims, 10 ** grid[density.argmax(axis=1)], "mode of the density"),
            "median": Variable(("experiment", "seed"), median, "median over the test's tokens"),
            "cosine": Variable(("experiment", "seed"), last, "CosSim of the last layer"),
            "paper_mode": Variable(
                ("paper_mode",), np.asarray([row.value for row in reference.rows]), "mode, figure 5"
            ),
            "paper_cosine": Variable(
                ("paper_mode",),
                np.asarray([paper_cosine[row.series] for row in reference.rows]),
                "CosSim of BERT's output, figure 6",
            ),
        },
        {
            "experiment": Variable(
                dims, np.asarray([x.label for x in experiments]), "data and encoder"
            ),
            "grid": Variable(("grid",), 10**grid, "sigma_1 sigma_2"),
            "seed": Variable(("seed",), np.arange(seeds), "seed"),
            "paper_set": Variable(
                ("paper_mode",), np.asarray([row.series for row in reference.rows]), "data set"
            ),
        },
        {
            "pretrained": int(post.sum()),
            "models": len({x.encoder for x in experiments if not x.from_scratch}),
            "lowest": float(middle[post].min()),
            "highest": float(middle[post].max()),
            "most_label": experiments[most].label,
            "most_cosine": float(alike[most]),
            "most_median": float(middle[most]),
            "rank_correlation": float(spearmanr(middle[post], alike[post]).statistic),
            "medians": [float(x) for x in middle],
            **fusion_facts(experiments),
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that a larger product does not go with tokens that are more alike."""
    return bool(data.attrs["rank_correlation"] > 0)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw a density for each data set, one above the other, and the medians beside CosSim."""
    densities, plane = canvas.subplots(1, 2, width_ratios=(1.6, 1))
    count = len(data["experiment"])
    height = 1.15 * data["density"].max()
    for i, curve in enumerate(data["density"]):
        foot, color = count - i, f"C{i}"
        densities.fill_between(
            data["grid"], foot, foot + curve / height, color=color, alpha=0.25, lw=0
        )
        densities.plot(data["grid"], foot + curve / height, color=color, lw=1)
        plane.plot(data["median"][i], data["cosine"][i], "o", color=color, mew=0)
    for name, marker in _MARKERS.items():
        mine = data["paper_set"] == name
        style = {"color": "0.35", "mfc": "white", "ls": "", "marker": marker, "ms": 5}
        densities.plot(data["paper_mode"][mine], 0.25 + 0 * data["paper_mode"][mine], **style)
        plane.plot(data["paper_mode"][mine], data["paper_cosine"][mine], label=name, **style)
    rows = [*(count - np.arange(count) + 0.1), 0.25]
    densities.set_yticks(rows, [*map(str, data["experiment"]), "paper: modes, BERT tuned"])
    densities.tick_params(axis="y", length=0)
    densities.axvline(1, color="0.6", lw=0.6, zorder=0)
    densities.set(xscale="log", ylim=(0, count + 1), xlabel=r"$\sigma_1\sigma_2$ at the last layer")
    plane.axvline(1, color="0.6", lw=0.6, zorder=0)
    plane.set(
        xscale="log", ylim=(0, 1), xlabel=r"median (paper: mode) of $\sigma_1\sigma_2$",
        ylabel="CosSim, last layer",
    )  # fmt: skip
    plane.legend(title="paper", title_fontsize=8)


FIGURE = Figure(
    name="fig5_tuned",
    title="\u03c3\u2081\u03c3\u2082 at the last layer by data set (the paper\u2019s figure 5)",
    caption=(
        "The product of the stds that the last block\u2019s norms divide a test token by has "
        "medians from {lowest:.2f} to {highest:.2f} in pretrained post-LN encoders, and it is not "
        "larger where tokens are more alike: {most_label}, with CosSim {most_cosine:.2f} the most "
        "alike, has {most_median:.2f}, and over these {pretrained}, of {models} models, the rank "
        "correlation of product and CosSim is {rank_correlation:.2f} (left: kernel estimates from "
        "99 quantiles of each seed; right: a point a seed, open: the paper; pre-LN encoders of "
        "images divide a residual stream that grows, and are not counted); a positive correlation "
        "would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 3.4),
    seconds=2,
)
