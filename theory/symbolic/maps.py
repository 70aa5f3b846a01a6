"""What can be derived exactly about the single maps: activations, LayerNorm, their scaling?"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias

import sympy as sp

from theory.arrays import InputError
from theory.blocks.activations import activation
from theory.blocks.wiring import Reading, read_placement

Expr: TypeAlias = sp.Expr

X = sp.Symbol("x", real=True)
"""The argument of every activation."""
DIGITS = 50
"""To which numeric values are computed."""


def activation_formula(name: str) -> Expr:
    """Return an activation in sympy, a function of `X`.

    Raises: InputError for an unknown name
    """
    phi = activation(name)
    if phi.logit:
        return X / (1 + sp.exp(-_logit(name)))
    return sp.sympify(phi.formula, locals={"x": X})


def _logit(name: str) -> Expr:
    """Return the odd w where phi(x) = x / (1 + exp(-w(x)))."""
    return sp.sympify(activation(name).logit, locals={"x": X})


@dataclass(frozen=True)
class LipschitzConstant:
    """sup |phi'|, and the finite list of slopes among which it is the largest.

    ``slopes`` pairs a place (a stationary point of phi', -oo or oo; for piecewise linear phi a
    point of each piece) with phi' there: phi' is monotone in between. ``exact`` is None where the
    place is a root without closed form. ``growth`` is sup |phi(x) / x|.
    """

    function: Expr
    slopes: tuple[tuple[Expr, Expr], ...]
    steepest_at: Expr
    exact: Expr | None
    value: Expr
    growth: Expr


@cache
def lipschitz_constant(name: str) -> LipschitzConstant:
    """Derive the Lipschitz constant of an activation: the c of the block coefficient.

    phi' is continuous, so |phi'| is at most its largest value at the zeros of phi'' and in the
    limits at -oo and oo. GELU: phi'' = 0 at +-sqrt 2 only. SiLU and the tanh approximation of GELU:
    `gate_stationarity` has one positive root, and phi'' is even, since phi(x) - phi(-x) = x.
    ReLU: slopes 0 and 1.

    Raises: InputError for an unknown name
    Source: hendrycks2016gelu, elfwing2018silu
    """
    function = activation_formula(name)
    slope = function.diff(X)
    slopes = tuple((place, _slope_at(slope, place)) for place in _places(name, slope))
    place, steepest = max(slopes, key=lambda pair: sp.N(abs(pair[1]), DIGITS))
    constant = abs(steepest)
    exact = None if constant.has(sp.Float) else constant
    # |phi(x) / x| is at most c (phi(0) = 0); a gate phi(x) / x = G(x), 0 < G < 1, tends to 1.
    growth = sp.limit(function / X, X, sp.oo) if activation(name).kind == "gate" else constant
    return LipschitzConstant(function, slopes, place, exact, sp.N(constant, DIGITS), growth)


def _places(name: str, slope: Expr) -> tuple[Expr, ...]:
    """Return where |phi'| may be largest."""
    if activation(name).kind in ("line", "hinge"):  # one place in each piece
        return (sp.Integer(-1), sp.Integer(1))
    if activation(name).logit:
        root = gate_root(name)
        return (-sp.oo, -root, root, sp.oo)
    zeros = sp.solveset(sp.simplify(slope.diff(X)), X, sp.S.Reals)
    assert isinstance(zeros, sp.FiniteSet), f"phi'' = 0 was not solved: {zeros}"
    return (-sp.oo, *sorted(zeros), sp.oo)


def _slope_at(slope: Expr, place: Expr) -> Expr:
    if place.is_infinite:
        return sp.limit(slope, X, place)
    value = slope.subs(X, place)
    return sp.N(value, DIGITS) if place.has(sp.Float) else sp.simplify(value)


class Stationarity(NamedTuple):
    """Two functions of x > 0 that are equal where phi'' = 0, and their derivatives."""

    falling: Expr
    rising: Expr
    falling_slope: Expr
    rising_slope: Expr


@cache
def gate_stationarity(name: str) -> Stationarity:
    """Split phi'' = 0 for phi(x) = x sigmoid(w(x)) into falling(x) = rising(x).

    phi'' = sigmoid'(w) w'^2 (falling - rising), falling = (2 w' + x w'') / w'^2 and
    rising = x tanh(w / 2). For x > 0 the slopes have signs that sympy reads off their form, so
    there is at most one positive root. SiLU: x tanh(x / 2) = 2, and c = 1/2 + x/4 there.
    """
    x = sp.Symbol("x", positive=True)
    logit = _logit(name).subs(X, x)
    falling = sp.simplify((2 * logit.diff(x) + x * logit.diff(x, 2)) / logit.diff(x) ** 2)
    rising = x * sp.tanh(logit / 2)
    half = sp.tanh(logit / 2)
    rising_slope = sp.expand(rising.diff(x).subs(half**2, 1 - sp.sech(logit / 2) ** 2))
    return Stationarity(falling, rising, sp.factor(falling.diff(x)), rising_slope)


@cache
def gate_identity() -> Expr:
    """Return phi'' - sigmoid'(w) w'^2 (falling - rising) for any w: zero, by sympy."""
    logit = sp.Function("w")(X)
    gate = 1 / (1 + sp.exp(-logit))
    first, second = logit.diff(X), logit.diff(X, 2)
    split = 2 * first + X * second - first**2 * X * sp.tanh(logit / 2)
    residue = (X * gate).diff(X, 2) - gate * (1 - gate) * split
    return sp.simplify(residue.rewrite(sp.exp))


@cache
def gate_root(name: str) -> Expr:
    """Return the only x > 0 with phi''(x) = 0 for a sigmoid gate, to `DIGITS` digits.

    falling - rising changes its sign between 1/2 and 4, and falls strictly.
    """
    split = gate_stationarity(name)
    assert split.falling_slope.is_nonpositive, "the root may not be the only one"
    assert split.rising_slope.is_positive, "the root may not be the only one"
    (x,) = split.rising.free_symbols
    bracket = (sp.Rational(1, 2), sp.Integer(4))
    gap = split.falling - split.rising
    assert gap.subs(x, bracket[0]).evalf() > 0 > gap.subs(x, bracket[1]).evalf()
    return sp.nsolve(gap, x, bracket, solver="anderson", prec=DIGITS)


class Jacobian(NamedTuple):
    """A Jacobian by differentiation, and the closed form claimed for it."""

    derived: Expr
    closed: Expr
    arguments: tuple[sp.Symbol, ...]
    eps: sp.Symbol


@cache
def derive_norm_jacobian(d: int, kind: Literal["layer", "rms"] = "layer") -> Jacobian:
    """Differentiate LayerNorm (RMSNorm) at a general x of d features, without gain.

    Closed form: (I - 1 1^T / d - y y^T / d) / std, with y the normalised x and
    std = sqrt(var + eps); for RMSNorm without 1 1^T / d, and the rms for std. It is symmetric.
    At eps = 0 it is 1 / std times a projection (y has norm sqrt(d)): of rank d - 2, so a
    LayerNorm of two features has derivative zero; of rank d - 1 for RMSNorm.

    Raises: InputError for d < 2 or another kind
    Source: ba2016, zhang2019rmsnorm
    """
    if d < 2 or kind not in ("layer", "rms"):
        raise InputError(f"wanted d >= 2 and kind 'layer' or 'rms', but got {d} and {kind!r}")
    entries = sp.symbols(f"x_1:{d + 1}", real=True)
    eps = sp.Symbol("epsilon", nonnegative=True)
    mean_part = sp.ones(d, d) / d if kind == "layer" else sp.zeros(d, d)
    centring = sp.eye(d) - mean_part
    centred = centring * sp.Matrix(entries)
    std = sp.sqrt(centred.dot(centred) / d + eps)
    normalised = centred / std
    closed = (centring - normalised * normalised.T / d) / std
    return Jacobian(normalised.jacobian(entries), closed, entries, eps)


def homogeneous(name: str, degree: int) -> Any:
    """Make an unknown function f with f(c x) = c^degree f(x) for every c > 0, per argument."""

    def evaluate(cls: Any, *arguments: Expr) -> Expr | None:
        factors, cores = [], []
        for argument in arguments:
            parts = sp.Mul.make_args(sp.factor_terms(argument))
            factors += [part for part in parts if part.is_positive]
            cores.append(sp.Mul(*(part for part in parts if not part.is_positive)))
        return sp.Mul(*factors) ** degree * cls(*cores) if factors else None

    return type(name, (sp.Function,), {"eval": classmethod(evaluate)})


@cache
def tau_degeneracy(activation: Any = None, shift: Expr | int = 0) -> tuple[Expr, ...]:
    """Derive what tau does in a bias-free post-LN block: return differences, one a token.

    block(tau_1, tau_2; theta)(X / tau_0) - block(1, 1; theta / tau_0^2)(X) / tau_2 = 0: the LN
    std scale is a temperature tau_0^2 of the scores and an overall scale; tau_1 does nothing. A
    stack with one tau throughout, fed X / tau, is the stack with tau = 1 and scores / tau^2, fed
    X, divided by tau at the end. Fed X itself, it differs in the first block's scores only.

    Tokens stand for whole vectors, and the maps are unknown functions of which only the scaling
    is known: value and feed-forward matrices have degree 1, scores degree 1 in each token (no
    biases), LayerNorm degree 0 (gains allowed, eps = 0), the activation degree 1 (ReLU).
    ``activation`` puts another function in its place and ``shift`` is added by each LayerNorm:
    neither keeps the equality.
    """
    theta, alpha, tau_0, tau_1, tau_2 = sp.symbols("theta alpha tau_0:3", positive=True)
    tokens = sp.symbols("x_1 x_2")
    phi = homogeneous("phi", 1) if activation is None else activation
    values = [homogeneous(f"V_{k}", 1) for k in (1, 2)]
    scores = [homogeneous(f"score_{k}", 1) for k in (1, 2)]
    inner, outer = homogeneous("W_1", 1), homogeneous("W_2", 1)
    norms = [homogeneous(f"LN_{i}", 0) for i in (1, 2)]

    def block(tokens: tuple[Expr, ...], scale: Expr, tau_1: Expr, tau_2: Expr) -> tuple[Expr, ...]:
        def norm(name: str, states: tuple[Expr, ...]) -> tuple[Expr, ...]:
            function, tau = {"1": (norms[0], tau_1), "2": (norms[1], tau_2)}[name]
            return tuple(function(state) / tau + shift for state in states)

        def hear(token: Expr, others: tuple[Expr, ...]) -> Expr:
            heard = sp.Integer(0)
            for value, score in zip(values, scores, strict=True):
                pairs = [(sp.exp(scale * score(token, other)), value(other)) for other in others]
                heard += sum(w * v for w, v in pairs) / sum(w for w, _ in pairs)
            return heard

        reading = Reading[tuple[Expr, ...]](
            norm,
            attend=lambda states: tuple(hear(state, states) for state in states),
            feed_forward=lambda states: tuple(outer(phi(inner(state))) for state in states),
            add=lambda _, stream, change: tuple(
                alpha * old + new for old, new in zip(stream, change, strict=True)
            ),
            both=lambda first, second: tuple(
                one + two for one, two in zip(first, second, strict=True)
            ),
        )
        return read_placement("post", tokens, reading)

    scaled = block(tuple(token / tau_0 for token in tokens), theta, tau_1, tau_2)
    plain = block(tokens, theta / tau_0**2, sp.Integer(1), sp.Integer(1))
    return tuple(left - right / tau_2 for left, right in zip(scaled, plain, strict=True))


@cache
def cosine_from_distance() -> Expr:
    """Derive CosSim from rho = d_M(H) / |H| and n, for rows of one norm (post-LN, no gain).

    With r the rows' norm: |H|^2 = n r^2, d_M^2 = |H|^2 - n |mean|^2, |sum of unit rows| =
    n |mean| / r. So CosSim = 1 - rho^2 n / (n - 1): the two measures say the same there.
    """
    n, rho, norm = sp.symbols("n rho r", positive=True)
    mean_square = sp.Symbol("q", nonnegative=True)
    energy = n * norm**2
    (mean_square,) = sp.solve(sp.Eq(rho**2 * energy, energy - n * mean_square), mean_square)
    return sp.simplify((n**2 * mean_square / norm**2 - n) / (n * (n - 1)))


@cache
def two_token_effective_rank() -> Expr:
    """Derive the effective rank of two tokens of one norm from their cosine, t in (-1, 1).

    The squared singular values are the eigenvalues of their Gram matrix, 1 + t and 1 - t.

    Source: roy2007effective
    """
    cosine = sp.Symbol("t", real=True)
    gram = sp.Matrix([[1, cosine], [cosine, 1]])
    singular = [sp.sqrt(value) for value in gram.eigenvals()]
    shares = [value / sum(singular) for value in singular]
    return sp.exp(-sum(share * sp.log(share) for share in shares))
