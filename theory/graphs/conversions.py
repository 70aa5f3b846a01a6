"""How is attention a weighted graph, and a weighted graph an attention matrix?

One convention everywhere: the edge i -> j says that token i listens to token j, and its weight
sits at [i, j]. Information flows against the arrow, from j to i.
"""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import array_api_compat
import numpy as np

from theory.arrays import (
    Array,
    InputError,
    constant,
    known,
    namespace,
    require_finite,
    require_float,
    require_shape,
    to_numpy,
)

if TYPE_CHECKING:
    import networkx as nx


def to_networkx(adjacency: Array, *, threshold: float = 0.0) -> "nx.DiGraph[int]":
    """Return the directed graph on the tokens 0 ... n - 1 with the edges above ``threshold``.

    The edge i -> j, token i listens to token j, carries ``weight`` = adjacency[i, j]. Weak edges
    that a threshold takes away are lost: the rest is not normalised again. The edges of a
    boolean mask have weight 1.

    Shapes: adjacency (n, n), floating or boolean
    Raises: InputError if adjacency is not one square matrix, or not finite, or has a negative
            entry; if threshold is negative or not finite
    """
    import networkx as nx  # when it is wanted: it takes a third of a second

    if not 0 <= threshold < float("inf"):
        raise InputError(f"threshold must be finite and not negative, but is {threshold}")
    weights = one_graph("adjacency", adjacency)
    kept = np.where(weights > threshold, weights, 0.0)
    return nx.from_numpy_array(kept, create_using=nx.DiGraph)


def from_networkx(
    graph: "nx.Graph[Any]",
    *,
    nodelist: Sequence[Hashable] | None = None,
    weight: str | None = "weight",
    like: Array | None = None,
) -> Array:
    """Return W with W[i, j] the weight of the edge i -> j, zero where there is none.

    An edge without the attribute counts 1, parallel edges add up, and an undirected edge stands
    at [i, j] and [j, i]. Token i is the i-th node of ``nodelist``, which may leave out nodes, or
    of the graph's own order. With weight None every edge counts 1. `random_walk` turns W into
    an attention matrix; the inverse of `to_networkx` needs no such step.

    Shapes: -> (n, n)
    Dtype:  that of ``like``, on its device; NumPy float64 without it
    Raises: InputError if there is no node; if nodelist has a node twice or one that is not in the
            graph; if a weight is negative, not finite or no number
    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise InputError(f"graph must be a networkx graph, but is a {type(graph).__name__}")
    if len(graph if nodelist is None else nodelist) == 0:
        raise InputError("graph must have at least one node, but none was given")
    try:
        weights = nx.to_numpy_array(  # type: ignore[call-overload]  # its stubs forget weight=None
            graph, nodelist=nodelist, weight=weight, dtype=np.float64
        )
    except nx.NetworkXError as error:
        raise InputError(f"nodelist must hold nodes of the graph, each once: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"edge attribute {weight!r} must be a number: {error}") from error
    require_weights(f"edge attribute {weight!r}", weights)
    if like is None:
        return weights
    require_float("like", like)
    return constant(weights, like=like)


def random_walk(weights: Array, *, self_loops: float | None = None) -> Array:
    """Return D^-1 W, with the row sums of W in D: what each token listens to, as shares of one.

    For a mask this is attention among tokens that are all equal. Attention itself is the case
    W = exp(scores). ``self_loops`` replaces the diagonal of W; None keeps it.

    Shapes: weights (*b, n, n) -> (*b, n, n), every row sums to one
    Dtype:  float32 and float64 are kept; a boolean mask gives float64
    Raises: InputError if a token listens to nobody, weights are negative or not finite, or
            self_loops is
    Source: shi2022; chung1997spectral
    """
    weights, degree, peak = _degrees(weights, self_loops)
    return (weights / peak) / degree


def symmetric_adjacency(weights: Array, *, self_loops: float | None = None) -> Array:
    """Return D^-1/2 W D^-1/2, with the row sums of W in D: symmetric if W is.

    It has the eigenvalues of `random_walk`, also for a directed graph, since
    D^-1/2 W D^-1/2 = D^1/2 (D^-1 W) D^-1/2. On a directed graph an entry may exceed one, up to
    sqrt(d_i / d_j), and nothing is symmetric. ``self_loops`` = 1 on a graph without loops is the
    normalisation of graph convolutional networks.

    Shapes, Dtype: as `random_walk`
    Raises: InputError as `random_walk`, or if an entry overflows
    Source: chung1997spectral; oono2020
    """
    weights, degree, peak = _degrees(weights, self_loops)
    xp = namespace(weights)
    # Two roots, since the product of degree and peak may overflow; and an order of the divisions
    # that neither overflows nor underflows on the way, and is the same at [i, j] and [j, i].
    root = xp.sqrt(peak) * xp.sqrt(degree)
    small = xp.minimum(root, xp.matrix_transpose(root))
    large = xp.maximum(root, xp.matrix_transpose(root))
    light = weights < 1
    half, rest = weights / xp.where(light, small, large), xp.where(light, large, small)
    if bool(xp.any(half > xp.finfo(weights.dtype).max * xp.clip(rest, None, 1))):
        raise InputError(
            "weights of a directed graph must have row sums whose ratio has a root that "
            f"{weights.dtype} can hold; random_walk has no such limit"
        )
    return half / rest


def require_square(name: str, array: Array) -> None:
    """Raise InputError unless the last two axes of ``array`` are equal and not empty."""
    require_shape(name, array, "n", "n")
    if array.shape[-1] != array.shape[-2] or array.shape[-1] == 0:
        raise InputError(f"{name} must have shape (..., n, n), n > 0, but has {tuple(array.shape)}")


def require_weights(name: str, weights: Array) -> None:
    """Raise InputError if an entry is negative, NaN or infinite."""
    require_finite(name, weights)
    if known(namespace(weights).any(weights < 0)):
        where = np.argwhere(to_numpy(weights) < 0)
        raise InputError(
            f"{name} must not be negative, but {len(where)} of its entries are, the first at "
            f"index {tuple(int(i) for i in where[0])}"
        )


def one_graph(name: str, adjacency: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return one adjacency matrix or mask as NumPy float64, for algorithms on graphs.

    Raises: InputError as `to_networkx` does
    """
    if namespace(adjacency).bool != adjacency.dtype:
        require_float(name, adjacency)
    require_square(name, adjacency)
    if len(adjacency.shape) != 2:
        raise InputError(
            f"{name} must be one matrix (n, n), but has shape {tuple(adjacency.shape)}; choose "
            "one head of one layer"
        )
    weights = to_numpy(adjacency).astype(np.float64)
    require_weights(name, weights)
    return weights


def _degrees(weights: Array, self_loops: float | None) -> tuple[Array, Array, Array]:
    """Return W, and two factors (*b, n, 1) of its row sums, whose product may overflow."""
    xp = namespace(weights)
    if weights.dtype == xp.bool:
        weights = xp.astype(weights, xp.float64)
    require_float("weights", weights)
    require_square("weights", weights)
    if self_loops is not None:
        if not 0 <= self_loops < float("inf"):
            raise InputError(f"self_loops must be finite and not negative, but is {self_loops}")
        place = array_api_compat.device(weights)
        diagonal = xp.eye(weights.shape[-1], dtype=xp.bool, device=place)
        weights = xp.where(diagonal, constant(self_loops, like=weights), weights)
    require_weights("weights", weights)
    peak = xp.max(weights, axis=-1, keepdims=True)
    if bool(xp.any(peak == 0)):
        alone = tuple(int(i) for i in np.argwhere(to_numpy(peak[..., 0]) == 0)[0])
        raise InputError(
            f"weights must let every token listen to one at least, but row {alone} is zero; "
            "self_loops=1.0 lets each listen to itself"
        )
    return weights, xp.sum(weights / peak, axis=-1, keepdims=True), peak
