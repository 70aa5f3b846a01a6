"""Which fusion is better, by how much, and how sure is that over paired seeds?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulations.machine.json import finite
from theory.arrays import InputError


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
