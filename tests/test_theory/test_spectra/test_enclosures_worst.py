"""Each term of an enclosure against the loss that needs it, in the worst direction."""

from itertools import product

import numpy as np
import pytest

from tests.test_theory.helpers.exact import Floats
from theory.spectra.enclosures import (
    WIDE,
    Enclosure,
    Sums,
    enclose,
    gamma,
    roundoff,
    shifted,
    squared,
    sums,
    times_power_of_two,
    wolkowicz_styan,
)

ONE = np.ones(1)
ROTATION = np.asarray([[0.0, 1.0], [-1.0, 0.0]])
SYMMETRIC = [
    np.diag([3.0, -0.5, -0.5, -0.5]),
    np.diag([2.0, 2.0, 2.0]),
    np.diag([2.0, 0.5, 0.5, 0.5]),
    np.diag([0.1, -1.0, -1.0]),
    np.diag([0.0, 0.0, 0.0]),
    np.diag([1.0, -1.0]),
    np.asarray([[1.0, 0.7], [0.7, 1.0]]),
]


def parts(matrix: Floats) -> tuple[Floats, Floats]:
    symmetric: Floats = (matrix + matrix.T) / 2
    return symmetric, matrix - symmetric


def skew_of(n: int, size: float) -> Floats:
    found = np.zeros((n, n))
    found[:2, :2] = size * ROTATION
    return found


def known_of(matrix: Floats, *, unit: float = 0.0, sign: int = 0) -> Enclosure:
    """Enclose a matrix whose sum of squares was off by as much as allowed."""
    symmetric, skew = parts(matrix)
    n = len(matrix)
    defect = max(0.0, -float(np.linalg.eigvalsh(symmetric)[0]))
    square = (matrix**2).sum() * (1 + sign * gamma(n * n + 1, unit))
    found = Sums(square * ONE, np.trace(matrix) * ONE)
    return enclose(found, np.linalg.norm(skew) * ONE, defect * ONE, n=n, unit=unit)


def assert_encloses(known: Enclosure, matrix: Floats) -> None:
    symmetric, skew = parts(matrix)
    values, few = np.linalg.eigvalsh(symmetric), 1e-13 * (1 + np.linalg.norm(matrix))
    assert known.skew[0] >= np.linalg.norm(skew) - few
    assert known.defect[0] >= -values[0] - few
    assert known.size[0] >= np.linalg.norm(matrix) - few
    assert known.trace_low[0] - few <= np.trace(matrix) <= known.trace_high[0] + few
    assert known.lower[0] - few <= values[-1] <= known.upper[0] + few


@pytest.mark.parametrize("sign", [-1, 0, 1])
@pytest.mark.parametrize("unit", [0.0, 1e-3])
@pytest.mark.parametrize("skew", [0.0, 0.8])
@pytest.mark.parametrize("symmetric", SYMMETRIC)
def test_the_first_enclosure_forgives_the_sums_what_they_may_lose(
    symmetric: Floats, skew: float, unit: float, sign: int
) -> None:
    matrix = symmetric + skew_of(len(symmetric), skew)
    assert_encloses(known_of(matrix, unit=unit, sign=sign), matrix)


def test_the_first_enclosure_is_exact_where_it_can_be() -> None:
    flat = known_of(2 * np.eye(3))
    assert flat.lower[0] == pytest.approx(2, rel=1e-12)
    assert flat.upper[0] == pytest.approx(2, rel=1e-6)
    peak = known_of(np.diag([3.0, -0.5, -0.5, -0.5]))
    assert peak.upper[0] == pytest.approx(3, rel=1e-12)
    below = known_of(np.diag([3.0, 0.5, 0.5, 0.5]))
    assert below.upper[0] == pytest.approx(3, rel=1e-7)
    shared = known_of(np.diag([0.1, -1.0, -1.0]))
    assert shared.lower[0] == -1


def test_a_skew_part_is_taken_from_the_size_once() -> None:
    matrix = 2 * np.eye(2) + 0.5 * ROTATION
    assert known_of(matrix).lower[0] == pytest.approx(2, rel=1e-12)


def test_negative_eigenvalues_count_twice_in_the_sum_of_all() -> None:
    found = known_of(np.diag([3.0, -0.5]))
    assert found.lower[0] == pytest.approx(9.25 / (2.5 + 2 * 2 * 0.5), rel=1e-12)


@pytest.mark.parametrize("n", [2, 50])
def test_the_trace_is_known_to_its_own_rounding(n: int) -> None:
    found = enclose(Sums(4 * ONE, 0 * ONE), 0 * ONE, ONE, n=n, unit=0.0)
    for end in (-found.trace_low[0], found.trace_high[0]):
        assert 1.9 * n**1.5 * WIDE * 2 <= end <= 2.1 * n**1.5 * WIDE * 2


@pytest.mark.parametrize("n", [3, 20, 300])
def test_sums_are_those_of_all_entries_and_lose_no_more_than_said(n: int) -> None:
    matrix = np.random.default_rng(n).standard_normal((2, n, n)).astype(np.float32)
    found, wide = sums(matrix), matrix.astype(np.float64)
    square = (wide**2).sum(axis=(-2, -1))
    # Rows of 256 or so in single precision, and these in double.
    assert (np.abs(found.square - square) <= 3e-7 * square).all()
    np.testing.assert_allclose(found.trace, np.trace(wide, axis1=-2, axis2=-1), rtol=1e-12)
    known = enclose(found, 0 * square, 9.0 * n + 0 * square, n=n, unit=roundoff(matrix))
    own = known.size / np.sqrt(square) - 1
    assert (own >= min(n * n, 256) * 2.0**-24 / 2).all()
    assert (own <= (2 * min(n * n, 512) + 2) * 2.0**-24 + 3 * n * n * WIDE).all()


@pytest.mark.parametrize("n", [2, 30, 1000])
def test_sums_in_double_precision_round_too(n: int) -> None:
    found = enclose(Sums(4 * ONE, 0 * ONE), 0 * ONE, ONE, n=n, unit=0.0)
    assert 1.5 * n * n * WIDE <= found.size[0] / 2 - 1 <= 2.5 * n * n * WIDE + WIDE


def test_a_flat_spectrum_below_zero_has_one_number_for_all() -> None:
    found = enclose(Sums(3 * ONE, -3 * ONE), 0 * ONE, ONE, n=3, unit=0.0)
    assert found.lower == -1
    assert found.upper[0] == pytest.approx(-1, abs=1e-6)
    nothing = enclose(Sums(0 * ONE, 0 * ONE), 0 * ONE, 0 * ONE, n=3, unit=0.0)
    assert nothing.lower == 0
    skewed = enclose(Sums(0.02 * ONE, 0.1 * ONE), 2 * ONE, 0 * ONE, n=2, unit=0.0)
    assert skewed.lower == 0  # skew parts may be all there is


def test_all_but_one_as_low_as_may_be() -> None:
    found = known_of(np.diag([3.0, -0.5, -0.5, -0.5, -0.5]))
    high = float(found.trace_high[0])
    assert found.upper[0] <= high + 4 * 0.5 + 1e-14
    loose = enclose(Sums(99 * ONE, ONE), 0 * ONE, 0.5 * ONE, n=5, unit=0.0)
    assert loose.upper[0] == pytest.approx(1 + 4 * 0.5, rel=1e-12)


def test_round_off_is_half_the_spacing_at_one() -> None:
    assert roundoff(ONE) == 2.0**-53
    assert roundoff(ONE.astype(np.float32)) == 2.0**-24
    assert gamma(2, 0.125) == pytest.approx(1 / 3)
    assert gamma(2, 0.5) == gamma(3, 0.5) == float("inf")
    assert WIDE == 2.0**-52


def directions(matrix: Floats) -> list[Floats]:
    """Return errors of Frobenius norm one: along the ends of the spectrum, and skew."""
    _, vectors = np.linalg.eigh(parts(matrix)[0])
    found = [sign * np.outer(v, v) for v in (vectors[:, 0], vectors[:, -1]) for sign in (-1, 1)]
    return [*found, skew_of(len(matrix), 0.5**0.5)]


@pytest.mark.parametrize("factor", [0.25, 4.0])
@pytest.mark.parametrize("symmetric", SYMMETRIC)
def test_what_vanishes_in_scaling_is_in_every_bound(symmetric: Floats, factor: float) -> None:
    lost = 0.3
    for error in directions(symmetric):
        found = times_power_of_two(known_of(symmetric), factor * ONE, lost=lost * ONE)
        after = factor * symmetric + lost * error
        rest = known_of(after)  # sizes and traces are summed anew
        assert_encloses(
            found._replace(size=rest.size, trace_low=rest.trace_low, trace_high=rest.trace_high),
            after,
        )
    plain, found = known_of(symmetric), times_power_of_two(known_of(symmetric), ONE, lost=ONE)
    assert found.skew == plain.skew + 1
    assert found.defect == plain.defect + 1
    assert found.upper == plain.upper + 1
    assert found.lower == plain.lower - 1
    np.testing.assert_array_equal(found.size, plain.size)


@pytest.mark.parametrize("centre", [0.0, 1.5])
@pytest.mark.parametrize("symmetric", SYMMETRIC)
def test_what_a_shift_rounds_off_is_in_every_bound(symmetric: Floats, centre: float) -> None:
    n, unit = len(symmetric), 0.02
    known = known_of(symmetric + skew_of(n, 0.4))
    most = unit * (known.size[0] + n**0.5 * centre)
    for error in directions(symmetric)[:-1]:  # a rounded diagonal is symmetric
        after = symmetric + skew_of(n, 0.4) - centre * np.eye(n) + most * error
        found, lost = shifted(known, sums(after[None]), centre * ONE, n=n, unit=unit)
        assert most <= lost[0] <= 1.02 * most
        assert_encloses(found, after)
    plain, _ = shifted(known, sums(after[None]), centre * ONE, n=n, unit=0.0)
    assert plain.defect == pytest.approx(known.defect + centre, rel=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("skew", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("symmetric", SYMMETRIC)
def test_what_a_product_loses_is_in_every_bound(
    symmetric: Floats, skew: float, transposed: bool
) -> None:
    n = len(symmetric)
    matrix = symmetric + skew_of(n, skew)
    known = known_of(matrix)
    exact = matrix @ (matrix.T if transposed else matrix)
    wanted = symmetric @ symmetric
    for (loss, unit, centre), error in product(
        [(0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.0, 0.05, 0.0), (0.0, 0.05, 2.0), (0.0, 0.0, 2.0)],
        directions(exact),
    ):
        most = (loss + 2 * unit) * known.size[0] ** 2 + 2 * unit * n**0.5 * centre
        after = exact - centre * np.eye(n) + most * error
        found, lost = squared(
            known,
            sums(after[None]),
            centre * ONE,
            loss=loss,
            unit=unit,
            transposed=transposed,
            n=n,
        )
        assert_encloses(found, after)
        moved = parts(after)[0] + centre * np.eye(n) - wanted
        assert np.linalg.norm(moved, ord=2) <= lost[0] * (1 + 1e-12) + 1e-12
        rounding = 1.01 * most
        norm = max(np.abs(np.linalg.eigvalsh(symmetric)).max(), 1e-9)
        assert lost[0] <= rounding + 2 * skew**2 + transposed * 3 * norm * skew + 1e-6 or (
            known.upper[0] > 1.01 * norm
        )
        if skew == 0 and transposed:
            assert found.skew[0] == pytest.approx(rounding)


@pytest.mark.parametrize("values", [[3.0, 1.0, 1.0], [2.0, 2.0], [5.0, 0.0, 0.0, 0.0], [1.0]])
def test_a_sum_that_is_known_to_an_interval_bounds_the_largest(values: list[float]) -> None:
    total, square = sum(values) * ONE, sum(x * x for x in values) * ONE
    for low, high in ((0, 0), (0.5, 0), (0, 0.5), (9, 9)):
        bound = wolkowicz_styan(total - low, total + high, square, len(values))
        assert bound[0] >= max(values) - 1e-7
    exact = wolkowicz_styan(total, total, square, len(values))
    assert exact[0] == pytest.approx(max(values), rel=1e-7)
    anything = wolkowicz_styan(0 * total, total + 9, square, len(values))
    assert anything[0] == pytest.approx(float(square[0]) ** 0.5, rel=1e-7)
