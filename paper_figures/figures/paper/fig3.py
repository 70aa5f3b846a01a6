"""Figure 3: how much does attention change from one layer to the next?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import MODELS, PACKAGES, counts, runs_of
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import band_variables, draw_band
from paper_figures.workshop.reference import load_reference

_PAPER = ("BERT", "RoBERTa", "ALBERT")
_FIRST_IS_LEAST = ("RoBERTa", "ALBERT")


def compute(settings: Settings) -> Dataset:
    """Return the cosine of attention at layers i and i + 1, over sentences, and the paper's."""
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs: dict[str, str | int | float] = {"sentences": counts(settings)[0]}
    for name in MODELS:
        runs, key = runs_of(name, settings), name.replace("-", "_")
        pair, pairs = f"pair_{key}", runs.similarity.shape[1]
        variables |= band_variables(
            f"similarity_{key}", runs.similarity, (pair,), f"cosine of attention of {name}"
        )
        coords[pair] = Variable((pair,), np.linspace(0, 1, pairs), "place of the pair of layers")
        mean = runs.similarity.mean(axis=0)
        attrs |= {f"{key}_first": float(mean[0]), f"{key}_least": float(mean[1:].min())}
        attrs |= runs.facts
    reference = load_reference("fig3")
    for model in _PAPER:
        _, cosine = reference.series(model)
        pair = f"pair_{model}"
        coords[pair] = Variable((pair,), np.linspace(0, 1, len(cosine)), "place of the pair")
        variables[f"paper_{model}"] = Variable(
            (pair,), cosine, f"cosine of attention of {model}, read off {reference.source}"
        )
    return Dataset(variables, coords, attrs)


def refuted(data: Dataset) -> bool:
    """The caption says that the first change of attention is the largest one."""
    keys = [name.replace("-", "_") for name in MODELS]
    curves = [data[f"similarity_{key}_mean"] for key in keys]
    curves += [data[f"paper_{model}"] for model in _FIRST_IS_LEAST]
    return any(bool(curve[0] >= curve[1:].min()) for curve in curves)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw both models' bands, and the paper's curves in grey beside them."""
    axes = canvas.subplots()
    for index, (name, label) in enumerate(MODELS.items()):
        key = name.replace("-", "_")
        draw_band(
            axes,
            data,
            f"pair_{key}",
            f"similarity_{key}",
            color=f"C{index}",
            label=label,
            marker="o",
        )
    for model, style in zip(_PAPER, ("--s", "-.^", ":v"), strict=True):
        axes.plot(
            data[f"pair_{model}"],
            data[f"paper_{model}"],
            style,
            color="0.45",
            lw=0.8,
            ms=3,
            mfc="white",
            label=f"{model} (paper)",
        )
    axes.set(
        xlabel="pair of neighbouring layers",
        ylabel="cosine of attention",
        ylim=(0, 1.02),
        xlim=(-0.02, 1.02),
    )
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["first", "", "middle", "", "last"])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


FIGURE = Figure(
    name="fig3",
    title="Attention at neighbouring layers (the paper\u2019s figure 3)",
    caption=(
        "The flattened multi-head attention of one layer has cosine {e5_small_first:.2f} "
        "(multilingual-e5-small) and {minilm_first:.2f} (all-MiniLM-L6-v2) with the next one at "
        "the first pair of layers and at least {e5_small_least:.2f-down} and "
        "{minilm_least:.2f-down} at all later ones ({sentences} sentences; bands hold 5 to 95 % "
        "of them), so the graph changes most at the start, as for the paper\u2019s RoBERTa and "
        "ALBERT; a later pair whose mean is no higher than the first\u2019s, in one of these "
        "four, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN * 0.75, 2.6),
    packages=PACKAGES,
    seconds=1,
)
