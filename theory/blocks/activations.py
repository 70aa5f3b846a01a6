"""Which functions act on single entries, how fast they change, and by how much at most."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import erfc, exp, pi, sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from array_api_compat import is_numpy_array

from theory.arrays import Array, InputError, constant, eps, namespace, to_numpy
from theory.records import brief_repr

_EPS = 2.0**-52  # of float64
_QUICK = 1.702  # where sigmoid is nearest to the gate of GELU, hendrycks2016gelu
_TANH_CUBIC = 0.044715  # the cubic coefficient of the tanh approximation, hendrycks2016gelu

ActivationKind: TypeAlias = Literal["line", "hinge", "tanh", "gate"]


@brief_repr
@dataclass(frozen=True)
class Activation:
    """An elementwise function phi with phi(0) = 0, and all that the project knows of it.

    ``function`` and ``derivative`` map (*b,) to (*b,), dtype kept; the derivative of ReLU at
    zero is taken as 0. ``steepest`` computes ``lipschitz``. ``kind`` says how small differences
    are kept: a "gate" is x g(x) with g(x) + g(-x) = 1. ``formula`` is phi as sympy reads it, in x;
    a gate of g = sigmoid(w) gives its odd ``logit`` w instead.
    """

    name: str
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    steepest: Callable[[], float]
    kind: ActivationKind
    formula: str = ""
    logit: str = ""

    @cached_property
    def lipschitz(self) -> float:
        """The largest |phi'|, which `theory.symbolic.maps` derives; computed when asked for."""
        return self.steepest()


def _erfc(x: Array) -> Array:
    """Return the complementary error function, which the array API standard lacks."""
    from scipy.special import erfc as scipy_erfc  # it takes a while to import, and few need it

    xp = namespace(x)
    if is_numpy_array(x):
        return scipy_erfc(x)
    native = getattr(xp, "erfc", None)
    return native(x) if native else constant(scipy_erfc(to_numpy(x)), like=x)


def _root(number: Any, *, like: Array) -> Any:
    """Return a square root as a float, or with all the digits of an array that has more."""
    if eps(like) >= _EPS:
        return sqrt(number)
    return namespace(like).sqrt(constant(number, like=like))


def _moderate(x: Array) -> Array:
    """Clip to where gates still move: beyond, squares and cubes may overflow for nothing."""
    return namespace(x).clip(x, min=-1000, max=1000)


def _relu(x: Array) -> Array:
    return namespace(x).clip(x, min=0)


def _step(x: Array) -> Array:
    return namespace(x).astype(x > 0, x.dtype)


def _gelu(x: Array) -> Array:
    # erfc keeps the digits that 1 + erf loses at x << 0.
    return 0.5 * x * _erfc(-x / _root(2, like=x))


def _gelu_slope(x: Array) -> Array:
    x = _moderate(x)
    xp = namespace(x)
    density = xp.exp(-0.5 * x * x) / _root(2 * xp.pi, like=x)
    return 0.5 * _erfc(-x / _root(2, like=x)) + x * density


def _sigmoid(x: Array) -> Array:
    xp = namespace(x)
    small = xp.exp(-xp.abs(x))  # never overflows
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _silu_slope(x: Array) -> Array:
    gate = _sigmoid(x)
    return gate * (1 + x * (1 - gate))


def _quick_gelu(x: Array) -> Array:
    return x * _sigmoid(_QUICK * _moderate(x))


def _quick_gelu_slope(x: Array) -> Array:
    return _silu_slope(_QUICK * _moderate(x))


def _tanh_gate(x: Array) -> Array:
    # 1/2 (1 + tanh u) = sigmoid(2 u)
    return _sigmoid(2 * _root(2 / namespace(x).pi, like=x) * (x + _TANH_CUBIC * x**3))


def _gelu_tanh(x: Array) -> Array:
    return x * _tanh_gate(_moderate(x))


def _gelu_tanh_slope(x: Array) -> Array:
    x = _moderate(x)
    gate = _tanh_gate(x)
    inner = 2 * _root(2 / namespace(x).pi, like=x) * (1 + 3 * _TANH_CUBIC * x**2)
    return gate * (1 + x * (1 - gate) * inner)


def _tanh_slope(x: Array) -> Array:
    xp = namespace(x)
    small = xp.exp(-2 * xp.abs(_moderate(x)))  # 1 - tanh^2 has no digits left where tanh is 1
    return 4 * small / (1 + small) ** 2


def _steepest(slope: Callable[[Array], Array]) -> float:
    """Return the largest slope on [0, 8]; both gated functions are steepest there."""
    from scipy.optimize import minimize_scalar  # it takes a second to import

    found = minimize_scalar(
        lambda x: -float(slope(np.float64(x))),
        bounds=(0, 8),
        method="bounded",
        options={"xatol": 1e-9},  # the slope is flat there: this is 1e-18 below its top
    )
    return float(-found.fun)


def _steepest_silu() -> float:
    """Return the slope where x tanh(x / 2) = 2: see theory.symbolic.maps."""
    from scipy.optimize import brentq  # it takes a second to import

    return float(_silu_slope(np.float64(brentq(lambda x: x * np.tanh(x / 2) - 2, 1, 4))))


# GELU is steepest at sqrt 2: see theory.symbolic.maps.
_GELU_LIPSCHITZ = 0.5 * erfc(-1.0) + exp(-1.0) / sqrt(pi)

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation(
            "identity",
            lambda x: x,
            lambda x: namespace(x).ones_like(x),
            lambda: 1.0,
            "line",
            formula="x",
        ),
        Activation(
            "relu", _relu, _step, lambda: 1.0, "hinge", formula="Piecewise((0, x < 0), (x, True))"
        ),
        Activation(
            "tanh",
            lambda x: namespace(x).tanh(x),
            _tanh_slope,
            lambda: 1.0,
            "tanh",
            formula="tanh(x)",
        ),
        Activation(
            "gelu",
            _gelu,
            _gelu_slope,
            lambda: _GELU_LIPSCHITZ,
            "gate",
            formula="x * (1 + erf(x / sqrt(2))) / 2",
        ),
        Activation(
            "gelu_tanh",
            _gelu_tanh,
            _gelu_tanh_slope,
            lambda: _steepest(_gelu_tanh_slope),
            "gate",
            logit="2 * sqrt(2 / pi) * (x + 44715 / 10**6 * x**3)",  # (1 + tanh u) / 2 = sigmoid(2u)
        ),
        Activation("silu", _silu, _silu_slope, _steepest_silu, "gate", logit="x"),
        Activation(
            "quick_gelu",  # silu(a x) / a: its slopes are those of SiLU
            _quick_gelu,
            _quick_gelu_slope,
            _steepest_silu,
            "gate",
            logit="1702 / 10**3 * x",
        ),
    )
}


def activation(name: str) -> Activation:
    """Return the activation called ``name``.

    Raises: InputError with the known names if there is none
    Source: hendrycks2016gelu, elfwing2018silu
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        known = ", ".join(ACTIVATIONS)
        raise InputError(f"activation must be one of {known}, but is {name!r}") from None
