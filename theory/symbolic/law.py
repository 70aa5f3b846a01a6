"""Why does the change of the attention weights drop out near consensus, and what comes next?

Tokens are x + t D_i with a small t. sympy differentiates softmax attention at t = 0: for any
number n of tokens, any mask and any scores that agree along each row at t = 0.
"""

from functools import cache
from typing import Any, NamedTuple, TypeAlias

import sympy as sp

from theory.arrays import InputError

Expr: TypeAlias = Any
T = sp.Symbol("t", real=True)
"""The distance of the tokens from consensus."""
X = sp.Symbol("x", real=True)
"""One feature of the token that all tokens are equal to."""


class FirstOrder(NamedTuple):
    """d/dt of what one token hears, at t = 0, and what the law says: the two must be equal.

    ``weights`` is d/dt of the sum of the weights of its row, which is why; ``walk`` is the random
    walk's sum_j m_j D_j / sum_j m_j.
    """

    derived: Expr
    walk: Expr
    weights: Expr

    @property
    def difference(self) -> Expr:
        """Zero where the law is right at first order."""
        return sp.simplify(self.derived - self.walk)


@cache
def first_order() -> FirstOrder:
    """Differentiate one row of attention for symbolic n, mask m_j, score slopes s_j.

    What is heard is N(t) / Z(t) with N = sum_j m_j exp(t s_j) (x + t D_j), Z = sum_j m_j
    exp(t s_j): the part of the scores that the row shares cancels, and second derivatives of
    scores do not reach the first order. The quotient rule needs N, Z and their slopes at 0; each
    is a sum over j, split into terms and freed of factors without j, and nothing else is used.
    """
    n = sp.Symbol("n", integer=True, positive=True)
    j = sp.Symbol("j", integer=True)
    mask, slope, change = (sp.IndexedBase(name, real=True)[j] for name in ("m", "s", "D"))
    weight = mask * sp.exp(T * slope)

    def total(term: Expr) -> Expr:
        """Return sum_j of a term at t = 0, term by term."""
        parts = sp.Add.make_args(sp.expand(term.subs(T, 0)))
        split = [part.as_independent(j) for part in parts]
        return sp.Add(*(outer * sp.Sum(inner, (j, 1, n)) for outer, inner in split))

    heard = weight * (X + T * change)
    mass, mass_slope = total(weight), total(weight.diff(T))
    top, top_slope = total(heard), total(heard.diff(T))
    derived = sp.simplify((top_slope * mass - top * mass_slope) / mass**2)
    # A single weight is w_j / Z; the sum of the weights' slopes, over j:
    weights = sp.simplify((mass_slope * mass - mass * mass_slope) / mass**2)
    return FirstOrder(derived, total(mask * change) / mass, weights)


@cache
def explicit_first_order(n: int, listened: tuple[int, ...]) -> FirstOrder:
    """Differentiate a row among n tokens with all scores written out: (x + t D_i) c (x + t D_j).

    ``listened`` are the tokens that the mask lets the first token, number 0, listen to. Nothing
    is assumed about the scores, which are bilinear in single features.

    Raises: InputError if the first token listens to nobody, or to one that does not exist
    """
    if not listened or not set(listened) <= set(range(n)):
        raise InputError(f"listened must hold some of the tokens 0 ... {n - 1}, but is {listened}")
    changes = sp.symbols(f"D_0:{n}", real=True)
    coupling = sp.Symbol("c", real=True)
    tokens = [X + T * change for change in changes]
    weights = [sp.exp(tokens[0] * coupling * tokens[j]) for j in listened]
    mass = sp.Add(*weights)
    heard = sp.Add(*(w * tokens[j] for w, j in zip(weights, listened, strict=True))) / mass
    slopes = sp.Add(*((w / mass).diff(T) for w in weights))
    walk = sp.Add(*(changes[j] for j in listened)) / len(listened)
    at_zero = sp.simplify(heard.diff(T).subs(T, 0))
    return FirstOrder(at_zero, walk, sp.simplify(slopes.subs(T, 0)))


class TwoTokens(NamedTuple):
    """Two tokens that listen to each other: D' = D (r + gate V), exactly, for their difference D.

    ``gate`` = A_00 - A_10 in closed form, with the scores' differences a = q_0 (k_0 - k_1) and
    b = q_1 (k_0 - k_1); ``softmax`` is the same from the four scores, and ``series`` the gate up
    to third order in t, where a - b is second order in the distance: a = t u + t^2 w,
    b = t u - t^2 w.
    """

    gate: Expr
    softmax: Expr
    series: Expr


@cache
def two_tokens() -> TwoTokens:
    """Derive the gate: sigmoid(a) - sigmoid(b) = sinh((a - b)/2) / (2 cosh(a/2) cosh(b/2)).

    At small distances it is (a - b) / 4, second order in the distance, so that pure attention
    shrinks the difference to its third power: gate * D.

    Source: dong2021
    """
    s00, s01, s10, s11 = sp.symbols("s_00 s_01 s_10 s_11", real=True)
    own = sp.exp(s00) / (sp.exp(s00) + sp.exp(s01))
    other = sp.exp(s10) / (sp.exp(s10) + sp.exp(s11))
    a, b = sp.symbols("a b", real=True)
    gate = sp.sinh((a - b) / 2) / (2 * sp.cosh(a / 2) * sp.cosh(b / 2))
    u, w = sp.symbols("u w", real=True)
    near = gate.subs({a: T * u + T**2 * w, b: T * u - T**2 * w})
    series = sp.series(near, T, 0, 4).removeO()
    return TwoTokens(gate, own - other, sp.expand(series))


@cache
def two_token_mean() -> tuple[Expr, Expr]:
    """Return the slopes at t = 0 of the mean and the difference of two tokens, one feature.

    With value v and residual r: the mean moves with r + v (eigenvalue 1 of P), the difference
    with r (eigenvalue 0): attention among all tokens does nothing to differences.
    """
    r, v, c = sp.symbols("r v c", real=True)
    first, second = sp.symbols("D_0 D_1", real=True)
    tokens = (X + T * first, X + T * second)
    out = []
    for token in tokens:
        weights = [sp.exp(token * c * other) for other in tokens]
        heard = sum(w * y for w, y in zip(weights, tokens, strict=True)) / sum(weights)
        out.append(r * token + v * heard)
    slopes = [sp.simplify(value.diff(T).subs(T, 0)) for value in out]
    mean = sp.factor((slopes[0] + slopes[1]) / (first + second))
    return sp.simplify(mean), sp.simplify((slopes[0] - slopes[1]) / (first - second))
