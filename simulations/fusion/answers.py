"""What does a run answer to some examples, and how good are its answers?"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from simulations.datasets.parts import Data, Part
from simulations.fusion import nets as nets
from simulations.fusion.inputs import Inputs
from simulations.fusion.recipe import Recipe
from theory.arrays import InputError


def mixed(recipe: Recipe) -> AbstractContextManager[Any]:
    """Have products of matrices taken in half precision, if the recipe says so."""
    if recipe.precision == "float32":
        return nullcontext()
    kind = torch.device(recipe.device).type
    context: AbstractContextManager[Any] = torch.autocast(kind, dtype=torch.bfloat16)
    return context


def forward(
    weights: nets.NetWeights,
    data: Data,
    inputs: Inputs,
    recipe: Recipe,
    chosen: NDArray[np.int64],
    *,
    training: bool,
) -> Any:
    """Return the answers to some examples; an item of several pairs is read once."""
    items, pairs = np.unique(data.examples[chosen], return_inverse=True)
    pairs = pairs.reshape(-1, data.examples.shape[1])
    tokens, mask = encoded(weights, inputs, recipe, items, training=training)
    fused = nets.fuse_layers(weights, recipe, tokens)
    read = nets.read_out(recipe, fused, mask)
    return nets.answer(weights, read, torch.as_tensor(pairs, device=recipe.device))


def encoded(
    weights: nets.NetWeights,
    inputs: Inputs,
    recipe: Recipe,
    items: NDArray[np.int64],
    *,
    training: bool,
) -> tuple[Any, Any]:
    """Return what fusion reads of some items, and its mask: all layers of their tokens.

    Of a frozen encoder it is what `read_out` needs: the first token alone, or the mean one where
    the fusion is a sum over layers.

    Shapes: (L + 1, items, n, d), (items, n)
    """
    if recipe.frozen:
        return _frozen(weights, inputs, recipe, items)
    read, mask = read_items(inputs, items, recipe)
    return nets.run_encoder(weights, recipe, read, mask, training=training).tokens, mask


def _frozen(
    weights: nets.NetWeights, inputs: Inputs, recipe: Recipe, items: NDArray[np.int64]
) -> tuple[Any, Any]:
    """Return tokens and mask of items from an encoder that never changes: each is read once."""
    kept = inputs.kept
    missing = [item for item in items.tolist() if item not in kept]
    for at in range(0, len(missing), 50):
        group = np.asarray(missing[at : at + 50])
        read, mask = read_items(inputs, group, recipe)
        whole = torch.autocast(torch.device(recipe.device).type, enabled=False)
        with torch.no_grad(), whole:  # they are measured too, not only trained on
            tokens = nets.run_encoder(weights, recipe, read, mask, training=False).tokens
        for place, item in enumerate(group.tolist()):
            length = int(mask[place].sum())
            kept[item] = tokens[:, place, :length].clone()
    first = recipe.readout == "first"
    if first or recipe.fusion in ("baseline", "concat"):
        # A sum over layers commutes with the mean over tokens, which is much smaller.
        rows = [kept[item][:, 0] if first else kept[item].mean(1) for item in items.tolist()]
        one = torch.ones(len(items), 1, dtype=torch.bool, device=recipe.device)
        return torch.stack(rows, dim=1)[:, :, None], one
    longest = max(2, *(kept[item].shape[1] for item in items.tolist()))
    padded = [
        functional.pad(kept[item], (0, 0, 0, longest - kept[item].shape[1]))
        for item in items.tolist()
    ]
    mask = torch.as_tensor(inputs.mask[items, :longest], device=recipe.device)
    return torch.stack(padded, dim=1), mask


def read_items(inputs: Inputs, items: NDArray[np.int64], recipe: Recipe) -> tuple[Any, Any]:
    """Return the inputs and mask of some items, no longer than the longest of them."""
    mask = inputs.mask[items]
    n = max(2, int(mask.sum(1).max()))
    read = torch.as_tensor(inputs.inputs[items, :n], device=recipe.device)
    return read, torch.as_tensor(mask[:, :n], device=recipe.device)


def score_of(
    weights: nets.NetWeights, data: Data, inputs: Inputs, recipe: Recipe, part: Part
) -> float:
    """Return the accuracy, or for pairs Spearman's rank correlation."""
    examples, size = data.parts[part], 200
    with torch.no_grad():
        outs = [
            forward(weights, data, inputs, recipe, examples[at : at + size], training=False)
            for at in range(0, len(examples), size)
        ]
    out = torch.cat(outs).float().cpu().numpy()
    if not np.isfinite(out).all():
        raise InputError(f"{recipe.name}: answers are not finite; a smaller rate?")
    wanted = data.labels[examples]
    if data.scored:
        return rank_correlation(out, wanted)
    return float(np.mean(out.argmax(axis=1) == wanted))


def rank_correlation(answers: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return Spearman's correlation; answers that are all the same order nothing: 0."""
    from scipy.stats import spearmanr

    return 0.0 if np.ptp(answers) == 0 else float(spearmanr(answers, wanted).statistic)
