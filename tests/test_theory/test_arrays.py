"""Arrays of any library are accepted, and bad ones are refused with their name."""

from types import ModuleType
from typing import Any

import array_api_strict
import numpy as np
import pytest
from array_api_compat import device as device_of

from theory import arrays
from theory.arrays import InputError, constant, namespace, to_numpy


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


def test_the_namespace_is_that_of_the_arrays_and_none_is_skipped(xp: ModuleType) -> None:
    found = namespace(None, xp.ones(2), xp.zeros((1, 1)), None)
    assert found.__name__ == namespace(xp.ones(1)).__name__
    assert type(found.ones(1)) is type(xp.ones(1))


@pytest.mark.parametrize("value", [[1.0, 2.0], "tokens", 3.0])
def test_what_is_no_array_is_refused_with_its_type(value: object) -> None:
    with pytest.raises(InputError, match=type(value).__name__):
        namespace(value)


def test_arrays_of_two_libraries_are_refused_with_both_names(xp: ModuleType) -> None:
    other = array_api_strict if xp.__name__.endswith("numpy") else np
    with pytest.raises(InputError, match=r"one array library.*ndarray"):
        namespace(other.ones(2), xp.ones(2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_floating_dtypes_are_accepted(xp: ModuleType, dtype: str) -> None:
    arrays.require_float("tokens", xp.ones(2, dtype=getattr(xp, dtype)))


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "complex128"])
def test_other_dtypes_are_refused_by_name(xp: ModuleType, dtype: str) -> None:
    with pytest.raises(InputError, match=rf"tokens must have dtype float32 or float64.*{dtype}"):
        arrays.require_float("tokens", xp.ones(2, dtype=getattr(xp, dtype)))


def test_half_precision_is_refused() -> None:
    with pytest.raises(InputError, match="float16"):
        arrays.require_float("tokens", np.ones(2, dtype=np.float16))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_counted_and_located(
    xp: ModuleType, device: Any, bad: float
) -> None:
    values = xp.asarray([[0.0, 1.0, bad], [bad, 1e308, 0.0]], dtype=xp.float64, device=device)
    with pytest.raises(InputError, match=r"tokens must be finite, but 2 .* \(0, 2\)"):
        arrays.require_finite("tokens", values)
    arrays.require_finite("tokens", xp.asarray([5e-324, -1e308, 0.0], dtype=xp.float64))


def test_a_shape_is_wanted_by_number_and_by_name(xp: ModuleType) -> None:
    array = xp.ones((7, 2, 3))
    for wanted in ((3,), ("d",), ("n", 3), (2, "d"), (7, 2, 3), ("b", "n", "d")):
        arrays.require_shape("tokens", array, *wanted)
    for refused in ((2,), (3, "d"), ("a", "b", "n", "d"), (1, 7, 2, 3)):
        with pytest.raises(InputError, match=r"tokens must have shape .* \(7, 2, 3\)"):
            arrays.require_shape("tokens", array, *refused)


def test_a_mask_is_boolean_and_has_its_shape(xp: ModuleType) -> None:
    arrays.require_mask("mask", xp.ones((2, 2), dtype=xp.bool), 2, 2)
    with pytest.raises(InputError, match=r"mask must be boolean, but has dtype .*float32"):
        arrays.require_mask("mask", xp.ones((2, 2), dtype=xp.float32), 2, 2)
    with pytest.raises(InputError, match="mask must have shape"):
        arrays.require_mask("mask", xp.ones((2, 2), dtype=xp.bool), 3, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_eps_and_tiny_are_those_of_the_dtype(xp: ModuleType, dtype: str) -> None:
    array = xp.ones(1, dtype=getattr(xp, dtype))
    info = np.finfo(dtype)
    assert arrays.eps(array) == float(info.eps)
    assert arrays.tiny(array) == float(info.smallest_normal)
    one = array + arrays.eps(array) / 4
    assert bool(xp.all(one == array))
    assert bool(xp.all(array + arrays.eps(array) > array))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_has_the_place_of_its_model(xp: ModuleType, device: Any, dtype: str) -> None:
    like = xp.ones((2, 2), dtype=getattr(xp, dtype), device=device)
    made = constant([1.5, 2.5], like=like)
    assert made.dtype == like.dtype
    assert device_of(made) == device_of(like)
    assert to_numpy(made).tolist() == [1.5, 2.5]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int64"])
def test_numbers_reach_host_memory_unchanged(xp: ModuleType, device: Any, dtype: str) -> None:
    host = np.asarray([[0, 1], [1, 0], [1, 1]], dtype=dtype)
    found = to_numpy(xp.asarray(host, device=device))
    assert isinstance(found, np.ndarray)
    assert found.dtype == host.dtype
    np.testing.assert_array_equal(found, host)


def test_a_tensor_with_a_gradient_reaches_host_memory() -> None:
    torch = pytest.importorskip("torch")
    found = to_numpy(torch.ones(2, requires_grad=True))
    assert found.tolist() == [1.0, 1.0]


def test_the_hint_to_convert_is_one_that_the_library_has(xp: ModuleType) -> None:
    with pytest.raises(InputError, match=r"for example with \.(\w+)") as told:
        arrays.require_float("tokens", xp.ones(2, dtype=xp.int32))
    if "torch" in xp.__name__:
        assert hasattr(xp.ones(1), str(told.value).rpartition(".")[2].strip("()"))


def test_zeros_and_ones_are_a_mask_and_nothing_else_is(xp: ModuleType) -> None:
    mask = arrays.as_mask("mask", xp.asarray([0, 1, 1]))
    assert mask.dtype == xp.bool
    assert to_numpy(mask).tolist() == [False, True, True]
    for other in (xp.asarray([0, 2]), xp.asarray([0.0, 1.0])):
        with pytest.raises(InputError, match=r"mask must be boolean.* mask == 1"):
            arrays.as_mask("mask", other)
