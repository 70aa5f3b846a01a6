"""Figure: what does attention look like as a graph in a decoder, and on the patches of an image?"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.families import (
    FAMILIES,
    PACKAGES,
    PHOTOGRAPH,
    facts_of,
    missing,
    photographs,
)
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import draw_graph, say_missing
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.images import encode_images
from simulations.models.texts import sentences
from simulations.models.tokens import Encoded, encode
from theory.arrays import InputError

_DECODER, _IMAGES = "smollm2", "dinov2-s"
_SHORTEST, _LONGEST = 11, 13  # tokens: enough for a graph, few enough to read
_CANDIDATES = 100
_STRONG = 1.5  # an edge is drawn where a token listens this many times as much as on average
_EDGES = 60
"""How many edges are drawn between patches: the strongest."""


def compute(settings: Settings) -> Dataset:
    """Return the attention of a sentence and of a photograph, heads averaged, in three layers."""
    parts = []
    for name, read in ((_DECODER, _decoder), (_IMAGES, _images)):
        if lines := missing(name):
            parts.append(Dataset({}, attrs={f"missing_{_key(name)}": lines}))
        else:
            model = load_checkpoint(name)
            found = read(model, settings)
            parts.append(Dataset(found.data_vars, found.coords, found.attrs | facts_of(model)))
    variables = {name: each for part in parts for name, each in part.data_vars.items()}
    if not variables:
        raise InputError(f"neither model is installed; run: {missing(_DECODER)}")
    coords = {name: each for part in parts for name, each in part.coords.items()}
    words = {"decoder": "the decoder is not installed here", "images": "nor is that of images"}
    attrs = words | {name: value for part in parts for name, value in part.attrs.items()}
    return Dataset(variables, coords, attrs)


def _key(name: str) -> str:
    return name.replace("-", "_")


def _layers(model: Checkpoint) -> list[int]:
    """Return the first, the middle and the last layer, from 1."""
    last = len(model.blocks)
    return [1, last // 2, last]


def _attention(model: Checkpoint, encoded: Encoded) -> Values:
    """Return the attention of the drawn layers, heads averaged: (3, n, n)."""
    wanted = _layers(model)
    steps = [x.step.adjacency[0] for x in run(model, encoded) if x.layer in wanted]
    return np.stack([heads.mean(axis=0) for heads in steps])


def _decoder(model: Checkpoint, settings: Settings) -> Dataset:
    """Return who listens to whom in a sentence, and which edges and places are drawn."""
    encoded = _sentence(model, settings.seed)
    adjacency, pieces = _attention(model, encoded), encoded.pieces[0]
    n = len(pieces)
    down = -np.arange(n, dtype=np.float64)
    off = adjacency * ~np.eye(n, dtype=bool)
    first = adjacency[:, 1:, 0].mean(axis=1)
    both = ("text_layer", "listener", "heard")
    return Dataset(
        {
            "text": Variable(both, adjacency, "attention, mean over the heads"),
            "text_drawn": Variable(
                both, np.where(off > _STRONG / n, off, 0), f"weights above {_STRONG} / n"
            ),
            "text_received": Variable(
                ("text_layer", "heard"), adjacency.mean(axis=1), "mean attention received"
            ),
            "text_first": Variable(
                ("text_layer",), first, "mean attention of the others to the first token"
            ),
            "text_place": Variable(
                ("heard", "axis"), np.stack([0 * down, down], axis=1), "place on paper"
            ),
        },
        {
            "text_layer": Variable(("text_layer",), np.asarray(_layers(model)), "layer"),
            "token": Variable(
                ("heard",), np.asarray([piece.replace("\u0120", "") for piece in pieces]), "token"
            ),
        },
        {
            "text_tokens": n,
            "later": float(np.triu(adjacency, 1).max()),
            "text_row_error": float(np.abs(adjacency.sum(axis=-1) - 1).max()),
            "decoder": (
                f"in a sentence of {n} tokens no token of SmolLM2 hears a later one, and in the "
                f"middle layer the others give the first {100 * first[1]:.0f} % of their attention "
                f"({100 * first[0]:.0f} % in the first layer, {100 * first[2]:.0f} % in the last)"
            ),
        },
    )


def _sentence(model: Checkpoint, seed: int) -> Encoded:
    for text in sentences(_CANDIDATES, seed=seed):
        encoded = encode(model, [text])
        if _SHORTEST <= len(encoded.pieces[0]) <= _LONGEST:
            return encoded
    raise InputError(
        f"seed {seed}: none of {_CANDIDATES} sentences has {_SHORTEST} to {_LONGEST} tokens"
    )


def _images(model: Checkpoint, _settings: Settings) -> Dataset:
    """Return which patches of the photograph listen to which, and the photograph in grey."""
    shape, scale = model.architecture.image, model.pixels
    assert shape is not None  # it reads images
    assert scale is not None
    photograph = photographs(model, 1)[0]
    adjacency = _attention(model, encode_images(model, [photograph]))
    marks, side = shape.marks + shape.registers, shape.side
    patches = adjacency[:, marks:, marks:]
    place = np.indices((side, side)).reshape(2, -1)[::-1].T.astype(np.float64)
    apart = np.linalg.norm(place[:, None] - place, axis=-1)
    shares = patches / patches.sum(axis=-1, keepdims=True)
    distance = (shares * apart).sum(axis=-1).mean(axis=-1)
    colours = np.einsum("cyx,c->yxc", photograph, scale.std) + scale.mean
    fine = shape.size // shape.side // 2  # a patch is two pixels wide, at least
    grey = colours.mean(axis=-1).reshape(shape.size // fine, fine, -1, fine).mean(axis=(1, 3))
    return Dataset(
        {
            "patch_edges": Variable(
                ("patch_layer", "edge", "end"),
                np.stack([_strongest(weights) for weights in patches]),
                "the strongest edges between patches: listener, heard",
            ),
            "patch_weight": Variable(
                ("patch_layer", "edge"),
                np.stack([weights[tuple(_strongest(weights).T)] for weights in patches]),
                "their attention, mean over the heads",
            ),
            "patch_received": Variable(
                ("patch_layer", "patch"),
                adjacency.sum(axis=1)[:, marks:],
                "sum of the attention received",
            ),
            "patch_distance": Variable(
                ("patch_layer",), distance, "mean distance of the patch heard, in patches"
            ),
            "patch_place": Variable(("patch", "axis"), place, "column and row of a patch"),
            "grey": Variable(("y", "x"), np.round(255 * grey).astype(np.int64), PHOTOGRAPH),
        },
        {"patch_layer": Variable(("patch_layer",), np.asarray(_layers(model)), "layer")},
        {
            "patches": side,
            "chance": float(apart.mean()),
            "patch_row_error": float(np.abs(adjacency.sum(axis=-1) - 1).max()),
            "images": (
                f"on a photograph the patches of DINOv2 hear patches that are nearer than chance "
                f"has it ({', '.join(f'{x:.1f}' for x in distance)} patches away in the mean, of "
                f"all pairs {apart.mean():.1f})"
            ),
        },
    )


def _strongest(weights: Values) -> Values:
    """Return the strongest edges between two different patches: (_EDGES, 2)."""
    off = weights * ~np.eye(len(weights), dtype=bool)
    order = np.argsort(-off, axis=None, kind="stable")[:_EDGES]
    return np.stack(np.unravel_index(order, off.shape), axis=1)


def refuted(data: Dataset) -> bool:
    """Whether a token hears a later one, no token draws the rest, or patches hear at random."""
    attrs, wrong = data.attrs, False
    if "later" in attrs:
        wrong |= attrs["later"] > 0 or data["text_first"][1] <= 0.5
    if "chance" in attrs:
        wrong |= bool((data["patch_distance"] >= attrs["chance"]).any())
    rounding = np.finfo(np.float64).eps * 2**10  # sums of 257 weights and of 9 heads
    errors = (attrs.get("text_row_error", 0.0), attrs.get("patch_row_error", 0.0))
    return bool(wrong or max(errors) > rounding)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw the sentence from top to bottom, arcs to whom a token listens; patches on the image."""
    upper, lower = canvas.subfigures(2, 1, height_ratios=(1, 1))
    rows: Any = ((upper, _DECODER, _draw_text), (lower, _IMAGES, _draw_patches))
    for part, name, show in rows:
        panels = part.subplots(1, 3)
        if lines := data.attrs.get(f"missing_{_key(name)}"):
            say_missing(panels, FAMILIES[name], lines)
            continue
        for index, axes in enumerate(panels):
            show(axes, data, index)


def _draw_text(axes: Any, data: Dataset, index: int) -> None:
    received = data["text_received"][index]
    draw_graph(
        axes,
        data["text_place"],
        data["text_drawn"][index],
        discs={
            "node_size": 12 + 160 * received,
            "node_color": received,
            "cmap": "cividis_r",
            "vmin": 0,
            "vmax": 1,
        },
        edges={
            "node_size": 12 + 160 * received,
            "arrowsize": 6,
            "edge_color": "0.35",
            "alpha": 0.7,
            "connectionstyle": "arc3,rad=0.6",
        },
        thickness=2.5,
    )
    for (x, y), token in zip(data["text_place"], data["token"], strict=True):
        axes.text(x - 0.8, y, token, ha="right", va="center", fontsize=7.5, parse_math=False)
    axes.set_title(f"SmolLM2, layer {data['text_layer'][index]}", loc="center")
    axes.set(xlim=(-7, 6), ylim=(-data.attrs["text_tokens"] + 0.3, 0.7))


def _draw_patches(axes: Any, data: Dataset, index: int) -> None:
    side = data.attrs["patches"]
    extent = (-0.5, side - 0.5, side - 0.5, -0.5)
    axes.imshow(data["grey"], cmap="gray", vmin=-100, vmax=255, extent=extent, alpha=0.6)
    weights = np.zeros((side**2, side**2))
    weights[tuple(data["patch_edges"][index].T)] = data["patch_weight"][index]
    received = data["patch_received"][index]
    draw_graph(
        axes,
        data["patch_place"],
        weights,
        discs={
            "node_size": 3 * received,
            "node_color": received,
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
    axes.set_title(f"DINOv2, layer {data['patch_layer'][index]}", loc="center")
    axes.set(xlim=extent[:2], ylim=extent[2:])


FIGURE = Figure(
    name="attention_graphs",
    title="Attention as a graph in a decoder, and on the patches of an image",
    caption=(
        "Heads averaged, {decoder}; {images} (arrows point to whom a token listens at least 1.5 "
        "times as much as on average, in the photograph the 60 strongest between patches; a larger "
        "disc is listened to more); a token that hears a later one, a first token with less than "
        "half of the middle layer\u2019s attention, or patches that hear no nearer than chance, "
        "would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 5.0),
    packages=PACKAGES,
)
