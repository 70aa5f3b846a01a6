"""Figure: what does attention look like as a graph in an encoder, a decoder, and on an image?"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.families import FAMILIES, PACKAGES, PHOTOGRAPH, facts_of, missing
from paper_figures.sources.listening import patch_graph, sentence, text_graph
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import draw_graph, say_missing
from simulations.models.find import load_checkpoint
from theory.arrays import InputError

_MODELS = {"encoder": "e5-small", "decoder": "smollm2", "patches": "dinov2-s"}
"""What is drawn, row by row, and by which model."""


def compute(settings: Settings) -> Dataset:
    """Return the attention of a sentence and of a photograph, heads averaged, in three layers."""
    others = {key: lines for key, name in _MODELS.items() if (lines := missing(name))}
    if len(others) == len(_MODELS):
        raise InputError(f"none of the models is installed; run: {' '.join(others.values())}")
    variables, coords = dict[str, Variable](), dict[str, Variable]()
    attrs: dict[str, Any] = {f"missing_{key}": lines for key, lines in others.items()}
    attrs |= {f"{key}_words": f"({_MODELS[key]} is not installed here)" for key in others}
    for key, name in _MODELS.items():
        if key in others:
            continue
        model = load_checkpoint(name)
        if model.reads_images:
            found = patch_graph(model, key=key)
        else:
            found = text_graph(model, sentence(settings.seed), key=key)
        variables |= found.data_vars
        coords |= found.coords
        attrs[f"{key}_words"] = _WORDS[key](found)
        attrs |= facts_of(model)
    return Dataset(variables, coords, attrs | {"photograph": f"{PHOTOGRAPH} of matplotlib"})


def _percent(shares: Values) -> str:
    return ", ".join(f"{100 * share:.0f}" for share in shares) + " %"


def _of_encoder(found: Dataset) -> str:
    return f"tokens give {_percent(found['encoder_later'])} of their attention to later ones"


def _of_decoder(found: Dataset) -> str:
    return f"none, but {_percent(found['decoder_first'])} to the very first"


def _of_patches(found: Dataset) -> str:
    distances = ", ".join(f"{x:.1f}" for x in found["patches_distance"])
    return f"{distances} patches away on the mean (by chance {found['patches_chance']:.1f})"


_WORDS = {"encoder": _of_encoder, "decoder": _of_decoder, "patches": _of_patches}


def refuted(data: Dataset) -> bool:
    """Whether a token hears a later one, none draws the rest, or patches hear as by chance."""
    there = [key for key in _MODELS if f"missing_{key}" not in data.attrs]
    rounding = np.finfo(np.float64).eps * 2**10  # sums of at most 257 weights, and of the heads
    wrong = any((data[f"{key}_row_error"] > rounding).any() for key in there)
    if "encoder" in there:
        wrong |= bool((data["encoder_later"] <= 0).any())
    if "decoder" in there:
        wrong |= bool(data["decoder_later"].max() > 0 or data["decoder_first"][1] <= 0.5)
    if "patches" in there:
        wrong |= bool((data["patches_distance"] >= data["patches_chance"]).any())
    return wrong


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw sentences from top to bottom, arcs to whom a token listens; patches on the image."""
    parts: Any = canvas.subfigures(3, 1, height_ratios=(1.15, 0.85, 1.2))
    for part, (key, name) in zip(parts, _MODELS.items(), strict=True):
        panels = part.subplots(1, 3)
        if lines := data.attrs.get(f"missing_{key}"):
            say_missing(panels, FAMILIES[name], lines)
            continue
        for index, axes in enumerate(panels):
            (_draw_patches if key == "patches" else _draw_text)(axes, data, key, index)
            label = FAMILIES[name].partition("\n")[2]
            axes.set_title(f"{label}, layer {data[f'{key}_layer'][index]}", loc="center")


def _draw_text(axes: Axes, data: Dataset, key: str, index: int) -> None:
    size = data[f"{key}_size"][index]
    draw_graph(
        axes,
        data[f"{key}_place"],
        data[f"{key}_drawn"][index],
        discs={
            "node_size": size,
            "node_color": data[f"{key}_received"][index],
            "cmap": "cividis_r",
            "vmin": 0,
            "vmax": 1,
        },
        edges={
            "node_size": size,
            "arrowsize": 6,
            "edge_color": "0.35",
            "alpha": 0.7,
            "connectionstyle": "arc3,rad=0.6",
        },
        thickness=2.5,
    )
    for (x, y), token in zip(data[f"{key}_label"], data[f"{key}_token"], strict=True):
        axes.text(x, y, token, ha="right", va="center", fontsize=7.5, parse_math=False)
    axes.set(xlim=(-0.8, 0.5), ylim=(-1.07, 0.07))


def _draw_patches(axes: Axes, data: Dataset, key: str, index: int) -> None:
    places, edges = data[f"{key}_place"], data[f"{key}_drawn"][index]
    left, right = places.min() - 0.5, places.max() + 0.5
    extent = (left, right, right, left)
    axes.imshow(data[f"{key}_grey"], cmap="gray", vmin=-100, vmax=255, extent=extent, alpha=0.6)
    weights = np.zeros((len(places), len(places)))
    listener, heard = edges[:, :2].T.astype(np.int64)
    weights[listener, heard] = edges[:, 2]
    draw_graph(
        axes,
        places,
        weights,
        discs={
            "node_size": data[f"{key}_size"][index],
            "node_color": data[f"{key}_received"][index],
            "cmap": "cividis_r",
            "vmin": 0,
            "vmax": 6,
        },
        edges={
            "node_size": 4,
            "arrowsize": 5,
            "edge_color": "C1",
            "alpha": 0.9,
            "connectionstyle": "arc3,rad=0.15",
        },
        thickness=6,
    )
    axes.set(xlim=extent[:2], ylim=extent[2:])


FIGURE = Figure(
    name="attention_graphs",
    title="Attention as a graph in an encoder, a decoder, and on the patches of an image",
    caption=(
        "Heads averaged, in the first, the middle and the last layer: in the encoder "
        "{encoder_words}, in the decoder {decoder_words}, and patches of a photograph hear others "
        "{patches_words}; arrows point to whom a token listens at least 1.5 times as much as on "
        "average, in the photograph the 60 strongest between patches, and a larger disc is heard "
        "more; a later token heard in the decoder or none in the encoder, a first token with at "
        "most half of the attention in the decoder\u2019s middle layer, or patches heard no nearer "
        "than by chance, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 7.4),
    packages=PACKAGES,
    seconds=3,
)
