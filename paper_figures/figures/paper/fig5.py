"""Figure 5: how large is sigma_1 sigma_2 at the last layer of a pretrained model?"""

import numpy as np
from matplotlib.figure import Figure as Canvas
from scipy.stats import gaussian_kde

from paper_figures.sources.models import MODELS, PACKAGES, counts, runs_of
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference

_GRID = np.linspace(-1.6, 0.4, 401)  # log10 of sigma_1 sigma_2


def compute(settings: Settings) -> Dataset:
    """Return sigma_1 sigma_2 of every sentence, their density, and the paper's modes."""
    samples, densities, facts = [], [], dict[str, str | int]()
    for name in MODELS:
        runs = runs_of(name, settings)
        samples.append(runs.sigma_1[:, -1] * runs.sigma_2[:, -1])
        densities.append(gaussian_kde(np.log10(samples[-1]))(_GRID))
        facts |= runs.facts
    reference = load_reference("fig5")
    sigma = np.stack(samples)
    medians = np.median(sigma, axis=1)
    return Dataset(
        {
            "sigma": Variable(("model", "sentence"), sigma, "smallest sigma_1 times sigma_2"),
            "density": Variable(
                ("model", "grid"), np.stack(densities), "density of log10 sigma_1 sigma_2"
            ),
            "paper_mode": Variable(
                ("mode",),
                np.asarray([row.value for row in reference.rows]),
                f"mode of the density, read off figure 5 of {reference.source}",
            ),
        },
        coords={
            "grid": Variable(("grid",), 10**_GRID, "sigma_1 sigma_2"),
            "model": Variable(("model",), np.asarray(list(MODELS.values())), "model"),
            "paper_set": Variable(
                ("mode",), np.asarray([row.series for row in reference.rows]), "data set"
            ),
        },
        attrs={
            "sentences": counts(settings)[0],
            "median_0": float(medians[0]),
            "median_1": float(medians[1]),
            "largest": float(sigma.max()),
            "modes": len(reference.rows),
            "higher": int(sum(row.value > medians.max() for row in reference.rows)),
            **facts,
        },
    )


def refuted(data: Dataset) -> bool:
    """The caption says that sigma_1 sigma_2 stays below 1 in both models."""
    return bool((data["sigma"] >= 1).any())


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw both densities on a logarithmic axis, and the paper's modes as marks below."""
    axes = canvas.subplots()
    for index, model in enumerate(data["model"]):
        axes.fill_between(data["grid"], data["density"][index], color=f"C{index}", alpha=0.2, lw=0)
        axes.plot(data["grid"], data["density"][index], color=f"C{index}", label=model)
    for name, marker in (("STS-B", "s"), ("CoLA", "^"), ("SQuAD", "v")):
        modes = data["paper_mode"][data["paper_set"] == name]
        axes.plot(
            modes,
            modes * 0,
            marker,
            color="0.35",
            mfc="white",
            ms=5,
            clip_on=False,
            zorder=5,
            label=f"modes on {name} (paper)",
        )
    axes.axvline(1, color="0.6", lw=0.6, zorder=0)
    axes.set(
        xscale="log",
        xlabel=r"$\sigma_1\sigma_2$ at the last layer",
        ylabel=r"density of $\log_{10}\sigma_1\sigma_2$",
        ylim=(0, None),
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


FIGURE = Figure(
    name="fig5",
    title="\u03c3\u2081\u03c3\u2082 at the last layer (the paper\u2019s figure 5)",
    caption=(
        "Over {sentences} sentences the product of the smallest stds that the last block\u2019s "
        "norms divide by has the median {median_0:.3f} (multilingual-e5-small) and "
        "{median_1:.3f} (all-MiniLM-L6-v2) and never exceeds {largest:.2f-up}, so taken alone, "
        "without the gains that follow, it is not large, and {higher} of the paper\u2019s {modes} "
        "modes (other models, tuned on other data) lie above both; mass above 1 would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN * 0.75, 2.5),
    packages=PACKAGES,
    seconds=1,
)
