"""The derivations, held against numbers that were computed without them."""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory.arrays import InputError
from theory.blocks import activations
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import PLACEMENTS, Attention, Block, FeedForward
from theory.bounds.coefficients import Coefficients, block_coefficients, weight_norms
from theory.spectra.norms import coupling
from theory.symbolic import coefficient as symbolic
from theory.symbolic.coefficient import (
    GAIN_2,
    GROWTH,
    HEADS,
    LAMBDA,
    LIPSCHITZ,
    PLAIN,
    RESIDUAL,
    ROW,
    SIGMA_1,
    SIGMA_2,
    TAU_2,
    S,
    block_coefficient,
    coefficient_floor,
    critical_spread,
    numeric,
    sharp_coefficient,
    std_ceilings,
    std_threshold,
)

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
EPS = float(np.finfo(np.float64).eps)
SEEDS = st.integers(0, 2**32 - 1)


def random_block(rng: np.random.Generator, **options: Any) -> Block:
    """Draw a block without biases or shifts: 3 heads, 6 features, weights of any size."""
    h, d, f = 3, 6, 9
    size = np.exp(rng.uniform(-3, 2, 5))
    gains = np.exp(rng.normal(size=(2, d)))
    taus = np.exp(rng.normal(size=2))
    return Block(
        Attention(
            query=size[0] * rng.normal(size=(h, d, 2)),
            key=rng.normal(size=(h, d, 2)),
            value=size[1] * rng.normal(size=(h, d, d)),
        ),
        FeedForward(
            size[2] * rng.normal(size=(d, f)),
            size[3] * rng.normal(size=(f, d)),
            activation=str(rng.choice(list(activations.ACTIVATIONS))),
        ),
        norm_1=Norm(gain=gains[0], tau=float(taus[0])),
        norm_2=Norm(gain=gains[1], tau=float(taus[1])),
        residual=float(size[4]),
        **options,
    )


def measure(block: Block, tokens: Floats) -> tuple[Coefficients, dict[str, Any]]:
    """Return the numeric coefficients, and what `numeric` functions want to be told."""
    step = apply_block(block, tokens)
    found = block_coefficients(block, step)
    assert block.feed_forward is not None
    symbols = {
        "lam": found.lambda_,
        "s": found.s,
        "heads": block.attention.value.shape[0],
        "lipschitz": activations.activation(block.feed_forward.activation).lipschitz,
        "growth": 1.0,
        "residual": abs(block.residual),
        "sigma_1": found.sigma_1,
        "sigma_2": found.sigma_2,
        "gain_1": 1.0 if block.norm_1.gain is None else np.max(np.abs(block.norm_1.gain)),
        "gain_2": 1.0 if block.norm_2.gain is None else np.max(np.abs(block.norm_2.gain)),
        "tau_1": block.norm_1.tau,
        "tau_2": block.norm_2.tau,
        "row": np.max(np.linalg.norm(tokens, axis=-1)) / tokens.shape[-1] ** 0.5,
        "residual_attention": abs(block.residual_scale("1")),
        "residual_ffn": abs(block.residual_scale("2")),
    }
    if step.gate is not None:
        assert step.hidden is not None
        symbols |= {"gate_peak": np.abs(step.gate).max(), "hidden_peak": np.abs(step.hidden).max()}
    for name, norm, std in (
        ("1_out", block.norm_1_out, step.std_1_out),
        ("2_out", block.norm_2_out, step.std_2_out),
    ):
        if std is not None:
            assert norm.gain is not None
            gain = np.max(np.abs(norm.gain))
            symbols |= {f"sigma_{name}": np.min(std), f"gain_{name}": gain, f"tau_{name}": norm.tau}
    return found, symbols


def evaluate(expression: sp.Expr, symbols: dict[str, Any]) -> float:
    used = [k for k, symbol in symbolic.ARGUMENTS.items() if symbol in expression.free_symbols]
    return float(numeric(expression)(**{name: symbols[name] for name in used}))


# The block coefficient


def test_the_lemmas_compose_to_the_published_coefficient() -> None:
    published = (1 + S**2) * (1 + sp.sqrt(LAMBDA) * HEADS * S) / (SIGMA_1 * SIGMA_2)
    assert sp.simplify(block_coefficient().subs(PLAIN) - published) == 0


@given(SEEDS, st.sampled_from(PLACEMENTS), st.sampled_from([1, -1]), st.booleans(), st.booleans())
def test_the_derived_coefficient_is_what_the_numeric_code_computes(
    seed: int, placement: Any, sign: int, gated: bool, two_scales: bool
) -> None:
    rng = np.random.default_rng(seed)
    block = random_block(rng, placement=placement)
    if gated:
        assert block.feed_forward is not None
        gate = float(np.exp(rng.uniform(-3, 2))) * rng.normal(size=(6, 9))
        block = replace(block, feed_forward=replace(block.feed_forward, weight_gate=gate))
    if two_scales:
        one, two = sign * rng.uniform(0.1, 3, 2)
        second = None if placement == "parallel" else float(two)
        block = replace(block, residual_attention=float(one), residual_ffn=second)
    out = (Norm(gain=rng.normal(size=6), tau=float(rng.uniform(0.5, 2))) for _ in range(2))
    block = replace(block, residual=sign * block.residual, norm_1_out=next(out))
    block = replace(block, norm_2_out=next(out))
    found, symbols = measure(block, rng.normal(size=(5, 6)))
    expression = block_coefficient(placement, gated=gated, two_scales=two_scales)
    derived = evaluate(expression, symbols)
    assert derived == pytest.approx(float(found.v), rel=64 * EPS)


@given(SEEDS)
def test_the_sharp_coefficient_is_what_the_numeric_code_computes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block, tokens = random_block(rng), rng.normal(size=(5, 6))
    found, symbols = measure(block, tokens)
    norms = weight_norms(block)
    roots = coupling(apply_block(block, tokens).adjacency)
    named = {str(symbolic.ARGUMENTS[name]): value for name, value in symbols.items()}
    named |= {f"lambda_{k + 1}": root**2 for k, root in enumerate(roots)}
    named |= {f"nu_{k + 1}": norm for k, norm in enumerate(norms.value)}
    named |= {"omega_1": norms.ffn_in, "omega_2": norms.ffn_out}
    expression = sharp_coefficient(3)
    order = sorted(expression.free_symbols, key=str)
    derived = sp.lambdify(order, expression)(*(named[str(symbol)] for symbol in order))
    assert derived == pytest.approx(float(found.v_sharp), rel=64 * EPS)


def test_the_sharp_coefficient_grows_into_the_published_one() -> None:
    sharp, paper = sharp_coefficient(2), block_coefficient().subs(HEADS, 2)
    own = [symbol for symbol in sharp.free_symbols if symbol not in paper.free_symbols]
    assert len(own) == 6
    largest = {symbol: LAMBDA if str(symbol).startswith("lambda") else S for symbol in own}
    assert sp.simplify(sharp.subs(largest) - paper) == 0
    positive = sharp.subs({symbol: sp.Symbol(f"{symbol}", positive=True) for symbol in own})
    slopes = [positive.diff(symbol) for symbol in positive.free_symbols - paper.free_symbols]
    assert len(slopes) == 6
    assert all(slope.is_nonnegative for slope in slopes)  # and v' is continuous at zero


def test_v_is_one_at_the_threshold_and_falls_through_it() -> None:
    product = sp.Symbol("p", positive=True)
    of_product = block_coefficient().subs({SIGMA_1: product, SIGMA_2: 1})
    assert sp.simplify(of_product.subs(product, std_threshold()) - 1) == 0
    assert of_product.diff(product).is_nonpositive
    plain = std_threshold().subs(PLAIN).subs({LAMBDA: sp.Rational(1, 4), HEADS: 2, S: 3})
    assert plain == 40  # (1 + 9)(1 + 2 * 3 / 2)


def test_a_pre_norm_block_with_a_full_residual_never_has_v_below_one() -> None:
    excess = sp.expand(sp.numer(sp.together(block_coefficient("pre").subs(RESIDUAL, 1) - 1)))
    assert excess.is_nonnegative


# Can v < 1 happen?


@given(SEEDS)
def test_no_block_without_biases_exceeds_the_ceilings_or_goes_below_the_floor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = random_block(rng)
    tokens = apply_norm(Norm(gain=np.exp(rng.normal(size=6))), rng.normal(size=(5, 6)))
    found, symbols = measure(block, tokens)
    slack = 1 + 64 * EPS
    for sigma, ceiling in zip((found.sigma_1, found.sigma_2), std_ceilings(), strict=True):
        assert sigma is not None
        assert sigma <= evaluate(ceiling, symbols) * slack
    assert evaluate(coefficient_floor(), symbols) <= found.v * slack


def rotation(start: Floats, end: Floats) -> Floats:
    """Return the reflection that takes ``start`` to ``end`` (both of one norm)."""
    across = (start - end) / np.linalg.norm(start - end)
    result: Floats = np.eye(len(start)) - 2 * np.outer(across, across)
    return result


def test_the_ceilings_and_the_floor_are_reached() -> None:
    d, h, size = 4, 2, 1.5
    token = apply_norm(Norm(), np.asarray([[3.0, -1.0, 2.0, 0.5]]))
    tokens = np.repeat(token, 3, axis=0)
    turn = rotation(token[0], np.ones(d))  # ReLU leaves all ones as they are
    attention = Attention(
        np.zeros((h, d, 1)), np.zeros((h, d, 1)), size * np.stack([np.eye(d)] * h)
    )
    block = Block(attention, FeedForward(size * turn, size * turn.T))
    found, symbols = measure(block, tokens)
    for sigma, ceiling in zip((found.sigma_1, found.sigma_2), std_ceilings(), strict=True):
        assert sigma == pytest.approx(evaluate(ceiling, symbols), rel=64 * EPS)
    assert found.lambda_ < EPS, "everybody hears everybody"
    assert found.v == pytest.approx(1 / (1 + h * size), rel=1e-7)  # v < 1 does happen
    assert found.v == pytest.approx(evaluate(coefficient_floor(), symbols), rel=1e-7)


def test_a_bias_takes_v_below_the_floor() -> None:
    rng = np.random.default_rng(0)
    block, tokens = random_block(rng), apply_norm(Norm(), rng.normal(size=(5, 6)))
    assert block.feed_forward is not None
    bias = 1e3 * np.asarray([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    biased = replace(block, feed_forward=replace(block.feed_forward, bias_out=bias))
    found, symbols = measure(biased, tokens)
    assert evaluate(coefficient_floor(), symbols) > 2 * found.v


def test_with_relu_v_is_at_least_one_exactly_where_lambda_is() -> None:
    inside = coefficient_floor().subs(ROW, GAIN_2 / TAU_2)  # a stack of such blocks
    relu = sp.simplify(inside.subs(LIPSCHITZ, GROWTH))
    paper = (1 + sp.sqrt(LAMBDA) * HEADS * S) / (1 + HEADS * S)
    assert sp.simplify(relu.subs(RESIDUAL, 1) - paper) == 0
    change = sp.Symbol("delta", positive=True)
    above = sp.factor(relu.subs(LAMBDA, (1 + change) ** 2) - 1)
    assert above.is_positive
    below = sp.factor(relu.subs(LAMBDA, 1 / (1 + change) ** 2) - 1)
    assert below.is_negative
    assert sp.factor(relu.subs(LAMBDA, 1) - 1) == 0


def test_a_steeper_activation_only_raises_the_floor() -> None:
    excess = sp.Symbol("delta", positive=True)  # c = b + delta
    assert sp.factor(coefficient_floor().diff(LIPSCHITZ)).is_nonnegative
    assert sp.simplify(critical_spread().subs(LIPSCHITZ, GROWTH)) == 1
    room = sp.factor(1 - critical_spread().subs(LIPSCHITZ, GROWTH + excess))
    assert room.is_positive  # so v < 1 needs a lambda that is smaller than one by a margin


def test_the_critical_spread_makes_the_floor_one() -> None:
    symbols = {"s": 1.3, "heads": 4, "lipschitz": 1.129, "growth": 1.0, "residual": 0.8}
    root = evaluate(critical_spread(), symbols)
    assert 0 < root < 1
    rest = {"lam": root**2, "gain_2": 1.0, "tau_2": 1.0, "row": 1.0}
    assert evaluate(coefficient_floor(), symbols | rest) == pytest.approx(1, rel=64 * EPS)


def test_numeric_functions_take_arrays_and_refuse_wrong_keywords() -> None:
    threshold = numeric(std_threshold().subs(PLAIN))
    s = np.asarray([0.5, 2.0])
    np.testing.assert_allclose(threshold(lam=0.25, s=s, heads=2), (1 + s**2) * (1 + s))
    with pytest.raises(InputError, match=r"lam, s, heads.*'sigma_1'"):
        threshold(lam=0.25, s=s, sigma_1=1)
    with pytest.raises(InputError, match="nu_1"):
        numeric(sharp_coefficient(1))
    with pytest.raises(InputError, match="heads"):
        sharp_coefficient(0)
    with pytest.raises(InputError, match="placement"):
        block_coefficient("sideways")
