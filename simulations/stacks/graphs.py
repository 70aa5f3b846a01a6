"""Which graph does a name mean: who may listen to whom?

A name is a kind, and behind a colon what the kind needs: ``window:2``. Masks are what attention may
be given, by such a name or from a file; a graph may be one of them, or one of graph theory's.
"""

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csgraph

from simulations.machine.formats import is_array_name
from simulations.machine.limits import require_memory
from simulations.numbers import Numbers
from simulations.stacks.graph_files import (
    SUFFIXES,
    GraphFormat,
    read_mask,
    read_written,
    require_few,
)
from simulations.stacks.graph_texts import Written
from theory.arrays import Array, InputError, to_numpy
from theory.graphs.conversions import (
    from_networkx,
    random_walk,
    require_square,
    require_weights,
)
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask, window_mask
from theory.records import brief_repr

if TYPE_CHECKING:
    import networkx as nx

MASKS = "full, causal, window:R, causal-window:R, blocks:N1,N2,... or a .npy file"
GRAPHS = (
    "complete, path, ring, ring:W, star, tree, small-world, scale-free, causal, window:R, "
    "causal-window:R or blocks:N1,N2,..."
)
_MOST_DIGITS = 18  # Python converts no more than 4,300, and no computer has 10^18 of anything
_DEGREE, _REWIRED, _NEW_EDGES = 4, 0.2, 2  # of the small world and the scale-free graph


@brief_repr
@dataclass(frozen=True, eq=False)
class GraphRead:
    """Who listens to whom, which node each token is, and in words what was read.

    Shapes: adjacency (n, n), a boolean mask, or float64 shares of one
    """

    adjacency: Numbers
    nodes: tuple[Hashable, ...]
    told: str


def mask_by_name(name: str, n: int) -> Array:
    """Return the mask called ``name`` for n tokens, boolean (n, n).

    Names: full, causal, window:R (R tokens to either side), causal-window:R (R tokens back),
    blocks:N1,N2,... (sizes that add up to n), or the path of a .npy file.

    Raises: InputError for any other name, a wrong number, or a file that holds no such mask
    """
    _require_room(n)
    found = read_mask(Path(name), n) if is_array_name(name) else _mask(name, n)
    if found is None:
        raise InputError(f"mask must be {MASKS}, but is {name!r}")
    return found


def graph_by_name(
    name: "str | Path | nx.Graph[Any]",
    n: int | None = None,
    *,
    seed: int = 0,
    format: GraphFormat | None = None,
    self_loops: bool | None = None,
    directed: bool = False,
) -> Numbers:
    """Return who listens to whom on a graph: by its name, from a file, or as networkx has it.

    ring:W links every token to the W next on either side; tree is binary; small-world is that of
    Watts and Strogatz with degree 4 and a fifth of the edges rewired; scale-free that of Barabasi
    and Albert with two edges a token. The others are masks as `mask_by_name` has them. A name needs
    ``n``, and every token of such a graph listens to itself, unless ``self_loops`` is False.

    Files and networkx graphs are as `read_graph` has them.

    Shapes: (n, n), a boolean mask, or float64 shares of one
    Raises: InputError for any other name, a number that does not fit, or as `read_graph`
    """
    return read_graph(
        name, n, seed=seed, format=format, self_loops=self_loops, directed=directed
    ).adjacency


def read_graph(
    source: "str | Path | nx.Graph[Any]",
    n: int | None = None,
    *,
    seed: int = 0,
    format: GraphFormat | None = None,
    self_loops: bool | None = None,
    directed: bool = False,
) -> GraphRead:
    """Return a graph as `graph_by_name` does, and what was read.

    A file is a matrix or a list of edges, as text or CSV, GraphML, GML or .npy: as ``format`` says,
    or else its suffix or content. Weights that are all 0 or 1 are a mask, on which attention runs
    in full; others stand in the place of attention's weights, every row divided by its sum.
    Edges count 1 if they have no weight, parallel ones add up, and undirected ones work both ways;
    ``directed`` is for lists of edges, which do not say it: the first node listens to the second.

    The nodes keep the order of the networkx graph or file; whole numbers in a list of edges are
    put in theirs. ``self_loops`` True lets every token listen to itself, with weight 1 where it
    does not, and False none; None keeps what the file or graph has.

    Raises: InputError if there is no such graph, it cannot be read, it does not have ``n`` tokens,
            a weight is negative or not finite, or a token listens to nobody
    """
    if isinstance(source, str) and not is_graph_file(source):
        for name, value in (("format", format), ("directed", directed or None)):
            if value is not None:
                raise InputError(f"{name} must come with a file, but the graph is {source!r}")
        mask = _named(source, n, seed)
        return _finish(mask * 1.0, "", source, tuple(range(len(mask))), self_loops)
    if isinstance(source, str | Path):
        name = f"graph file {str(source)!r}"
        written = read_written(Path(source), format, directed=directed)
    else:
        if format is not None or directed:
            raise InputError("format and directed are for files: leave them out with a graph")
        name, written = "graph", Written("a networkx graph", graph=source)
    matrix, nodes = written.matrix, None
    if matrix is None:
        graph: Any = written.graph
        require_few(name, len(graph) if hasattr(graph, "__len__") else 0)
        matrix = from_networkx(graph)
        nodes = tuple(graph)
    require_square(name, matrix)
    require_weights(name, matrix)
    if n is not None and n != len(matrix):
        raise InputError(f"{name} must have n = {n} tokens, but has {len(matrix)}")
    return _finish(matrix, written.form, name, nodes or tuple(range(len(matrix))), self_loops)


def is_graph_file(name: str | Path) -> bool:
    """Whether a graph's name means a file: by its suffix, a slash in it, or because it is there."""
    if isinstance(name, Path) or name.lower().endswith(SUFFIXES) or "/" in name or os.sep in name:
        return True
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # no file has such a name
        return False


def _finish(
    weights: Numbers,
    form: str,
    name: str,
    nodes: tuple[Hashable, ...],
    self_loops: bool | None,
) -> GraphRead:
    """Set the self-loops, make a mask or shares of one, and say what was read."""
    own = weights.diagonal().copy()
    told = _tell(weights, form, name, nodes)
    found = int(np.count_nonzero(own))
    if self_loops is not None:
        weights = weights.copy()
        np.fill_diagonal(weights, np.where(own > 0, own, 1.0) if self_loops else 0.0)
    deaf = np.flatnonzero(~(weights > 0).any(axis=-1))
    if len(deaf):
        raise InputError(
            f"{name} must let every token listen to one at least, but token {deaf[0]} (node "
            f"{nodes[deaf[0]]!r:.60}) listens to nobody; --self-loops (in Python, self_loops=True) "
            "lets each listen to itself"
        )
    plain = bool(np.isin(weights, (0.0, 1.0)).all())
    loops = {None: "kept as they are", True: "every token has one now", False: "no token has one"}
    told += f"; {found} of {len(weights)} nodes had self-loops ({loops[self_loops]})"
    if not plain:
        told += "; every row was divided by its sum"
    adjacency: Numbers = weights == 1 if plain else to_numpy(random_walk(weights))
    return GraphRead(adjacency, nodes, told)


def _tell(weights: Numbers, form: str, name: str, nodes: tuple[Hashable, ...]) -> str:
    there = (weights > 0) & ~np.eye(len(weights), dtype=np.bool_)
    plain = bool(np.isin(weights, (0.0, 1.0)).all())
    directed = bool((weights != weights.T).any())
    edges = int(there.sum()) if directed else int(np.triu(there).sum())
    components, _ = csgraph.connected_components(there, directed=True, connection="weak")
    kinds = f"{'directed' if directed else 'undirected'}, {'not ' if plain else ''}weighted"
    order = ""
    if nodes != tuple(range(len(nodes))):
        order = f"; tokens 0, 1, ... are the nodes {', '.join(f'{x!r:.20}' for x in nodes[:3])}"
        order += ", ..." if len(nodes) > 3 else ""
    return (
        f"{name}{f', read as {form}' if form else ''}: {len(nodes)} nodes, "
        f"{edges} edges between two, {kinds}, "
        f"{components} component{'' if components == 1 else 's'}{order}"
    )


def _named(name: str, n: int | None, seed: int) -> Numbers:
    if n is None:
        raise InputError(f"n must be given: the graph {name!r} has any number of tokens")
    if n < 1:
        raise InputError(f"n must be at least 1, but is {n}")
    _require_room(n)
    found = _mask("full" if name == "complete" else name, n)
    if found is None:
        found = _graph(name, n, seed)
    if found is None:
        raise InputError(f"graph must be {GRAPHS}, or a file, but is {name!r}")
    return to_numpy(found)


def _mask(name: str, n: int) -> Array | None:
    """Return what both a mask and a graph may be; None for any other name."""
    kind, _, detail = name.partition(":")
    if name == "full":
        return full_mask(n)
    if name == "causal":
        return causal_mask(n)
    if kind in ("window", "causal-window"):
        reach = _whole(f"mask {name!r}", detail)
        return window_mask(n, reach, causal=kind == "causal-window")
    if kind == "blocks":
        sizes = [_whole(f"mask {name!r}", size) for size in detail.split(",")]
        if sum(sizes) != n:
            raise InputError(
                f"mask {name!r} must have blocks of {n} tokens in all, not {sum(sizes)}"
            )
        return block_mask(sizes)
    return None


def _graph(name: str, n: int, seed: int) -> Array | None:
    """Return what only a graph may be; None for any other name."""
    import networkx as nx  # not where nobody asks for one of its graphs

    kind, _, detail = name.partition(":")
    least = {"small-world": _DEGREE, "scale-free": _NEW_EDGES + 1}.get(name, 1)
    if n < least:
        raise InputError(f"graph {name!r} must have at least {least} tokens, but n is {n}")
    if kind == "ring":
        reach = 1 if name == kind else _whole(f"graph {name!r}", detail, least=1)
        made = nx.circulant_graph(n, list(range(1, min(reach, n - 1) + 1)))
        return graph_mask(made, self_loops=True)
    makers: dict[str, Callable[[], nx.Graph[Any]]] = {
        "path": lambda: nx.path_graph(n),
        "star": lambda: nx.star_graph(n - 1),
        "tree": lambda: nx.full_rary_tree(2, n),
        "small-world": lambda: nx.connected_watts_strogatz_graph(n, _DEGREE, _REWIRED, seed=seed),
        "scale-free": lambda: nx.barabasi_albert_graph(n, _NEW_EDGES, seed=seed),
    }
    return graph_mask(makers[name](), self_loops=True) if name in makers else None


def _require_room(n: int) -> None:
    require_memory(lambda tokens: tokens**2, tokens=n)


def _whole(what: str, text: str, *, least: int = 0) -> int:
    if len(text) > _MOST_DIGITS:
        what = what.replace(text, "...")
        raise InputError(
            f"{what} must have a number of at most {_MOST_DIGITS} digits, but has {len(text):,}"
        )
    if not text.isdecimal() or int(text) < least:
        wanted = f"a whole number of at least {least}" if least else "a whole number"
        raise InputError(f"{what} must have {wanted} where {text!r} stands")
    return int(text)
