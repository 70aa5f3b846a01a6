"""Is it proved that all inputs near enough end in consensus in a network that repeats one layer?

Claim: n tokens whose distance to n copies of "centre" (Frobenius) is at most "radius" converge to
equal tokens under the layer, a program whose attention listens along "graph". Proof, by Banach: let
N(X) = |vec(X) T|, T the "norm". In all X within "reach" R of the centre the slope differs from J,
that at the centre, by at most D, so that N(slope) <= q + c D with q = |T^-1 J T|, c = |T| |T^-1|.
If that is below 1 and the centre hardly moves, the ball N <= R / |T^-1| is mapped into itself, and
all of it converges to one point: the one where the equal tokens of the centre go.
D by steps: a slope is bounded by its spectral norm at the centre plus what it changes; that of a
norm changes by (2 / sqrt 3) |gain| / (tau sqrt(d) std^2) a length (a symmetric form is largest on
one direction), softmax by the half that |diag(p) - p p^T| is at most.

Run: python law_basin.py FILE. It needs python-flint.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from itertools import zip_longest
from operator import mul
from typing import Any

from flint import arb, arb_mat, arb_series, ctx

LONGEST, BITS, WIDEST, LARGEST, MOST_WORK = 2**24, 128, 1024, 2**2200, 2**28


class NoCertificateError(ValueError):
    """It is no certificate of this statement."""


def require(true: object, line: str) -> None:
    if not true:
        raise ValueError(line)


def refuse(text: str) -> None:
    raise ValueError(f"numbers are whole, but one is {text[:20]}")


def fields(found: Any, *names: str) -> list[Any]:
    right = type(found) is dict and set(found) == set(names)
    require(right, f"where {', '.join(names)} must be, something else is")
    return [found[name] for name in names]


def whole(found: Any, low: int, high: int) -> int:
    require(type(found) is int and low <= found <= high, "a whole number is out of range")
    return int(found)


def exact(found: Any, *shape: int | None) -> Any:
    """Read [m, e], m 2^e, where m is a number, a row (n,) or a matrix (k, n); None: any length."""
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


def written(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def read(data: bytes) -> tuple[Any, Any]:
    """Return claim and proof, once the envelope is in order."""
    try:
        require(len(data) <= LONGEST, f"it has more than {LONGEST} bytes")
        envelope = json.loads(data.decode("ascii"), parse_float=refuse, parse_constant=refuse)
        names = ("oversmooth_certificate", "statement", "claim", "proof", "sha256")
        version, statement, claim, proof, digest = fields(envelope, *names)
        require(type(version) is int and version == 1, "it is of another version")
        require(statement == "law-basin", "it is of another statement")
    except (ValueError, RecursionError) as error:
        raise NoCertificateError(f"no certificate of law-basin: {error}") from None
    right = "it is not written as certificates are, or a key comes twice"
    require(written(envelope) == data, right)
    del envelope["sha256"]
    digested = hashlib.sha256(written(envelope)).hexdigest()
    require(digested == digest, "it is damaged: see its sha256")
    return claim, proof


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


def columns(matrix: Any, factors: Any) -> Any:
    return arb_mat([list(map(mul, row, factors)) for row in matrix.tolist()])


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


def normed(at: At, centred: Any, tau: Any, eps: Any, fixed: Any, gain: Any, shift: Any) -> Any:
    """(x - mean) / std, times gain / tau, plus shift; the std is the token's own, or fixed."""
    d = at.token.ncols()
    parts = [at.token, *at.slopes]
    if centred:
        ones, mean = arb_mat(d, 1, [1] * d), arb_mat(1, d, [arb(1) / d] * d)
        parts = [each - each * ones * mean for each in parts]
    std = fixed if eps is None else ((parts[0] * parts[0].transpose())[0, 0] / d + eps).sqrt()
    least = std if eps is None else std - at.far / arb(d).sqrt()
    require(least > 0 and tau > 0, "a norm may divide by zero")
    y, *slopes = [each / std for each in parts]
    if fixed is None:
        slopes = [each - each * y.transpose() * (y / d) for each in slopes]
    token, *slopes = [columns(each, [v / tau for v in gain.entries()]) for each in (y, *slopes)]
    steepest = most(gain.entries()) / tau
    bend = 0 if eps is None else 2 / arb(3).sqrt() * steepest / (arb(d).sqrt() * least**2)
    return token + shift, slopes, steepest / std * at.change + bend * at.far * at.slope


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
    require(type(found) is list and len(found) > 1, "a step is no step")
    kind, source, *rest = found
    at = tokens[whole(source, 0, len(tokens) - 1)]
    width = at.token.ncols()
    if (kind, len(rest)) == ("attend", 3):
        return attended(at, n, walk, exact(rest[0]), rest[1], exact(rest[2], width))
    if (kind, len(rest)) == ("linear", 2):
        bias = exact(rest[1], None)
        weight = exact(rest[0], width, bias.ncols())
        slopes = [each * weight for each in at.slopes]
        return at.token * weight + bias, slopes, norm2(weight) * at.change
    if (kind, len(rest)) == ("norm", 6):
        require(type(rest[0]) is bool and (rest[2] is None) != (rest[3] is None), "a norm is none")
        scales = [None if each is None else exact(each) for each in rest[1:4]]
        return normed(at, rest[0], *scales, *(exact(each, width) for each in rest[4:]))
    if (kind, len(rest)) == ("activate", 1) and type(rest[0]) is str and rest[0] in ACTIVATIONS:
        phi = ACTIVATIONS[rest[0]]
        here = [phi(arb_series([v, 1], 2)) for v in at.token.entries()]
        near = [phi(arb_series([v + arb(0, at.far), 1], 2))[1] for v in at.token.entries()]
        slopes = [columns(each, [entry[1] for entry in here]) for each in at.slopes]
        bend = most(v - entry[1] for v, entry in zip(near, here, strict=True))
        change = most(entry[1] for entry in here) * at.change + bend * at.slope
        return arb_mat([[entry[0] for entry in here]]), slopes, change
    require((kind, len(rest)) in (("times", 1), ("sum", 2)), "a step is unknown")
    other = tokens[whole(rest[0], 0, len(tokens) - 1)]
    require(other.token.ncols() == width, "two tokens have different widths")
    one, two = at.token.entries(), other.token.entries()
    if kind == "sum":
        factor = exact(rest[1])
        parts = [each * factor for each in (at.token, *at.slopes)], [other.token, *other.slopes]
        change = abs(factor) * at.change + other.change
    else:
        parts = (
            [columns(each, two) for each in (at.token, *at.slopes)],
            [at.token * 0, *(columns(each, one) for each in other.slopes)],
        )
        change = at.far * other.slope + most(one) * other.change
        change += other.far * at.slope + most(two) * at.change
    token, *slopes = [a + b for a, b in zip_longest(*parts, fillvalue=0)]
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
        claim, proof = read(data)
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


if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as file:
            print(check(file.read(LONGEST + 1)))
    except (OSError, IndexError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2 - (type(error) is ValueError))
