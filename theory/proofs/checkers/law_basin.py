"""Is it proved that all inputs near enough end in consensus in a network that repeats one layer?

Claim: n tokens whose distance to n copies of "centre" (Frobenius) is at most "radius" converge to
equal tokens under the layer, a program whose attention listens along "graph". Proof, by Banach: let
N(X) = |vec(X) T|, T the "norm". In all X within "reach" R of the centre the slope differs from J,
that at the centre, by at most D, so that N(slope) <= q + c D with q = |T^-1 J T|, c = |T| |T^-1|.
If that is below 1 and the centre hardly moves, the ball N <= R / |T^-1| is mapped into itself, and
all of it converges to one point: the one where the equal tokens of the centre go.
`basin_changes` has D. It needs python-flint.
"""

from collections.abc import Callable
from typing import Any

from flint import arb, arb_mat, ctx

from .basin_changes import layer, norm2
from .envelope import fields, read, require, whole
from .programs import BITS, DIGITS, exact

LONGEST = 2**24


def read_walk(graph: Any) -> Any:
    """Return the walk on a mask: each token hears those that its row marks by 1, equally."""
    for row in graph:
        require(type(row) is list and len(row) == len(graph), "the graph is no square")
        require(sum(whole(mark, 0, 1) for mark in row) > 0, "a token listens to nobody")
    return arb_mat([[arb(mark) / sum(row) for mark in row] for row in graph])


def of_tokens(walk: Any, slope: Any) -> Any:
    """Return what D -> walk D slope makes of n rows that stand behind each other in one."""
    n, d = walk.nrows(), slope.nrows()
    weights, entries = walk.tolist(), slope.tolist()
    cells = [(i, a) for i in range(n) for a in range(d)]
    return arb_mat([[weights[i][j] * entries[a][b] for i, b in cells] for j, a in cells])


def contraction(program: Any, centre: Any, graph: Any, norm: Any) -> Callable[[Any], Any]:
    """Return a function of the reach: the factor in N, the basin's radius, whether all stays."""
    walk, n, d = read_walk(graph), len(graph), centre.ncols()
    stretch, straight = norm2(walk), layer(program, centre, arb(0), n, arb(1))
    slope = arb_mat(n * d, n * d)
    for k, each in enumerate(straight.slopes):
        slope += of_tokens(walk**k, each)
    size, inverse = norm2(norm), norm2(norm.inv())
    linear = norm2(norm.solve(slope * norm))
    moved = norm2(straight.token - centre) * arb(n).sqrt() * size

    def within(reach: Any) -> Any:
        change = layer(program, centre, reach, n, stretch).change
        factor = linear + size * inverse * change
        return factor, reach / (size * inverse), moved <= (1 - factor) * reach / inverse

    return within


def check(data: bytes) -> str:
    """Return in one sentence what is proved, or raise ValueError."""
    with ctx.workprec(BITS):
        claim, proof = read(data, "law-basin", longest=LONGEST, digits=DIGITS)
        program, graph, centre, radius = fields(claim, "layer", "graph", "centre", "radius")
        norm, reach = fields(proof, "norm", "reach")
        require(type(program) is list and 0 < len(program) <= 64, "a layer has 1 to 64 steps")
        require(type(graph) is list and 1 < len(graph) <= 64, "a graph has 2 to 64 tokens")
        centre, radius, reach = exact(centre, None), exact(radius), exact(reach)
        size = len(graph) * centre.ncols()
        require(size <= 512, "it is too much work")
        norm = exact(norm, size, size)
        try:
            factor, basin, stays = contraction(program, centre, graph, norm)(reach)
        except ZeroDivisionError:
            raise ValueError("the norm is none: its matrix may be singular") from None
        require(radius > 0 and reach > 0, "radius and reach must be positive")
        require(factor < 1, "the layer does not contract within reach")
        require(stays, "the layer may leave what it contracts")
        require(radius <= basin, "the radius is larger than what is proved")
    return (
        f"All inputs of {len(graph)} tokens of {centre.ncols()} features within "
        f"{radius.str(6, radius=False)} of consensus at the centre end in consensus."
    )
