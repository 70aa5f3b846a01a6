"""Figure: what raises the LayerNorm std, and do the tokens merge faster when it does?"""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from paper_figures.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.data import Dataset, Values, Variable
from paper_figures.traces import Trace, trace
from simulations.ensembles import Stack

BASE = Stack(depth=24, tokens=32, width=64, heads=4, ffn_width=128, ffn_gain=0.5)
SWEEPS = {
    "value gain": ("value_gain", (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0)),
    "residual scale": ("residual", (0.125, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0)),
    "norm gains": ("norm_gain", (0.125, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)),
    "biases": ("bias_std", (0.0, 0.125, 0.25, 0.5, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0)),
}
RAISED = 7  # the setting of each sweep whose course is drawn, beside the common base
FEW = (0, 2, 4, RAISED, 9)  # the settings of a quick run
NO_CROSSING = "no crossing"


def compute(settings: Settings) -> Dataset:
    """Return rates and coefficients for each driver and setting, and the courses of some."""
    seeds = range(settings.seed, settings.seed + (2 if settings.quick else 4))
    base = trace(BASE, seeds=seeds)
    places = FEW if settings.quick else range(len(SWEEPS["biases"][1]))
    runs = {
        driver: [trace(_driven(field, values[i]), seeds=seeds) for i in places]
        for driver, (field, values) in SWEEPS.items()
    }
    raised = list(places).index(RAISED)
    late = {name: _stack(runs, name) for name in ("log_rate", "log_sigma", "log_v", "log_v_sharp")}
    courses = [base, *(traces[raised] for traces in runs.values())]
    names = ["all at their base", *(f"{driver} {SWEEPS[driver][1][RAISED]:g}" for driver in SWEEPS)]
    crossing, crossing_sharp = (
        [_crossing(sigma, v) for sigma, v in zip(late["log_sigma"], late[name], strict=True)]
        for name in ("log_v", "log_v_sharp")
    )
    grid, course = ("driver", "setting", "seed"), ("course", "depth", "seed")
    said = [f"{name} {_say(x)}" for name, x in zip(SWEEPS, crossing, strict=True)]
    return Dataset(
        {
            "rate": Variable(grid, np.exp(late["log_rate"]), "d_M ratio a layer"),
            "sigma": Variable(grid, np.exp(late["log_sigma"]), "sigma_1 sigma_2"),
            "v": Variable(grid, np.exp(late["log_v"]), "block coefficient v"),
            "v_sharp": Variable(grid, np.exp(late["log_v_sharp"]), "sharper coefficient"),
            "crossing": Variable(("driver",), np.asarray(crossing), "sigma_1 sigma_2 at v = 1"),
            "crossing_sharp": Variable(
                ("driver",), np.asarray(crossing_sharp), "sigma_1 sigma_2 at v sharp = 1"
            ),
            "relative": Variable(course, _log10(courses, "log_relative"), "log10 of d_M / |H|"),
            "absolute": Variable(course, _log10(courses, "log_distance"), "log10 of d_M"),
        },
        coords={
            "driver": Variable(("driver",), np.asarray(list(SWEEPS)), "what is varied"),
            "value": Variable(
                ("driver", "setting"),
                np.asarray([[values[i] for i in places] for _, values in SWEEPS.values()]),
                "its value",
            ),
            "course": Variable(("course",), np.asarray(names), "setting of the course"),
            "depth": Variable(("depth",), np.arange(BASE.depth + 1), "blocks applied"),
        },
        attrs={
            "stack": repr(BASE),
            "averages": "geometric means over the second half of the layers, one for each seed",
            "base_rate": float(np.exp(base.log_rate[BASE.depth // 2 :].mean())),
            "gains_lowest": float(np.exp(late["log_rate"])[2].mean(axis=-1).min()),
            "gains_highest": float(np.exp(late["log_rate"])[2].mean(axis=-1).max()),
            "crossings": ", ".join(said),
            "product": float(np.exp(late["log_rate"] + late["log_sigma"])[3].mean()),
        },
    )


def _driven(field: str, value: float) -> Stack:
    change: dict[str, Any] = {field: value}
    return replace(BASE, **change)


def _late(run: Trace, name: str) -> Values:
    """Return the mean of a logarithm over the second half of the layers: (seeds,)."""
    values = {"log_v": np.log(run.v), "log_v_sharp": np.log(run.v_sharp)}.get(name)
    if values is None:
        values = getattr(run, name)
    mean: Values = values[BASE.depth // 2 :].mean(axis=0)
    return mean


def _stack(runs: dict[str, list[Trace]], name: str) -> Values:
    return np.asarray([[_late(run, name) for run in traces] for traces in runs.values()])


def _log10(courses: list[Trace], name: str) -> Values:
    return np.stack([getattr(run, name) / np.log(10) for run in courses])


def _crossing(log_sigma: Values, log_v: Values) -> float:
    """Return sigma_1 sigma_2 where v first crosses 1, interpolated between settings; else NaN."""
    sigma, v = log_sigma.mean(axis=-1), log_v.mean(axis=-1)
    for i in range(len(v) - 1):
        if (v[i] >= 0) != (v[i + 1] >= 0):
            share = v[i] / (v[i] - v[i + 1])
            return float(np.exp(sigma[i] + share * (sigma[i + 1] - sigma[i])))
    return float("nan")


def _say(crossing: float) -> str:
    return NO_CROSSING if np.isnan(crossing) else f"at {crossing:.1f}"


def refuted(data: Dataset) -> bool:
    """One curve for all drivers would mean that sigma_1 sigma_2 alone sets the rate."""
    rate, base = data["rate"].mean(axis=-1)[:, -1], data.attrs["base_rate"]
    value, residual, _, biases = rate
    return not (value < base < residual and biases < base)


def draw(canvas: Canvas, data: Dataset) -> None:
    """Draw rate and v against sigma_1 sigma_2, and both distances against depth."""
    (rate, v), (relative, absolute) = canvas.subplots(2, 2)
    for index, driver in enumerate(data["driver"]):
        colour, sigma = f"C{index}", data["sigma"][index]
        _band(rate, sigma, data["rate"][index], colour, label=driver, marker="osD^"[index])
        _band(v, sigma, data["v"][index], colour, marker="osD^"[index])
        _band(v, sigma, data["v_sharp"][index], colour, ls=":")
        for name, fill in (("crossing", colour), ("crossing_sharp", "white")):
            crossing = data[name][index]
            size = 8 - index  # where crossings coincide, the one below stays in sight
            v.plot(crossing, 1, marker="D", ms=size, mfc=fill, mec=colour, zorder=5 + index)
    for axes in (rate, v):
        axes.axhline(1, color="0.6", lw=0.6, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel=r"$\sigma_1\sigma_2$")
    rate.set(title="(a) measured rate", ylabel=r"$d_M$ ratio a layer")
    rate.legend(loc="lower left")
    v.set(title=r"(b) $v$ (line), $v$ sharp (dotted); diamonds: crosses 1", ylabel="coefficient")
    for axes, name in ((relative, "relative"), (absolute, "absolute")):
        for index, label in enumerate(data["course"]):
            colour = "black" if index == 0 else f"C{index - 1}"
            _band(axes, data["depth"], data[name][index], colour, label=label)
        axes.set(xlabel="depth (blocks)")
    relative.set(title="(c) relative distance", ylabel=r"$\log_{10}\, d_M/\|H\|$")
    absolute.set(title="(d) absolute distance", ylabel=r"$\log_{10}\, d_M$")
    absolute.legend(loc="lower left")


def _band(axes: Axes, x: Values, y: Values, colour: str, **options: Any) -> None:
    """Draw every seed faintly and label the first; x may be given for each seed."""
    for seed in range(y.shape[-1]):
        shared = x if x.ndim == 1 else x[:, seed]
        style: dict[str, Any] = {**options, "label": options.get("label") if seed == 0 else None}
        axes.plot(shared, y[:, seed], color=colour, alpha=0.55, lw=0.9, ms=2, **style)


FIGURE = Figure(
    name="ln_std_drivers",
    title="What drives the LayerNorm std, and what follows from it",
    caption=(
        "Raising \u03c3\u2081\u03c3\u2082 through the value gain or the biases makes random "
        "post-LN stacks merge their tokens faster (rate times \u03c3\u2081\u03c3\u2082 stays "
        "near {product:.2f} along the biases), through the residual scale slower, and through "
        "the norms\u2019 gains hardly at all (rates {gains_lowest:.2f} to {gains_highest:.2f}); "
        "v crosses 1 along: {crossings} (all seeds "
        "drawn); a single curve for all four drivers would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 5.0),
)
