"""Arrays of rationals and balls do what numpy does, and open answers stay open."""

from typing import Any

import numpy as np
import pytest

from tests.test_theory.test_extended.test_arrays import called_by_kernels
from theory.arrays import UndecidedError, known, require_finite, rounds

flint = pytest.importorskip("flint")

from theory.balls.library import library  # noqa: E402  # flint is an extra

XP: Any = library(64)
RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((2, 3, 4))
OPEN = XP.asarray(np.asarray([flint.arb(0, 1), flint.arb(3), flint.arb(-3)], dtype=object))
"""Of these the sign of the first is not known."""


def plain(array: Any) -> Any:
    """The midpoints, for comparison."""
    if array.data.dtype != object:
        return array.data
    return np.asarray(np.frompyfunc(lambda x: float(flint.arb(x).mid()), 1, 1)(array.data), float)


def test_every_function_that_a_kernel_calls_is_there() -> None:
    called = called_by_kernels() | {"root"}
    owners = {name: XP.linalg if name.startswith("linalg.") else XP for name in called}
    assert [n for n in called if not hasattr(owners[n], n.split(".")[-1])] == []


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["sum", "max", "min", "mean", "any", "all"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_numpys(name: str, axis: Any, *, keepdims: bool) -> None:
    found = getattr(XP, name)(XP.asarray(MATRIX), axis=axis, keepdims=keepdims)
    wanted = getattr(np, name)(MATRIX, axis=axis, keepdims=keepdims)
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(plain(found), wanted, rtol=1e-14, atol=1e-14)


def test_products_sorting_and_shapes_are_numpys() -> None:
    x = XP.asarray(MATRIX)
    np.testing.assert_allclose(plain(x @ x.mT), MATRIX @ MATRIX.swapaxes(-1, -2), rtol=1e-14)
    np.testing.assert_array_equal(plain(XP.sort(x, axis=1)), np.sort(MATRIX, axis=1))
    np.testing.assert_array_equal(plain(x.mT), MATRIX.swapaxes(-1, -2))
    np.testing.assert_allclose(plain(XP.vecdot(x, x)), np.vecdot(MATRIX, MATRIX), rtol=1e-14)
    np.testing.assert_array_equal(plain(XP.where(x > 0, x, 0.0)), np.maximum(MATRIX, 0))
    np.testing.assert_array_equal(
        plain(XP.cumulative_sum(x > 0, axis=1))[0, -1], (MATRIX[0] > 0).sum(0)
    )


def test_large_products_are_balls_that_hold_the_exact_ones() -> None:
    left, right = RNG.standard_normal((2, 40, 40))
    found = (XP.asarray(left) @ XP.asarray(right)).data
    exact = flint.fmpq_mat(40, 40, [flint.fmpq(*x.as_integer_ratio()) for x in left.flat])
    exact = exact * flint.fmpq_mat(40, 40, [flint.fmpq(*x.as_integer_ratio()) for x in right.flat])
    for i in np.ndindex(40, 40):
        assert found[i].contains(exact[i])
        assert found[i].rad() < 1e-16


def test_where_an_answer_is_open_both_are_held() -> None:
    found = XP.where(OPEN > 0, OPEN + 10, OPEN - 10).data
    for value in (10.5, -10.5):
        assert found[0].contains(value)
    assert found[1:].tolist() == [13, -13]
    share = XP.astype(OPEN > 0, XP.float64).data
    assert share[0].contains(0)
    assert share[0].contains(1)
    with pytest.raises(UndecidedError):
        XP.astype(OPEN > 0, XP.int64)


def test_logic_has_three_values() -> None:
    yes, no, open_ = (OPEN > -5)[:1], (OPEN > 5)[:1], (OPEN > 0)[:1]
    assert bool((open_ | yes)[0])
    assert not bool((open_ & no)[0])
    assert bool(XP.any(OPEN > 0)), "the second is, whatever the first is"
    assert not bool(XP.all(OPEN > 0))
    for left in (open_ & yes, open_ | no, ~open_):
        with pytest.raises(UndecidedError):
            bool(left[0])
    with pytest.raises(UndecidedError):
        _ = open_ ^ yes


def test_what_refuses_bad_numbers_is_left_out_where_nobody_can_tell_and_that_is_noted() -> None:
    XP.left_open = False
    assert known(XP.any(OPEN[:1] > 0)) is None
    assert XP.left_open
    require_finite("x", XP.asarray(flint.arb.nan()))
    assert not rounds(OPEN)
    assert rounds(MATRIX)


def test_open_answers_are_no_indices_and_are_not_written_into_arrays() -> None:
    x = XP.asarray([1.0, 2.0, 3.0])
    with pytest.raises(UndecidedError):
        x[OPEN > 0] = 1.0
    answers = XP.asarray([True, False, True])
    with pytest.raises(UndecidedError):
        answers[...] = OPEN > 0
    x[XP.asarray([True, False, False])] = 7
    assert plain(x).tolist() == [7, 2, 3]


def test_an_order_that_is_open_is_enclosed_place_by_place() -> None:
    found = XP.sort(XP.asarray(np.asarray([flint.arb(1, 0.5), flint.arb(1.25)], dtype=object))).data
    for low, high in ((0.6, 1.25), (1.25, 1.4)):
        assert found[0].contains(low)
        assert found[1].contains(high)
