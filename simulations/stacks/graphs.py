"""Which graph does a name or a file mean, as a mask or as attention weights?"""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from simulations.numbers import Numbers
from simulations.stacks.masks import mask_by_name
from theory.arrays import InputError, to_numpy
from theory.graphs.conversions import random_walk, require_square, require_weights
from theory.graphs.masks import graph_mask

GRAPHS = (
    "complete, path, ring, ring:W, star, tree, small-world, scale-free, causal, window:R, "
    "causal-window:R or blocks:N1,N2,..."
)
_DEGREE, _REWIRED, _NEW_EDGES = 4, 0.2, 2  # of the small world and the scale-free graph


def graph_by_name(name: str, n: int, *, seed: int = 0) -> Numbers:
    """Return who listens to whom on a graph of n tokens, each also to itself: boolean (n, n).

    ring:W links every token to the W next on either side; tree is binary; small-world is that of
    Watts and Strogatz with degree 4 and a fifth of the edges rewired; scale-free that of Barabasi
    and Albert with two edges a token. The others are masks as `simulations.stacks.masks` has them.

    Raises: InputError for any other name, or a number that does not fit
    """
    if n < 1:
        raise InputError(f"n must be at least 1, but is {n}")
    kind, _, detail = name.partition(":")
    if name in ("complete", "full"):
        return np.ones((n, n), dtype=np.bool_)
    if kind == "ring":
        reach = _whole(name, detail) if detail or name != kind else 1
        return _mask(nx.circulant_graph(n, list(range(1, min(reach, n - 1) + 1))))
    if name in ("small-world", "scale-free"):
        least = _DEGREE if name == "small-world" else _NEW_EDGES + 1
        if n < least:
            raise InputError(f"graph {name!r} must have at least {least} tokens, but n is {n}")
        if name == "small-world":
            return _mask(nx.connected_watts_strogatz_graph(n, _DEGREE, _REWIRED, seed=seed))
        return _mask(nx.barabasi_albert_graph(n, _NEW_EDGES, seed=seed))
    if name == "path":
        return _mask(nx.path_graph(n))
    if name == "tree":
        return _mask(nx.full_rary_tree(2, n))
    if name == "star":
        return _mask(nx.star_graph(n - 1))
    if name == "causal" or kind in ("window", "causal-window", "blocks"):
        return to_numpy(mask_by_name(name, n))
    raise InputError(f"graph must be {GRAPHS}, but is {name!r}")


def read_adjacency(path: Path) -> Numbers:
    """Return the graph in a .npy or text file: a boolean mask, or weights as shares of one.

    Weights that are all 0 or 1 are a mask, on which attention runs in full; others stand in
    the place of attention's weights, every row divided by its sum. A text file has a row a line,
    with spaces or commas.

    Raises: InputError if the file cannot be read, or holds no square matrix of such numbers, or
            a token listens to nobody
    """
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            text = path.read_text(encoding="utf-8").replace(",", " ")
            lines = [line for line in text.splitlines() if line.strip()]
            found = np.loadtxt(lines, ndmin=2) if lines else np.empty(0)
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"adjacency {str(path)!r} cannot be read: {reason}") from None
    weights = np.asarray(found)
    if weights.dtype.kind not in "biuf" or weights.ndim != 2 or not weights.size:
        raise InputError(
            f"adjacency {str(path)!r} must hold a matrix of numbers, but holds shape "
            f"{weights.shape} and dtype {weights.dtype}"
        )
    weights = weights.astype(np.float64)
    require_square("adjacency", weights)
    require_weights("adjacency", weights)
    if np.isin(weights, (0.0, 1.0)).all():
        mask: Numbers = weights == 1
        random_walk(mask)  # refuses a token that listens to nobody
        return mask
    return to_numpy(random_walk(weights))


def _mask(graph: "nx.Graph[Any]") -> Numbers:
    return to_numpy(graph_mask(graph, self_loops=True))


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise InputError(
            f"graph {name!r} must have a whole number of at least 1 where {text!r} stands"
        )
    return int(text)
