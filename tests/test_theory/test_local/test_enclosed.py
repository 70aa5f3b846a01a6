"""Does what is enclosed lie where it is said to, against exact and against long arithmetic?"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from theory.local.elementary import density, distribution, exponential
from theory.local.enclosed import Enclosed, Number, enclosed

_RNG = np.random.default_rng(3)
_A = _RNG.standard_normal((4, 5)) * 10.0 ** _RNG.integers(-6, 6, (4, 5))
_B = _RNG.standard_normal((4, 5)) + 3
_EXACT = np.vectorize(Fraction, otypes=[object])


def _inside(found: Enclosed, exact: Any) -> bool:
    off = np.abs(_EXACT(found.mid) - exact)
    return bool((off <= _EXACT(found.rad)).all())


@pytest.mark.parametrize(
    "how",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a @ b.T,
        lambda a, b: (a * b) @ (a + b).T @ (a / b),
    ],
    ids=["sum", "difference", "product", "quotient", "matrices", "chain"],
)
def test_exact_results_are_inside_and_not_far(how: Callable[[Any, Any], Any]) -> None:
    found, exact = how(enclosed(_A), enclosed(_B)), how(_EXACT(_A), _EXACT(_B))
    assert _inside(found, exact)
    assert not _inside(Enclosed(found.mid, 0 * found.rad), exact), "no rounding to be counted"
    assert (found.rad <= 1e-13 * np.abs(found.mid).max()).all()


@pytest.mark.parametrize("sign", [-1, 1])
def test_radii_follow_the_operands(sign: int) -> None:
    wide = Enclosed(_A, np.abs(_A) * 0.01)
    end = _EXACT(_A) + sign * _EXACT(wide.rad)
    for found, exact in (
        (wide @ enclosed(_B).T, end @ _EXACT(_B).T),
        (wide * wide, end * end),
        (enclosed(_B) / wide, _EXACT(_B) / end),
        (wide.sum(0), end.sum(axis=0)),
        (wide.centred(-1), end - end.sum(axis=-1, keepdims=True) / 5),
    ):
        assert _inside(found, exact)


def test_a_large_product_is_bounded_by_lengths_and_encloses_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("theory.local.enclosed._MANY", 1)
    wide = Enclosed(_A, np.abs(_A) * 0.01)
    end = _EXACT(_A) - _EXACT(wide.rad)
    assert _inside(wide @ wide.T, end @ end.T)


def test_a_divisor_that_may_be_zero_and_a_root_of_less_say_nothing() -> None:
    some = Enclosed(np.array([1.0, 0.5]), np.array([0.1, 0.5]))
    assert np.isfinite((enclosed(1.0) / some.moved(lambda x: x[:1])).rad).all()
    assert np.isinf((enclosed(np.ones(2)) / some).rad[1])
    assert np.isinf(some.root().rad[1])


def _long(x: Number, how: Callable[[Any], Any]) -> Any:
    with mpmath.workdps(60):
        return [how(mpmath.mpf(float(each))) for each in np.asarray(x)]


@pytest.mark.parametrize(
    ("how", "exact"),
    [
        (exponential, mpmath.exp),
        (density, lambda x: mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)),
        (distribution, lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2),
    ],
)
def test_functions_are_enclosed_everywhere(
    how: Callable[[Any], Enclosed], exact: Callable[[Any], Any]
) -> None:
    x = np.concatenate([np.linspace(-12, 12, 97), [-800.0, -690.1, -38.0, 7.999, 8.0, 8.001, 38.0]])
    found = how(x)
    with mpmath.workdps(60):
        for value, mid, rad in zip(_long(x, exact), found.mid, found.rad, strict=True):
            assert abs(value - mpmath.mpf(float(mid))) <= mpmath.mpf(float(rad))
    near = np.abs(x) < 12
    assert (found.rad[near] <= 1e-13 * np.maximum(np.abs(found.mid[near]), 1.0)).all()


def test_a_radius_of_the_argument_is_followed() -> None:
    x = Enclosed(np.array([-1.0, 2.0]), np.array([0.3, 0.01]))
    for how, plain in ((exponential, mpmath.exp), (distribution, mpmath.ncdf)):
        found = how(x)
        for end in (x.mid - x.rad, x.mid + x.rad):
            assert (np.abs([float(plain(e)) for e in end] - found.mid) <= found.rad).all()
