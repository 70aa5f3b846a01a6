"""Which graph does a name mean: who may listen to whom?

A name is a kind, and behind a colon what the kind needs: ``window:2``. Masks are what attention may
be given, by such a name or from a file; a graph may be one of them, or one of graph theory's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulations.machine.limits import require_memory
from simulations.numbers import Numbers
from simulations.stacks.adjacency import read_mask
from theory.arrays import Array, InputError, to_numpy
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask, window_mask

MASKS = "full, causal, window:R, causal-window:R, blocks:N1,N2,... or a .npy file"
GRAPHS = (
    "complete, path, ring, ring:W, star, tree, small-world, scale-free, causal, window:R, "
    "causal-window:R or blocks:N1,N2,..."
)
_MOST_DIGITS = 18  # Python converts no more than 4,300, and no computer has 10^18 of anything
_DEGREE, _REWIRED, _NEW_EDGES = 4, 0.2, 2  # of the small world and the scale-free graph


def mask_by_name(name: str, n: int) -> Array:
    """Return the mask called ``name`` for n tokens, boolean (n, n).

    Names: full, causal, window:R (R tokens to either side), causal-window:R (R tokens back),
    blocks:N1,N2,... (sizes that add up to n), or the path of a .npy file.

    Raises: InputError for any other name, a wrong number, or a file that holds no such mask
    """
    _require_room(n)
    found = read_mask(Path(name), n) if name.endswith(".npy") else _mask(name, n)
    if found is None:
        raise InputError(f"mask must be {MASKS}, but is {name!r}")
    return found


def graph_by_name(name: str, n: int, *, seed: int = 0) -> Numbers:
    """Return who listens to whom on a graph of n tokens, each also to itself: boolean (n, n).

    ring:W links every token to the W next on either side; tree is binary; small-world is that of
    Watts and Strogatz with degree 4 and a fifth of the edges rewired; scale-free that of Barabasi
    and Albert with two edges a token. The others are masks as `mask_by_name` has them.

    Raises: InputError for any other name, or a number that does not fit
    """
    if n < 1:
        raise InputError(f"n must be at least 1, but is {n}")
    _require_room(n)
    found = _mask("full" if name == "complete" else name, n)
    if found is None:
        found = _graph(name, n, seed)
    if found is None:
        raise InputError(f"graph must be {GRAPHS}, but is {name!r}")
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
