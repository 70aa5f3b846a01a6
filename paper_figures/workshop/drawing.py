"""How are many runs, what is missing, small panels and graphs of tokens drawn?"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from paper_figures.workshop.data import Dataset, Values, Variable
from simulations.numbers import geometric_mean

_LOW, _HIGH = 5, 95
"""The ends of a band, in per cent of the runs."""


def band_variables(
    name: str, values: Values, dims: tuple[str, ...], long_name: str, *, logarithmic: bool = False
) -> dict[str, Variable]:
    """Return NAME_mean, NAME_low and NAME_high over the first axis; geometric if logarithmic.

    Shapes: values (runs, *dims)
    """
    mean = geometric_mean(values, axis=0) if logarithmic else np.mean(values, axis=0)
    low, high = np.percentile(values, [_LOW, _HIGH], axis=0)
    kind = "geometric mean" if logarithmic else "mean"
    return {
        f"{name}_mean": Variable(dims, mean, f"{long_name}: {kind}"),
        f"{name}_low": Variable(dims, low, f"{long_name}: {_LOW} % of the runs are below"),
        f"{name}_high": Variable(dims, high, f"{long_name}: {_HIGH} % of the runs are below"),
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
    """Draw what `band_variables` stored as NAME against the coordinate x."""
    mean, low, high = (data[f"{name}_{part}"][index] for part in ("mean", "low", "high"))
    axes.fill_between(data[x], low, high, color=color, alpha=0.2, lw=0)
    axes.plot(data[x], mean, color=color, label=label, marker=marker, ls=ls, ms=ms)


def where_one(driver: Values, factor: Values) -> float:
    """Return the driver at which a factor first crosses 1, interpolated in logarithms; else NaN.

    Shapes: driver (settings,), factor (settings,); both positive
    """
    places, logs = np.log(driver), np.log(factor)
    changes = np.flatnonzero((logs[:-1] >= 0) != (logs[1:] >= 0))
    if not len(changes):
        return float("nan")
    i = changes[0]
    share = logs[i] / (logs[i] - logs[i + 1])
    return float(np.exp(places[i] + share * (places[i + 1] - places[i])))


def panels(canvas: Canvas, count: int, *, columns: int, sharey: bool = False) -> NDArray[Any]:
    """Return axes, row by row; what is left of the last row stays empty.

    Shapes: (count,)
    """
    grid = canvas.subplots(-(-count // columns), columns, squeeze=False, sharey=sharey).ravel()
    for axes in grid[count:]:
        axes.set_axis_off()
    return np.asarray(grid[:count])


def say_missing(column: Iterable[Axes], title: str, lines: str) -> None:
    """Leave the panels of a column empty, and say in the first how its model is installed."""
    first, *others = column
    words = ["not installed here;", "make models installs it, or", *lines.split("\n")]
    wrapped = [
        textwrap.fill(each, 28, break_long_words=False, break_on_hyphens=False) for each in words
    ]
    first.set_title(title, fontsize=8)
    first.text(
        *(0.0, 0.95, "\n".join(wrapped)),
        transform=first.transAxes,
        va="top",
        fontsize=7,
        color="0.3",
        parse_math=False,
    )
    for axes in (first, *others):
        axes.set_axis_off()


def each_installed(
    panels: NDArray[Any], models: Mapping[str, str], data: Dataset
) -> Iterator[tuple[Any, str, str]]:
    """Yield a column of panels, a model's key in the data and its title, if it is installed.

    The column of another says how it is installed: the data have a text ``missing_KEY`` of it.
    """
    for column, (name, title) in zip(panels.T, models.items(), strict=True):
        key = name.replace("-", "_")
        if f"missing_{key}" in data.attrs:
            say_missing(column, title, data.attrs[f"missing_{key}"])
        else:
            yield column, key, title


def legend_below(canvas: Canvas, panels: Iterable[Axes]) -> None:
    """Draw one legend under all panels, with every label that one of them has, once."""
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    canvas.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)


def circle(n: int) -> Values:
    """Return places for n tokens on the unit circle: (n, 2)."""
    graph: nx.Graph[int] = nx.empty_graph(n)
    places = nx.circular_layout(graph)
    return np.asarray([places[i] for i in range(n)])


def draw_graph(
    axes: Axes,
    places: Values,
    weights: Values,
    *,
    discs: dict[str, Any],
    edges: dict[str, Any],
    thickness: float,
) -> None:
    """Draw tokens as discs, and an edge for every positive weight between two of them.

    ``discs`` and ``edges`` are options of networkx's own drawing functions.
    """
    graph: nx.DiGraph[int] = nx.from_numpy_array(weights, create_using=nx.DiGraph)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    place = dict(enumerate(places))
    widths = [thickness * weights[i, j] for i, j in graph.edges]
    nx.draw_networkx_edges(graph, place, ax=axes, width=widths, **edges)
    nx.draw_networkx_nodes(graph, place, ax=axes, edgecolors="0.3", linewidths=0.4, **discs)
    axes.set_aspect("equal")
    axes.axis("off")
