"""Which closed forms follow from the lemmas: the block coefficient, its threshold, its floor?

Nothing is typed in but the lemmas (`theory.symbolic.lemmas`). A size (the distance to consensus,
or the norm of a row) is sent through a block lemma by lemma, and sympy does the algebra: what comes
out divided by what went in is the coefficient. The maps themselves (activations, LayerNorm) are
treated in `theory.symbolic.maps`.
"""

from collections.abc import Callable
from functools import cache

import sympy as sp

from theory.arrays import Array, InputError
from theory.blocks.weights import Placement
from theory.blocks.wiring import Reading, read_placement
from theory.symbolic.lemmas import (
    Expr,
    activation_size,
    linear_size,
    mixing_size,
    norm_size,
    product_size,
    sum_size,
)

LAMBDA = sp.Symbol("lambda", nonnegative=True)
"""Largest eigenvalue of A^T (I - e e^T) A over the heads; sqrt(lambda) is a spectral norm."""
S = sp.Symbol("s", positive=True)
"""Largest singular value of all value-output and feed-forward matrices."""
HEADS = sp.Symbol("h", integer=True, positive=True)
LIPSCHITZ = sp.Symbol("c", positive=True)
"""Lipschitz constant of the activation."""
GROWTH = sp.Symbol("b", positive=True)
"""sup |phi(x) / x|: at most the Lipschitz constant, because phi(0) = 0."""
RESIDUAL = sp.Symbol("alpha", nonnegative=True)
"""Size of the residual scale (the lemmas see |alpha| only)."""
RESIDUAL_ATTENTION, RESIDUAL_FFN = sp.symbols("alpha_1 alpha_2", nonnegative=True)
"""The same, of the sum after each sublayer where they differ."""
GATE_PEAK, HIDDEN_PEAK = sp.symbols("a u", nonnegative=True)
"""max |phi(gate)| and max |hidden| over the tokens and features of a gated sublayer."""
SIGMA_1, SIGMA_2 = sp.symbols("sigma_1 sigma_2", positive=True)
GAIN_1, GAIN_2 = sp.symbols("g_1 g_2", positive=True)
"""max |gamma| of each normalisation."""
TAU_1, TAU_2 = sp.symbols("tau_1 tau_2", positive=True)
SIGMA_1_OUT, SIGMA_2_OUT = sp.symbols("sigma_1out sigma_2out", positive=True)
GAIN_1_OUT, GAIN_2_OUT = sp.symbols("g_1out g_2out", positive=True)
TAU_1_OUT, TAU_2_OUT = sp.symbols("tau_1out tau_2out", positive=True)
"""Of the normalisations that a sandwich block has at the end of its sublayers."""
ROW = sp.Symbol("r_0", positive=True)
"""Bound on the norm of the block's input rows, in units of sqrt(d): g_2 / tau_2 of the block
before, if that is post-LN without shift."""

ARGUMENTS: dict[str, sp.Symbol] = {
    "lam": LAMBDA,
    "s": S,
    "heads": HEADS,
    "lipschitz": LIPSCHITZ,
    "growth": GROWTH,
    "residual": RESIDUAL,
    "sigma_1": SIGMA_1,
    "sigma_2": SIGMA_2,
    "gain_1": GAIN_1,
    "gain_2": GAIN_2,
    "tau_1": TAU_1,
    "tau_2": TAU_2,
    "row": ROW,
    "sigma_1_out": SIGMA_1_OUT,
    "sigma_2_out": SIGMA_2_OUT,
    "gain_1_out": GAIN_1_OUT,
    "gain_2_out": GAIN_2_OUT,
    "tau_1_out": TAU_1_OUT,
    "tau_2_out": TAU_2_OUT,
    "residual_attention": RESIDUAL_ATTENTION,
    "residual_ffn": RESIDUAL_FFN,
    "gate_peak": GATE_PEAK,
    "hidden_peak": HIDDEN_PEAK,
}
"""Keyword under which `numeric` takes each symbol."""

PLAIN: dict[sp.Symbol, Expr] = {
    symbol: sp.Integer(1)
    for symbol in (
        *(LIPSCHITZ, RESIDUAL, GAIN_1, GAIN_2, TAU_1, TAU_2),
        *(GAIN_1_OUT, GAIN_2_OUT, TAU_1_OUT, TAU_2_OUT),
        *(RESIDUAL_ATTENTION, RESIDUAL_FFN),
    )
}
"""The paper's setting: ReLU, unscaled residual and LayerNorm without gain. `expr.subs(PLAIN)`."""


NORM_SYMBOLS: dict[str, tuple[Expr, Expr, Expr]] = {
    "1": (GAIN_1, TAU_1, SIGMA_1),
    "2": (GAIN_2, TAU_2, SIGMA_2),
    "1_out": (GAIN_1_OUT, TAU_1_OUT, SIGMA_1_OUT),
    "2_out": (GAIN_2_OUT, TAU_2_OUT, SIGMA_2_OUT),
}
"""Gain, tau and least std of each norm, by the names of `theory.blocks.wiring`."""


def _sizes(
    attend: Callable[[Expr], Expr],
    feed_forward: Callable[[Expr], Expr],
    *,
    two_scales: bool = False,
) -> Reading[Expr]:
    """Read a block lemma by lemma, with those of its two sublayers."""
    own = {"1": RESIDUAL_ATTENTION, "2": RESIDUAL_FFN}
    return Reading(
        norm=lambda name, size: norm_size(size, *NORM_SYMBOLS[name]),
        attend=attend,
        feed_forward=feed_forward,
        add=lambda number, stream, change: sum_size(
            (own[number] if two_scales else RESIDUAL, stream), (1, change)
        ),
        both=lambda first, second: sum_size((1, first), (1, second)),
    )


def _attention(size: Expr, factor: Expr) -> Expr:
    head = sp.Symbol("k", integer=True)
    return sp.Sum(linear_size(mixing_size(size, factor), S), (head, 1, HEADS)).doit()


def _feed_forward(size: Expr, factor: Expr) -> Expr:
    return linear_size(activation_size(linear_size(size, S), factor), S)


def _gated(size: Expr) -> Expr:
    gate, hidden = activation_size(linear_size(size, S), LIPSCHITZ), linear_size(size, S)
    return linear_size(product_size(gate, hidden, peaks=(GATE_PEAK, HIDDEN_PEAK)), S)


@cache
def block_coefficient(
    placement: Placement = "post", *, gated: bool = False, two_scales: bool = False
) -> Expr:
    """Derive v with d_M(block(H)) <= v d_M(H), by composing the lemmas in the block's order.

    A symbol for d_M(H) is sent through both sublayers and divided out at the end. Post-LN gives
    v = g_1 g_2 (alpha + c s^2)(alpha + sqrt(lambda) h s) / (tau_1 tau_2 sigma_1 sigma_2).
    ``gated`` puts a + c u, the peaks of the two factors, in the place of c; ``two_scales`` gives
    each sum an alpha of its own, alpha_1 and alpha_2.

    Raises: InputError for an unknown placement
    Source: shi2022, theorem 2, where c = alpha = 1 and there are no gains; the placements are
            those of `theory.blocks.weights.Block`
    """
    start = sp.Symbol("D", positive=True)
    reading = _sizes(
        lambda size: _attention(size, sp.sqrt(LAMBDA)),
        _gated if gated else lambda size: _feed_forward(size, LIPSCHITZ),
        two_scales=two_scales,
    )
    out = read_placement(placement, start, reading)
    coefficient = sp.factor(out / start)
    assert start not in coefficient.free_symbols, "a lemma is not homogeneous"
    return coefficient


@cache
def gated_coefficient() -> Expr:
    """Derive the factor of a gated feed-forward sublayer on the distance: (a + c u) s^2.

    Source: derived; the sublayer is that of shazeer2020glu
    """
    start = sp.Symbol("D", positive=True)
    return sp.factor(_gated(start) / start)


@cache
def sharp_coefficient(heads: int) -> Expr:
    """Derive v': each head keeps its own sqrt(lambda_k) and norm nu_k, each layer its own norm.

    Symbols: lambda_1 ..., nu_1 ... (norm of V_k W_O^k), omega_1 and omega_2 (of W_1, W_2), all
    nonnegative, and those of `block_coefficient`, which is v' with lambda_k = lambda and all
    norms s. v' grows in each of its lambda_k, nu_k, omega_i, therefore v' <= v.

    Raises: InputError if ``heads`` is not positive
    """
    if heads < 1:
        raise InputError(f"heads must be at least 1, but is {heads}")
    start = sp.Symbol("D", positive=True)
    lambdas = sp.symbols(f"lambda_1:{heads + 1}", nonnegative=True)
    norms = sp.symbols(f"nu_1:{heads + 1}", nonnegative=True)
    inner, outer = sp.symbols("omega_1 omega_2", nonnegative=True)

    def attend(size: Expr) -> Expr:
        heads = zip(lambdas, norms, strict=True)
        mixed = ((mixing_size(size, sp.sqrt(lam)), norm) for lam, norm in heads)
        return sum_size(*((1, linear_size(value, norm)) for value, norm in mixed))

    def feed(size: Expr) -> Expr:
        return linear_size(activation_size(linear_size(size, inner), LIPSCHITZ), outer)

    out = read_placement("post", start, _sizes(attend, feed))
    return sp.factor(out / start)


@cache
def std_threshold() -> Expr:
    """Solve v = 1 for sigma_1 sigma_2: the post-LN theorem implies convergence only above this.

    v falls in the product and does not depend on how it is shared between the two norms, so
    v < 1 exactly where sigma_1 sigma_2 exceeds the returned expression.
    """
    product = sp.Symbol("p", positive=True)
    in_product = sp.simplify(block_coefficient().subs(SIGMA_1, product / SIGMA_2))
    assert SIGMA_2 not in in_product.free_symbols, "v must depend on the product alone"
    (threshold,) = sp.solve(sp.Eq(in_product, 1), product)
    return sp.factor(threshold)


@cache
def std_ceilings() -> tuple[Expr, Expr]:
    """Derive upper bounds on sigma_1 and sigma_2 in a post-LN block, from the norms of the rows.

    Needs: row norms of the input at most r_0 sqrt(d), no biases, no shifts, eps = 0 (otherwise
    add eps under a root). The lemmas are those of `block_coefficient`, applied to the largest
    norm of a row: a row of A is a convex combination and multiplies it by at most 1; the
    activation multiplies it by at most b = sup |phi(x) / x|; LayerNorm makes it at most
    g sqrt(d) / tau whatever came in. A token's std is at most its norm over sqrt(d), and the
    smallest std is at most any token's.
    """
    ceilings: list[Expr] = []

    def norm(name: str, size: Expr) -> Expr:
        ceilings.append(size)
        gain, tau, _ = NORM_SYMBOLS[name]
        return gain / tau

    reading = _sizes(
        lambda size: _attention(size, sp.Integer(1)), lambda size: _feed_forward(size, GROWTH)
    )
    read_placement("post", ROW, reading._replace(norm=norm))
    first, second = map(sp.factor, ceilings)
    return first, second


@cache
def coefficient_floor() -> Expr:
    """Derive a lower bound on v under the hypotheses of `std_ceilings`: can v < 1 happen at all?

    Putting the ceilings in the place of sigma_1 and sigma_2 gives
    v >= g_2 / (tau_2 r_0) * (alpha + c s^2)/(alpha + b s^2)
                           * (alpha + sqrt(lambda) h s)/(alpha + h s).
    tau_1 and g_1 cancel. Between blocks of one stack r_0 is g_2 / tau_2 of the block before, so
    the first factor telescopes over the depth: no gain and no LN std scale makes a stack
    contract. As b <= c, v >= 1 whenever lambda >= 1 (and r_0 = g_2 / tau_2).
    """
    first, second = std_ceilings()
    return sp.factor(block_coefficient().subs({SIGMA_1: first, SIGMA_2: second}))


@cache
def critical_spread() -> Expr:
    """Solve floor = 1 for sqrt(lambda), with r_0 = g_2 / tau_2: v < 1 needs a smaller one.

    It is 1 where c = b (ReLU, tanh), below 1 where c > b (GELU, SiLU); where it is not positive,
    v >= 1 whatever the attention does.
    """
    spread = sp.Symbol("m", real=True)
    floor = coefficient_floor().subs(ROW, GAIN_2 / TAU_2).subs(sp.sqrt(LAMBDA), spread)
    assert LAMBDA not in floor.free_symbols, "lambda enters through its root alone"
    (critical,) = sp.solve(sp.Eq(floor, 1), spread)
    return sp.factor(critical)


def numeric(expression: Expr) -> Callable[..., Array]:
    """Turn an expression in this module's symbols into a function of numbers or NumPy arrays.

    The function takes the keywords of `ARGUMENTS` whose symbols occur in the expression.

    Raises: InputError if another symbol occurs; the function, for a missing or unknown keyword
    """
    used = [name for name, symbol in ARGUMENTS.items() if symbol in expression.free_symbols]
    foreign = expression.free_symbols - set(ARGUMENTS.values())
    if foreign:
        names = ", ".join(sorted(map(str, foreign)))
        raise InputError(f"expression must use this module's symbols only, but has {names}")
    compiled = sp.lambdify([ARGUMENTS[name] for name in used], expression, modules="numpy")

    def evaluate(**values: Array) -> Array:
        if set(values) != set(used):
            raise InputError(f"expected the keywords {', '.join(used)}, but got {sorted(values)}")
        return compiled(*(values[name] for name in used))

    return evaluate
