"""Which token comes back after some layers, and what are the slopes of these layers near it?

Krawczyk's operator: with any matrix Y, of use where it is nearly the inverse of 1 - F', let K be
c - (c - F(c)) Y + B (1 - (1 - F') Y), c the centre, c + B the box, F' the slopes in all of it. If
K is inside the box, one token of the box, and no other, is its own image under F. The slopes
follow the chain rule along the steps, one for each power of the walk, mu at its eigenvectors.
"""

from functools import reduce
from typing import Any

from flint import acb_mat, arb, arb_mat

from .envelope import require
from .programs import applied, read_step

MOST_WORK = 2**30


def step(found: Any, tokens: Any) -> Any:
    """Return the token that a step makes of those so far, and its slope at each power of mu."""
    kind, sources, given = read_step(found, [at[0].ncols() for at in tokens])
    at = [tokens[source] for source in sources]
    if kind == "walk":
        ((token, *slopes),) = at
        return [token, *(each * 0 for each in slopes[:1]), *slopes]
    return applied(kind, given, *at)


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
