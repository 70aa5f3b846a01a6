"""By how much can the slope of a layer change within reach of n equal tokens?

D by steps: a slope is bounded by its spectral norm at the centre plus what it changes; that of a
norm changes by (2 / sqrt 3) |gain| / (tau sqrt(d) std^2) a length (a symmetric form is largest on
one direction), softmax by the half that |diag(p) - p p^T| is at most.
"""

from typing import Any

from flint import arb, arb_mat

from .envelope import fields, require
from .programs import activated, applied, exact, read_step, std_of

WIDEST, MOST_WORK = 1024, 2**28


def norm2(matrix: Any) -> Any:
    """Return a bound on the spectral norm: |m|^128 <= |(m m^T)^64|."""
    short = matrix.nrows() <= matrix.ncols()
    gram = matrix * matrix.transpose() if short else matrix.transpose() * matrix
    for _ in range(6):
        gram = gram * gram
    total = sum((v * v for v in gram.entries()), arb(2) ** -(10**6))  # zero has no such root
    return total.upper().root(256).upper()


def most(numbers: Any) -> Any:
    return max((abs(v).upper() for v in numbers), key=float)


class At:
    """A token at the centre, its slope at each power of the walk, and how much that changes.

    ``slope`` bounds the slope's norm in all of the ball, ``change`` its distance to that at the
    centre, ``far`` how far n tokens go from the centre's.
    """

    def __init__(self, token: Any, slopes: Any, change: Any, reach: Any, walk: Any) -> None:
        self.token, self.slopes, self.change = token, slopes, change
        norms = [norm2(each) * walk**k for k, each in enumerate(slopes)]
        self.slope = (sum(norms, arb(0)) + change).upper()
        self.far = (self.slope * reach).upper()


def bent(at: At, mean: Any, tau: Any, eps: Any, fixed: Any, gain: Any) -> Any:
    """Return by how much the slope behind a norm changes; its std changes by far / sqrt(d)."""
    root = arb(at.token.ncols()).sqrt()
    std, steepest = std_of(at.token, mean, tau, eps, fixed), most(gain.entries()) / tau
    if eps is None:
        return steepest / std * at.change
    least = std - at.far / root
    require(least > 0, "a norm may divide by zero")
    bend = 2 / arb(3).sqrt() * steepest / (root * least**2)
    return steepest / std * at.change + bend * at.far * at.slope


def attended(at: At, n: int, walk: Any, scale: Any, heads: Any, bias: Any) -> Any:
    """sum_k A_k X V_k + bias; a score moves as a . x_j and, away from the centre, as x_i M x_j."""
    d = at.token.ncols()
    require(type(heads) is list and 0 < len(heads) <= 64, "attention has 1 to 64 heads")
    total, bend, r = arb_mat(d, d), arb(0), at.far
    for head in heads:
        query, query_bias, key, value, output = fields(head, "q", "q_bias", "k", "v", "o")
        query_bias = exact(query_bias, None)
        query, key = (exact(each, d, query_bias.ncols()) for each in (query, key))
        value = exact(value, d, None)
        value = value * exact(output, value.ncols(), d)
        total += value
        a = norm2((at.token * query + query_bias) * key.transpose() * scale)
        m = norm2(query * key.transpose() * scale)
        bend += norm2(value) * r / 2 * (2 * arb(n).sqrt() * (a + m * r) + m * r)
    slopes = [each * total for each in (at.slopes[0] * 0, *at.slopes)]
    return at.token * total + bias, slopes, walk * norm2(total) * at.change + bend * at.slope


def step(found: Any, tokens: Any, n: int, walk: Any) -> Any:
    """Return the token that a step makes of those so far, its slopes, and how these change."""
    kind, sources, given = read_step(found, [at.token.ncols() for at in tokens])
    at, other = tokens[sources[0]], tokens[sources[-1]]
    if kind == "attend":
        scale, heads, bias = given
        return attended(at, n, walk, exact(scale), heads, exact(bias, at.token.ncols()))
    require(kind != "linear" or given[1].ncols() <= WIDEST, "it is too much work")
    parts = ([each.token, *each.slopes] for each in map(tokens.__getitem__, sources))
    token, *slopes = applied(kind, given, *parts)
    one, two = at.token.entries(), other.token.entries()
    if kind == "linear":
        change = norm2(given[0]) * at.change
    elif kind == "norm":
        change = bent(at, *given[:-1])
    elif kind == "activate":
        _, here = activated(given[0], one)
        _, near = activated(given[0], [v + arb(0, at.far) for v in one])
        bend = most(v - w for v, w in zip(near, here, strict=True))
        change = most(here) * at.change + bend * at.slope
    elif kind == "sum":
        change = abs(given[0]) * at.change + other.change
    else:
        change = at.far * other.slope + most(one) * other.change
        change += other.far * at.slope + most(two) * at.change
    return token, slopes, change


def layer(program: Any, centre: Any, reach: Any, n: int, walk: Any) -> At:
    """Return the token after the layer, its slopes, and how these change within reach."""
    d, work = centre.ncols(), 0
    tokens = [At(centre, [arb_mat(d, d) + 1], arb(0), reach, walk)]
    for each in program:
        token, slopes, change = step(each, tokens, n, walk)
        tokens.append(At(token, slopes, arb(change).upper(), reach, walk))
        widest = max(at.token.ncols() for at in tokens)
        work += d * token.ncols() * len(slopes) * (1 + widest // 64)
        require(work <= MOST_WORK, "it is too much work")
    require(token.ncols() == d, "a layer gives a token of another width")
    return tokens[-1]
