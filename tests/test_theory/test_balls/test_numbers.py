"""Every operation on balls holds what it does to any number within them, to a hundred digits."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from theory.arrays import UndecidedError

flint = pytest.importorskip("flint")

from theory.balls.functions import Enclosures  # noqa: E402
from theory.balls.library import library  # noqa: E402  # flint is an extra
from theory.balls.numbers import number, root, square  # noqa: E402
from theory.extended.verdicts import extended  # noqa: E402

XP: Any = library(64)
DIGITS = 100
ONE = (
    *("exp", "expm1", "log", "log1p", "log2", "cos", "sin", "tanh", "erfc", "sqrt", "floor"),
    *("abs", "negative"),
)
TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "hypot", "pow")
POSITIVE = {"log", "log1p", "log2", "sqrt", "pow"}
"""Where a number that may be negative is refused, or nothing is known of the result."""


def drawn(rng: np.random.Generator, shape: tuple[int, ...], *, positive: bool) -> tuple[Any, Any]:
    """Return numbers, some of them rationals and some balls that hold them, and the numbers."""
    points = rng.standard_normal(shape) * 2.0 ** rng.integers(-8, 6, size=shape)
    points = np.where(rng.random(shape) < 0.2, np.round(points), points)
    points = abs(points) + 0.5 if positive else points
    radii = np.where(rng.random(shape) < 0.3, 0.0, 2.0 ** rng.integers(-60, -2, size=shape))
    radii = np.minimum(radii, 0.125)
    inside = rng.uniform(-1.0, 1.0, size=shape) * radii  # the middle is not the number
    balls = np.empty(shape, dtype=object)
    for i in np.ndindex(*shape):
        x = number(points[i])
        balls[i] = x if radii[i] == 0 else flint.arb(x) + flint.arb(inside[i], 1.01 * radii[i])
    return XP.asarray(balls), points


def holds(ball: Any, value: Any) -> bool:
    """Whether a number of mpmath's, right to nearly a hundred digits, lies within."""
    sign, mantissa, exponent, _ = value._mpf_
    exact = flint.fmpq(int(-mantissa if sign else mantissa)) * flint.fmpq(2) ** exponent
    with flint.ctx.workprec(500):
        near = flint.arb(exact) + flint.arb(0, 1) * abs(flint.arb(exact)) * flint.arb(10) ** -90
        return bool(flint.arb(ball).overlaps(near)) or not flint.arb(ball).is_finite()


def missed(name: str, count: int, rng: np.random.Generator, size: int) -> tuple[int, int]:
    """Return how many of the results miss the number, and of how many nothing is known."""
    pairs = [drawn(rng, (size,), positive=name in POSITIVE) for _ in range(count)]
    found = getattr(XP, name)(*(balls for balls, _ in pairs)).data
    exact = [extended(points, digits=DIGITS) for _, points in pairs]
    wanted = getattr(exact[0].library, name)(*exact).data
    lost = sum(not holds(ball, value) for ball, value in zip(found, wanted, strict=True))
    return lost, sum(not flint.arb(ball).is_finite() for ball in found)


@pytest.mark.parametrize("name", ONE + TWO)
def test_an_operation_holds_the_result_of_all_numbers_within(name: str) -> None:
    rng = np.random.default_rng([1, len(name), sum(map(ord, name))])
    lost, unknown = missed(name, 1 + (name in TWO), rng, 60)
    assert lost == 0
    assert unknown < 20, "most results say something"


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE + TWO)
def test_ten_thousand_operations_hold_the_results(name: str) -> None:
    rng = np.random.default_rng([2, len(name), sum(map(ord, name))])
    assert missed(name, 1 + (name in TWO), rng, 550)[0] == 0


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("exp", lambda self, x: number(float(flint.arb(x).mid().exp().mid()))),
        ("sqrt", lambda self, x: flint.arb(x).mid().sqrt()),
        ("maximum", lambda self, a, b: a if float(flint.arb(a).mid()) > 1 else b),
    ],
)
def test_an_operation_that_goes_through_floats_would_be_seen(
    name: str, wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Enclosures, name, wrong)
    ufunc = Enclosures(64).ufunc(name, 1 + (name in TWO))
    monkeypatch.setitem(XP._ufuncs, name, ufunc)
    assert missed(name, 1 + (name in TWO), np.random.default_rng(0), 60)[0] > 0


def test_rationals_stay_exact_where_they_can() -> None:
    third = XP.asarray(1) / 3
    assert bool(third * 3 == 1)
    assert bool(XP.sqrt(third / 3) == third)
    assert bool(2.0 ** XP.floor(XP.log2(XP.asarray(0.125))) == 0.125)
    assert XP.asarray(np.float64(0.1)).data[()] == flint.fmpq(*(0.1).as_integer_ratio())


def test_a_long_rational_becomes_a_ball_and_no_slow_number() -> None:
    x = XP.asarray(1) / 3
    for _ in range(14):
        x = x * x
    assert isinstance(x.data[()], flint.arb)
    assert holds(x.data[()], mpmath.mp.clone().mpf(0)) is False


def test_a_comparison_has_three_answers_and_nobody_gets_the_third_as_one_of_two() -> None:
    ball = XP.asarray(flint.arb(1, 0.5))
    assert bool(ball > 0.25)
    assert not bool(ball < 0.25)
    for ask in (
        lambda: bool(ball > 1),
        lambda: bool(ball == 1),
        lambda: float(ball),
        lambda: int(ball),
        lambda: XP.asarray([1.0, 2.0])[XP.reshape(ball > 1, (1,))],
        lambda: XP.count_nonzero(ball > 1),
        lambda: ball.rounded(),
        lambda: np.asarray(ball > 1),
    ):
        with pytest.raises(UndecidedError):
            ask()
    with pytest.raises(TypeError, match="lose digits"):
        np.asarray(ball)


def test_a_number_of_float64_comes_out_as_that_and_no_other_does() -> None:
    for value in (0.1, -3.0, 5e-324, 1e308):
        assert float(XP.asarray(value)) == value
    for other in (XP.asarray(1) / 3, XP.asarray(2.0) ** 1030, XP.asarray(2.0) ** -1080):
        with pytest.raises(UndecidedError, match="rounding is no enclosure"):
            float(other)


def test_the_root_of_what_may_be_negative_is_refused_and_that_of_a_square_is_not() -> None:
    open_sign = flint.arb(0, 1)
    with pytest.raises(UndecidedError, match="may be negative"):
        root(open_sign)
    assert root(flint.fmpq(-1)).is_nan()
    assert square(open_sign).contains(0.25)
    found = XP.root(XP.asarray(square(open_sign))).data[()]
    assert found.contains(0)
    assert found.contains(1)


def test_nothing_is_known_of_a_quotient_by_what_may_be_zero_and_of_nan() -> None:
    quotient = XP.asarray(1) / XP.asarray(flint.arb(0, 1))
    for unknown in (quotient, XP.asarray(np.nan), XP.asarray(1) / 0, XP.inf - XP.asarray(XP.inf)):
        for ask in (XP.isfinite, XP.isnan, lambda x: x == x, lambda x: x < 1):
            with pytest.raises(UndecidedError):
                bool(ask(unknown))
    assert not bool(XP.isfinite(XP.asarray(np.inf)))
    assert bool(XP.asarray(np.inf) > 1e300)
