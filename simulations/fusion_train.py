"""How is one run trained, so that a kill costs an epoch at most and changes no digit?"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch.nn import functional

from simulations import fusion_nets as nets
from simulations.datasets import Data, Part
from simulations.fusion_checkpoint import Training, restore, save
from simulations.fusion_inputs import Inputs
from simulations.fusion_recipe import Recipe
from simulations.seeds import generator
from theory.arrays import InputError
from theory.measures import cosine_similarity

Progress = Callable[[str], None]
MEASURED = 64
"""How many of the test's items the similarities, shares and deviations are measured on."""


def train_run(
    data: Data,
    inputs: Inputs,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    on_progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """Train one recipe and return its record: scores, and what its layers look like.

    A ``checkpoint`` that is there is gone on from; it is written after every epoch.

    Raises: InputError if the checkpoint is damaged or of another recipe
    """
    torch.manual_seed(recipe.seed)  # dropout draws from it; its state is in the checkpoint
    run = _start(data, inputs, recipe)
    if checkpoint is not None and checkpoint.exists():
        restore(run, recipe, checkpoint)
    while run.epoch < recipe.epochs and run.epoch - run.best_epoch < recipe.patience:
        start = time.perf_counter()
        loss = _epoch(run, data, inputs, recipe)
        score = _score(run.weights, data, inputs, recipe, "validation")
        run.epoch += 1
        run.history.append((loss, score))
        if score > run.best:
            run.best, run.best_epoch = score, run.epoch
            run.best_weights = {k: v.detach().clone() for k, v in run.weights.items()}
        run.seconds += time.perf_counter() - start
        on_progress(f"{recipe.name}: epoch {run.epoch}, loss {loss:.4f}, validation {score:.4f}")
        if checkpoint is not None:
            save(run, recipe, checkpoint)
    best = run.best_weights
    return {
        "recipe": asdict(recipe),
        "score": _score(best, data, inputs, recipe, "test"),
        "validation": run.best,
        "best_epoch": run.best_epoch,
        "history": [list(pair) for pair in run.history],
        "seconds": run.seconds,
        "examples": {part: len(data.parts[part]) for part in data.parts},
        **_measure(best, data, inputs, recipe),
    }


def _start(data: Data, inputs: Inputs, recipe: Recipe) -> Training:
    """Return weights, placed, and an optimizer for those that are trained."""
    patch = inputs.inputs.shape[2] if inputs.inputs.ndim == 3 else None
    longest = inputs.inputs.shape[1]
    if inputs.weights is None:
        encoder = nets.draw_weights(recipe, words=inputs.words, longest=longest, patch=patch)
    else:
        encoder = {name: torch.tensor(value) for name, value in inputs.weights.items()}
        recipe = replace(recipe, width=encoder["word"].shape[1])
    head = nets.draw_head(recipe, width=recipe.width, classes=data.classes, scored=data.scored)
    weights = {name: value.to(recipe.device) for name, value in (encoder | head).items()}
    given = inputs.weights is not None
    trained = [
        weight.requires_grad_()
        for name, weight in weights.items()
        # Rows of words that training never shows would stay behind the others.
        if not (recipe.frozen and name in encoder) and not (given and name == "word")
    ]
    optimizer = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
    return Training(weights, optimizer)


def _epoch(run: Training, data: Data, inputs: Inputs, recipe: Recipe) -> float:
    """Go through the training part once, in an order that seed and epoch alone decide."""
    part = data.parts["train"]
    order = generator(recipe.seed, "fusion order", run.epoch).permutation(len(part))
    batches = -(-len(part) // recipe.batch)
    total = 0.0
    for number in range(batches):
        _set_rate(run, recipe, run.epoch * batches + number, recipe.epochs * batches)
        chosen = part[order[number * recipe.batch : (number + 1) * recipe.batch]]
        with _mixed(recipe):
            out = _forward(run.weights, data, inputs, recipe, chosen, training=True)
            wanted = torch.as_tensor(data.labels[chosen], device=recipe.device)
            if data.scored:
                loss = functional.mse_loss(out, wanted.to(out.dtype))
            else:
                loss = functional.cross_entropy(out, wanted)
        if not bool(torch.isfinite(loss)):
            raise InputError(f"{recipe.name}: the loss is {float(loss.detach())}; a smaller rate?")
        run.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.optimizer.param_groups[0]["params"], 1.0)
        run.optimizer.step()
        total += float(loss.detach()) * len(chosen)
    return total / len(part)


def _set_rate(run: Training, recipe: Recipe, step: int, steps: int) -> None:
    """Rise linearly over the warm-up, then fall linearly to zero."""
    rise = max(1.0, recipe.warmup * steps)
    factor = min((step + 1) / rise, (steps - step) / max(1.0, steps - rise))
    for group in run.optimizer.param_groups:
        group["lr"] = recipe.rate * factor


def _mixed(recipe: Recipe) -> AbstractContextManager[Any]:
    """Half precision where a GPU has it; on a CPU it would only cost digits."""
    if torch.device(recipe.device).type != "cuda":
        return nullcontext()
    context: AbstractContextManager[Any] = torch.autocast("cuda", dtype=torch.bfloat16)
    return context


def _forward(
    weights: nets.Weights,
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
    if recipe.frozen:
        tokens, mask = _frozen(weights, inputs, recipe, items)
    else:
        read, mask = _read(inputs, items, recipe)
        tokens = nets.encode(weights, recipe, read, mask, training=training).tokens
    fused = nets.fuse(weights, recipe, tokens)
    return nets.answer(weights, fused, mask, torch.as_tensor(pairs, device=recipe.device))


def _frozen(
    weights: nets.Weights, inputs: Inputs, recipe: Recipe, items: NDArray[np.int64]
) -> tuple[Any, Any]:
    """Return tokens and mask of items from an encoder that never changes: each is read once."""
    if inputs.weights is None:
        raise InputError("frozen must come with a pretrained encoder; random weights need training")
    kept = inputs.kept
    missing = [item for item in items.tolist() if item not in kept]
    for at in range(0, len(missing), 50):
        group = np.asarray(missing[at : at + 50])
        read, mask = _read(inputs, group, recipe)
        with torch.no_grad():
            tokens = nets.encode(weights, recipe, read, mask, training=False).tokens
        for place, item in enumerate(group.tolist()):
            length = int(mask[place].sum())
            kept[item] = tokens[:, place, :length].clone()
    longest = max(2, *(kept[item].shape[1] for item in items.tolist()))
    padded = [
        functional.pad(kept[item], (0, 0, 0, longest - kept[item].shape[1]))
        for item in items.tolist()
    ]
    mask = torch.as_tensor(inputs.mask[items, :longest], device=recipe.device)
    return torch.stack(padded, dim=1), mask


def _read(inputs: Inputs, items: NDArray[np.int64], recipe: Recipe) -> tuple[Any, Any]:
    """Return the inputs and mask of some items, no longer than the longest of them."""
    mask = inputs.mask[items]
    n = max(2, int(mask.sum(1).max()))
    read = torch.as_tensor(inputs.inputs[items, :n], device=recipe.device)
    return read, torch.as_tensor(mask[:, :n], device=recipe.device)


def _score(weights: nets.Weights, data: Data, inputs: Inputs, recipe: Recipe, part: Part) -> float:
    """Return the accuracy, or for pairs Spearman's rank correlation."""
    examples, size = data.parts[part], 200
    with torch.no_grad():
        outs = [
            _forward(weights, data, inputs, recipe, examples[at : at + size], training=False)
            for at in range(0, len(examples), size)
        ]
    out = torch.cat(outs).float().cpu().numpy()
    wanted = data.labels[examples]
    if data.scored:
        return 0.0 if np.ptp(out) == 0 else float(spearmanr(out, wanted).statistic)
    return float(np.mean(out.argmax(axis=1) == wanted))


def _measure(
    weights: nets.Weights, data: Data, inputs: Inputs, recipe: Recipe
) -> dict[str, list[float] | float]:
    """Return means over test items: CosSim from the embeddings on and of F, shares, stds."""
    items = np.unique(data.examples[data.parts["test"]])[:MEASURED]
    read, mask = _read(inputs, items, recipe)
    with torch.no_grad():
        states = nets.encode(weights, recipe, read, mask, training=False)
        fused = nets.fuse(weights, recipe, states.tokens)
    counted = mask.cpu().numpy()

    def cosine(tokens: Any) -> float:
        host = tokens.double().cpu().numpy()
        return float(np.mean(cosine_similarity(host, token_mask=counted)))

    stds = states.stds[:, :, mask].mean(-1)
    measured: dict[str, list[float] | float] = {
        "cosine": [cosine(tokens) for tokens in states.tokens],
        "cosine_fused": cosine(fused),
        "sigma_1": stds[:, 0].tolist(),
        "sigma_2": stds[:, 1].tolist(),
        "sigma_product": (states.stds[:, 0] * states.stds[:, 1])[:, mask].mean(-1).tolist(),
    }
    if recipe.fusion == "gate":
        with torch.no_grad():
            shares = nets.gate_shares(weights, recipe, states.tokens)
        measured["gate"] = shares[mask].mean(0).tolist()
    return measured
