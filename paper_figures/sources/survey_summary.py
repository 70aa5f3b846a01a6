"""What do the cells of a phase diagram say: by which factor does d_M change, how tight is v?"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.workshop.data import Dataset, Values, Variable

if TYPE_CHECKING:
    from simulations.sweeps.cells import Grid

_BOUNDS = ("v", "v_sharp")
_LEVELS = np.asarray([0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0])
_CURVE = np.asarray([*np.linspace(0, 1, 201)[:-1], 0.999, 0.9999, 1.0])
_DIGITS = 7  # more than float32 has; the file is half as long

_PLACES = {
    "measured": "measured factor on d_M a layer",
    "measured_low": "5 % of the seeds have a lower factor on d_M a layer",
    "measured_high": "5 % of the seeds have a higher factor on d_M a layer",
    "relative": "measured factor on d_M / |H| a layer",
    "v": "block coefficient v",
    "v_sharp": "sharper coefficient",
    "hidden": "share of blocks that rounding may hide",
}
_COUNTS = {
    "blocks": "blocks",
    "clear": "blocks that rounding does not hide",
    **{f"{bound}_below": f"clear blocks with {bound} < 1" for bound in _BOUNDS},
    **{f"{bound}_violated": f"clear blocks whose ratio is above {bound}" for bound in _BOUNDS},
    **{f"{bound}_undecided": f"other blocks whose ratio is above {bound}" for bound in _BOUNDS},
}


def summarise_survey(grid: "Grid", cells: Iterator[list[dict[str, Any]]]) -> Dataset:
    """Return factors, coefficients and tightness by the sweep's dimensions.

    A block is clear if neither the distance before it nor that after it nor lambda is flagged:
    rounding moves each by no more than the tolerance t. All means are geometric, over the clear
    blocks of a run and then over the runs. A clear block violates a bound if its ratio is above
    the bound's upper end by more than (1 + t) / (1 - t), which is what rounding of both distances
    may do; what is above a bound and violates nothing is undecided.
    """
    slack = (1 + grid.sweep.tolerance) / (1 - grid.sweep.tolerance)
    places = {name: np.full(grid.shape, np.nan) for name in _PLACES}
    counts = {name: np.zeros(grid.shape, dtype=np.int64) for name in _COUNTS}
    quantiles = {bound: np.full((*grid.shape, len(_LEVELS)), np.nan) for bound in _BOUNDS}
    every: dict[tuple[str, str], list[Values]] = defaultdict(list)
    largest: dict[str, dict[str, Any]] = {bound: {"ratio": -1.0} for bound in _BOUNDS}
    for case, runs in zip(grid.cases, cells, strict=True):
        at, blocks = case.place, _blocks(runs)
        counts["blocks"][at], counts["clear"][at] = blocks.clear.size, blocks.clear.sum()
        places["hidden"][at] = 1 - blocks.clear.mean()
        if not blocks.clear.any():  # nothing is left to be averaged
            continue
        for name, number in _means(blocks).items():
            places[name][at] = number
        for bound, upper in blocks.bounds.items():
            tightness = blocks.ratio / upper
            violated = blocks.clear & (tightness > slack)
            counts[f"{bound}_below"][at] = (blocks.clear & (upper < 1)).sum()
            counts[f"{bound}_violated"][at] = violated.sum()
            counts[f"{bound}_undecided"][at] = ((tightness > 1) & ~violated).sum()
            seen = tightness[blocks.clear]
            quantiles[bound][at] = np.quantile(seen, _LEVELS)
            every[bound, case.stack.placement].append(seen.astype(np.float32))
            if seen.max() > largest[bound]["ratio"]:
                top = np.argmax(np.where(blocks.clear, tightness, -1.0))
                run, block = np.unravel_index(top, tightness.shape)
                values = zip(grid.dimensions, at, strict=True)
                largest[bound] = {
                    "ratio": _short(float(seen.max())),
                    **{each.name: each.points[i][each.name] for each, i in values},
                    "seed": grid.seeds[int(run)],
                    "block": int(block) + 1,
                }
    kinds = tuple(dict.fromkeys(case.stack.placement for case in grid.cases))
    curves = {
        bound: np.stack([np.quantile(np.concatenate(every[bound, k]), _CURVE) for k in kinds])
        for bound in _BOUNDS
    }
    whole = {b: np.concatenate([x for k in kinds for x in every[b, k]]) for b in _BOUNDS}
    names = tuple(dimension.name for dimension in grid.dimensions)
    variables = {
        **{n: Variable(names, _short(places[n]), text) for n, text in _PLACES.items()},
        **{n: Variable(names, counts[n], text) for n, text in _COUNTS.items()},
        **{
            f"{bound}_tightness": Variable(
                (*names, "level"), _short(quantiles[bound]), f"quantiles of ratio / {bound}"
            )
            for bound in _BOUNDS
        },
        **{
            f"{bound}_curve": Variable(
                ("kind", "share"), _short(curves[bound]), f"quantiles of ratio / {bound}"
            )
            for bound in _BOUNDS
        },
    }
    coords = {
        **{
            d.name: Variable((d.name,), np.asarray([p[d.name] for p in d.points]), d.name)
            for d in grid.dimensions
        },
        "kind": Variable(("kind",), np.asarray(kinds), "placement of the norms"),
        "level": Variable(("level",), _LEVELS, "share of clear blocks, a setting"),
        "share": Variable(("share",), _CURVE, "share of clear blocks, a placement"),
    }
    attrs = {
        "blocks": int(counts["blocks"].sum()),
        "clear": int(counts["clear"].sum()),
        "seeds": len(grid.seeds),
        "tolerance": grid.sweep.tolerance,
        "slack": slack,
        "digits": _DIGITS,
        **{f"{b}_largest": largest[b] for b in _BOUNDS},
        **{f"{b}_median": _short(float(np.median(whole[b]))) for b in _BOUNDS},
    }
    return Dataset(variables, coords, attrs)


@dataclass(frozen=True)
class _Blocks:
    """The blocks of all runs of a setting: each (runs, blocks)."""

    ratio: Values
    relative: Values
    """The factor on d_M / |H|."""
    bounds: dict[str, Values]
    clear: Values


def _blocks(runs: list[dict[str, Any]]) -> _Blocks:
    read = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    noisy = read["tokens/distance_noise"]
    hidden = noisy[:, 1:] | noisy[:, :-1] | read["blocks/lambda_noise"]
    ratio = read["blocks/measured_ratio"].astype(np.float64)
    relative = read["tokens/relative_distance"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrunk = relative[:, 1:] / relative[:, :-1]
    bounds = {bound: read[f"blocks/{bound}"] for bound in _BOUNDS}
    return _Blocks(ratio, shrunk, bounds, ~hidden & np.isfinite(ratio))


def _means(blocks: _Blocks) -> dict[str, float]:
    """Return what `_PLACES` names of factors and bounds."""
    measured = _run_means(blocks.ratio, blocks.clear)
    low, high = np.nanquantile(measured, (0.05, 0.95))
    logs = {
        "measured": np.nanmean(measured),
        "measured_low": low,
        "measured_high": high,
        "relative": np.nanmean(_run_means(blocks.relative, blocks.clear)),
        **{name: np.nanmean(_run_means(x, blocks.clear)) for name, x in blocks.bounds.items()},
    }
    return {name: float(np.exp(log)) for name, log in logs.items()}


def _run_means(values: Values, clear: Values) -> Values:
    """Return the mean logarithm over the clear blocks of each run; NaN for a run without one."""
    logs = np.log(np.where(clear, values, 1.0))
    count = clear.sum(axis=-1)
    found: Values = np.where(count > 0, logs.sum(axis=-1) / np.maximum(count, 1), np.nan)
    return found


def _short(values: Any) -> Any:
    """Return numbers rounded to seven digits."""
    if isinstance(values, float):
        return float(f"{values:.{_DIGITS}g}")
    return np.reshape([float(f"{x:.{_DIGITS}g}") for x in values.ravel()], values.shape)
