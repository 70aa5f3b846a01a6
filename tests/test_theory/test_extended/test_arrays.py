"""Arrays with more digits do what numpy does, and to as many digits as they have."""

import ast
import re
from pathlib import Path
from typing import Any

import array_api_compat
import mpmath
import numpy as np
import pytest

import theory
from theory.arrays import InputError, namespace, require_finite, require_float, to_numpy
from theory.extended.library import library
from theory.extended.verdicts import extended

XP: Any = library(50)
RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((2, 3, 4))
POSITIVE = RNG.uniform(0.1, 0.9, size=(2, 3, 4))
AWKWARD = np.asarray([0.0, -1.0, 1.0, 2.5, np.inf, -np.inf, np.nan, 1e300, -1e-300])


def assert_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple | list):
        for mine, theirs in zip(found, wanted, strict=True):
            assert_same(mine, theirs)
        return
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found.rounded(), wanted, rtol=1e-14, atol=1e-300)


ONE = (
    *("abs", "exp", "expm1", "floor", "isfinite", "isnan", "log", "log1p", "log2", "negative"),
    *("round", "sqrt", "tanh"),
)
TWO = (
    *("add", "divide", "equal", "greater", "greater_equal", "hypot", "less", "less_equal"),
    *("maximum", "minimum", "multiply", "not_equal", "pow", "remainder", "subtract"),
)
REDUCTIONS = ("sum", "max", "min", "mean", "any", "all", "count_nonzero")
ELSEWHERE = {"from_dlpack", "Device", "root", "linalg.cholesky", "repeat"}
"""What is asked of other libraries only: another device, the root of a square in balls, and the
proof of an upper end where numbers round."""


def called_by_kernels() -> set[str]:
    """Return what files of theory look up in a namespace: ``xp.name``, ``namespace(...).name``."""
    found = set()
    for path in sorted(Path(theory.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                short = re.sub(r"^namespace\([^()]*\)\.(?=[\w.]+$)", "xp.", ast.unparse(node))
                if re.fullmatch(r"xp(\.linalg)?\.\w+", short):
                    found.add(short.removeprefix("xp."))
    return found - ELSEWHERE


def test_every_function_that_a_kernel_calls_is_there() -> None:
    called = called_by_kernels()
    assert {"where", "linalg.eigvalsh", "matrix_transpose", "tanh"} <= called
    owners = {name: XP.linalg if name.startswith("linalg.") else XP for name in called}
    missing = [name for name in called if not hasattr(owners[name], name.split(".")[-1])]
    assert missing == []


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_array_are_numpys(name: str) -> None:
    assert_same(getattr(XP, name)(extended(POSITIVE)), getattr(np, name)(POSITIVE))


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_arrays_are_numpys_with_broadcasting(name: str) -> None:
    left, right = POSITIVE, RNG.uniform(0.5, 3.0, size=(3, 1))
    found = getattr(XP, name)(extended(left), extended(right))
    assert_same(found, getattr(np, name)(left, right))


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "less", "equal"]
)
def test_infinities_zeros_and_nans_are_those_of_ieee_arithmetic(name: str) -> None:
    left, right = AWKWARD[:7, None], AWKWARD[None, :7]
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(left, right)
    found = getattr(XP, name)(extended(left), extended(right)).rounded()
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["sqrt", "log", "log2", "exp", "expm1", "tanh", "abs"])
def test_functions_outside_their_domain_give_what_numpy_gives(name: str) -> None:
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(AWKWARD)
    found = getattr(XP, name)(extended(AWKWARD)).rounded()
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_numpys(name: str, axis: Any, *, keepdims: bool) -> None:
    wanted = getattr(np, name)(MATRIX, axis=axis, keepdims=keepdims)
    found = getattr(XP, name)(extended(MATRIX), axis=axis, keepdims=keepdims)
    assert found.shape == np.asarray(wanted).shape
    np.testing.assert_allclose(found.rounded(), wanted, rtol=1e-13, atol=1e-14)


def test_a_nan_is_the_largest_and_the_smallest() -> None:
    for data in ([1.0, np.nan], [np.nan, 1.0]):
        assert bool(XP.isnan(XP.max(extended(data))))
        assert bool(XP.isnan(XP.min(extended(data))))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reshape", {"shape": (6, 4)}),
        ("moveaxis", {"source": 0, "destination": 1}),
        ("expand_dims", {"axis": 1}),
        ("broadcast_to", {"shape": (5, 2, 3, 4)}),
        ("tril", {"k": 1}),
        ("sort", {"axis": 1}),
        ("cumulative_sum", {"axis": 1}),
        ("clip", {"min": 0, "max": 0.5}),
        ("unique_values", {}),
        ("nonzero", {}),
        ("matrix_transpose", {}),
    ],
)
def test_moving_and_sorting_is_numpys(name: str, options: dict[str, Any]) -> None:
    args = [options.pop(k) for k in list(options) if k not in ("axis", "k")]
    if name == "clip":
        args, options = [], {"min": 0.0, "max": 0.5}
    assert_same(
        getattr(XP, name)(extended(MATRIX), *args, **options),
        getattr(np, name)(MATRIX, *args, **options),
    )


def test_products_of_batches_and_of_nothing() -> None:
    left, right = MATRIX, np.swapaxes(POSITIVE, -1, -2)
    assert_same(extended(left) @ extended(right), left @ right)
    assert_same(extended(MATRIX[0]) @ extended(right), MATRIX[0] @ right)
    assert_same(XP.vecdot(extended(left), extended(POSITIVE)), np.vecdot(left, POSITIVE))
    empty = extended(np.ones((2, 0))) @ extended(np.ones((0, 3)))
    assert_same(empty, np.zeros((2, 3)))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 1), (2, 3, 2)])
def test_factors_multiply_to_the_matrix_in_all_digits(shape: tuple[int, ...]) -> None:
    matrix = extended(RNG.standard_normal(shape))
    few = 100 * XP.eps

    def assert_zero(rest: Any) -> None:
        assert float(XP.max(abs(rest))) < few

    q, r = XP.linalg.qr(matrix)
    assert_zero(q @ r - matrix)
    assert_zero(q.mT @ q - XP.eye(q.shape[-1]))
    assert_zero(XP.tril(r, k=-1))
    gram = matrix @ matrix.mT
    values, vectors = XP.linalg.eigh(gram)
    assert_zero(vectors * values[..., None, :] @ vectors.mT - gram)
    assert_zero(XP.linalg.eigvalsh(gram) - values)
    assert_same(XP.linalg.svdvals(matrix), np.linalg.svdvals(matrix.rounded()))


def test_lengths_and_diagonals_are_numpys() -> None:
    square = RNG.standard_normal((2, 3, 3))
    assert_same(XP.linalg.diagonal(extended(square)), np.linalg.diagonal(square))
    for axis in (None, -1, (-2, -1)):
        wanted = np.linalg.vector_norm(square, axis=axis)
        assert_same(XP.linalg.vector_norm(extended(square), axis=axis), wanted)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "expm1", "erfc"])
def test_functions_have_all_the_digits(name: str) -> None:
    for digits in (30, 100):
        x = extended(np.asarray(0.3), digits=digits)
        found = getattr(library(digits), name)(x).data[()]
        with mpmath.workdps(digits + 20):
            wanted = getattr(mpmath, name)(mpmath.mpf(0.3))
            assert abs(mpmath.mpf(found) / wanted - 1) < 4 * library(digits).eps
            assert abs(mpmath.mpf(found) / wanted - 1) < mpmath.mpf(10) ** (2 - digits)


def test_the_complementary_error_function_is_right_far_out() -> None:
    far = XP.erfc(extended(np.asarray([100.0, 1e200, -1e200, 0.0])))
    with mpmath.workdps(70):
        assert abs(mpmath.mpf(far.data[0]) / mpmath.erfc(100) - 1) < 1e-49
    assert bool(far[1] > 0), "numbers of mpmath do not underflow"
    assert far[2:].rounded().tolist() == [2.0, 1.0]


def test_digits_are_the_arrays_own_and_nothing_global() -> None:
    before = mpmath.mp.dps
    few, many = extended(np.ones(1), digits=20), extended(np.ones(1), digits=100)
    assert mpmath.mp.dps == before
    assert float(few[0] / 3 - few[0] / 3) == 0
    assert abs(float((many / 3 * 3 - 1)[0])) < 1e-98
    assert namespace(few).finfo(few.dtype).eps > 1e-22 > namespace(many).finfo(many.dtype).eps
    with pytest.raises(InputError, match="expected arrays of one array library"):
        namespace(few, many)
    with pytest.raises(TypeError):
        _ = few + many


def test_numpy_arrays_do_not_mix_with_them() -> None:
    x = extended(np.ones(2))
    for mix in (np.add, np.multiply, np.matmul):
        with pytest.raises(TypeError):
            mix(np.ones(2), x)
    with pytest.raises(TypeError):
        _ = x + np.ones(2)
    with pytest.raises(TypeError):
        _ = np.ones(2) * x
    with pytest.raises(TypeError, match="lose digits"):
        to_numpy(x)
    assert to_numpy(x > 0).tolist() == [True, True]


def test_scalars_of_python_and_numpy_do_mix() -> None:
    x = extended(np.asarray([1.0, 4.0]))
    for found in (2 - x, np.float64(2) - x, 2.0 - x, np.int64(2) - x):
        assert found.rounded().tolist() == [1.0, -2.0]
    assert (2.0**x).rounded().tolist() == [2.0, 16.0]
    assert (x**0.5).rounded().tolist() == [1.0, 2.0]
    assert XP.where(x > 2, x, -XP.inf).rounded().tolist() == [-np.inf, 4.0]


def test_the_compatibility_layer_knows_it() -> None:
    x = extended(np.ones((2, 2)))
    assert array_api_compat.is_array_api_obj(x)
    assert array_api_compat.array_namespace(x) is XP
    assert array_api_compat.device(x) == "cpu"
    assert array_api_compat.size(x) == 4
    require_float("x", x)
    with pytest.raises(InputError, match=r"the first at index \(1,\)"):
        require_finite("x", extended(np.asarray([1.0, np.nan])))


def test_entries_are_exact_copies_and_can_be_set() -> None:
    x = extended(np.asarray([0.1, 5e-324, 1e308]))
    assert x.rounded().tolist() == [0.1, 5e-324, 1e308]
    assert mpmath.mpf(x.data[0]) == mpmath.mpf(0.1)
    y = x + 0
    y[1:] = 0
    y[XP.asarray([True, False, False])] = 3.0
    assert y.rounded().tolist() == [3.0, 0.0, 0.0]
    y += 1
    assert y.rounded().tolist() == [4.0, 1.0, 1.0]
    assert x.rounded().tolist() == [0.1, 5e-324, 1e308]


@pytest.mark.parametrize("bad", [np.ones(1, dtype=complex), np.asarray(["a"])])
def test_what_is_no_real_number_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="bool, int64 and float64 only"):
        extended(bad)
    with pytest.raises(TypeError):
        XP.astype(extended(np.ones(1)), np.complex128)
    with pytest.raises(TypeError):
        XP.astype(extended(np.ones(1)), XP.float32)
