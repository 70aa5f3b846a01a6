"""What do the layers of a trained encoder look like, and which would classify best by itself?"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from simulations.datasets.parts import PARTS, Data, Part
from simulations.fusion import nets as nets
from simulations.fusion.answers import encoded, rank_correlation, read_items
from simulations.fusion.inputs import Inputs
from simulations.fusion.recipe import Recipe
from theory.blocks.sharing import attention_flops
from theory.measures.tokens import cosine_similarity

MEASURED = 64
"""On the items of how many test examples similarities, shares and deviations are measured.

They are the first in the order of the split, which mixes the classes: files are sorted by class.
"""
PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)
"""Weights of the squared norm in a refitted classifier: the validation part takes one."""
_TOGETHER = 100


def measure(
    weights: nets.NetWeights, data: Data, inputs: Inputs, recipe: Recipe
) -> dict[str, list[float] | float]:
    """Return means over test items: CosSim from the embeddings on and of F, shares, stds.

    ``sigma_product_last`` are quantiles over tokens, from 0 to 100 %, of what the last block's
    two norms divide by, multiplied. ``attention_flops`` counts the multiply-adds of attention
    for an item of the longest length. ``cosine_average`` is CosSim of the plain average of the
    layers that a gate fuses.
    """
    items = np.unique(data.examples[data.parts["test"][:MEASURED]])
    read, mask = read_items(inputs, items, recipe)
    with torch.no_grad():
        states = nets.run_encoder(weights, recipe, read, mask, training=False)
        fused = nets.fuse_layers(weights, recipe, states.tokens)
    counted = mask.cpu().numpy()

    def cosine(tokens: Any) -> float:
        host = tokens.cpu().double().numpy()
        return float(np.mean(cosine_similarity(host, token_mask=counted)))

    stds = states.stds[:, :, mask]
    product = (stds[:, 0] * stds[:, 1]).cpu().numpy()
    first, last = recipe.shared or (1, 1)
    flops = attention_flops(
        depth=recipe.depth,
        n=inputs.inputs.shape[1],
        d=states.tokens.shape[-1],
        first=first,
        last=last,
    )
    measured: dict[str, list[float] | float] = {
        "cosine": [cosine(tokens) for tokens in states.tokens],
        "cosine_fused": cosine(fused),
        "sigma_1": stds[:, 0].mean(-1).tolist(),
        "sigma_2": stds[:, 1].mean(-1).tolist(),
        "sigma_product": product.mean(-1).tolist(),
        "sigma_product_last": np.quantile(product[-1], np.linspace(0, 1, 101)).tolist(),
        "attention_flops": flops,
    }
    if recipe.fusion == "gate":
        equal = {**weights, "fusion.gate": torch.zeros_like(weights["fusion.gate"])}
        with torch.no_grad():
            measured["cosine_average"] = cosine(nets.fuse_layers(equal, recipe, states.tokens))
            shares = nets.gate_shares(weights, recipe, states.tokens)
        measured["gate"] = shares[mask].mean(0).tolist()
    return measured


def layer_scores(
    weights: nets.NetWeights, data: Data, inputs: Inputs, recipe: Recipe
) -> list[float]:
    """Return the test score of each layer by itself, the embeddings first.

    A linear classifier is fitted anew to what is read out of the training items, its penalty
    taken on the validation part; pairs need none: their score is that of the layer's cosine.

    Source: shi2022, figure 1b
    """
    read = _layer_readouts(weights, data, inputs, recipe)
    if data.scored:
        pairs = data.examples[data.parts["test"]]
        left, right = read[:, pairs[:, 0]], read[:, pairs[:, 1]]
        cosines = functional.cosine_similarity(left, right, dim=-1).numpy()
        wanted = data.labels[data.parts["test"]]
        return [rank_correlation(row, wanted) for row in cosines]
    return [_refitted(layer, data) for layer in read]


def _layer_readouts(weights: nets.NetWeights, data: Data, inputs: Inputs, recipe: Recipe) -> Any:
    """Return what is read of every item that any part has: (L + 1, items, d), float64."""
    items = np.unique(data.examples[np.concatenate([data.parts[part] for part in PARTS])])
    found: Any = None
    for at in range(0, len(items), _TOGETHER):
        group = items[at : at + _TOGETHER]
        with torch.no_grad():
            tokens, mask = encoded(weights, inputs, recipe, group, training=False)
        read = nets.read_out(recipe, tokens, mask).cpu().double()
        if found is None:
            found = torch.zeros(len(read), int(items.max()) + 1, read.shape[-1]).double()
        found[:, group] = read
    return found


def _refitted(read: Any, data: Data) -> float:
    """Return the test score of the penalty that does best on the validation part."""
    train = read[data.examples[data.parts["train"], 0]]
    read = (read - train.mean(0)) / train.std(0).clamp_min(1e-12)

    def of(part: Part) -> tuple[Any, NDArray[np.int64]]:
        chosen = data.parts[part]
        return read[data.examples[chosen, 0]], data.labels[chosen].astype(np.int64)

    tokens, labels = of("train")
    best = (-1.0, 0.0)
    for penalty in PENALTIES:
        matrix, bias = _logistic(tokens, torch.as_tensor(labels), data.classes, penalty)
        hits = []
        for part in ("validation", "test"):
            others, wanted = of(part)
            answers = (others @ matrix + bias).argmax(1).numpy()
            hits.append(float(np.mean(answers == wanted)))
        best = max(best, (hits[0], hits[1]), key=lambda pair: pair[0])
    return best[1]


def _logistic(tokens: Any, labels: Any, classes: int, penalty: float) -> tuple[Any, Any]:
    """Return matrix and bias of the least penalised cross-entropy: a convex problem."""
    matrix = torch.zeros(tokens.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([matrix, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Any:
        optimizer.zero_grad()
        value = functional.cross_entropy(tokens @ matrix + bias, labels)
        value = value + penalty * (matrix**2).sum() / 2
        value.backward()
        return value

    optimizer.step(loss)
    return matrix.detach(), bias.detach()
