"""Figure 2: what does self-attention look like as a graph on the tokens of a sentence?"""

import networkx as nx
import numpy as np
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.models import PACKAGES, checkpoint, model_facts
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import circle, draw_graph
from simulations.models.forward import run
from simulations.models.texts import sentences
from simulations.models.tokens import Encoded, encode
from theory.arrays import InputError
from theory.graphs.conversions import to_networkx

_MODEL = "e5-small"
_LAYERS = (1, 6, 12)
_SHORTEST, _LONGEST = 14, 17  # tokens: enough for a graph, few enough to read
_CANDIDATES = 100
_STRONG = 1.5  # an edge is drawn where a token listens this many times as much as on average


def compute(settings: Settings) -> Dataset:
    """Return the attention of one sentence, heads averaged, and a place for every token."""
    model = checkpoint(_MODEL)
    encoded = _sentence(settings.seed)
    pieces = encoded.pieces[0]
    adjacency = np.concatenate(
        [
            layer.step.adjacency.mean(axis=1).astype(np.float64)
            for layer in run(model, encoded)
            if layer.layer in _LAYERS
        ]
    )
    size = len(pieces)
    graphs = [to_networkx(weights, threshold=_STRONG / size) for weights in adjacency]
    places = circle(size)
    received = adjacency.sum(axis=1)
    return Dataset(
        {
            "adjacency": Variable(
                ("layer", "listener", "heard"), adjacency, "attention, mean over the heads"
            ),
            "drawn": Variable(
                ("layer", "listener", "heard"),
                np.stack([_edges(graph, size) for graph in graphs]),
                f"whether the weight is above {_STRONG} / n",
            ),
            "received": Variable(("layer", "heard"), received, "sum of the attention received"),
            "place": Variable(("heard", "axis"), places, "place on paper"),
            "label_place": Variable(
                ("heard", "axis"),
                1.2 * places,
                "place of the token's name",
            ),
        },
        coords={
            "layer": Variable(("layer",), np.asarray(_LAYERS), "layer"),
            "token": Variable(
                ("heard",), np.asarray([_readable(piece) for piece in pieces]), "token"
            ),
        },
        attrs={
            "tokens": size,
            "row_error": float(np.abs(adjacency.sum(axis=-1) - 1).max()),
            "smallest": float(adjacency.min()),
            **model_facts(_MODEL),
        },
    )


def _sentence(seed: int) -> Encoded:
    for text in sentences(_CANDIDATES, seed=seed):
        encoded = encode(checkpoint(_MODEL), [text])
        if _SHORTEST <= len(encoded.pieces[0]) <= _LONGEST:
            return encoded
    raise InputError(
        f"seed {seed}: none of {_CANDIDATES} sentences has {_SHORTEST} to {_LONGEST} tokens"
    )


def _edges(graph: "nx.DiGraph[int]", size: int) -> Values:
    drawn = np.zeros((size, size), dtype=np.bool_)
    for i, j in graph.edges:
        drawn[i, j] = i != j
    return drawn


def _readable(piece: str) -> str:
    return piece.replace("\u2581", "") or "\u00b7"


def refuted(data: Dataset) -> bool:
    """A random walk has rows that sum to one and no negative entry."""
    rounding = np.finfo(np.float32).eps * data.attrs["tokens"]  # the model runs in float32
    return bool(data.attrs["row_error"] > rounding or data.attrs["smallest"] < 0)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw one graph for each layer: arrows to the tokens that are listened to."""
    panels = canvas.subplots(1, len(data["layer"]))
    for index, axes in enumerate(panels):
        size = data["received"][index] * 45
        draw_graph(
            axes,
            data["place"],
            np.where(data["drawn"][index], data["adjacency"][index], 0),
            discs={
                "node_size": size,
                "node_color": data["received"][index],
                "cmap": "cividis_r",
                "vmin": 0,
                "vmax": 5,
            },
            edges={
                "node_size": size,
                "arrowsize": 7,
                "edge_color": "0.35",
                "alpha": 0.7,
                "connectionstyle": "arc3,rad=0.12",
            },
            thickness=3,
        )
        for (x, y), token in zip(data["label_place"], data["token"], strict=True):
            side = "center" if abs(x) < 0.2 else ("left" if x > 0 else "right")
            level = "center" if abs(y) < 0.95 else ("bottom" if y > 0 else "top")
            axes.text(x, y, token, ha=side, va=level, fontsize=7.5, parse_math=False)
        axes.set_title(f"layer {data['layer'][index]}", loc="center")
        axes.set(xlim=(-1.7, 1.7), ylim=(-1.35, 1.35))


FIGURE = Figure(
    name="fig2",
    title="Self-attention as a graph on a sentence (the paper\u2019s figure 2)",
    caption=(
        "Attention of multilingual-e5-small on a sentence of {tokens} tokens (the model\u2019s "
        "prefix \u2018query:\u2019 among them), heads averaged, is "
        "a weighted directed graph (arrows point to whom a token listens at least 1.5 times as "
        "much as on average; a larger disc is listened to more): its rows sum to one up to "
        "{row_error:.0e}, the random walk on that graph; a row that does not, or a negative "
        "weight, would refute that reading."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 2.1),
    packages=PACKAGES,
    seconds=1,
)
