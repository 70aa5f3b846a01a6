"""Where does a random walk on the tokens end up, and how fast?

The walk steps from a token to one that it listens to, with the attention weights as
probabilities: from i to j along the edge i -> j. What it finds in the long run is what the token
i ends up hearing. These are algorithms on one graph and run in NumPy, whatever comes in.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, shortest_path

from theory.arrays import Array, Floats, InputError, eps, tiny
from theory.graphs.conversions import one_graph
from theory.graphs.stochastic import require_row_stochastic
from theory.records import brief_repr


@brief_repr
class Classes(NamedTuple):
    """The closed classes, each an ascending tuple of tokens, and the transient tokens.

    A closed class is a set of tokens that all hear each other, over any number of steps, and
    nobody else: the walk never leaves it. From a transient token the walk leaves for good.
    """

    closed: tuple[tuple[int, ...], ...]
    transient: tuple[int, ...]


def closed_classes(adjacency: Array) -> Classes:
    """Return the closed (recurrent) classes, by their first token, and the transient tokens.

    Only which entries are positive counts.

    Shapes: adjacency or boolean mask (n, n)
    Raises: InputError if adjacency is no such matrix or a token listens to nobody
    Source: seneta2006; levin2017markov
    """
    return _classes(_listening(adjacency))


def periods(adjacency: Array) -> tuple[int, ...]:
    """Return the period of each closed class, in the order of `closed_classes`.

    It is the greatest common divisor of the lengths of all closed walks in the class; 1 means
    aperiodic: there the powers of the adjacency converge.

    Shapes: adjacency or boolean mask (n, n)
    Raises: as `closed_classes`
    Source: seneta2006; levin2017markov
    """
    listens = _listening(adjacency)
    return tuple(_period(listens[np.ix_(tokens, tokens)]) for tokens in _classes(listens).closed)


def radius(adjacency: Array) -> int | None:
    """Return in how many steps one token can reach all others at best, None if no token can.

    A token's word travels against the edges, to those who listen: it reaches i in as many steps
    as a path from i to that token has edges. A token that reaches everybody is a centre; a
    graph with a centre is quasi-strongly connected; there is one exactly if there is a single
    closed class, whose tokens are the centres. The radius is the least, over the centres, of the
    steps to the farthest token: 1 for a causal mask, whose centre is the first token;
    ceil((n - 1) / reach) for a causal window. A single token has radius 0.

    Shapes: adjacency or boolean mask (n, n); here a token may listen to nobody
    Raises: InputError if adjacency is no such matrix
    Source: wu2024role
    """
    steps = shortest_path(csr_array(one_graph("adjacency", adjacency) > 0), unweighted=True)
    least = float(np.min(np.max(steps, axis=0)))
    return int(least) if np.isfinite(least) else None


def stationary_distributions(adjacency: Array) -> Floats:
    """Return one distribution pi = pi A for each closed class, zero outside of it.

    All other stationary distributions are mixtures of these. The order is that of
    `closed_classes`. Each entry is accurate relative to its own size; below 1e-308 it may be 0.

    Shapes: adjacency (n, n) -> (classes, n), NumPy float64, rows sum to one
    Raises: InputError if adjacency is not one row-stochastic matrix, or its entries are so
            small that float64 cannot divide by them
    Source: seneta2006; levin2017markov
    """
    walk = _walk(adjacency)
    closed = _classes(walk > 0).closed
    out = np.zeros((len(closed), walk.shape[0]))
    for row, tokens in zip(out, closed, strict=True):
        row[list(tokens)] = _stationary(walk[np.ix_(tokens, tokens)])
    return out


def spectrum(adjacency: Array) -> np.ndarray[Any, Any]:
    """Return the n eigenvalues of a random walk, largest modulus first.

    They are found class by class, for tokens that hear each other: so 1 comes once for each
    closed class, a causal mask gives its diagonal exactly, and the Jordan blocks of a causal
    window do no harm. Where every class is reversible, as it is for an undirected graph, the
    eigenvalues come from a symmetric matrix and are real. Other classes with a defective or
    strongly non-normal matrix have eigenvalues that rounding can move by far more than eps.

    Shapes: adjacency (n, n) -> (n,)
    Dtype:  NumPy float64 where all eigenvalues are real, complex128 otherwise
    Raises: InputError if adjacency is not one row-stochastic matrix
    Source: chung1997spectral; levin2017markov
    """
    walk = _walk(adjacency)
    parts = [_irreducible_spectrum(walk[np.ix_(c, c)], adjacency) for c in _strong(walk > 0)]
    values = np.concatenate(parts)
    return values[np.lexsort((-values.imag, -values.real, -np.abs(values)))]


def spectral_gap(adjacency: Array) -> float:
    """Return 1 - |mu_2|, the second largest modulus of an eigenvalue, counted with multiplicity.

    Positive exactly if A^t converges to rows that are all equal: then about as |mu_2|^t, times a
    power of t where A is defective. Exactly 0 where there are several closed classes (1 is then
    an eigenvalue several times) or a period above 1 (then other eigenvalues have modulus 1). One
    token alone has gap 1. A gap below the rounding of the eigenvalues may come out as 0.

    Shapes: adjacency (n, n)
    Raises: InputError if adjacency is not one row-stochastic matrix
    Source: levin2017markov
    """
    values = spectrum(adjacency)
    if periods(adjacency) != (1,):
        return 0.0
    return max(0.0, 1.0 - float(abs(values[1]))) if len(values) > 1 else 1.0


def _walk(adjacency: Array) -> Floats:
    """Return one row-stochastic matrix as NumPy float64."""
    walk = one_graph("adjacency", adjacency)
    require_row_stochastic("adjacency", adjacency)
    return walk


def _listening(adjacency: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return who listens to whom, and refuse tokens that listen to nobody."""
    listens = one_graph("adjacency", adjacency) > 0
    deaf = np.flatnonzero(~listens.any(axis=-1))
    if len(deaf):
        raise InputError(
            f"adjacency must let every token listen to one at least, but token {deaf[0]} has none"
        )
    return listens


def _strong(listens: np.ndarray[Any, np.dtype[np.bool_]]) -> list[np.ndarray[Any, Any]]:
    """Return the sets of tokens that all reach each other, by their first token."""
    _, label = connected_components(csr_array(listens), connection="strong")
    _, first = np.unique(label, return_index=True)
    return [np.flatnonzero(label == label[i]) for i in np.sort(first)]


def _classes(listens: np.ndarray[Any, np.dtype[np.bool_]]) -> Classes:
    closed, transient = [], []
    for tokens in _strong(listens):
        # Closed: all that these tokens listen to is among them.
        if listens[tokens].sum() == listens[np.ix_(tokens, tokens)].sum():
            closed.append(tuple(tokens.tolist()))
        else:
            transient += tokens.tolist()
    return Classes(tuple(closed), tuple(sorted(transient)))


def _period(listens: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """Return the period of a strongly connected graph.

    Along an edge the distance from token 0 grows by 1 modulo the period; what it lacks to 1, over
    all edges, generates the period.
    """
    level = shortest_path(csr_array(listens), unweighted=True, indices=0).astype(np.int64)
    i, j = np.nonzero(listens)
    return int(np.gcd.reduce(level[i] + 1 - level[j]))


def _stationary(walk: Floats) -> Floats:
    """Return the stationary distribution of an irreducible walk.

    Tokens are taken out one by one, their visits handed on to those left (Grassmann, Taksar and
    Heyman 1985). No step subtracts: solving pi (A - I) = 0 instead loses the small entries.
    """
    work, n = walk.copy(), walk.shape[0]
    out = np.ones(n)
    with np.errstate(all="ignore"):  # whatever goes out of range is refused below
        for k in range(n - 1, 0, -1):
            work[:k, k] /= work[k, :k].sum()
            work[:k, :k] += np.outer(work[:k, k], work[k, :k])
        for k in range(1, n):
            out[k] = out[:k] @ work[:k, k]
            out[: k + 1] /= out[: k + 1].max()
        out /= out.sum()
    if not np.all(np.isfinite(out)):
        raise InputError(
            "adjacency must have entries that float64 can divide by each other, but the smallest "
            f"is {walk[walk > 0].min():.3g}; set such entries to zero and normalise again"
        )
    return out


def _irreducible_spectrum(block: Floats, adjacency: Array) -> np.ndarray[Any, Any]:
    if len(block) == 1:
        return np.diagonal(block)
    if _is_reversible(block, rounding=eps(adjacency), normal=tiny(adjacency)):
        # D^1/2 B D^-1/2 has the same eigenvalues, is symmetric, and needs no D.
        return np.linalg.eigvalsh(np.sqrt(block) * np.sqrt(block.T))
    return np.linalg.eigvals(block)


def _is_reversible(block: Floats, *, rounding: float, normal: float) -> bool:
    """Return whether d_i B_ij = d_j B_ji for some d > 0, to rounding, in a strongly connected B.

    log d follows along a tree and must then fit every edge. An edge compares two entries, each
    with two roundings of its own (an error of the divisor of its row drops out) and one of its
    logarithm; a cycle closed by an edge has at most n edges; and each sum along the tree rounds.
    """
    support = block > 0
    if not np.array_equal(support, support.T) or block[support].min() < normal:
        return False
    logs = np.log(block, out=np.zeros_like(block), where=support)
    step = logs - logs.T
    order, parent = breadth_first_order(csr_array(support.astype(np.int8)), 0)
    height = np.zeros(len(block))
    for token in order[1:]:
        height[token] = height[parent[token]] + step[parent[token], token]
    gap = np.abs(step - (height[np.newaxis, :] - height[:, np.newaxis]))[support]
    edge = 2 * rounding * (1 + np.abs(logs).max())
    sums = np.finfo(np.float64).eps * np.abs(height).max()
    return bool(gap.max() <= len(block) * (edge + sums))
