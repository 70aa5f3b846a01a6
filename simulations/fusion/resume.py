"""How is a run's whole state written, so that a kill leaves the old one or the new one?"""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simulations.fusion.nets import NetWeights
from simulations.fusion.recipe import Recipe
from simulations.machine.files import make_folder, write_over
from theory.arrays import InputError

_DIGEST = hashlib.sha256().digest_size


@dataclass
class Training:
    """Where a run stands: enough to go on as if it had never stopped."""

    weights: NetWeights
    optimizer: Any
    epoch: int = 0
    best: float = -np.inf
    best_epoch: int = 0
    best_weights: NetWeights = field(default_factory=dict)
    history: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0


def save(run: Training, recipe: Recipe, path: Path) -> None:
    """Write the whole state beside the old one, then put it in its place in one step."""
    kept = {name: value.detach() for name, value in run.weights.items()}
    state = {
        "recipe": repr(recipe),
        "weights": kept,
        "optimizer": run.optimizer.state_dict(),
        "epoch": run.epoch,
        "best": run.best,
        "best_epoch": run.best_epoch,
        "best_weights": run.best_weights,
        "history": run.history,
        "seconds": run.seconds,
        "random": torch.get_rng_state(),
    }
    if recipe.device.startswith("cuda"):
        state["random_cuda"] = torch.cuda.get_rng_state_all()
    content = io.BytesIO()
    torch.save(state, content)
    make_folder(path.parent)
    # The run's lock is held by this process.
    write_over(path, _checksum(content.getbuffer()), content.getbuffer(), alone=True)


def restore(run: Training, recipe: Recipe, path: Path) -> None:
    """Go on from a stored state, random numbers included.

    Raises: InputError if it is damaged or of another recipe
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if content[:_DIGEST] != _checksum(content[_DIGEST:]):
        raise InputError(f"{path.name} is damaged; remove it to start anew")
    state = torch.load(io.BytesIO(content[_DIGEST:]), map_location="cpu", weights_only=True)
    if state["recipe"] != repr(recipe):
        raise InputError(f"{path.name} belongs to another recipe; remove it or use another --out")
    with torch.no_grad():
        for name, value in state["weights"].items():
            run.weights[name].copy_(value)
    run.optimizer.load_state_dict(state["optimizer"])
    run.epoch, run.best, run.best_epoch = state["epoch"], state["best"], state["best_epoch"]
    run.best_weights = {k: v.to(recipe.device) for k, v in state["best_weights"].items()}
    run.history, run.seconds = list(state["history"]), state["seconds"]
    torch.set_rng_state(state["random"])
    if "random_cuda" in state:
        torch.cuda.set_rng_state_all(state["random_cuda"])


def _checksum(content: memoryview) -> bytes:
    return hashlib.sha256(content).digest()
