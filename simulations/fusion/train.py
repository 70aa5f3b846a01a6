"""How is one run trained, so that a kill costs an epoch at most and changes no digit?"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from simulations.datasets.parts import Data
from simulations.fusion import nets
from simulations.fusion.answers import forward, mixed, score_of
from simulations.fusion.inputs import Inputs
from simulations.fusion.measures import layer_scores, measure
from simulations.fusion.recipe import Recipe
from simulations.fusion.resume import Training, restore, save
from simulations.stacks.seeds import generator
from theory.arrays import InputError


def train_run(
    data: Data,
    inputs: Inputs,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    on_progress: Callable[[str], None] = lambda line: None,
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
        score = score_of(run.weights, data, inputs, recipe, "validation")
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
    alone = recipe.fusion == "baseline" and recipe.shared is None
    by_layer = {"layer_scores": layer_scores(best, data, inputs, recipe)} if alone else {}
    return {
        "recipe": asdict(recipe),
        "score": score_of(best, data, inputs, recipe, "test"),
        "validation": run.best,
        "best_epoch": run.best_epoch,
        "history": [list(pair) for pair in run.history],
        "seconds": run.seconds,
        "threads": torch.get_num_threads(),
        "examples": {part: len(data.parts[part]) for part in data.parts},
        **measure(best, data, inputs, recipe),
        **by_layer,
    }


def _start(data: Data, inputs: Inputs, recipe: Recipe) -> Training:
    """Return weights, placed, and an optimizer for those that are trained."""
    patch = inputs.inputs.shape[2] if inputs.inputs.ndim == 3 else None
    longest = inputs.inputs.shape[1]
    if inputs.weights is None:
        encoder = nets.draw_encoder(recipe, words=inputs.words, longest=longest, patch=patch)
    else:
        encoder = {name: torch.tensor(value) for name, value in inputs.weights.items()}
        recipe = replace(recipe, width=encoder["word"].shape[1])
    head = nets.draw_head(recipe, width=recipe.width, classes=data.classes, scored=data.scored)
    weights = {name: value.to(recipe.device) for name, value in (encoder | head).items()}
    given = inputs.weights is not None
    # Rows of words that training never shows would stay behind the others.
    old = [] if recipe.frozen else [n for n in encoder if not (given and n == "word")]
    groups = [(old, recipe.rate), (list(head), recipe.head_rate or recipe.rate)]
    optimizer = torch.optim.AdamW(
        [
            {"params": [weights[name].requires_grad_() for name in names], "full_rate": rate}
            for names, rate in groups
            if names
        ],
        lr=recipe.rate,
        weight_decay=recipe.decay,
    )
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
        with mixed(recipe):
            out = forward(run.weights, data, inputs, recipe, chosen, training=True)
            wanted = torch.as_tensor(data.labels[chosen], device=recipe.device)
            if data.scored:
                loss = functional.mse_loss(out, wanted.to(out.dtype))
            else:
                loss = functional.cross_entropy(out, wanted)
        if not bool(torch.isfinite(loss)):
            raise InputError(f"{recipe.name}: the loss is {float(loss.detach())}; a smaller rate?")
        run.optimizer.zero_grad()
        loss.backward()
        groups = run.optimizer.param_groups
        torch.nn.utils.clip_grad_norm_([w for group in groups for w in group["params"]], 1.0)
        run.optimizer.step()
        total += float(loss.detach()) * len(chosen)
    return total / len(part)


def _set_rate(run: Training, recipe: Recipe, step: int, steps: int) -> None:
    """Rise linearly over the warm-up, then fall linearly to zero."""
    rise = max(1.0, recipe.warmup * steps)
    factor = min((step + 1) / rise, (steps - step) / max(1.0, steps - rise))
    for group in run.optimizer.param_groups:
        group["lr"] = group["full_rate"] * factor
