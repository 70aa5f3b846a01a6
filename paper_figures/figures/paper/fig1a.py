"""Figure 1a: how alike are the tokens after each layer of a pretrained model?"""

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import MODELS, PACKAGES, counts, runs_of
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.drawing import band_variables, draw_band
from paper_figures.workshop.reference import load_reference

_PAPER = ("BERT", "RoBERTa", "ALBERT")
_PAPER_LAYERS = 12


def compute(settings: Settings) -> Dataset:
    """Return CosSim by layer over sentences for each model, and the paper's curves."""
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs: dict[str, str | int | float] = {"sentences": counts(settings)[0]}
    for name in MODELS:
        runs, key = runs_of(name, settings), name.replace("-", "_")
        depth = f"depth_{key}"
        layers = runs.cosine.shape[1] - 1
        variables |= band_variables(f"cosine_{key}", runs.cosine, (depth,), f"CosSim of {name}")
        variables[f"std_{key}"] = Variable(
            (depth,), runs.cosine.std(axis=0), f"CosSim of {name}: std over the sentences"
        )
        relative = np.arange(layers + 1) / layers
        coords[depth] = Variable((depth,), relative, "layer over number of layers")
        mean = runs.cosine.mean(axis=0)
        attrs |= {f"{key}_first": float(mean[0]), f"{key}_last": float(mean[-1]), **runs.facts}
    reference = load_reference("fig1a")
    for model in _PAPER:
        layer, cosine = reference.series(model)
        depth = f"depth_{model}"
        coords[depth] = Variable((depth,), layer / _PAPER_LAYERS, "layer over number of layers")
        variables[f"paper_{model}"] = Variable(
            (depth,), cosine, f"CosSim of {model}, read off figure 1a of {reference.source}"
        )
    return Dataset(variables, coords, attrs)


def refuted(data: Dataset) -> bool:
    """The caption says that tokens end more alike than they begin."""
    return any(
        data[f"cosine_{key}_mean"][-1] <= data[f"cosine_{key}_mean"][0]
        for key in (name.replace("-", "_") for name in MODELS)
    )


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw both models' bands, and the paper's values in grey beside them."""
    axes = canvas.subplots()
    for index, (name, label) in enumerate(MODELS.items()):
        key = name.replace("-", "_")
        draw_band(
            axes, data, f"depth_{key}", f"cosine_{key}", color=f"C{index}", label=label, marker="o"
        )
    for model, style in zip(_PAPER, ("--s", "^", "v"), strict=True):
        curve = axes.plot(
            data[f"depth_{model}"], data[f"paper_{model}"], style, color="0.45", lw=0.9, mfc="white"
        )
        curve[0].set_label(f"{model} (paper" + (")" if "-" in style else "; ends)"))
    axes.set(
        xlabel="depth (layer / number of layers)", ylabel="CosSim", ylim=(0, 1), xlim=(-0.02, 1.02)
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


FIGURE = Figure(
    name="fig1a",
    title="Token similarity by layer (the paper\u2019s figure 1a)",
    caption=(
        "Over {sentences} real sentences the mean cosine of tokens rises from {e5_small_first:.2f} "
        "to {e5_small_last:.2f} in multilingual-e5-small and from {minilm_first:.2f} to "
        "{minilm_last:.2f} in all-MiniLM-L6-v2 (bands hold 5 to 95 % of the sentences), beside "
        "the paper\u2019s values, which are the same instrument on other models and texts; a mean "
        "that ends no higher than it begins would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN * 0.75, 2.6),
    packages=PACKAGES,
    seconds=58,
)
