"""Who listens to whom in a sentence, and on the patches of a photograph, for a given model?"""

import numpy as np

from paper_figures.sources.families import PHOTOGRAPH, photographs
from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.models.checkpoint import Checkpoint
from simulations.models.forward import run
from simulations.models.images import encode_images
from simulations.models.texts import sentences
from simulations.models.tokens import Encoded, encode
from theory.arrays import InputError

STRONG = 1.5
"""An edge of a sentence is drawn where a token listens this many times as much as on average."""
EDGES = 60
"""How many edges are drawn between patches: the strongest."""

_FEWEST, _LONGEST = 7, 45  # words and characters: enough for a graph, few enough to read
_CANDIDATES = 1000
_MARKS = str.maketrans("", "", "\u0120\u2581")  # what tokenizers put in the place of a space


def sentence(seed: int) -> str:
    """Return the first of the sentences of a seed that can be drawn: plain words, and not long.

    Raises: InputError if none can, or they are not installed
    """
    for text in sentences(_CANDIDATES, seed=seed):
        words = text.removesuffix(" .").split()
        if len(words) >= _FEWEST and len(text) <= _LONGEST and all(map(str.isalpha, words)):
            return text
    raise InputError(
        f"seed {seed}: none of {_CANDIDATES} sentences has {_FEWEST} plain words or more and at "
        f"most {_LONGEST} characters"
    )


def text_graph(model: Checkpoint, text: str, *, key: str) -> Dataset:
    """Return the attention in the first, the middle and the last layer, heads averaged.

    All names begin with ``key``, and so do the axes.
    """
    encoded = encode(model, [text])
    adjacency, pieces = _attention(model, encoded), encoded.pieces[0]
    n = len(pieces)
    off = adjacency * ~np.eye(n, dtype=bool)
    layer, listener, heard, axis = (f"{key}_{x}" for x in ("layer", "listener", "heard", "axis"))
    down = np.linspace(0, -1, n)
    places = np.stack([0 * down, down], axis=1)
    received, drawn = adjacency.mean(axis=1), np.where(off > STRONG / n, off, 0)
    beside = -0.36 if np.triu(drawn, 1).any() else -0.08  # arcs to later tokens are on the left
    labels = np.stack([0 * down + beside, down], axis=1)
    return Dataset(
        {
            f"{key}_attention": Variable(
                (layer, listener, heard), adjacency, "attention, mean over the heads"
            ),
            f"{key}_drawn": Variable(
                (layer, listener, heard),
                drawn,
                f"weights above {STRONG} / n",
            ),
            f"{key}_received": Variable((layer, heard), received, "mean attention received"),
            f"{key}_first": Variable(
                (layer,),
                adjacency[:, 1:, 0].mean(axis=1),
                "mean attention of the others to the first token",
            ),
            f"{key}_later": Variable(
                (layer,), np.triu(adjacency, 1).sum(axis=(1, 2)) / n, "share of later tokens"
            ),
            f"{key}_row_error": _row_error(adjacency, layer),
            f"{key}_size": Variable((layer, heard), 12 + 160 * received, "size of the disc"),
            f"{key}_place": Variable((heard, axis), places, "place on paper"),
            f"{key}_label": Variable((heard, axis), labels, "place of the name"),
        },
        {
            layer: Variable((layer,), np.asarray(_layers(model)), "layer"),
            f"{key}_token": Variable(
                (heard,),
                np.asarray([piece.translate(_MARKS) or "\u00b7" for piece in pieces]),
                "token",
            ),
        },
    )


def patch_graph(model: Checkpoint, *, key: str) -> Dataset:
    """Return which patches of the photograph listen to which, and the photograph in grey."""
    shape, scale = model.architecture.image, model.pixels
    assert shape is not None  # only models of images are asked
    assert scale is not None
    photograph = photographs(model, 1)[0]
    adjacency = _attention(model, encode_images(model, [photograph]))
    marks, side = shape.marks + shape.registers, shape.side
    patches = adjacency[:, marks:, marks:]
    places = np.indices((side, side)).reshape(2, -1)[::-1].T.astype(np.float64)
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    shares = patches / patches.sum(axis=-1, keepdims=True)
    colours = np.einsum("cyx,c->yxc", photograph, scale.std) + scale.mean
    grey = colours.mean(axis=-1).reshape(shape.size // 2, 2, -1, 2).mean(axis=(1, 3))
    received = adjacency.sum(axis=1)[:, marks:]
    layer, patch, axis = f"{key}_layer", f"{key}_patch", f"{key}_axis"
    return Dataset(
        {
            f"{key}_drawn": Variable(
                (layer, f"{key}_edge", f"{key}_part"),
                np.stack([_strongest(weights) for weights in patches]),
                "the strongest edges between patches: listener, heard, attention",
            ),
            f"{key}_received": Variable((layer, patch), received, "sum of attention received"),
            f"{key}_size": Variable((layer, patch), 3 * received, "size of the disc"),
            f"{key}_distance": Variable(
                (layer,),
                (shares * apart).sum(axis=-1).mean(axis=-1),
                "mean distance of the patch heard, in patches",
            ),
            f"{key}_chance": Variable((), np.asarray(apart.mean()), "mean over all pairs"),
            f"{key}_row_error": _row_error(adjacency, layer),
            f"{key}_place": Variable((patch, axis), places, "column and row of a patch"),
            f"{key}_grey": Variable(
                (f"{key}_y", f"{key}_x"), np.round(255 * grey).astype(np.int64), PHOTOGRAPH
            ),
        },
        {layer: Variable((layer,), np.asarray(_layers(model)), "layer")},
    )


def _layers(model: Checkpoint) -> list[int]:
    """Return the first, the middle and the last layer, from 1."""
    last = len(model.blocks)
    return [1, (1 + last) // 2, last]


def _attention(model: Checkpoint, encoded: Encoded) -> Values:
    """Return the attention of the drawn layers, heads averaged: (3, n, n)."""
    heads = [layer.step.adjacency[0] for layer in run(model, encoded)]
    return np.stack([heads[layer - 1].mean(axis=0) for layer in _layers(model)])


def _row_error(adjacency: Values, layer: str) -> Variable:
    error = np.abs(adjacency.sum(axis=-1) - 1).max(axis=-1)
    return Variable((layer,), error, "how far a row's sum is from 1 at most")


def _strongest(weights: Values) -> Values:
    """Return the strongest edges between two different patches: (edges, 3)."""
    n = len(weights)
    off = np.where(np.eye(n, dtype=bool), -1, weights)  # below all others
    order = np.argsort(-off, axis=None, kind="stable")[: min(EDGES, n * (n - 1))]
    return np.stack([*np.unravel_index(order, off.shape), off.ravel()[order]], axis=1)
