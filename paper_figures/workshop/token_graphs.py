"""How is attention drawn as a graph on the tokens?"""

from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes

from paper_figures.workshop.data import Values


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
