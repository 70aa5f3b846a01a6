"""Slopes, Jacobians and scalings as derived, held against numbers computed without them."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.test_symbolic.test_coefficient import EPS, SEEDS, random_block
from theory.arrays import InputError
from theory.blocks import activations
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm, apply_norm
from theory.symbolic import maps as symbolic_maps
from theory.symbolic.maps import lipschitz_constant

NAMES = sorted(activations.ACTIVATIONS)
GATES = ("gelu", "gelu_tanh", "silu")

# Lipschitz constants

MPMATH: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, mp.mpf(0)),
    "tanh": mp.tanh,
    "gelu": lambda x: x * mp.ncdf(x),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "quick_gelu": lambda x: x / (1 + mp.exp(-mp.mpf("1.702") * x)),
    "gelu_tanh": lambda x: (
        x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)))
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_constant_is_the_largest_of_many_slopes(name: str) -> None:
    function, step = MPMATH[name], mp.mpf(1) / 50
    places = [(k + mp.mpf(1) / 3) * step for k in range(-300, 300)]  # never at the kink of ReLU
    constant = mp.mpf(str(lipschitz_constant(name).value))
    tiny = mp.mpf(10) ** -10
    with mp.workdps(30):
        slopes = [(function(x + tiny) - function(x - tiny)) / (2 * tiny) for x in places]
        growths = [abs(function(5 * x) / (5 * x)) for x in places]  # gates are slow to open
    steepest = max(abs(slope) for slope in slopes)
    assert steepest <= constant * (1 + mp.mpf(10) ** -14)
    assert constant - steepest <= step**2 / 2  # at a smooth top: |phi'''| step^2 / 8, |phi'''| < 4
    growth = mp.mpf(str(lipschitz_constant(name).growth))
    assert growth * (1 - mp.mpf(10) ** -3) <= max(growths) <= growth * (1 + mp.mpf(10) ** -14)


@pytest.mark.parametrize("name", NAMES)
def test_the_numeric_code_uses_the_derived_constant(name: str) -> None:
    used = activations.activation(name).lipschitz
    # A top is flat: a search that stops sqrt(eps) short of it errs by eps.
    assert used == pytest.approx(float(lipschitz_constant(name).value), rel=8 * EPS)


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_those_of_the_numeric_code(name: str) -> None:
    x = np.linspace(-9, 9, 101)
    formula = sp.lambdify(
        symbolic_maps.X, symbolic_maps.activation_formula(name), modules=["scipy", "numpy"]
    )
    expected = activations.activation(name).function(x)
    np.testing.assert_allclose(formula(x), expected, rtol=1e-12, atol=64 * EPS)


@pytest.mark.parametrize("name", NAMES)
@given(x=st.floats(-30, 30), y=st.floats(-30, 30))
def test_no_two_points_are_torn_apart_faster(name: str, x: float, y: float) -> None:
    function = activations.activation(name).function
    apart = abs(float(function(np.float64(x))) - float(function(np.float64(y))))
    allowed = float(lipschitz_constant(name).value) * abs(x - y)
    assert apart <= allowed + 32 * EPS * (abs(x) + abs(y)) + 1e-300


def test_gelu_is_steepest_at_the_root_of_two_with_a_closed_form() -> None:
    gelu = lipschitz_constant("gelu")
    assert gelu.steepest_at == sp.sqrt(2)
    closed = sp.Rational(1, 2) + sp.erf(1) / 2 + sp.exp(-1) / sp.sqrt(sp.pi)
    assert sp.simplify(gelu.exact - closed) == 0
    assert gelu.value > 1, "the constant of ReLU does not do"
    third = gelu.function.diff(symbolic_maps.X, 3).subs(symbolic_maps.X, sp.sqrt(2))
    assert third.is_negative, "a maximum of phi'"


def test_relu_and_tanh_have_constant_one_exactly() -> None:
    for name in ("relu", "tanh", "identity"):
        assert lipschitz_constant(name).exact == 1
    assert dict(lipschitz_constant("relu").slopes) == {-1: 0, 1: 1}
    assert lipschitz_constant("silu").exact is None


def test_silu_is_steepest_where_x_tanh_half_x_is_two() -> None:
    silu = lipschitz_constant("silu")
    x = silu.steepest_at
    assert abs(x * sp.tanh(x / 2) - 2) < 1e-45
    assert abs(silu.value - (sp.Rational(1, 2) + x / 4)) < 1e-45


@pytest.mark.parametrize("name", ["silu", "gelu_tanh"])
def test_a_gate_has_one_inflection_on_each_side(name: str) -> None:
    split = symbolic_maps.gate_stationarity(name)
    assert split.falling_slope.is_nonpositive
    assert split.rising_slope.is_positive
    (x,) = split.rising.free_symbols
    for which in ("falling", "rising"):  # the slopes are the slopes, whatever form they have
        function, slope = getattr(split, which), getattr(split, f"{which}_slope")
        differences = sp.lambdify(x, function, "mpmath"), sp.lambdify(x, slope, "mpmath")
        for place in (0.3, 1.7, 4.1):
            assert float(mp.diff(differences[0], place)) == pytest.approx(
                float(differences[1](mp.mpf(place))), abs=1e-12
            )
    with mp.workdps(50):
        places = [mp.mpf(k) / 16 + mp.mpf(1) / 97 for k in range(-80, 80)]
        curvatures = [mp.diff(MPMATH[name], place, 2) for place in places]
    assert sum(a * b < 0 for a, b in pairwise(curvatures)) == 2


@pytest.mark.parametrize("name", GATES)
def test_a_gate_reflects_so_that_its_curvature_is_even(name: str) -> None:
    x, function = symbolic_maps.X, symbolic_maps.activation_formula(name)
    assert sp.simplify((function - function.subs(x, -x)).rewrite(sp.exp) - x) == 0


def test_the_split_of_the_curvature_holds_for_every_gate() -> None:
    assert symbolic_maps.gate_identity() == 0


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(InputError, match="'softplus'"):
        lipschitz_constant("softplus")


# LayerNorm


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("d", [2, 3])
def test_the_jacobian_of_a_norm_has_the_closed_form(d: int, kind: Any) -> None:
    jacobian = symbolic_maps.derive_norm_jacobian(d, kind)
    assert sp.simplify(jacobian.derived - jacobian.closed) == sp.zeros(d, d)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_the_jacobian_is_that_of_the_numeric_norm(kind: Any, eps: float) -> None:
    jacobian = symbolic_maps.derive_norm_jacobian(4, kind)
    closed = sp.lambdify([*jacobian.arguments, jacobian.eps], jacobian.closed)
    x = np.asarray([0.3, -1.2, 2.0, 0.7])
    norm, step = Norm(kind=kind, eps=eps), 1e-5
    moved = x + step * np.concatenate([np.eye(4), -np.eye(4)])
    out = apply_norm(norm, moved)
    differences = ((out[:4] - out[4:]) / (2 * step)).T
    np.testing.assert_allclose(closed(*x, eps), differences, atol=1e-9)
    rank = np.linalg.matrix_rank(closed(*x, eps), tol=1e-12)
    assert rank == 4 - (kind == "layer") - (eps == 0)


def test_the_norm_of_two_features_has_no_slope() -> None:
    jacobian = symbolic_maps.derive_norm_jacobian(2)
    assert sp.simplify(jacobian.derived.subs(jacobian.eps, 0)) == sp.zeros(2, 2)
    with pytest.raises(InputError, match="d >= 2"):
        symbolic_maps.derive_norm_jacobian(1)


# The LN std scale


def test_the_ln_std_scale_is_a_score_temperature() -> None:
    assert symbolic_maps.tau_degeneracy() == (0, 0)


@pytest.mark.parametrize(
    ("activation", "shift"), [(sp.Function("gelu"), 0), (None, sp.Symbol("beta"))]
)
def test_it_is_more_than_that_without_homogeneity(activation: Any, shift: Any) -> None:
    assert 0 not in symbolic_maps.tau_degeneracy(activation, shift)


def test_the_maps_have_the_degrees_that_the_derivation_uses() -> None:
    c = sp.Symbol("c", positive=True)
    x = sp.Matrix(sp.symbols("x_1:4", real=True))
    relu = symbolic_maps.activation_formula("relu")
    for value in (sp.Symbol("x", positive=True), sp.Symbol("x", negative=True), sp.Integer(0)):
        assert relu.subs(symbolic_maps.X, c * value) == c * relu.subs(symbolic_maps.X, value)
    centred = x - sp.ones(3, 1) * sum(x) / 3
    norm = centred / sp.sqrt(centred.dot(centred) / 3)
    changed = norm.subs(dict(zip(x, c * x, strict=True)), simultaneous=True)
    assert sp.simplify(changed - norm) == sp.zeros(3, 1)


@given(SEEDS, st.sampled_from(["relu", "gelu"]))
def test_a_stack_with_tau_is_a_stack_with_temperature(seed: int, activation: str) -> None:
    rng = np.random.default_rng(seed)
    tau, tokens = 2.0, rng.normal(size=(4, 6))
    blocks = []
    for _ in range(3):
        block = random_block(rng)
        assert block.feed_forward is not None
        sublayer = replace(block.feed_forward, activation=activation)
        assert block.attention.query is not None
        calm = replace(block.attention, query=0.1 * block.attention.query)
        blocks.append(replace(block, feed_forward=sublayer, attention=calm))
    scaled, tempered = tokens / tau, tokens
    for block in blocks:
        norms = {name: replace(getattr(block, name), tau=tau) for name in ("norm_1", "norm_2")}
        scaled = apply_block(replace(block, **norms), scaled).output
        norms = {name: replace(getattr(block, name), tau=1.0) for name in ("norm_1", "norm_2")}
        cooler = replace(block.attention, scale=block.attention.score_scale / tau**2)
        tempered = apply_block(replace(block, attention=cooler, **norms), tempered).output
    same = np.array_equal(scaled, tempered / tau)  # a power of two scales without rounding
    assert same == (activation == "relu")


# Two measures


@given(SEEDS, st.integers(2, 6))
def test_the_cosine_of_equally_long_tokens_is_their_relative_distance(seed: int, n: int) -> None:
    tokens = np.random.default_rng(seed).normal(size=(n, 5)) + 0.5
    tokens /= np.linalg.norm(tokens, axis=-1, keepdims=True) / 3.0
    rho = np.linalg.norm(tokens - tokens.mean(axis=0)) / np.linalg.norm(tokens)
    cosines = tokens @ tokens.T / 9
    mean = (cosines.sum() - np.trace(cosines)) / (n * (n - 1))
    derived = symbolic_maps.cosine_from_distance()
    count, distance = sorted(derived.free_symbols, key=str)
    assert float(derived.subs({count: n, distance: rho})) == pytest.approx(mean, abs=1e-14)


@pytest.mark.parametrize("cosine", [-0.9, 0.0, 0.3, 0.999])
def test_the_effective_rank_of_two_tokens_follows_from_their_cosine(cosine: float) -> None:
    tokens = np.asarray([[2.0, 0.0, 0.0], [2 * cosine, 2 * (1 - cosine**2) ** 0.5, 0.0]])
    singular = np.linalg.svd(tokens, compute_uv=False)
    shares = singular / singular.sum()
    derived = symbolic_maps.two_token_effective_rank()
    (symbol,) = derived.free_symbols
    expected = np.exp(-np.sum(shares * np.log(shares)))
    assert float(derived.subs(symbol, cosine)) == pytest.approx(expected, rel=1e-12)
