"""Is it proved at which rates small differences between the tokens of a tied network grow?

Claim: a layer, as a program for one token that stands for n equal ones, brings one token of the
box of "radius" around "centre", and no other of it, back after "period" layers. Changes of the n
tokens, which listen by the walk on "graph", grow in the long run by a factor a layer in "along" if
all change alike, and otherwise, where they grow most, in "transverse". Of attention only that
counts: its weights sum to 1 over equal tokens, whatever queries and keys are. With D the slope of
the layers, mu standing for the walk, the factors are the spectral radii of D(mu) at its eigenvalues
mu, 1 for equal changes. Krawczyk's operator encloses the token, Gershgorin's discs the radii.

Run: python law.py FILE. It needs python-flint.
"""

import hashlib
import json
import sys
from functools import reduce
from itertools import zip_longest
from operator import mul
from typing import Any

from flint import acb, acb_mat, arb, arb_mat, arb_series, ctx, fmpq, fmpq_mat

LONGEST, BITS, WIDEST, LARGEST, MOST_WORK = 2**26, 128, 4096, 2**2200, 2**30


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
        require(statement == "law", "it is of another statement")
    except (ValueError, RecursionError) as error:
        raise NoCertificateError(f"no certificate of law: {error}") from None
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


def normed(at: Any, centred: Any, tau: Any, eps: Any, fixed: Any, gain: Any, shift: Any) -> Any:
    """(x - mean) / std, times gain / tau, plus shift; the std is the token's own, or fixed."""
    d = at[0].ncols()
    if centred:
        at = [each - each * arb_mat(d, 1, [1] * d) * arb_mat(1, d, [arb(1) / d] * d) for each in at]
    std = fixed if eps is None else ((at[0] * at[0].transpose())[0, 0] / d + eps).sqrt()
    require(std > 0 and tau > 0, "a norm may divide by zero")
    y, *slopes = [each / std for each in at]
    if fixed is None:
        slopes = [each - each * y.transpose() * (y / d) for each in slopes]
    token, *slopes = [columns(each, [v / tau for v in gain.entries()]) for each in (y, *slopes)]
    return [token + shift, *slopes]


def step(found: Any, tokens: Any) -> Any:
    """Return the token that a step makes of those so far, and its slope at each power of mu."""
    require(type(found) is list and len(found) > 1, "a step is no step")
    kind, source, *rest = found
    at = tokens[whole(source, 0, len(tokens) - 1)]
    width = at[0].ncols()
    if (kind, len(rest)) == ("walk", 0):
        return [at[0], *(each * 0 for each in at[1:2]), *at[1:]]
    if (kind, len(rest)) == ("linear", 2):
        bias = exact(rest[1], None)
        weight = exact(rest[0], width, bias.ncols())
        token, *slopes = [each * weight for each in at]
        return [token + bias, *slopes]
    if (kind, len(rest)) == ("norm", 6):
        require(type(rest[0]) is bool and (rest[2] is None) != (rest[3] is None), "a norm is none")
        scales = [None if each is None else exact(each) for each in rest[1:4]]
        return normed(at, rest[0], *scales, *(exact(each, width) for each in rest[4:]))
    if (kind, len(rest)) == ("activate", 1) and type(rest[0]) is str and rest[0] in ACTIVATIONS:
        series = [ACTIVATIONS[rest[0]](arb_series([v, 1], 2)) for v in at[0].entries()]
        slopes = [columns(each, [entry[1] for entry in series]) for each in at[1:]]
        return [arb_mat([[each[0] for each in series]]), *slopes]
    require((kind, len(rest)) in (("times", 1), ("sum", 2)), "a step is unknown")
    other = tokens[whole(rest[0], 0, len(tokens) - 1)]
    require(other[0].ncols() == width, "two tokens have different widths")
    if kind == "sum":
        at = [each * exact(rest[1]) for each in at]
    else:
        one, two = at[0].entries(), other[0].entries()
        at = [columns(each, two) for each in at]
        other = [at[0] * 0, *(columns(each, one) for each in other[1:])]
    return [a + b for a, b in zip_longest(at, other, fillvalue=0)]


def layers(program: Any, period: int, token: Any, *slope: Any) -> Any:
    """Return where a token is after some layers, and each layer's slopes, if one is given."""
    found, d, work = [], token.ncols(), 0
    for _ in range(period):
        tokens = [[token, *slope]]
        for each in program:
            tokens.append(step(each, tokens))
            widest = max(at[0].ncols() for at in tokens)
            work += d * tokens[-1][0].ncols() * len(tokens[-1]) * (1 + widest // 64)
            require(work <= MOST_WORK, "it is too much work")
        token, *slopes = tokens[-1]
        require(token.ncols() == d, "a layer gives a token of another width")
        found.append(slopes)
    return token, found


def at_eigenvalue(slopes: Any, mu: Any) -> Any:
    """Return what multiplies a mode of the walk in all layers together."""
    product = acb_mat(arb_mat(slopes[0][0].nrows(), slopes[0][0].nrows()) + 1)
    for slope in slopes:
        product *= reduce(lambda higher, lower: higher * mu + lower, slope[::-1], 0)
    return product


def slopes_near(program: Any, period: int, centre: Any, radius: Any, inverse: Any) -> Any:
    """Return the layers' slopes in a box that Krawczyk's operator maps into its inside."""
    d = centre.ncols()
    unit, spread = arb_mat(d, d) + 1, arb_mat([[arb(0, radius)] * d])
    end, _ = layers(program, period, centre)
    _, slopes = layers(program, period, centre + spread, unit)
    slope = at_eigenvalue(slopes, 1).real
    mapped = spread * (unit - (unit - slope) * inverse) - (centre - end) * inverse
    inside = map(arb.contains_interior, spread.entries(), mapped.entries())
    require(all(inside), "Krawczyk's operator does not map the box into itself")
    return slopes


def eigenvalues(graph: Any) -> list[Any]:
    """Return those of the walk with no negative imaginary part, each with its multiplicity."""
    n = len(graph)
    require(all(type(row) is list and len(row) == n for row in graph), "the graph is no square")
    sums = [sum(whole(weight, 0, 2**256) for weight in row) for row in graph]
    require(min(sums) > 0, "a token listens to nobody")
    require(n**3 * sum(map(int.bit_length, sums)) <= 2**33, "the graph is too large")
    walk = fmpq_mat([[fmpq(v, sums[i]) for v in row] for i, row in enumerate(graph)])
    found = [(acb(mu), times) for mu, times in walk.charpoly().numer().complex_roots()]
    kept = [each for each in found if not each[0].imag < 0]
    return sorted(kept, key=lambda each: (float(each[0].real), float(each[0].imag)))


def spectral_radius(matrix: Any, basis: Any, period: int) -> Any:
    """Return two numbers that the spectral radius lies between, a layer."""
    try:
        rows = basis.solve(matrix * basis).tolist()
    except ZeroDivisionError:
        raise ValueError("the vectors of a basis depend on each other") from None
    discs = []
    for i, row in enumerate(rows):
        rest = sum((each.abs_upper() for each in (*row[:i], *row[i + 1 :])), arb(0))
        discs.append(((row[i].abs_lower() - rest).lower(), (row[i].abs_upper() + rest).upper()))
    require(all(v.is_finite() for disc in discs for v in disc), "a slope is not finite")
    discs.sort(key=lambda disc: -float(disc[0]))
    low, high = arb(0), arb(0)
    for k, (inner, outer) in enumerate(discs):
        # Discs that all others keep inside of hold as many eigenvalues as they are.
        low = low.max(inner) if all(v < inner for _, v in discs[k + 1 :]) else low
        high = high.max(outer)
    return [v.root(period) if v > 0 else v for v in (low.lower(), high.upper())]


def mode_bounds(claim: Any, proof: Any) -> list[Any]:
    """Return the eigenvalues of the walk, how often each comes, and bounds on its factor."""
    names = ("layer", "period", "centre", "radius", "graph", "along", "transverse")
    program, period, centre, radius, graph, *_ = fields(claim, *names)
    inverse, bases = fields(proof, "inverse", "bases")
    require(type(program) is list and 0 < len(program) <= 64, "a layer has 1 to 64 steps")
    require(type(graph) is list and 1 < len(graph) <= 256, "a graph has 2 to 256 tokens")
    centre, radius, period = exact(centre, None), exact(radius), whole(period, 1, 24)
    require(radius > 0, "the radius must be positive")
    d = centre.ncols()
    require(type(bases) is list and max(1, len(bases)) * d**3 <= 2**28, "it is too much work")
    inverse = exact(inverse, d, d)
    slopes = slopes_near(program, period, centre, radius, inverse)
    modes = eigenvalues(graph)
    require(len(bases) == len(modes), "each eigenvalue of the walk has a basis")
    found = []
    for (mu, times), basis in zip(modes, bases, strict=True):
        re, im = (acb_mat(exact(part, d, d)) for part in fields(basis, "re", "im"))
        bounds = spectral_radius(at_eigenvalue(slopes, mu), re + im * acb(0, 1), period)
        found.append((mu, times, *bounds))
    return found


def largest(modes: Any) -> Any:
    """Return the bounds on what all tokens share, and on the rest: an eigenvalue 1 is the first."""
    along = [mode for mode in modes if mode[0].contains(1)]
    require(len(along) == 1, "the eigenvalue 1 is not told from others")
    low, high = arb(0), arb(0)
    for mu, times, *bounds in modes:
        if times > 1 or not mu.contains(1):
            low, high = low.max(bounds[0]), high.max(bounds[1])
    return along[0][2:], (low, high)


def check(data: bytes) -> str:
    """Return in one sentence what is proved, or raise ValueError."""
    with ctx.workprec(BITS):
        claim, proof = read(data)
        said = []
        found = largest(mode_bounds(claim, proof))
        for (low, high), name in zip(found, ("along", "transverse"), strict=True):
            require(type(claim[name]) is list and len(claim[name]) == 2, "bounds are two numbers")
            least, most = map(exact, claim[name])
            require(least <= low and high <= most, f"the bounds on {name} are not proved")
            side = "below 1" if most < 1 else "above 1" if least > 1 else "not told from 1"
            said.append(f"{least.str(12, radius=False)} to {most.str(12, radius=False)}, {side}")
    return (
        f"Of {len(claim['graph'])} tokens near a cycle of {claim['period']} layer(s), differences "
        f"grow by a factor a layer of {said[1]}, what is equal by one of {said[0]}."
    )


if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as file:
            print(check(file.read(LONGEST + 1)))
    except (OSError, IndexError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2 - (type(error) is ValueError))
