"""On which graphs, and with which blocks, is the exact law set beside simulations?"""

from typing import Any

import networkx as nx

from paper_figures.workshop.data import Values
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Stack
from theory.graphs.masks import graph_mask

COMPARED_GRAPHS = (
    "complete",
    "path",
    "ring",
    "star",
    "tree",
    "small world",
    "scale free",
    "causal",
    "causal window",
    "two components",
)

_NAMES = {
    "small world": "small-world",
    "scale free": "scale-free",
    "causal window": "causal-window:2",
    "window": "window:2",
    **{name: name for name in ("complete", "path", "ring", "star", "tree", "causal")},
}

KINDS: dict[str, dict[str, Any]] = {
    "post-LN": {"activation": "relu"},
    "post-LN, biases": {"activation": "gelu", "bias_std": 0.3},
    "post-RMSNorm": {"activation": "silu", "bias_std": 0.2, "norm": "rms"},
    "pre-LN": {"activation": "gelu", "placement": "pre"},
    "sandwich": {"activation": "gelu", "placement": "sandwich", "bias_std": 0.1},
    "no norm": {"activation": "relu", "norm": "none", "residual": 0.5},
}
"""Settings of `Stack` by what they are called in print."""

GROWING = ("pre-LN", "sandwich")
"""Kinds whose tokens grow with depth, so that their rate tends to 1 and says nothing."""


def graph(name: str, n: int, *, seed: int = 0) -> Values:
    """Return the mask (n, n) of a named graph; every token hears itself."""
    if name in _NAMES:
        found: Values = graph_by_name(_NAMES[name], n, seed=seed)
        return found
    if name == "two components":
        return graph_by_name(f"blocks:{n // 2 + 1},{n - n // 2 - 1}", n)
    drawn = {
        "directed ring": lambda: nx.cycle_graph(n, create_using=nx.DiGraph),
        "random arcs": lambda: nx.gnp_random_graph(n, 0.3, seed=seed, directed=True),
        "bipartite": lambda: nx.complete_bipartite_graph(n // 4, n - n // 4),
    }
    # The two sides of a bipartite graph hear each other only: its spectrum reaches -1.
    mask: Values = graph_mask(drawn[name](), self_loops=name != "bipartite")
    return mask


def configuration(name: str, kind: str, *, tied: bool, depth: int, seed: int) -> Stack:
    """Draw sizes and gains of one stack for a graph, by the names of both and the seed alone."""
    rng = generator(seed, "law figure", name, kind, int(tied))
    width = int(rng.choice([8, 16, 24]))
    return Stack(
        depth=depth,
        tokens=int(rng.integers(7, 25)),
        width=width,
        heads=int(rng.choice([1, 2, 4])),
        ffn_width=2 * width,
        value_gain=float(rng.uniform(-1.0, 1.5)),
        ffn_gain=float(rng.uniform(0.25, 1.0)),
        tied=tied,
        **KINDS[kind],
    )
