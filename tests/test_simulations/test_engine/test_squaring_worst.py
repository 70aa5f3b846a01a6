"""The engine's way back from products to a norm, with every loss as large as it may be."""

import math
from typing import Any

import numpy as np
import pytest

from simulations.engine import squaring
from simulations.engine.squaring import group_bracket, square_sum
from tests.test_theory.helpers.hard_matrices import draw, violations
from theory.arrays import Array

ONE = np.ones(1)
FEW = 1e-9


def power_of(
    computed: Array, trace: float, loss: float, *steps: tuple[float, float], **fields: float
) -> Any:
    """Return what is known of a computed product whose factors' squares sum to ``trace``."""
    back = {"drift": 0.0, "rough": 0.0, "unit": 1.0} | fields
    return squaring._Power(
        np.asarray(computed, dtype=float)[None],
        (np.asarray(computed, dtype=float) ** 2).sum() * ONE,
        trace * ONE,
        loss * ONE,
        **{name: value * ONE for name, value in back.items()},
        steps=tuple((factor * ONE, lost * ONE) for factor, lost in steps),
    )


def ends(power: Any) -> tuple[float, float]:
    lower, upper = squaring._norm_from_last_product(power)
    return float(lower[0]), float(upper[0])


PRODUCTS = [
    np.diag([4.0, 0.0, 0.0]),
    np.diag([4.0, 4.0, 4.0]),
    np.diag([4.0, 1.0, 1.0]),
    np.diag([4.0, 3.9, 0.1]),
]


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.8])
@pytest.mark.parametrize("exact", PRODUCTS)
def test_a_product_off_by_its_whole_loss_leaves_the_norm_inside(exact: Array, loss: float) -> None:
    for at in range(3):
        for sign in (-1, 1):
            computed = exact.copy()
            computed[at, at] += sign * loss
            found = ends(power_of(computed, float(np.trace(exact)), loss))
            assert found[0] - FEW <= math.sqrt(exact.max()) <= found[1] + FEW


def test_without_loss_the_ends_meet_where_trace_and_squares_tell_all() -> None:
    for exact in PRODUCTS[:2]:
        lower, upper = ends(power_of(exact, float(np.trace(exact)), 0.0))
        assert upper == pytest.approx(2, rel=1e-6)
        assert lower == pytest.approx(2, rel=1e-6)
    lower, upper = ends(power_of(PRODUCTS[2], 6.0, 0.0))
    assert upper == pytest.approx(2, rel=1e-7)
    assert lower == pytest.approx(math.sqrt(18 / 6), rel=1e-7)


def test_with_loss_the_ends_are_those_of_the_worst_sums() -> None:
    loss = 0.3
    lower, upper = ends(power_of(PRODUCTS[2], 6.0, loss))
    root = math.sqrt(18)
    assert lower == pytest.approx(math.sqrt((root - loss) ** 2 / 6), rel=1e-7)
    spread = math.sqrt(2 / 3 * ((root + loss) ** 2 - 12))
    assert upper == pytest.approx(math.sqrt(2 + spread), rel=1e-7)
    lower, upper = ends(power_of(PRODUCTS[0], 4.0, loss))
    assert upper == pytest.approx(2, rel=1e-7)  # the trace says more than the squares
    lower, upper = ends(power_of(np.zeros((3, 3)), 4.0, 1.5))
    assert upper == pytest.approx(math.sqrt(4 / 3), rel=0.3)
    assert lower == 0


def test_sums_in_single_precision_are_forgiven_their_rounding() -> None:
    n = 64
    sums = 2 * n * n * 2.0**-24  # 5e-4
    for exact, trace in ((np.diag([4.0, *[0.0] * (n - 1)]), 4.0), (np.eye(n), float(n))):
        power = power_of(exact, trace, 0.0)
        power = power._replace(matrix=power.matrix.astype(np.float32))
        lower, upper = ends(power)
        root = float(np.linalg.norm(exact))
        assert lower**2 == pytest.approx((root * (1 - sums)) ** 2 / trace, rel=2e-6)
        low = trace * (1 - sums)
        spread = math.sqrt((n - 1) / n * max(root**2 - low**2 / n, 0.0))
        wanted = min(low / n + spread, trace)
        assert upper**2 == pytest.approx(wanted, rel=1e-4)
    assert squaring._gamma(2**52, np.ones(1)) == pytest.approx(1.0)
    assert square_sum(np.ones((1, 1, 1), dtype=np.float32))[0] >= 1 + 2.0**-24
    assert square_sum(np.ones((1, 1, 1), dtype=np.float32))[0] <= 1 + 2.0**-23


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_squares_are_scaled_and_moderate_ones_left(dtype: str) -> None:
    matrix = np.eye(3, dtype=dtype)[None]
    for exponent in (0, 11, -11, 13, -13):
        scaled = np.ldexp(matrix, exponent).astype(dtype)
        found, factor = squaring._near_one(scaled, square_sum(scaled))
        np.testing.assert_array_equal(found, scaled * factor[0])
        size = math.sqrt(3) * np.ldexp(1.0, exponent)
        if abs(exponent) < 12:
            assert factor == 1
        else:
            assert 0.7 < size * factor[0] < 1.42


@pytest.mark.parametrize("sign", [-1, 1])
def test_every_earlier_product_has_its_own_loss(sign: int) -> None:
    norm, steps = 3.0, ((0.5, 0.2), (2.0, 0.3))
    value = norm**2
    for factor, loss in steps:
        value = (factor * (value + sign * loss)) ** 2
    lower, upper = ends(power_of(np.diag([value, 0, 0]), value, 0.0, *steps))
    assert lower - FEW <= norm <= upper + FEW
    assert (upper, lower)[sign > 0] == pytest.approx(norm, rel=1e-7)


def test_drift_lowers_the_lower_end_and_roughness_both() -> None:
    fields = {"drift": 0.1, "rough": 0.02, "unit": 3.0}
    lower, upper = ends(power_of(np.diag([4.0, 0, 0]), 4.0, 0.0, **fields))
    assert lower == pytest.approx(6 - 0.12, rel=1e-7)
    assert upper == pytest.approx(6 + 0.02, rel=1e-7)
    lower, _ = ends(power_of(np.diag([4.0, 0, 0]), 4.0, 0.0, drift=9.0))
    assert lower == 0


def test_numbers_in_double_precision_round_outwards() -> None:
    lower, upper = ends(power_of(np.diag([4.0, 0, 0]), 4.0, 0.0, (1.0, 0.0), (1.0, 0.0)))
    root = 4 ** (1 / 8)
    assert root - lower >= 2.0**-42 * root
    assert upper - root >= 2.0**-42 * root
    assert upper - lower <= 2.0**-36 * root


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("p", "q"), [(5, 3), (3, 5), (4, 4), (1, 6)])
def test_the_first_product_knows_its_loss(p: int, q: int, dtype: str) -> None:
    rows = np.random.default_rng(p).standard_normal((6, p, q)).astype(dtype)
    unit = float(np.finfo(dtype).eps) / 2
    power = squaring._gram(rows, deviations=False)
    wide, n = rows.astype(np.longdouble), min(p, q)
    exact = np.swapaxes(wide, -1, -2) @ wide if q <= p else wide @ np.swapaxes(wide, -1, -2)
    assert power.matrix.shape == (6, n, n)
    off = np.sqrt(((power.matrix - exact) ** 2).sum(axis=(-2, -1)))
    size = (wide**2).sum(axis=(-2, -1)).astype(float)
    assert (off <= power.loss).all()
    assert (max(p, q) * unit * size <= power.loss).all()
    assert (power.loss <= 1.001 * max(p, q) * unit * size + 1e-30).all()
    entries = p * q * unit
    assert (size * (1 + entries / 2) <= power.trace).all()
    assert (power.trace <= size * (1 + 2 * entries)).all()
    for name in ("drift", "rough"):
        assert (getattr(power, name) == 0).all()


@pytest.mark.parametrize("scale", [1.0, 2.0**40, 2.0**-40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_deviations_know_what_the_mean_and_the_subtraction_lose(dtype: str, scale: float) -> None:
    n = 9
    rows = (scale * draw("sinks", 4, n)).astype(dtype)
    unit = float(np.finfo(dtype).eps) / 2
    power = squaring._gram(rows, deviations=True)
    wide = rows.astype(np.longdouble)
    centred = wide - wide.mean(axis=-2, keepdims=True)
    size, left = (
        np.sqrt((x**2).sum(axis=(-2, -1))).astype(float) / power.unit for x in (wide, centred)
    )
    for found, wanted in ((power.drift, (n + 2) * size), (power.rough, 2 * left)):
        assert (found >= wanted * unit * power.unit * (1 - 1e-5)).all()
        assert (found <= 1.01 * wanted * unit * power.unit).all()
    assert (power.trace >= left**2).all()
    assert (power.trace <= left**2 * 1.001).all()


def test_what_vanishes_beside_a_large_entry_is_in_the_roughness() -> None:
    rows = np.zeros((1, 3, 5), dtype=np.float32)
    rows[:, :, 0] = 2.0**100
    rows[:, 0, 1] = 2.0**-60
    power = squaring._gram(rows, deviations=True)
    assert power.rough[0] == pytest.approx(15**0.5 * 2.0**-126 * 2.0**100)
    found = group_bracket(rows, tolerance=1e-2, deviations=True)
    assert found.upper[0] >= 2.0**-60 * (2 / 3) ** 0.5


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 2.0**15, 2.0**-15])
def test_products_of_products_keep_their_chain(scale: float, times: int) -> None:
    start = squaring._gram((scale * draw("Gaussian", 3, 5)).astype(np.float32), deviations=False)
    power = squaring._squared(start, times)
    assert len(power.steps) == times
    first, loss = power.steps[0]
    assert (loss == start.loss).all()
    size = np.sqrt(start.square) * first
    assert ((size > 0.7) & (size < 1.5)).all() or (first == 1).all()
    assert all((factor == 1).all() for factor, _ in power.steps[1:])
    before = start.matrix.astype(float) * first[:, None, None]
    lost = [each for _, each in power.steps[1:]] + [power.loss]
    for number in range(times):
        trace = (before**2).sum(axis=(-2, -1))
        after = np.swapaxes(before, -1, -2) @ before
        wanted = 5 * 2.0**-24 * trace
        assert (lost[number] >= wanted * (1 - 1e-3)).all()
        assert (lost[number] <= 1.01 * wanted + 1e-30).all()
        before = after
    np.testing.assert_allclose(power.matrix, before, rtol=1e-3, atol=1e-5 * np.abs(before).max())
    np.testing.assert_allclose(power.trace, trace, rtol=1e-4)
    np.testing.assert_allclose(power.square, (before**2).sum(axis=(-2, -1)), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_squares_are_bounds_from_above(dtype: str) -> None:
    for p, q in ((3, 4), (100, 120)):
        matrices = np.random.default_rng(1).standard_normal((3, p, q)).astype(dtype)
        wanted = (matrices.astype(np.longdouble) ** 2).sum(axis=(-2, -1)).astype(float)
        unit = float(np.finfo(dtype).eps) / 2
        found = square_sum(matrices) / wanted - 1
        assert (found >= p * q * unit / 2).all()
        assert (found <= 2 * p * q * unit).all()
    assert squaring._gamma(3, matrices) == pytest.approx(3 * unit)
    assert squaring._gamma(2**54, matrices) == math.inf


def test_vanishing_entries_are_in_the_loss() -> None:
    for n in (2, 7):
        lost = squaring._loss(0 * ONE, 4, np.ones((1, n, n)))
        assert lost == n * n * np.finfo(float).tiny


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [4, 40, 60])
@pytest.mark.parametrize("kind", ["sinks", "permutations", "Gaussian", "two kinds of rows"])
def test_groups_are_enclosed_as_far_as_the_largest_needs(kind: str, n: int, dtype: str) -> None:
    matrices = draw(kind, 24, n, dtype=dtype).reshape(6, 4, n, n)
    matrices[:, 1] *= 0.5
    for deviations in (False, True):
        found = group_bracket(matrices, tolerance=1e-2, deviations=deviations)
        assert violations(found, matrices, centred=deviations) == 0
        assert (found.upper.max(axis=-1) <= 1.0101 * found.lower.max(axis=-1)).all()
        assert (found.upper <= 1.0101 * found.lower.max(axis=-1, keepdims=True)).all()
    tight = group_bracket(matrices, tolerance=1e-9, deviations=False)
    assert violations(tight, matrices, centred=False) == 0


def test_a_matrix_below_the_largest_is_left_alone_as_soon_as_it_is_known_to_be() -> None:
    matrices = draw("Gaussian", 8, 30).reshape(1, 8, 30, 30)
    matrices[:, 1:] *= 0.2
    found = group_bracket(matrices, tolerance=1e-3)
    width = found.upper / found.lower
    assert width[0, 0] <= 1.001
    assert (width[0, 1:] > 1.05).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_last_rounding_is_outwards(dtype: str) -> None:
    found = group_bracket(np.full((1, 1, 1), 0.1, dtype=dtype), tolerance=1e-2)
    value = float(np.full(1, 0.1, dtype=dtype)[0])
    eps = float(np.finfo(dtype).eps)
    assert 0.2 * eps <= 1 - float(found.lower[0]) / value <= 8 * eps + 1e-9
    assert 0.2 * eps <= float(found.upper[0]) / value - 1 <= 8 * eps + 1e-9
    zero = group_bracket(np.zeros((1, 1, 2, 2), dtype=dtype), tolerance=1e-2)
    assert zero.lower == 0
    assert 0 <= zero.upper <= 4 * np.finfo(dtype).tiny


def test_without_looking_eight_products_are_formed() -> None:
    matrices = draw("sinks", 5, 12)
    power = squaring._gram(matrices, deviations=False)
    lower, upper = squaring._narrow(power)
    value = np.linalg.svdvals(matrices)[:, 0]
    assert ((lower <= value) & (value <= upper)).all()
    assert (upper <= 1.01 * lower).all()
    assert (upper >= lower * (1 + 1e-12)).all()


def test_large_batches_are_worked_on_in_parts() -> None:
    matrices = np.random.default_rng(1).standard_normal((300, 2, 50, 50)).astype(np.float32)
    found = group_bracket(matrices, tolerance=1e-2)
    alone = group_bracket(matrices[150:151], tolerance=1e-2)
    np.testing.assert_allclose(found.upper[150], alone.upper[0], rtol=2e-2)
    assert (found.upper.max(axis=-1) <= 1.0101 * found.lower.max(axis=-1)).all()
