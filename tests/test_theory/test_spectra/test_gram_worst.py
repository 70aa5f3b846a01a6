"""What is known of a Gram matrix, with rounding as bad as it can be, and no more than that."""

import numpy as np
import pytest

from tests.test_theory.helpers.exact import Floats
from tests.test_theory.helpers.hard_matrices import draw
from theory.arrays import Array
from theory.spectra import gram as gram_module
from theory.spectra.gram import (
    MatrixBatch,
    NotFiniteError,
    Scale,
    gram,
    norm_of_rows,
    product,
    product_loss,
)

ONE = np.ones(1)
UNITS = {"float32": 2.0**-24, "float64": 2.0**-53}


def exact_gram(matrices: Array, *, centred: bool) -> Array:
    wide = matrices.astype(np.longdouble)
    if centred:
        wide = wide - wide.mean(axis=-2, keepdims=True)
    return wide @ np.swapaxes(wide, -1, -2)


def frobenius(matrices: Array) -> Floats:
    found: Floats = np.sqrt((matrices.astype(np.longdouble) ** 2).sum(axis=(-2, -1))).astype(float)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("p", "q"), [(1, 1), (3, 5), (4, 256), (4, 257), (2, 1000)])
def test_the_error_is_that_of_the_products(p: int, q: int, dtype: str) -> None:
    matrices = np.random.default_rng(q).standard_normal((3, p, q)).astype(dtype)
    found, scale = gram(MatrixBatch(matrices, None, False))
    off = frobenius(found.astype(np.longdouble) - exact_gram(matrices, centred=False))
    assert (off <= scale.error).all()
    terms = min(q, 256) + -(-q // 256)
    share = terms * UNITS[dtype] * frobenius(matrices) ** 2
    assert (scale.error >= share).all()
    assert (scale.error <= 1.02 * share * (1 + 4 * terms * UNITS[dtype]) + 1e-30).all()
    assert (scale.unit == 1).all()
    assert (scale.rough == 0).all()
    assert (scale.drift == 0).all()


def test_what_is_lost_at_worst_grows_until_nothing_is_known() -> None:
    assert product_loss(3, 0.125) == pytest.approx(1.0)  # 4 of an eighth: a half over a half
    assert product_loss(256, 2.0**-24) == pytest.approx(257 * 2.0**-24, rel=1e-4)
    assert product_loss(512, 2.0**-24) == pytest.approx(258 * 2.0**-24, rel=1e-4)
    assert product_loss(513, 2.0**-24) == pytest.approx(259 * 2.0**-24, rel=1e-4)


def test_a_norm_measured_too_small_by_its_rounding_still_gives_the_whole_error() -> None:
    """The computed trace may be short by the loss; the error is a share of the true one."""
    q = 250_000  # the loss is 7e-5 in single precision: no rounding of the test hides it
    row = np.full((1, 1, q), 0.1, dtype=np.float32)
    _, scale = gram(MatrixBatch(row, None, False))
    terms = 256 + -(-q // 256)
    lost = terms * 2.0**-24 / (1 - terms * 2.0**-24)
    computed = float(np.squeeze(product(row, np.swapaxes(row, -1, -2))))
    assert scale.error[0] == pytest.approx(1.01 * lost * computed * (1 + 2 * lost), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", ["sinks", "near uniform", "identical rows", "Gaussian"])
def test_rows_of_deviations_say_how_far_rounding_moved_them(
    kind: str, masked: bool, dtype: str
) -> None:
    n, number = 12, 9
    matrices = draw(kind, 6, n, dtype=dtype)
    counts = np.ones((6, n), dtype=dtype)
    if masked:
        counts[:, number:] = 0
    source = MatrixBatch(matrices, counts if masked else None, True)
    found, scale = gram(source)
    kept = matrices[:, :number, :number] if masked else matrices
    m = kept.shape[-1]
    wanted = exact_gram(kept, centred=True) / scale.unit[:, None, None] ** 2
    unit = UNITS[dtype]
    size = np.sqrt(np.trace(wanted, axis1=-2, axis2=-1)).astype(float)
    far = frobenius(kept) * (m + 3) * unit / scale.unit  # what the first mean may have missed
    # One entry rounds in a subtraction, and a mean of m numbers by m roundings.
    settled = size > 30 * far
    assert (scale.rough[settled] >= 2 * unit * size[settled]).all()
    assert (scale.rough[settled] <= 2.2 * unit * size[settled]).all()
    assert (scale.drift[settled] >= (n + 3) * unit * size[settled]).all()
    assert (scale.drift[settled] <= (n + 6) * 1.05 * unit * size[settled]).all()
    values = np.linalg.eigvalsh(wanted.astype(float))[:, -1]
    top = np.linalg.eigvalsh(found.astype(float))[:, -1]
    most = np.sqrt(top + scale.error) + scale.rough + 1e-15
    assert (np.sqrt(np.maximum(values, 0)) <= most * (1 + 1e-14)).all()
    # All other directions are filled with the mean of what is left: the trace grows by a share.
    trace = np.trace(found.astype(float), axis1=-2, axis2=-1)
    share = size**2 / (m - 1)
    lost = (n + 1) * unit * size**2 + 4 * unit * (size**2 + share * n**0.5)
    np.testing.assert_allclose(scale.error[settled], 1.01 * lost[settled], rtol=1e-2)
    assert settled.any() or kind in ("near uniform", "identical rows")
    np.testing.assert_allclose(trace[settled], (size**2 + share * (1 + n - m))[settled], rtol=3e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_directions_that_do_not_count_are_filled_evenly(dtype: str) -> None:
    n, number = 6, 4
    matrices = np.zeros((1, n, n), dtype=dtype)
    matrices[:, :number, :number] = np.eye(number)[::-1]
    counts = (np.arange(n) < number)[None].astype(dtype)
    found, scale = gram(MatrixBatch(matrices, counts, True))
    np.testing.assert_allclose(found[0], np.eye(n), atol=20 * UNITS[dtype])
    assert (np.linalg.eigvalsh(found[0].astype(float)) <= 1 + 20 * UNITS[dtype]).all()
    plain, _ = gram(MatrixBatch(np.eye(n, dtype=dtype)[None], None, True))
    np.testing.assert_allclose(plain[0], np.eye(n), atol=20 * UNITS[dtype])
    assert scale.unit[0] == 1


def test_what_does_not_count_is_left_out_be_it_nan() -> None:
    matrices = draw("Gaussian", 1, 5)
    spoiled = matrices.copy()
    spoiled[:, 3:] = np.nan
    spoiled[:, :, 3:] = np.inf
    counts = (np.arange(5) < 3)[None].astype(float)
    matrices[:, 3:], matrices[:, :, 3:] = 0, 0
    for deviations in (True, False):
        one, _ = gram(MatrixBatch(matrices, counts, deviations))
        other, _ = gram(MatrixBatch(spoiled, counts, deviations))
        np.testing.assert_array_equal(one, other)
    with pytest.raises(NotFiniteError):
        gram(MatrixBatch(spoiled, None, False))


@pytest.mark.parametrize("exponent", [-1040, -990, -160, -120, -3, 0, 3, 120, 160, 990])
def test_any_scale_gives_the_same_products_and_its_unit(exponent: int) -> None:
    matrices = np.asarray([[[3.0, 1.0], [1.0, 2.0]]])
    plain, _ = gram(MatrixBatch(matrices, None, False))
    found, scale = gram(MatrixBatch(np.ldexp(matrices, exponent), None, False))
    ratio = np.ldexp(1.0, exponent) / scale.unit[0]
    np.testing.assert_allclose(found, plain * ratio**2, rtol=1e-12)
    assert 2.0**-128 < np.abs(found).max() ** 0.5 < 2.0**128
    assert (scale.unit[0] == 1) == (abs(exponent) < 125)


def test_rows_that_differ_by_little_are_brought_to_their_own_scale() -> None:
    rng = np.random.default_rng(1)
    for size in (1e-20, 1e-25, 1e-30):
        small = (size * rng.standard_normal((1, 4, 4))).astype(np.float32)
        small[:, :, 0] = 1.0  # equal in all rows
        found, scale = gram(MatrixBatch(small, None, True))
        wanted = np.sqrt(np.linalg.eigvalsh(exact_gram(small, centred=True).astype(float))[0, -1])
        lower, upper = norm_of_rows(scale, *(np.linalg.eigvalsh(found.astype(float))[:, -1],) * 2)
        assert lower[0] * (1 - 1e-6) <= wanted <= upper[0] * (1 + 1e-6)
        assert np.trace(found[0]) > 1e-3


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_way_back_forgives_each_loss_at_its_worst(sign: int) -> None:
    norm, error, unit, rough, drift = 2.0, 0.05, 3.0, 0.04, 0.1
    scale = Scale(error * ONE, unit * ONE, rough * ONE, drift * ONE)
    # The rows wanted were moved by rough, and the product by the error; below, the drift e r^T
    # along the top added |r| (norm + |r|) as well.
    high = (norm - rough) ** 2 - error
    _, upper = norm_of_rows(scale, high * ONE, high * ONE)
    assert upper[0] == pytest.approx(norm * unit, rel=1e-12)
    low = (norm + rough) ** 2 + error + drift * (norm + rough + drift)
    lower, _ = norm_of_rows(scale, low * ONE, low * ONE)
    seen = np.sqrt(low + error)
    assert lower[0] <= norm * unit
    assert lower[0] == pytest.approx(
        (np.sqrt(low - error - drift * (seen + drift)) - rough) * unit, rel=1e-12
    )
    nothing = norm_of_rows(scale, 0 * ONE, 0 * ONE)
    assert nothing[0] == 0
    assert sign * (nothing[1] - nothing[0]) * sign > 0
    tight = Scale(0 * ONE, ONE, 0 * ONE, 0 * ONE)
    lower, upper = norm_of_rows(tight, 2 * ONE, 2 * ONE)
    assert 2e-16 * 4 <= upper[0] / lower[0] - 1 <= 2e-16 * 40


def test_drift_is_what_the_two_means_left_along_the_ones() -> None:
    """Large equal columns: the first mean misses much, the second leaves n + 3 roundings of it."""
    n = 7
    matrices = np.full((1, n, n), 0.1, dtype=np.float32)
    matrices[:, 0, 0] += 2.0**-20
    _, scale = gram(MatrixBatch(matrices, None, True))
    rows = matrices.astype(np.float64)
    size = np.linalg.norm(rows - rows.mean(axis=1, keepdims=True))
    weights = np.ones((1, 1, n), dtype=np.float32) / np.float32(n)
    once = matrices - weights @ matrices
    mean = (weights @ once).astype(np.float64)
    missed = n**0.5 * float(np.linalg.norm(mean))
    assert missed > 1e-9, "the first mean is exact here"
    before = 1.01 * (size + missed)
    assert scale.drift[0] * scale.unit[0] == pytest.approx((n + 5) * 2.0**-24 * before, rel=1e-3)
    assert scale.rough[0] * scale.unit[0] == pytest.approx(2 * 2.0**-24 * before, rel=1e-3)


def test_what_vanishes_beside_a_large_entry_is_told() -> None:
    least = 2.0**-149
    equal = np.zeros((1, 3, 3), dtype=np.float32)
    for peak, gone in ((1.0, 0.0), (2.0**40, 3 * least), (2.0**-40, 0.0)):
        equal[:, :, 0] = peak
        found, scale = gram(MatrixBatch(equal, None, True))
        assert (found == 0).all()
        assert scale.error == 0
        assert scale.rough[0] == pytest.approx(gone, rel=1e-6, abs=0)
        assert scale.drift[0] == pytest.approx(9 * least, rel=1e-6, abs=0)
    equal[:, :, 0] = 2.0**40
    equal[:, 0, 1] = 2.0**-90
    _, scale = gram(MatrixBatch(equal, None, True))
    more = scale.unit[0] / 2.0**40
    size = 2.0**-130 / more * (2 / 3) ** 0.5
    before = 1.01 * size
    rough, drift = 3 * least / more, 9 * least / more
    assert drift > 8 * 2.0**-24, "vanished entries do not show here"
    assert scale.rough[0] == pytest.approx(rough + 2 * 2.0**-24 * before, rel=1e-3)
    assert scale.drift[0] == pytest.approx(drift + 8 * 2.0**-24 * before, rel=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("entries", [(1, -1), (-1, 1), (-1, -1), (1, 0)])
def test_the_largest_entry_sets_the_scale_whatever_its_sign(
    entries: tuple[int, int], dtype: str
) -> None:
    huge = 2.0 ** (100 if dtype == "float32" else 900)
    matrix = np.asarray([[[huge * entries[0], entries[1]]]], dtype=dtype)
    for one in (matrix, matrix[:, :, ::-1]):
        found, scale = gram(MatrixBatch(one, None, False))
        assert scale.unit == huge
        assert found == 1
    few = 2.0**15 if dtype == "float32" else 2.0**127
    for size in (few, 1 / few):
        assert gram(MatrixBatch(np.full((1, 1, 1), -size, dtype), None, False))[1].unit == 1
    for size in (2 * few, 0.5 / few):
        assert gram(MatrixBatch(np.full((1, 1, 1), -size, dtype), None, False))[1].unit == size


def test_a_length_is_bounded_from_above_by_its_rounding() -> None:
    ones = np.ones((1, 4096), dtype=np.float32)
    assert gram_module._norm(ones)[0] / 64 - 1 == pytest.approx(4101 * 2.0**-53, rel=1e-2)
    short = gram_module._norm(np.ones((1, 1)))[0]
    assert short - 1 == pytest.approx(6 * 2.0**-53, abs=2.0**-53)
    for size in (2.0**-700, 2.0**700):
        far = gram_module._norm(size * np.ones((1, 4096)))[0]
        assert far == gram_module._norm(np.ones((1, 4096)))[0] * size


def test_the_mean_that_fills_is_a_little_low() -> None:
    """Filled with more, the largest eigenvalue of a flat spectrum would be that of the filling."""
    for n in (4, 8):
        found, scale = gram(MatrixBatch(np.eye(n, dtype=np.float32)[None], None, True))
        filled = float(np.ones(n) @ found[0].astype(float) @ np.ones(n)) / n
        assert filled < 1 - 6 * 2.0**-24
        lost = (n + 1) * 2.0**-24 * (n - 1) * 1.01 / (n - 1)
        assert filled == pytest.approx(1 - lost - 8 * 2.0**-24, abs=3 * 2.0**-24)
        assert scale.error > 0


def test_a_batch_is_taken_apart_by_members() -> None:
    matrices, counts = draw("Gaussian", 4, 3), np.ones((4, 3))
    counts[2, 1] = 0
    source = MatrixBatch(matrices, counts, True)
    some = source.take(np.asarray([2, 0]))
    np.testing.assert_array_equal(some.matrices, matrices[[2, 0]])
    np.testing.assert_array_equal(some.counts, counts[[2, 0]])
    part = source.part(slice(1, 3))
    np.testing.assert_array_equal(part.counts, counts[1:3])
    assert source.double().matrices.dtype == np.float64
    assert (source.counted()[2, 1] == 0).all()
    assert (source.counted()[2, :, 1] == 0).all()
