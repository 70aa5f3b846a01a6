"""The pieces of which brackets are made: tridiagonal matrices, traces, products, polynomials."""

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers.exact import Floats
from tests.test_theory.helpers.hard_matrices import draw
from theory.spectra.enclosures import enclose, gamma, squared, sums, wolkowicz_styan
from theory.spectra.gram import MatrixBatch, gram, product
from theory.spectra.polynomials import advance, begin, ends, slices
from theory.spectra.tridiagonal import largest_eigenvalue

UNIT = 2.0**-53
entry = st.floats(-10, 10) | st.integers(-2, 2).map(float) | st.floats(-1e-9, 1e-9)


def dense(diagonal: list[float], beside: list[float]) -> Floats:
    result: Floats = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    return result


@given(st.lists(st.tuples(entry, entry), min_size=1, max_size=9))
def test_the_largest_eigenvalue_of_60_digits_is_inside(pairs: list[tuple[float, float]]) -> None:
    diagonal, beside = [a for a, _ in pairs], [b for _, b in pairs[1:]]
    largest = max(mp.eigsy(mp.matrix(dense(diagonal, beside).tolist()), eigvals_only=True))
    for scale in (1.0, 2.0**-500, 2.0**-1000, 2.0**400):
        arrays = [[np.asarray([scale * x]) for x in entries] for entries in (diagonal, beside)]
        lower, upper = largest_eigenvalue(*arrays)
        vanished = 1e-320  # what scaling may have cut off
        assert lower[0] - vanished <= scale * largest <= upper[0] + vanished


def test_nine_rows_are_bracketed_to_many_digits() -> None:
    rng = np.random.default_rng(0)
    lower, upper = largest_eigenvalue(list(rng.random((9, 500))), list(rng.random((8, 500)) / 2))
    assert np.median((upper - lower) / upper) < 1e-12
    assert ((upper - lower) / upper).max() < 0.01


numbers = st.lists(st.floats(-10, 10), min_size=1, max_size=8)


@given(numbers, st.floats(0, 5), st.floats(0, 5))
def test_no_number_exceeds_what_sum_and_squares_allow(
    values: list[float], below: float, above: float
) -> None:
    total, square = np.asarray(sum(values)), np.asarray(sum(x * x for x in values))
    bound = wolkowicz_styan(total - below, total + above, square, len(values))
    assert max(values) <= bound + 1e-14 * (1 + abs(max(values)))


@pytest.mark.parametrize("m", [2, 5, 64])
def test_all_but_one_equal_reach_the_bound(m: int) -> None:
    values = np.asarray([3.0] + [1.0] * (m - 1))
    bound = wolkowicz_styan(values.sum(), values.sum(), (values**2).sum(), m)
    assert bound == pytest.approx(3.0, rel=1e-7)


def test_gamma_is_infinite_where_nothing_can_be_said() -> None:
    assert gamma(4, 0.25) == float("inf")
    assert gamma(1, UNIT) == pytest.approx(UNIT)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["Gaussian", "sinks", "duplicates", "graded"])
def test_products_are_as_exact_as_they_say(kind: str, dtype: str, transposed: bool) -> None:
    matrices = draw(kind, 5, 48, dtype=dtype)
    found, scale = gram(MatrixBatch(matrices, None, False))
    wanted = matrices.astype(np.longdouble) @ np.swapaxes(matrices.astype(np.longdouble), -1, -2)
    off = np.linalg.norm((found - wanted).astype(np.float64), axis=(-2, -1))
    assert (off <= scale.error * scale.unit**-2).all()
    assert (off > 0).any()
    unit = float(np.finfo(dtype).eps) / 2
    known = enclose(sums(found), scale.error, scale.error, n=48, unit=unit)
    right = np.swapaxes(found, -1, -2) if transposed else found
    again = found @ right
    after, lost = squared(
        known,
        sums(again),
        0 * scale.error,
        loss=gamma(48, unit),
        unit=unit,
        transposed=transposed,
        n=48,
    )
    exact = found.astype(np.longdouble) @ right.astype(np.longdouble)
    assert (np.linalg.norm((again - exact).astype(np.float64), axis=(-2, -1)) <= lost).all()
    largest = np.linalg.eigvalsh(again.astype(np.float64))[:, -1]
    few = 1e-12 * largest
    assert (after.lower <= largest + few).all()
    assert (largest - few <= after.upper).all()


@pytest.mark.parametrize("q", [1, 255, 256, 257, 700])
def test_products_in_blocks_are_products(q: int) -> None:
    rng = np.random.default_rng(q)
    left, right = rng.standard_normal((2, 3, q)), rng.standard_normal((2, q, 4))
    assert np.allclose(product(left, right), left @ right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [7, 50, 100])
def test_every_stage_is_right_and_the_last_is_narrow(n: int) -> None:
    matrices = draw("any temperature", 6, n)
    value = np.linalg.svdvals(matrices)[:, 0]
    state = begin(MatrixBatch(matrices, None, False), 0, 4)
    for _ in range(4):
        lower, upper = ends(state)
        assert (lower <= value * (1 + 1e-12)).all()
        assert (value * (1 - 1e-12) <= upper).all()
        state = advance(state, 2, 4)
    assert (upper < 1.01 * value).all()


def test_slices_cover_the_batch_once() -> None:
    for size in (1, 100, 10**9):
        parts = slices(np.ones((7, 2, 3)), size)
        assert [i for part in parts for i in range(7)[part]] == list(range(7))
