"""Which token may listen to which? Boolean (n, n), True at [i, j] where i may listen to j.

Masks combine with ``&``, ``|`` and ``~``. Each function takes ``like``, an array whose library
and device the mask gets; without it the mask is a NumPy array.
``theory.graphs.conversions.random_walk`` of a mask is what attention does to tokens that are all
equal.
"""

from collections.abc import Hashable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import array_api_compat
import numpy as np

from theory.arrays import Array, InputError, namespace
from theory.graphs.conversions import from_networkx

if TYPE_CHECKING:
    import networkx as nx


def full_mask(n: int, *, like: Array | None = None) -> Array:
    """Let every token listen to every token, itself included.

    Raises: InputError if n is not a whole number of at least 1
    """
    n = _whole("n", n, least=1)
    return _place(np.ones((n, n), dtype=np.bool_), like)


def causal_mask(n: int, *, like: Array | None = None) -> Array:
    """Let token i listen to the tokens 0 ... i: itself and those before it.

    Raises: InputError if n is not a whole number of at least 1
    Source: vaswani2017
    """
    return _steps_back(n, like) >= 0


def window_mask(n: int, reach: int, *, causal: bool = False, like: Array | None = None) -> Array:
    """Let token i listen to the tokens at most ``reach`` places away; causal: to none after it.

    With reach 0 a token hears only itself. What model cards call a sliding window of w tokens is
    causal and counts the token itself: reach = w - 1. The window stops at the ends; for one that
    wraps around, give `graph_mask` the graph ``networkx.circulant_graph``.

    Raises: InputError if n is not a whole number of at least 1, or reach not one of at least 0
    """
    steps_back, reach = _steps_back(n, like), _whole("reach", reach, least=0)
    return (steps_back <= reach) & (steps_back >= (0 if causal else -reach))


def block_mask(sizes: Sequence[int], *, like: Array | None = None) -> Array:
    """Let tokens listen within their block only; the blocks stand in a row and have these sizes.

    Raises: InputError if there is no block, or a size is not a whole number of at least 1
    """
    lengths = [_whole(f"sizes[{i}]", size, least=1) for i, size in enumerate(sizes)]
    if not lengths:
        raise InputError("sizes must give at least one block, but is empty")
    block = np.repeat(np.arange(len(lengths)), lengths)
    return _place(block[:, np.newaxis] == block, like)


def graph_mask(
    graph: "nx.Graph[Any]",
    *,
    nodelist: Sequence[Hashable] | None = None,
    self_loops: bool | None = None,
    like: Array | None = None,
) -> Array:
    """Let token i listen to token j where ``graph`` has the edge i -> j; weights do not count.

    Undirected edges work both ways. Token i is the i-th node of ``nodelist``, which may leave out
    nodes, or of the graph's own order. self_loops True lets every token listen to itself, False
    none; None keeps the loops that the graph has. A node without edges then listens to nobody,
    which `random_walk` and attention refuse.

    Raises: InputError if there is no node, or nodelist has a node twice or one not in the graph
    """
    edges = from_networkx(graph, nodelist=nodelist, weight=None) != 0
    if self_loops is not None:
        np.fill_diagonal(edges, self_loops)
    return _place(edges, like)


def _steps_back(n: int, like: Array | None) -> Array:
    """Return i - j: how far before the listener i the token j stands."""
    positions = _place(np.arange(_whole("n", n, least=1)), like)
    xp = namespace(positions)
    return xp.expand_dims(positions, axis=1) - xp.expand_dims(positions, axis=0)


def _place(array: np.ndarray[Any, Any], like: Array | None) -> Array:
    """Put a NumPy array into the library and on the device of ``like``."""
    if like is None:
        return array
    return namespace(like).asarray(array, device=array_api_compat.device(like))


def _whole(name: str, value: int, *, least: int) -> int:
    try:
        whole = index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, but is {value!r}") from None
    if whole < least:
        raise InputError(f"{name} must be at least {least}, but is {whole}")
    return whole
