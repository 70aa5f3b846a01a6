"""The way back from a polynomial's eigenvalue, with every step's loss in the worst direction."""

import math
from itertools import product

import numpy as np
import pytest

from tests.test_theory.helpers.exact import Floats
from tests.test_theory.helpers.hard_matrices import draw
from theory.spectra import polynomials
from theory.spectra.enclosures import Sums, enclose
from theory.spectra.gram import MatrixBatch, Scale, gram
from theory.spectra.polynomials import State, Step, advance, begin, ends, slices, take

ONE = np.ones(1)
EXACT = Scale(0 * ONE, ONE, 0 * ONE, 0 * ONE)


def ended(lower: float, upper: float, steps: list[Step], scale: Scale = EXACT) -> Floats:
    known = enclose(Sums(ONE, ONE), 0 * ONE, 0 * ONE, n=2, unit=0.0)
    known = known._replace(lower=lower * ONE, upper=upper * ONE)
    found = ends(State([], known, scale, 0 * ONE, True, tuple(steps)))
    return np.concatenate(found)


def step(factor: float, power: int, centre: float, lost: float, floor: float = 0.0) -> Step:
    factors, centres, losses, floors = (x * ONE for x in (factor, centre, lost, floor))
    return Step(factors, power, centres, losses, floors)


@pytest.mark.parametrize("signs", list(product([-1, 1], repeat=4)))
def test_losses_of_every_step_are_forgiven_on_the_way_back(signs: tuple[int, ...]) -> None:
    chain = [
        step(0.5, 1, 0.0, 0.03),
        step(1.0, 1, 0.4, 0.02),
        step(1.0, 2, 0.2, 0.05),
        step(2.0, 2, 0.5, 0.04),
    ]
    start = 5.0
    value = start
    for sign, (factor, power, centre, lost, _) in zip(signs, chain, strict=True):
        value = (float(factor[0]) * value) ** power - float(centre[0]) + sign * float(lost[0])
    lower, upper = ended(value, value, chain)
    assert lower <= math.sqrt(start) <= upper
    assert upper - lower <= 0.15


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("kind", range(4))
def test_one_step_alone_is_undone_to_its_loss(kind: int, sign: int) -> None:
    one = [step(0.5, 1, 0.0, 0.1), step(1, 1, 0.7, 0.1), step(1, 2, 0.7, 0.1), step(3, 2, 0, 0.1)]
    factor, power, centre = (float(np.squeeze(x)) for x in one[kind][:3])
    value = (factor * 4.0) ** power - centre
    lower, upper = ended(value, value, [one[kind]])
    for end, away in ((lower, -0.1), (upper, 0.1)):
        assert end**2 == pytest.approx((value + away + centre) ** (1 / power) / factor, rel=1e-12)
    assert ended(value, value, [one[kind]])[0] <= 2 <= upper
    assert sign * (upper - lower) * sign > 0


def test_a_square_may_be_that_of_the_lowest_eigenvalue() -> None:
    squared = step(1, 2, 0.0, 0.0, floor=0.5)
    lower, upper = ended(0.25, 0.25, [step(1, 1, 1.0, 0.0), squared])
    assert lower == pytest.approx(math.sqrt(0.5), rel=1e-12)  # -0.5 + 1
    assert upper == pytest.approx(math.sqrt(1.5), rel=1e-12)
    lower, _ = ended(0.36, 0.36, [step(1, 1, 1.0, 0.0), squared])
    assert lower == pytest.approx(math.sqrt(1.6), rel=1e-12)
    lower, upper = ended(-0.1, 0.36, [step(1, 1, 1.0, 0.0), squared])
    assert lower == pytest.approx(math.sqrt(0.5), rel=1e-12)


def test_the_last_roundings_are_inside() -> None:
    lower, upper = ended(4.0, 4.0, [step(1, 1, 1e9, 0.0)])
    true = math.sqrt(1e9 + 4)
    assert true - lower >= 1e-16 * true
    assert upper - true >= 1e-16 * true
    assert upper - lower <= 1e-13 * true


def test_each_shift_rounds_by_the_size_of_what_it_adds() -> None:
    pairs = 5
    chain = [step(1, 1, centre, 0.0) for centre in (-1e9, 1e9)] * pairs
    lower, upper = ended(4.0, 4.0, chain)
    around = pairs * 4 * 2.0**-52 * 3e9
    assert upper**2 - 4 == pytest.approx(around, rel=0.1)
    assert 4 - lower**2 == pytest.approx(around, rel=0.1)


def test_each_root_rounds_too() -> None:
    chain = [step(1, 2, 0.0, 0.0)] * 20
    lower, upper = ended(1.0, 1.0, chain)
    # d = (d + 4 eps) / 2 + 4 eps is 12 eps; then one root more and the last 8 eps.
    assert upper - 1 == pytest.approx(14 * 2.0**-52, abs=3 * 2.0**-52)
    assert 1 - lower == pytest.approx(14 * 2.0**-52, abs=3 * 2.0**-52)
    below, above = ended(-0.5, 0.0, [step(1, 2, 0.0, 0.1)])
    assert below == 0
    assert above == pytest.approx(0.1**0.25)


@pytest.mark.parametrize(("upper", "wanted"), [(4.3, 2.15), (5.0, 1.72)])
def test_what_is_kept_small_is_most_of_what_lies_below(upper: float, wanted: float) -> None:
    known = enclose(Sums(ONE, ONE), 0 * ONE, 0 * ONE, n=2, unit=0.0)
    known = known._replace(lower=3.3 * ONE, upper=(upper - 1) * ONE)
    state = State([], known, EXACT, ONE, False, ())
    found = polynomials._target(state, slice(0, 1))
    # Of a spectrum up to 4.3 at least, eight tenths; all of it where it cannot reach much further.
    assert found == pytest.approx(wanted)


def test_a_second_shift_starts_from_the_first() -> None:
    matrices = draw("Gaussian", 3, 9)
    source = MatrixBatch(matrices, None, False)
    state = begin(source, 0, 4)
    later = advance(state, 1, 3)
    _, shift, factor, again, square = later.steps
    total = shift.centre * factor.factor + again.centre
    np.testing.assert_allclose(square.centre, total**2 / 2, rtol=1e-12)
    np.testing.assert_allclose(state.centre, shift.centre, rtol=1e-12)
    low, high = state.known.lower + state.centre, state.known.upper + state.centre
    wanted = np.where(high < 1.1 * low, low, 0.8 * low) / 2
    np.testing.assert_allclose(total, wanted * factor.factor, rtol=1e-12)


def test_blocks_of_a_batch_keep_their_own_numbers() -> None:
    scales = np.where(np.arange(40) < 35, 1.0, 3.0)[:, None, None]
    matrices = draw("sinks", 40, 100) * scales
    state = begin(MatrixBatch(matrices, None, False), 0, 6)
    assert len(state.blocks) == 2
    after = advance(state, 2, 8)
    value = truth(matrices)
    lower, upper = ends(after)
    assert ((lower <= value * (1 + 1e-13)) & (value <= upper * (1 + 1e-13))).all()
    alone = advance(begin(MatrixBatch(matrices[36:37], None, False), 0, 6), 2, 8)
    np.testing.assert_allclose(upper[36], ends(alone)[1][0], rtol=1e-6)
    state = begin(MatrixBatch(matrices, None, False), 2, 4)
    one = advance(take(state, np.arange(40) == 37), 2, 6)
    lower, upper = ends(one)
    assert lower[0] * (1 - 1e-13) <= value[37] <= upper[0] * (1 + 1e-13)
    assert upper[0] <= 1.1 * lower[0]


@pytest.mark.parametrize(("size", "wanted"), [(1.0, 1.0), (2.0**3, 1.0), (2.0**5, 2.0**-5)])
def test_a_power_of_two_makes_room_for_the_squarings(size: float, wanted: float) -> None:
    found = polynomials._near_one(np.asarray([size, 0.0]), 3)
    np.testing.assert_array_equal(found, [wanted, 1.0])
    np.testing.assert_array_equal(polynomials._near_one(2.0**31 * ONE, 0), [1.0])
    np.testing.assert_array_equal(polynomials._near_one(2.0**-4 * ONE, 3), [2.0**4])


def truth(matrices: Floats) -> Floats:
    found: Floats = np.linalg.svdvals(matrices.astype(np.float64))[:, 0]
    return found


KINDS = ("Gaussian", "sinks", "duplicates", "permutations")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [9, 97])
@pytest.mark.parametrize("kind", KINDS)
def test_each_stage_is_true_and_as_narrow_as_products_make_it(
    kind: str, n: int, dtype: str
) -> None:
    matrices = draw(kind, 4, n, dtype=dtype)
    matrices[1] *= 2.0**20
    value = truth(matrices)
    few = 1e-13 * value
    for squarings, widths in ((3, (1.3, 1.04, 1.01)), (0, (5, 1.3, 1.04))):
        state = begin(MatrixBatch(matrices, None, False), squarings, 5)
        best, least = 0 * value, value + np.inf
        for width in widths:
            lower, upper = ends(state)
            assert (lower - few <= value).all()
            assert (value <= upper + few).all()
            best, least = np.maximum(best, lower), np.minimum(least, upper)
            assert (least <= width * best).all()
            state = advance(state, 2, 6)


@pytest.mark.parametrize("n", [9, 97])
def test_the_steps_say_what_was_done(n: int) -> None:
    matrices = draw("Gaussian", 3, n, dtype="float32")
    matrices[1] *= 2.0**10
    source = MatrixBatch(matrices, None, False)
    product_, scale = gram(source)
    state = begin(source, 2, 3)
    first, shift, *squares = state.steps
    twice = 2 if n >= 96 else 1
    size = np.linalg.norm(product_.astype(np.float64), axis=(-2, -1))
    near = first.factor * size / twice
    assert ((near > 0.7) & (near < 1.5)).all() or (first.factor == twice).all()
    assert first.power == shift.power == 1
    assert [one.power for one in squares] == [2, 2]
    assert (first.floor == scale.error).all()
    square = (product_.astype(np.float64) ** 2).sum(axis=(-2, -1))
    trace = np.trace(product_.astype(np.float64), axis1=-2, axis2=-1)
    np.testing.assert_allclose(shift.centre / first.factor, 0.4 * square / trace, rtol=1e-5)
    np.testing.assert_allclose(squares[0].centre, shift.centre**2 / 2, rtol=1e-5)
    np.testing.assert_allclose(squares[1].centre, squares[0].centre ** 2 / 2, rtol=1e-5)
    if twice == 1:
        work = product_.astype(np.float64) * first.factor[:, None, None]
        work = work - shift.centre[:, None, None] * np.eye(n)
        for one in squares:
            work = work @ work - one.centre[:, None, None] * np.eye(n)
        off = np.linalg.norm(state.blocks[0] - work, axis=(-2, -1))
        assert (off <= 1e-4 * np.linalg.norm(work, axis=(-2, -1))).all()
        assert (first.lost <= 1e-30).all()
        before = product_ * first.factor[:, None, None] - shift.centre[:, None, None] * np.eye(n)
        size = np.linalg.norm(before.astype(np.float64), axis=(-2, -1))
        assert (squares[0].lost >= (n + 1) * 2.0**-24 * size**2).all()
        assert (squares[0].lost <= (n + 6) * 2.0**-24 * size**2).all()
        assert (shift.lost >= 2.0**-24 * shift.centre).all()
        assert (shift.lost <= 2.0**-22 * n**0.5).all()
    else:
        assert (first.lost >= 2.0**-24 * first.factor * size).all()
        assert (first.lost <= 1.1 * 2.0**-24 * first.factor * size).all()


def test_a_matrix_scaled_far_may_lose_what_is_below_the_smallest_number() -> None:
    matrices = np.ones((2, 3, 3), dtype="float32")
    matrices[1] *= 2.0**12
    state = begin(MatrixBatch(matrices, None, False), 3, 2)
    assert state.steps[0].factor[1] != 1
    assert 3 * 2.0**-126 <= state.steps[0].lost[1] <= 4 * 2.0**-126


def test_the_members_taken_keep_their_place_in_every_field() -> None:
    matrices = draw("Gaussian", 70, 12)
    state = begin(MatrixBatch(matrices, None, False), 2, 3)
    kept = np.arange(70) % 3 == 1
    some = take(state, kept)
    for one, other in zip(ends(state), ends(some), strict=True):
        np.testing.assert_array_equal(one[kept], other)
    lower, upper = ends(advance(some, 2, 4))
    value = truth(matrices[kept])
    assert ((lower <= value * (1 + 1e-13)) & (value <= upper * (1 + 1e-13))).all()
    assert (upper <= 1.05 * lower).all()


@pytest.mark.parametrize(("size", "least", "wanted"), [(1, 1, 1), (96, 1, 2), (1, 5, 5)])
def test_a_slice_holds_as_many_as_fit_or_as_few_as_allowed(
    size: int, least: int, wanted: int
) -> None:
    parts = slices(np.ones((7, 2, 3)), size, least=least)
    assert parts[0] == slice(0, wanted)
    assert parts[-1].stop == 7
    single = slices(np.ones((7, 2, 3), dtype=np.float32), 96)
    assert single[0] == slice(0, 4)
    assert len(slices(np.ones((0, 2, 3)), 96)) == len(slices(np.ones((0, 2, 3)), 1)) == 1
