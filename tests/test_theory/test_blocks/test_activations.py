"""Activations: their values and slopes to 40 digits, and the steepest slope there is."""

from types import ModuleType
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.blocks import random_block, random_tokens
from tests.helpers.exact_block import FUNCTIONS
from tests.helpers.swish import plant_swish
from theory.arrays import InputError, to_numpy
from theory.blocks.activations import ACTIVATIONS, activation
from theory.blocks.forward import apply_block, feed_forward
from theory.bounds.coefficients import block_coefficients
from theory.law.jacobians import feed_forward_jacobian
from theory.measures.subspace import consensus_distance
from theory.symbolic.maps import X, activation_formula, lipschitz_constant

EPS = float(np.finfo(np.float64).eps)
NAMES = sorted(ACTIVATIONS)
SMOOTH = [name for name in NAMES if name != "relu"]
GATES = [name for name in NAMES if ACTIVATIONS[name].kind == "gate"]
HUGE = (100.0, 1e3, 1e19, 1e160, 1e300, 1.7e308)
ARGUMENTS = st.floats(-45, 45) | st.sampled_from(
    [sign * x for sign in (-1, 1) for x in (0.0, 5e-324, 1e-300, 1e-9, 2**0.5, 40.0, *HUGE[:2])]
)


def exact_slope(name: str, x: float) -> mp.mpf:
    """Differentiate the definition; the functions are smooth, so central differences do."""
    at, step = mp.mpf(x), mp.mpf(10) ** (-mp.mp.dps // 3)
    phi = FUNCTIONS[name]
    return (phi(at + step) - phi(at - step)) / (2 * step)


def test_the_names_are_those_that_are_defined_independently() -> None:
    assert set(NAMES) == set(FUNCTIONS)
    assert all(ACTIVATIONS[name].name == name for name in NAMES)


@pytest.mark.parametrize("name", ["GELU", "swish", "", "gelu "])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=f"activation .*gelu_tanh.* {name!r}"):
        activation(name)


@pytest.mark.parametrize("name", NAMES)
@given(x=ARGUMENTS)
def test_a_value_is_right_relative_to_itself(name: str, x: float) -> None:
    with mp.workdps(60):
        wanted = FUNCTIONS[name](mp.mpf(x))
        found = float(activation(name).function(np.float64(x)))
        # x g(x), where the argument of the gate g is rounded: the gate decays like exp(-u), with
        # u up to x^2 / 2 for gelu and 2 sqrt(2 / pi) 0.0447 |x|^3 for its tanh form.
        exponents = {"gelu": x * x, "gelu_tanh": abs(x) ** 3 / 5}
        exponents |= {"silu": abs(x), "quick_gelu": 2 * abs(x)}
        gate = exponents.get(name, 0.0) if x < 0 else 0.0
        # SciPy's erfc may give zero for what is subnormal, and x multiplies it.
        flushed = (1 + abs(x)) * float(np.finfo(np.float64).smallest_normal)
        assert abs(found - wanted) <= (16 + 4 * gate) * EPS * abs(wanted) + flushed


@pytest.mark.parametrize("name", SMOOTH)
@given(x=ARGUMENTS)
def test_a_slope_is_right(name: str, x: float) -> None:
    with mp.workdps(400):
        wanted = exact_slope(name, x)
        found = float(activation(name).derivative(np.float64(x)))
        # Where the slope is zero, two terms of the size of the gate cancel.
        gate = abs(activation(name).function(np.float64(x)) / x) if x and name in GATES else 0.0
        size = (abs(wanted) + gate) * (1 + abs(x) ** 3)
        assert abs(found - wanted) <= 64 * EPS * min(1, size) + 1e-300


@given(x=st.floats(-100, 100).filter(lambda x: x != 0))
def test_the_slope_of_relu_is_a_step(x: float) -> None:
    assert float(activation("relu").derivative(np.float64(x))) == (1.0 if x > 0 else 0.0)
    assert float(activation("relu").derivative(np.float64(0))) == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x", HUGE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_arguments_give_the_limits_without_a_warning(
    xp: ModuleType, name: str, x: float, dtype: str
) -> None:
    if dtype == "float32" and x > 3e38:
        x = 3e38
    phi = activation(name)
    both = xp.asarray([-x, x], dtype=getattr(xp, dtype))
    with np.errstate(all="raise", under="ignore"):
        values = to_numpy(phi.function(both)).astype(float)
        slopes = to_numpy(phi.derivative(both)).astype(float)
    size = float(to_numpy(both)[1])
    limits = {"tanh": ((-1, 1), (0, 0)), "identity": ((-size, size), (1, 1))}
    wanted = limits.get(name, ((0, size), (0, 1)))
    np.testing.assert_allclose(values, wanted[0], atol=1e-40)
    np.testing.assert_allclose(slopes, wanted[1], atol=1e-40)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, name: str, dtype: str
) -> None:
    host = np.concatenate([np.linspace(-12, 12, 101), [0.0, -40.0, 40.0]]).astype(dtype)
    array = xp.asarray(host, device=device)
    phi = activation(name)
    for function in (phi.function, phi.derivative):
        found = function(array)
        assert found.dtype == array.dtype
        assert found.device == array.device
        assert found.shape == array.shape
        wanted = function(host.astype(np.float64))
        unit = float(np.finfo(dtype).eps)
        # float32: the rounded square in the density of gelu, as above
        assert np.all(np.abs(to_numpy(found) - wanted) <= 32 * unit * np.maximum(np.abs(wanted), 1))


@pytest.mark.parametrize("name", NAMES)
@given(x=st.floats(-9, 9), y=st.floats(-9, 9))
def test_no_two_points_beat_the_lipschitz_constant(name: str, x: float, y: float) -> None:
    with mp.workdps(40):
        phi = FUNCTIONS[name]
        gap = abs(phi(mp.mpf(x)) - phi(mp.mpf(y)))
        assert gap <= activation(name).lipschitz * abs(mp.mpf(x) - mp.mpf(y)) * (1 + EPS)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_lipschitz_constant_is_the_steepest_slope_and_is_attained(name: str) -> None:
    constant = activation(name).lipschitz
    with mp.workdps(40):
        grid = [mp.mpf(i) / 50 for i in range(-400, 401)]
        slopes = [exact_slope(name, x) for x in grid]
        top = max(range(len(grid)), key=lambda i: slopes[i])
        low, high = grid[max(top - 1, 0)], grid[min(top + 1, len(grid) - 1)]
        for _ in range(60):  # thirds: the slope has one top between two neighbours
            third = (high - low) / 3
            if exact_slope(name, low + third) < exact_slope(name, high - third):
                low += third
            else:
                high -= third
        steepest = exact_slope(name, low)
        assert max(abs(slope) for slope in slopes) <= steepest + 1e-20
        assert abs(steepest - constant) <= 2 * EPS


def test_gelu_is_steeper_than_relu_so_the_constant_1_fails_for_it() -> None:
    with mp.workdps(40):
        root = mp.sqrt(2)
        slope = mp.erfc(-1) / 2 + mp.exp(-1) / mp.sqrt(mp.pi)
        assert abs(activation("gelu").lipschitz - slope) <= 2 * EPS
        assert exact_slope("gelu", root) > mp.mpf("1.1289")
    x = np.asarray([2**0.5 - 1e-3, 2**0.5 + 1e-3])
    low, high = activation("gelu").function(x)
    assert high - low > 1.12 * 2e-3


def test_one_entry_is_all_that_an_activation_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_swish(monkeypatch)
    block, tokens = random_block(0, activation="swish_3"), random_tokens(0, 5, 6)
    step = apply_block(block, tokens)
    found = block_coefficients(block, step)
    assert consensus_distance(step.output) <= found.v * consensus_distance(tokens)

    sublayer, token, h = block.feed_forward, tokens[0], 1e-6
    assert sublayer is not None
    moves = h * np.eye(6)
    slope = feed_forward(sublayer, token + moves) - feed_forward(sublayer, token - moves)
    np.testing.assert_allclose(feed_forward_jacobian(sublayer, token), slope / (2 * h), atol=1e-8)

    derived = lipschitz_constant("swish_3")
    assert activation("swish_3").lipschitz == pytest.approx(float(derived.value), rel=1e-13)
    x = np.linspace(-9, 9, 101)
    formula = sp.lambdify(X, activation_formula("swish_3"))
    np.testing.assert_allclose(formula(x), activation("swish_3").function(x), rtol=1e-12)
