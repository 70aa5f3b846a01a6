"""Is it proved how steep a gated activation is at most?

Claim: at_least <= sup |phi'| <= at_most for phi(x) = x g(x), where g is one of
    gelu: the normal distribution; silu: sigmoid(x); quick_gelu: sigmoid(1.702 x);
    gelu_tanh: sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
All have g(x) + g(-x) = 1, so that phi'(-x) = 1 - phi'(x): x >= 0 is enough, where g' >= 0 and
phi' = g + x g' >= 1/2. Beyond FAR, g' <= w' exp(-w) for a sigmoid of w, and both that times x and
x g' of gelu fall there (w' > 3 / x > 0), so that phi' <= 1 + what it is at FAR. In between,
intervals are halved until phi' <= at_most on each, by balls that contain every value (Arb).
The lower bound is phi' at one point. It needs python-flint.
"""

from typing import Any

from flint import arb, ctx

from .envelope import fields, rational, read, require

LONGEST, MOST_INTERVALS, FAR, BITS = 2**12, 4_000, 32, 120


def logit(name: str, x: Any) -> tuple[Any, Any, Any]:
    """Return w, w' and w'' of a sigmoid's argument."""
    if name == "silu":
        return x, arb(1), arb(0)
    if name == "quick_gelu":
        return x * 1702 / 1000, arb(1702) / 1000, arb(0)
    c, cubic = 2 * (2 / arb.pi()).sqrt(), arb(44715) / 10**6
    return c * (x + cubic * x**3), c * (1 + 3 * cubic * x**2), 6 * c * cubic * x


def slopes(name: str, x: Any) -> tuple[Any, Any]:
    """Return phi' and phi'' on a ball."""
    if name == "gelu":
        density = (-x * x / 2).exp() / (2 * arb.pi()).sqrt()
        return (1 + (x / arb(2).sqrt()).erf()) / 2 + x * density, (2 - x * x) * density
    w, first, second = logit(name, x)
    gate = 1 / (1 + (-w).exp())
    change = gate * (1 - gate)
    bend = change * ((1 - 2 * gate) * first**2 + second)
    return gate + x * change * first, 2 * change * first + x * bend


def beyond(name: str) -> Any:
    """Return what phi' is at most at and beyond FAR."""
    x = arb(FAR)
    if name == "gelu":
        return 1 + x * (-x * x / 2).exp()
    w, first, _ = logit(name, x)
    require(first > 3 / x, "the tail is not known to fall")
    return 1 + x * first * (-w).exp()


def bounded(name: str, most: Any) -> bool:
    """Whether phi' <= most on [0, FAR], within so many intervals."""
    left = [(0.0, float(FAR))]
    for _ in range(MOST_INTERVALS):
        if not left:
            return True
        low, high = left.pop()
        middle = (low + high) / 2  # floats, and exact: FAR is halved again and again
        ball = arb(middle, (high - low) / 2)
        value, bend = slopes(name, ball)
        if not (value <= most or slopes(name, arb(middle))[0] + bend * (ball - middle) <= most):
            left += [(low, middle), (middle, high)]
    return False


def check(data: bytes) -> str:
    """Return what a certificate proves, in a sentence; a ValueError says why it is no proof."""
    claim, proof = read(data, "activation-slope", longest=LONGEST)
    name, *ends = fields(claim, "activation", "at_least", "at_most")
    known = ("gelu", "gelu_tanh", "silu", "quick_gelu")
    require(isinstance(name, str) and name in known, f"activation must be one of {known}")
    (point,) = map(rational, fields(proof, "steepest"))
    low, high = map(rational, ends)
    with ctx.workprec(BITS):
        least, most, at = (arb(end.numerator) / end.denominator for end in (low, high, point))
        require(slopes(name, at)[0] >= least, "at_least is not reached at steepest")
        require(beyond(name) <= most, f"at_most is not proved beyond {FAR}")
        require(bounded(name, most), "at_most is too small, or too near to the truth")
    about = f"about {float(high):.12f}"
    return f"The steepest slope of {name} is at least {low} and at most {high}, {about}."
