"""What is certain of a trained model's blocks on balls of inputs? Read here, and made.

All radii of all layers take minutes of a processor: what the figure draws is kept in the folder
local_bounds, one file a model, which `python -m paper_figures.command.local_summary NAME` makes.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from paper_figures.workshop.data import Dataset, Variable, dumps, load
from simulations.instruments.local import LayerBound, local_bounds
from simulations.machine.processes import each_in_processes
from simulations.machine.provenance import commit, versions
from simulations.models.find import load_checkpoint
from theory.arrays import InputError

TEXT = "The river flooded the old town twice last year."
RADII = (3e-4, 1e-3, 2e-3, 3e-3, 1e-2, 1e-1)
STEPS = 6  # of the ascent; twelve find no more in four digits
_FOLDER = Path(__file__).parents[1] / "local_bounds"
_GRID = ("layer", "radius")


def load_bounds(name: str, *, folder: Path | str | None = None) -> Dataset:
    """Return what is stored for a model.

    Raises: InputError if there is nothing, or it is damaged
    """
    path = Path(folder or _FOLDER) / f"{name}.json"
    if not path.exists():
        raise InputError(f"{path.name} is missing; `{summary_command(name)}` makes it")
    return load(path)


def make_bounds(name: str, *, workers: int = 2, folder: Path | str | None = None) -> Path:
    """Bound every layer of a model on one sentence and store it; return the file.

    Raises: InputError if there is no such model, or it is not supported
    """
    layers = range(1, len(load_checkpoint(name).blocks) + 1)
    calls = [(name, TEXT, layer, RADII) for layer in layers]
    with closing(each_in_processes(bounds_of, calls, workers=workers)) as running:
        found = dict(running)
    return store_bounds(name, [found[i] for i in sorted(found)], folder=folder)


def store_bounds(
    name: str, found: Sequence[LayerBound], *, folder: Path | str | None = None
) -> Path:
    """Write the layers' bounds down, with what they were made from; return the file."""
    checkpoint = load_checkpoint(name)
    attrs: dict[str, str | int] = {
        "model": name,
        "source": checkpoint.source,
        "weights_sha256": checkpoint.weights_sha256,
        "text": TEXT,
        "tokens": found[0].tokens,
        "ascent_steps": STEPS,
        "summary_command": summary_command(name),
        "made_with_commit": commit(),
        **{f"made_with_{key}": value for key, value in versions("numpy", "scipy").items()},
    }
    path = Path(folder or _FOLDER) / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dumps(as_dataset(found, attrs)), encoding="utf-8")
    return path


def bounds_of(name: str, text: str, layer: int, radii: Sequence[float]) -> LayerBound:
    """Return one layer's bounds and what ascent reaches: the work of one process."""
    return next(local_bounds(name, [text], radii=radii, layers=[layer], steps=STEPS))


def as_dataset(found: Sequence[LayerBound], attrs: dict[str, str | int]) -> Dataset:
    """Return layers by radii; NaN where a ball may hold consensus."""

    def grid(name: str, text: str) -> Variable:
        values = np.array([[getattr(b, name) for b in each.bounds] for each in found], dtype=float)
        return Variable(_GRID, np.where(np.isinf(values), np.nan, values), text)

    reached = np.array([each.reached for each in found], dtype=float)
    ratio = np.array([each.bounds[0].ratio for each in found])
    return Dataset(
        {
            "bound": grid("bound", "upper bound on the ratio for all inputs of the ball"),
            "saturation": grid("saturation", "the same, from the length of a norm's outputs alone"),
            "reached": Variable(_GRID, reached, "ratio that gradient ascent reaches in the ball"),
            "ratio": Variable(("layer",), ratio, "measured ratio, rounded up"),
            "v": Variable(("layer",), np.array([e.v for e in found]), "block coefficient v"),
        },
        coords={
            "layer": Variable(("layer",), np.array([each.layer for each in found]), "layer"),
            "radius": Variable(
                ("radius",),
                np.array([b.radius for b in found[0].bounds]),
                "radius of each token's ball, relative to the token's length",
            ),
        },
        attrs=attrs,
    )


def summary_command(name: str) -> str:
    """Return the command that makes the file."""
    return f"python -m paper_figures.command.local_summary {name}"
