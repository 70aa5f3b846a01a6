"""How is a layer read that is a program for one token, and what does a step do to the token?

A step makes one more token from those before it, number 0 being the one that comes in:
    ["linear", a, W, b]: a W + b. ["walk", a] or ["attend", a, ...]: attention.
    ["norm", a, centred, tau, eps or null, fixed std or null, gain, shift].
    ["activate", a, name]. ["times", a, b]: entry by entry. ["sum", a, b, factor]: factor a + b.
Numbers are [m, e] for m 2^e, exactly; balls (Arb, python-flint) enclose what follows from them.
A token goes with its slopes: matrices, one for each power of the walk on the graph.
"""

from itertools import zip_longest
from operator import mul
from typing import Any

from flint import arb, arb_mat, arb_series

from .envelope import require, whole

BITS, WIDEST, LARGEST, DIGITS = 128, 4096, 2**2200, 663


def exact(found: Any, *shape: int | None) -> Any:
    """Read [m, e], where m is a number, a row (n,) or a matrix (k, n); None: any length."""
    require(type(found) is list and len(found) == 2, "a number is not [mantissa, exponent]")
    rows = found[0] if len(shape) == 2 else [found[0] if shape else [found[0]]]
    k, n = (1, 1, *shape)[-2:]
    require(type(rows) is list and len(rows) == k, "an array has another length")
    for row in rows:
        right = type(row) is list and len(row) == (n or len(rows[0])) and 0 < len(row) <= WIDEST
        require(right and set(map(type, row)) == {int}, "an array has other entries or lengths")
        require(max(map(abs, row)) < LARGEST, "a number is too large")
    made = arb_mat(rows) * arb(2) ** whole(found[1], -2200, 2200)
    return made if shape else made[0, 0]


def gate(x: Any, w: Any) -> Any:
    return x / (1 + (-w).exp())


ACTIVATIONS: dict[Any, Any] = {
    "identity": lambda x: x,
    "relu": lambda x: x * (1 if x[0] > 0 else 0 if x[0] < 0 else arb.nan()),
    "tanh": lambda x: 1 - 2 / (1 + (2 * x).exp()),
    "gelu": lambda x: x * (1 + (x / arb(2).sqrt()).erf()) / 2,
    "gelu_tanh": lambda x: gate(x, (8 / arb.pi()).sqrt() * (x + x * x * x * 44715 / 10**6)),
    "silu": lambda x: gate(x, x),
    "quick_gelu": lambda x: gate(x, x * 1702 / 1000),
}


def read_step(found: Any, widths: list[int]) -> tuple[str, list[int], list[Any]]:
    """Return the kind of a step, the tokens that it takes, and what else it is given."""
    require(type(found) is list and len(found) > 1, "a step is no step")
    kind, source, *rest = found
    sources = [whole(source, 0, len(widths) - 1)]
    width = widths[sources[0]]
    if (kind, len(rest)) in (("walk", 0), ("attend", 3)):
        return kind, sources, rest
    if (kind, len(rest)) == ("linear", 2):
        bias = exact(rest[1], None)
        return kind, sources, [exact(rest[0], width, bias.ncols()), bias]
    if (kind, len(rest)) == ("norm", 6):
        require(type(rest[0]) is bool and (rest[2] is None) != (rest[3] is None), "a norm is none")
        scales = [None if each is None else exact(each) for each in rest[1:4]]
        return kind, sources, [rest[0], *scales, *(exact(each, width) for each in rest[4:])]
    if (kind, len(rest)) == ("activate", 1) and type(rest[0]) is str and rest[0] in ACTIVATIONS:
        return kind, sources, [ACTIVATIONS[rest[0]]]
    require((kind, len(rest)) in (("times", 1), ("sum", 2)), "a step is unknown")
    sources.append(whole(rest[0], 0, len(widths) - 1))
    require(widths[sources[1]] == width, "two tokens have different widths")
    return kind, sources, [exact(factor) for factor in rest[1:]]


def columns(matrix: Any, factors: Any) -> Any:
    return arb_mat([list(map(mul, row, factors)) for row in matrix.tolist()])


def centred(each: Any) -> Any:
    d = each.ncols()
    return each - each * arb_mat(d, 1, [1] * d) * arb_mat(1, d, [arb(1) / d] * d)


def std_of(token: Any, mean: bool, tau: Any, eps: Any, fixed: Any) -> Any:
    """Return what a norm divides by but for tau: the token's own root mean square, or a fixed."""
    away = centred(token) if mean else token
    std = fixed if eps is None else ((away * away.transpose())[0, 0] / token.ncols() + eps).sqrt()
    require(std > 0 and tau > 0, "a norm may divide by zero")
    return std


def activated(phi: Any, entries: Any) -> tuple[list[Any], list[Any]]:
    """Return the values and the slopes of an activation."""
    series = [phi(arb_series([v, 1], 2)) for v in entries]
    return [each[0] for each in series], [each[1] for each in series]


def applied(kind: str, given: list[Any], at: list[Any], other: Any = ()) -> list[Any]:
    """Return the token that a step makes, and its slopes."""
    if kind == "linear":
        weight, bias = given
        token, *slopes = [each * weight for each in at]
        return [token + bias, *slopes]
    if kind == "norm":
        mean, tau, eps, fixed, gain, shift = given
        std = std_of(at[0], mean, tau, eps, fixed)
        y, *slopes = [(centred(each) if mean else each) / std for each in at]
        if fixed is None:
            slopes = [each - each * y.transpose() * (y / y.ncols()) for each in slopes]
        factors = [v / tau for v in gain.entries()]
        token, *slopes = [columns(each, factors) for each in (y, *slopes)]
        return [token + shift, *slopes]
    if kind == "activate":
        values, steepness = activated(given[0], at[0].entries())
        return [arb_mat([values]), *(columns(each, steepness) for each in at[1:])]
    require(kind in ("times", "sum"), "attention is of another kind")
    if kind == "sum":
        at = [each * given[0] for each in at]
    else:
        one, two = at[0].entries(), other[0].entries()
        at = [columns(each, two) for each in at]
        other = [at[0] * 0, *(columns(each, one) for each in other[1:])]
    return [a + b for a, b in zip_longest(at, other, fillvalue=0)]
