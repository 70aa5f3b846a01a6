"""How are all runs of a comparison trained, each with every seed, and stored?"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from simulations.datasets.load import load_data
from simulations.datasets.parts import Data
from simulations.fusion.inputs import read_inputs
from simulations.fusion.recipe import Recipe
from simulations.fusion.scores import fusion_scores
from simulations.fusion.store import Place
from simulations.machine import provenance
from theory.arrays import InputError


def run_all(
    recipes: Sequence[Recipe],
    *,
    seeds: int,
    out: Path | str,
    command: str,
    resume: bool = False,
    on_progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train every recipe with every seed, store each run, and return `fusion_scores` of them.

    The recipes differ in fusion and rate alone; seeds are counted from theirs. They go seed by
    seed, so that what is there is always paired. A run that is stored is kept with ``resume``;
    one that was broken off goes on where its last epoch ended. ``command`` is what repeats the
    runs, for their records.

    Raises: InputError if torch, a package of data or weights is missing, or files of other runs
            are in the way
    """
    base, out = recipes[0], Path(out)
    if len({replace(each, fusion=base.fusion, rate=base.rate) for each in recipes}) > 1:
        raise InputError("recipes must differ in fusion and rate alone")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, but is {seeds}")
    require_torch(base.device)
    provenance.commit()  # what was read in by now, whatever is edited while it trains
    places = [
        Place(replace(recipe, seed=base.seed + more), out)
        for more in range(seeds)
        for recipe in recipes
    ]
    for place in places:
        if (place.read() is not None or place.checkpoint.exists()) and not resume:
            raise InputError(f"{place.recipe.name} is in {out}: say --resume or another --out")
    from simulations.fusion.train import train_run

    data = load_data(base.data)
    on_progress(f"{data.name}: {data.origin}; {data.licence}. Split: {data.split}")
    data = data.shortened(train=base.train, validation=base.validation, test=base.test)
    inputs = read_inputs(data, base)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out must be a folder, but {out} cannot be: {error.strerror}") from error
    runs = []
    for place in places:
        with place.held():
            run = place.read()
            if run is not None:  # killed between the two: its record was written, this not removed
                place.checkpoint.unlink(missing_ok=True)
            else:
                run = train_run(
                    data, inputs, place.recipe, checkpoint=place.checkpoint, on_progress=on_progress
                )
                run["provenance"] = _provenance(data, inputs.facts, run.pop("threads"), command)
                place.write(run)
                told = f"test {run['score']:.4f}, {run['seconds']:.0f} s"
                on_progress(f"{place.recipe.name}: {told}")
        runs.append(run)
    return {"runs": runs, "summary": [asdict(row) for row in fusion_scores(runs)]}


def require_torch(device: str = "cpu") -> None:
    """Raise InputError with the line that installs torch, unless it is there and has the device."""
    from simulations.machine.backends import backend

    try:
        backend("torch", device=device, dtype="float32")
    except InputError as error:
        if isinstance(error.__cause__, ImportError):
            line = "pip install 'oversmooth[fusion]'"
            raise InputError(f"training needs torch: {line} ({error.__cause__})") from error
        raise


def _provenance(data: Data, weights: str, threads: int, command: str) -> dict[str, str]:
    return {
        "command": command,
        "commit": provenance.commit(),
        "data": data.origin,
        "split": data.split,
        "weights": weights,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "threads": str(threads),
        **provenance.versions("oversmooth", "torch", "numpy"),
    }
