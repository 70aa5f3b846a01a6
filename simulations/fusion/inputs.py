"""Which numbers does an encoder read, and which weights does a checkpoint give it?"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.datasets.parts import Data
from simulations.fusion.recipe import Recipe
from simulations.models.checkpoint import Checkpoint, embeddings_of
from simulations.models.find import load_checkpoint
from simulations.models.tokens import encode
from theory.arrays import InputError


@dataclass(frozen=True, eq=False)
class Inputs:
    """All items of a data set as arrays, and the encoder's weights if somebody trained them.

    ``words`` counts the rows of the table of words, which holds those words only that occur.
    ``kept`` remembers what a frozen encoder made of an item, for all runs that read the same.

    Shapes: inputs (m, n) word numbers or (m, n, p) patches; mask (m, n), True at tokens
    """

    inputs: NDArray[Any]
    mask: NDArray[np.bool_]
    words: int
    weights: dict[str, NDArray[np.float32]] | None = None
    facts: str = ""
    kept: dict[int, Any] = field(default_factory=dict)


def read_inputs(data: Data, recipe: Recipe) -> Inputs:
    """Turn items into what the recipe's encoder reads.

    Texts are split by MiniLM's tokenizer for encoders from scratch, too; those keep the words
    that the training part has at least twice, and all others are one word.

    Raises: InputError if the checkpoint is missing or cannot read images, or a patch is to be read
            like [CLS]
    """
    if not isinstance(data.items, tuple):
        if recipe.encoder != "scratch":
            raise InputError(f"{recipe.encoder} reads texts, but {data.name} holds images")
        if recipe.readout == "first":
            raise InputError(f"readout must be mean for {data.name}: no patch is made to be read")
        return Inputs(data.items, np.ones(data.items.shape[:2], dtype=bool), 0)
    scratch = recipe.encoder == "scratch"
    model = load_checkpoint("minilm" if scratch else recipe.encoder, dtype="float32")
    ids, mask, *_ = encode(model, data.items, max_length=recipe.longest)
    if scratch:
        seen = ids[np.unique(data.examples[data.parts["train"]])]
        known, counts = np.unique(seen, return_counts=True)
        known = known[counts >= 2]
        place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return Inputs(np.where(known[place] == ids, place, len(known)), mask, len(known) + 1)
    if not 1 <= recipe.depth <= len(model.blocks):
        raise InputError(
            f"depth must be from 1 to {len(model.blocks)} for {recipe.encoder}, "
            f"but is {recipe.depth}"
        )
    known, numbers = np.unique(ids, return_inverse=True)
    facts = f"{model.source}, sha256 {model.weights_sha256}"
    weights = checkpoint_weights(model, known, depth=recipe.depth, longest=ids.shape[1])
    return Inputs(numbers.reshape(ids.shape), mask, len(known), weights, facts)


def checkpoint_weights(
    model: Checkpoint, words: NDArray[np.int64], *, depth: int, longest: int
) -> dict[str, NDArray[np.float32]]:
    """Return a checkpoint's weights under the names of `simulations.fusion.nets`.

    ``words`` are the rows of its table that are needed. The first row of the token types goes
    into the positions, to which it is added anyway.

    Raises: InputError if the model has parts that those functions do not compute
    """
    table, first = embeddings_of(model), model.architecture.first_position
    shape = model.architecture
    plain = shape.placement == "post" and shape.activation == "gelu"
    plain = plain and all(block.attention.plain for block in model.blocks)
    if not plain or table.position is None or table.projection is not None:
        raise InputError(f"{model.name} is not of the plain BERT shape that fusion trains")
    position = table.position[first : first + longest]
    if table.token_type is not None:
        position = position + table.token_type[0]
    weights = {"word": table.word[words], "position": position}
    weights |= {"embed.gain": table.norm.gain, "embed.shift": table.norm.shift}
    for layer, block in enumerate(model.blocks[:depth]):
        attention, feed = block.attention, block.feed_forward
        assert attention.query is not None
        assert attention.key is not None
        assert feed is not None
        assert attention.output is not None
        assert attention.query_bias is not None
        assert attention.key_bias is not None
        d = attention.value.shape[-2]
        named = {
            "query.w": _side_by_side(attention.query),
            "key.w": _side_by_side(attention.key),
            "value.w": _side_by_side(attention.value),
            "query.b": np.reshape(attention.query_bias, -1),
            "key.b": np.reshape(attention.key_bias, -1),
            "output.w": attention.output.reshape(-1, d),
            "output.b": attention.bias,
            "in.w": feed.weight_in,
            "in.b": feed.bias_in,
            "out.w": feed.weight_out,
            "out.b": feed.bias_out,
            "norm_1.gain": block.norm_1.gain,
            "norm_1.shift": block.norm_1.shift,
            "norm_2.gain": block.norm_2.gain,
            "norm_2.shift": block.norm_2.shift,
        }
        weights |= {f"{layer}.{name}": value for name, value in named.items()}
    return {name: np.array(value, dtype=np.float32) for name, value in weights.items()}


def _side_by_side(heads: Any) -> NDArray[Any]:
    """Return (h, d, k) as (d, h k)."""
    return np.swapaxes(np.asarray(heads), 0, 1).reshape(heads.shape[1], -1)
