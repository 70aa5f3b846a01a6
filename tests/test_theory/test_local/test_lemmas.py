"""Is each remainder's bound one, on samples, and is none of its constants too large to be seen?"""

import math

import mpmath
import numpy as np
import pytest

from theory.arrays import Floats
from theory.blocks.norms import Norm, apply_norm
from theory.local.curvature import gelu_curvature
from theory.local.enclosed import enclosed
from theory.local.passes import normed
from theory.local.radial import radial_form, radial_remainder, radial_third

_ANGLES = np.linspace(0, math.pi, 400)


def _left(size: float) -> tuple[Floats, Floats]:
    """Return |pi(n + v) - n - pi' v| and what the second order leaves, in all directions."""
    along, across = size * np.cos(_ANGLES), size * np.sin(_ANGLES)
    length = np.hypot(1 + along, across)
    x, y = (1 + along) / length - 1, across / length - across
    first = np.hypot(x, y)
    return first, np.hypot(x + across**2 / 2, y + along * across)


@pytest.mark.parametrize("e", [1e-3, 0.01, 0.1, 0.3, 0.6, 0.9, 0.99])
def test_the_radial_remainders_hold_for_all_changes_up_to_a_size(e: float) -> None:
    first, third = (
        np.max(part) for part in zip(*map(_left, e * np.linspace(0.05, 1, 20)), strict=True)
    )
    rounding = 1e-15
    assert first <= radial_remainder(e) + rounding
    assert third <= radial_third(e) + rounding
    if e == 0.01:  # the constants 1/sqrt(3) and 1/2 cannot be smaller
        assert first > 0.98 * radial_remainder(e)
        assert third > 0.97 * radial_third(e)


def test_nothing_is_said_where_zero_may_be_met() -> None:
    assert radial_remainder(1.0) == radial_third(1.0) == radial_third(math.nan) == math.inf


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_the_radial_form_is_the_second_derivative(kind: str) -> None:
    rng = np.random.default_rng(4)
    d = 7
    norm = Norm(kind, gain=1 + rng.standard_normal(d) / 3, eps=0.01)  # type: ignore[arg-type]
    token, covector, change = rng.standard_normal((3, d))
    at = normed(norm, enclosed(token[None]))
    gain = at.gain
    form = radial_form(at.unit[0], enclosed(covector * gain), at.std[0], layer=kind == "layer")

    def value(t: float) -> float:
        return float(covector @ apply_norm(norm, (token + t * change)[None])[0])

    h = 1e-3
    second = (value(h) - 2 * value(0) + value(-h)) / h**2
    assert change @ form.matrix.mid @ change == pytest.approx(second, rel=1e-4)
    assert np.linalg.norm(form.matrix.mid, 2) <= form.size
    slope = at.slope(0).mid
    first = (value(h) - value(-h)) / (2 * h)
    assert change @ slope @ covector == pytest.approx(first, rel=1e-4)


@pytest.mark.parametrize("radius", [1e-3, 0.1, 1.0, 5.0])
def test_the_curvature_of_gelu_is_bounded_and_reached(radius: float) -> None:
    x = np.linspace(-6, 6, 61)
    found = gelu_curvature(enclosed(x), np.full(61, radius))
    points = x[:, None] + radius * np.linspace(-1, 1, 401)
    second = (2 - points**2) * np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)
    assert (second.max(axis=1) <= found.top + 1e-15).all()
    assert (second.min(axis=1) >= found.bottom - 1e-15).all()
    assert np.allclose(second.max(axis=1), found.top, atol=1e-3)
    assert np.allclose(second.min(axis=1), found.bottom, atol=1e-3)


def test_the_curvature_formula_is_that_of_gelu() -> None:
    for x in (-3.0, -0.5, 0.0, 1.3):
        exact = mpmath.diff(lambda t: t * mpmath.ncdf(t), x, 2)
        found = gelu_curvature(enclosed(np.array([x])), np.zeros(1))
        assert float(exact) == pytest.approx(found.top[0], abs=1e-12)
