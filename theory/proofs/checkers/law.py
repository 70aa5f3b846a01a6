"""Is it proved at which rates small differences between the tokens of a tied network grow?

Claim: a layer, as a program for one token that stands for n equal ones, brings one token of the
box of "radius" around "centre", and no other of it, back after "period" layers. Changes of the n
tokens, which listen by the walk on "graph", grow in the long run by a factor a layer in "along" if
all change alike, and otherwise, where they grow most, in "transverse". Of attention only that
counts: its weights sum to 1 over equal tokens, whatever queries and keys are. With D the slope of
the layers, mu standing for the walk, the factors are the spectral radii of D(mu) at its eigenvalues
mu, 1 for equal changes. Krawczyk's operator encloses the token, Gershgorin's discs the radii.
`law_slopes` has the token and the slopes, this file the factors. It needs python-flint.
"""

from typing import Any

from flint import acb, acb_mat, arb, ctx, fmpq, fmpq_mat

from .envelope import fields, read, require, whole
from .law_slopes import at_eigenvalue, slopes_near
from .programs import BITS, DIGITS, exact

LONGEST = 2**26


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
        claim, proof = read(data, "law", longest=LONGEST, digits=DIGITS)
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
