"""Figure: what raises the LayerNorm std, and do the tokens merge faster when it does?"""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from paper_figures.sources.stacks import late_mean, trace
from paper_figures.workshop.build import DOUBLE_COLUMN, Figure, Settings
from paper_figures.workshop.data import Dataset, Values, Variable
from paper_figures.workshop.drawing import where_one
from simulations.instruments.trace import Trace
from simulations.numbers import geometric_mean
from simulations.stacks.stack import Stack

DRIVEN_STACK = Stack(depth=24, tokens=32, width=64, heads=4, ffn_width=128, ffn_gain=0.5)
_SWEEPS = {
    "value gain": ("value_gain", (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0)),
    "residual scale": ("residual", (0.125, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0)),
    "norm gains": ("norm_gain", (0.125, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)),
    "biases": ("bias_std", (0.0, 0.125, 0.25, 0.5, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0)),
}
_RAISED = 7  # the setting of each sweep whose course is drawn, beside the common base
_FEW = (0, 2, 4, _RAISED, 9)  # the settings of a quick run
_FACTORS = {
    "rate": "d_M ratio a layer",
    "sigma": "sigma_1 sigma_2",
    "v": "block coefficient v",
    "v_sharp": "sharper coefficient",
}


def compute(settings: Settings) -> Dataset:
    """Return rates and coefficients for each driver and setting, and the courses of some."""
    seeds = range(settings.seed, settings.seed + (2 if settings.quick else 4))
    base = trace(DRIVEN_STACK, seeds=seeds)
    places = _FEW if settings.quick else range(len(_SWEEPS["biases"][1]))
    runs = {
        driver: [trace(_driven(field, values[i]), seeds=seeds) for i in places]
        for driver, (field, values) in _SWEEPS.items()
    }
    raised = list(places).index(_RAISED)
    late = {
        name: np.stack([[late_mean(_factor(run, name)) for run in row] for row in runs.values()])
        for name in _FACTORS
    }
    courses = [base, *(traces[raised] for traces in runs.values())]
    names = [
        "all at their base",
        *(f"{driver} {_SWEEPS[driver][1][_RAISED]:g}" for driver in _SWEEPS),
    ]
    means = {name: geometric_mean(values, axis=-1) for name, values in late.items()}
    crossing, crossing_sharp = (
        list(map(where_one, means["sigma"], means[name])) for name in ("v", "v_sharp")
    )
    grid = ("driver", "setting", "seed")
    gains = list(_SWEEPS).index("norm gains")
    rate, sigma = late["rate"].mean(axis=-1), late["sigma"].mean(axis=-1)
    product = (late["rate"] * late["sigma"])[list(_SWEEPS).index("biases")].mean(axis=-1)
    return Dataset(
        {
            **{name: Variable(grid, late[name], text) for name, text in _FACTORS.items()},
            "crossing": Variable(("driver",), np.asarray(crossing), "sigma_1 sigma_2 at v = 1"),
            "crossing_sharp": Variable(
                ("driver",), np.asarray(crossing_sharp), "sigma_1 sigma_2 at v sharp = 1"
            ),
            "relative": _course(courses, "log10_relative_distance", "log10 of d_M / |H|"),
            "absolute": _course(courses, "log10_distance", "log10 of d_M"),
        },
        coords={
            "driver": Variable(("driver",), np.asarray(list(_SWEEPS)), "what is varied"),
            "value": Variable(
                ("driver", "setting"),
                np.asarray([[values[i] for i in places] for _, values in _SWEEPS.values()]),
                "its value",
            ),
            "course": Variable(("course",), np.asarray(names), "setting of the course"),
            "depth": Variable(("depth",), np.arange(DRIVEN_STACK.depth + 1), "blocks applied"),
        },
        attrs={
            "stack": repr(DRIVEN_STACK),
            "averages": "geometric means over the second half of the layers, one for each seed",
            "base_rate": float(late_mean(_factor(base, "rate")).mean()),
            "gains_lowest": float(rate[gains].min()),
            "gains_highest": float(rate[gains].max()),
            "gains_sigma_lowest": float(sigma[gains].min()),
            "gains_sigma_highest": float(sigma[gains].max()),
            "product_lowest": float(product.min()),
            "product_highest": float(product.max()),
            "crossings": _say(crossing),
            "crossings_sharp": _say(crossing_sharp),
        },
    )


def _driven(field: str, value: float) -> Stack:
    change: dict[str, Any] = {field: value}
    return replace(DRIVEN_STACK, **change)


def _factor(run: Trace, name: str) -> Values:
    """Return one of `_FACTORS` in each layer: (depth, seeds)."""
    if name == "sigma":
        product: Values = run.blocks["sigma_1"] * run.blocks["sigma_2"]
        return product
    return run.blocks["measured_ratio" if name == "rate" else name]


def _course(runs: list[Trace], name: str, text: str) -> Variable:
    return Variable(("course", "depth", "seed"), np.stack([run.tokens[name] for run in runs]), text)


def _say(crossings: list[float]) -> str:
    """Return where there is a crossing, and along which driver."""
    found = [f"{x:.2g} ({name})" for name, x in zip(_SWEEPS, crossings, strict=True) if x == x]
    return "at " + ", ".join(found) if found else "nowhere"


def refuted(data: Dataset) -> bool:
    """Whether sigma_1 sigma_2 could set the rate alone, or a driver does not do what is said."""
    rate, sigma = data["rate"].mean(axis=-1), data["sigma"].mean(axis=-1)
    value, residual, _, biases = rate[:, -1]
    base = data.attrs["base_rate"]
    ordered = value < base < residual and biases < base and (sigma[:, -1] > sigma[:, 0]).all()
    reach = np.ptp(np.log(rate), axis=1)
    gains = list(data["driver"]).index("norm gains")
    least = 5 * reach[gains] < np.delete(reach, gains).min()
    steady = data.attrs["product_highest"] < 1.1 * data.attrs["product_lowest"]
    return not (ordered and least and steady)


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
        "post-LN stacks merge their tokens faster (along the biases the rate times "
        "\u03c3\u2081\u03c3\u2082 stays between {product_lowest:.3f} and {product_highest:.3f}), "
        "through the residual scale slower, while the norms\u2019 gains move the rate only from "
        "{gains_lowest:.2f} to {gains_highest:.2f} as \u03c3\u2081\u03c3\u2082 goes from "
        "{gains_sigma_lowest:.2g} to {gains_sigma_highest:.2g}; between the settings tried v "
        "crosses 1 {crossings} and v sharp {crossings_sharp} (means, all seeds drawn); rates in "
        "another order at the highest settings, as on a single curve, gains that move log rate "
        "a fifth as far as another driver, or a product that varies by a tenth, would refute it."
    ),
    compute=compute,
    draw=draw,
    refuted=refuted,
    size=(DOUBLE_COLUMN, 5.0),
    seconds=57,
)
