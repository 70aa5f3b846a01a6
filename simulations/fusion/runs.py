"""Which fusion is better, by how much, over paired seeds: the runs, stored, and their summary."""

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulations.datasets.load import load_data
from simulations.datasets.parts import Data
from simulations.fusion.inputs import read_inputs
from simulations.fusion.recipe import Encoder, Precision, Recipe
from simulations.fusion.store import Place
from simulations.machine import provenance
from simulations.machine.json import finite
from theory.arrays import InputError

Size = Literal["quick", "usual", "full"]

_IMAGES = ("mnist", "fashion-mnist")
_PRETRAINED: dict[str, Any] = {"width": 384, "heads": 12, "ffn": 1536, "batch": 16}
_SIZES: dict[tuple[str, bool], dict[Size, dict[str, Any]]] = {
    # (images?, frozen?) -> what each size changes
    ("images", False): {
        "quick": {"train": 200, "validation": 100, "test": 200, "epochs": 2},
        "usual": {"train": 1500, "validation": 500, "test": 2000, "epochs": 24, "patience": 8},
        "full": {"epochs": 40, "width": 128, "ffn": 512, "patience": 8},
    },
    ("texts", False): {
        "quick": {"train": 64, "validation": 50, "test": 100, "epochs": 1},
        "usual": {"train": 600, "validation": 200, "test": 1000, "epochs": 3},
        "full": {"epochs": 4, "longest": 64},
    },
    ("texts", True): {
        "quick": {"train": 100, "validation": 50, "test": 100, "epochs": 2},
        "usual": {"train": 1000, "validation": 500, "test": 1500, "epochs": 40, "patience": 8},
        "full": {"epochs": 40, "patience": 8},
    },
}


def recipe_for(
    data: str,
    *,
    size: Size = "usual",
    depth: int | None = None,
    encoder: Encoder | None = None,
    frozen: bool = False,
    precision: Precision | None = None,
    device: str = "cpu",
    **changes: Any,
) -> Recipe:
    """Return the settings of a data set at a size; ``changes`` are fields of `Recipe`.

    Texts are read by MiniLM (fine-tuned unless ``frozen``), images by a pre-LN encoder trained
    from scratch, if nothing else is asked for; a GPU multiplies in half precision.
    """
    images = data in _IMAGES
    encoder = encoder or ("scratch" if images else "minilm")
    if images and encoder != "scratch":
        raise InputError(f"encoder must be scratch for {data}, which holds images, not {encoder!r}")
    if depth is None:
        depth = {"minilm": 6}.get(encoder, 12)
    base = Recipe(data=data, encoder=encoder, frozen=frozen, depth=depth)
    settings: dict[str, Any] = dict(_SIZES["images" if images else "texts", frozen][size])
    if images:
        settings = {"placement": "pre", "rate": 2e-3, "width": 48, "ffn": 96} | settings
    elif encoder != "scratch":
        rates = {"rate": 1e-3} if frozen else {"rate": 5e-5, "head_rate": 2e-3}
        settings |= {**_PRETRAINED, **rates}
    if data == "lee":  # 45 pairs among 10 texts each for validation and test
        settings |= {"train": None, "validation": None, "test": None, "longest": 96}
    if data == "newsgroups":
        settings |= {"longest": 64}
    precision = precision or ("bfloat16" if device.startswith("cuda") else "float32")
    settings |= {"precision": precision, "device": device}
    return replace(base, **(settings | changes))


def run_all(
    recipes: Sequence[Recipe],
    *,
    seeds: int,
    out: Path,
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
    base = recipes[0]
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


@dataclass(frozen=True)
class FusionScore:
    """One fusion at one depth: its mean score and gain over the baseline, each with 95 %."""

    data: str
    fusion: str
    depth: int
    seeds: int
    score: float
    half_width: float | None
    gain: float | None
    gain_half_width: float | None
    cosine_last: float
    cosine_fused: float


def fusion_scores(runs: Iterable[dict[str, Any]]) -> list[FusionScore]:
    """Return a row for each data set, depth and fusion; gains are paired by seed.

    The intervals are Student's at 95 % over seeds: they say how far other seeds may lie, not
    other test examples. With one seed there is none.

    Raises: InputError if two runs are of the same seed
    """
    groups: dict[tuple[str, int, str], dict[int, dict[str, Any]]] = {}
    for run in runs:
        recipe = run["recipe"]
        key = (recipe["data"], recipe["depth"], recipe["fusion"])
        group = groups.setdefault(key, {})
        if recipe["seed"] in group:
            raise InputError(f"runs must be of one encoder and kind, but two are {key}")
        group[recipe["seed"]] = run
    rows = []
    for (data, depth, fusion), group in groups.items():
        plain = groups.get((data, depth, "baseline"), {})
        paired = [group[s]["score"] - plain[s]["score"] for s in group if s in plain]
        score, half = _interval([run["score"] for run in group.values()])
        gain, gain_half = _interval(paired) if paired and fusion != "baseline" else (None, None)
        cosines = [(run["cosine"][-1], run["cosine_fused"]) for run in group.values()]
        last, fused = np.mean(cosines, axis=0).tolist()
        rows.append(
            FusionScore(data, fusion, depth, len(group), score, half, gain, gain_half, last, fused)
        )
    return rows


def over_seeds(
    values: ArrayLike, *, comparisons: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and half of Student's 95 % interval over the first axis.

    With more ``comparisons`` the 95 % are for all of them together (Bonferroni). The half is NaN
    where there is one seed, or where all seeds give the same: there it would say nothing of how
    far other seeds may lie.
    """
    from scipy import stats

    values = np.asarray(values, dtype=np.float64)
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, np.full_like(mean, np.nan)
    factor = stats.t.ppf(1 - 0.025 / comparisons, len(values) - 1)
    half = factor * stats.sem(values, axis=0)
    same = np.ptp(values, axis=0) <= 1e-12 * np.maximum(1.0, np.abs(mean))  # up to rounding
    return mean, np.where(same, np.nan, half)


def _interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and half width of one number, as JSON can hold it."""
    mean, half = over_seeds(values)
    return float(mean), finite(float(half))


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
