"""How are many runs shown as one curve: their mean, and the band that holds most of them?"""

import numpy as np
from matplotlib.axes import Axes

from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.numbers import geometric_mean

LOW, HIGH = 5, 95
"""The band's ends, in per cent of the runs."""


def summarise(
    name: str, values: Values, dims: tuple[str, ...], long_name: str, *, logarithmic: bool = False
) -> dict[str, Variable]:
    """Return NAME_mean, NAME_low and NAME_high over the first axis; geometric if logarithmic.

    Shapes: values (runs, *dims)
    """
    mean = geometric_mean(values, axis=0) if logarithmic else np.mean(values, axis=0)
    low, high = np.percentile(values, [LOW, HIGH], axis=0)
    kind = "geometric mean" if logarithmic else "mean"
    return {
        f"{name}_mean": Variable(dims, mean, f"{long_name}: {kind}"),
        f"{name}_low": Variable(dims, low, f"{long_name}: {LOW} % of the runs are below"),
        f"{name}_high": Variable(dims, high, f"{long_name}: {HIGH} % of the runs are below"),
    }


def draw_band(
    axes: Axes,
    data: Dataset,
    x: str,
    name: str,
    *,
    index: int | slice = slice(None),
    color: str,
    label: str | None = None,
    marker: str = "",
    ls: str = "-",
    ms: float = 3.5,
) -> None:
    """Draw what `summarise` stored as NAME against the coordinate x."""
    mean, low, high = (data[f"{name}_{part}"][index] for part in ("mean", "low", "high"))
    axes.fill_between(data[x], low, high, color=color, alpha=0.2, lw=0)
    axes.plot(data[x], mean, color=color, label=label, marker=marker, ls=ls, ms=ms)
