"""Norms of matrices and their products: against 60 digits, and what they bound."""

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import (
    DTYPES,
    EPS,
    GRAIN,
    SCALES,
    Floats,
    numbers,
    same_place,
    sentences,
    to,
)
from theory.arrays import Array, InputError
from theory.magnitude import frobenius_norm
from theory.spectra.norms import (
    coupling,
    coupling_error,
    gram_norm,
    product_norm,
    product_norm_error,
    singular_values,
    spectral_norm,
    spectral_norm_error,
)


def random_matrix(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


# --- singular values -----------------------------------------------------------------------


@given(sentences())
def test_singular_values_are_right_within_the_error_bound(matrix: Floats) -> None:
    wanted = exact.singular_values(matrix)
    allowed = float(spectral_norm_error(matrix))
    for found, value in zip(singular_values(matrix), wanted, strict=True):
        assert abs(float(found) - value) <= allowed


@pytest.mark.parametrize("scale", SCALES)
def test_the_error_bound_holds_for_a_graded_and_an_ill_conditioned_matrix(scale: float) -> None:
    graded = np.triu(random_matrix(0, 8, 8)) * 10.0 ** -np.arange(0, 16, 2)
    hilbert = 1.0 / (1 + np.arange(8)[:, None] + np.arange(8)[None, :])
    for matrix in (scale * graded, scale * hilbert):
        wanted = exact.singular_values(matrix)
        errors = [abs(float(f) - w) for f, w in zip(singular_values(matrix), wanted, strict=True)]
        assert max(errors) <= spectral_norm_error(matrix)


def test_the_error_bound_is_small_for_the_matrices_of_a_bert() -> None:
    weights = np.ones((768, 3072))
    assert spectral_norm_error(weights) < 1e-8 * np.linalg.norm(weights)


@pytest.mark.parametrize("peak", [1e300, 1e-300, GRAIN])
def test_no_scale_overflows_or_vanishes(peak: float) -> None:
    matrix = peak * np.diag([0.0, 1.0, 1.0])[:, ::-1]
    np.testing.assert_allclose(singular_values(matrix), [peak, peak, 0], rtol=8 * EPS, atol=0)
    assert coupling(peak * np.eye(2)[None]) == pytest.approx(peak, rel=8 * EPS, abs=0)


@given(sentences())
def test_the_spectral_norm_lies_between_its_elementary_bounds(matrix: Floats) -> None:
    size, error = float(spectral_norm(matrix)), float(spectral_norm_error(matrix))
    absolute = np.abs(matrix)
    upper = np.sqrt(absolute.sum(axis=0).max()) * np.sqrt(absolute.sum(axis=1).max())
    assert absolute.max() - error <= size <= upper * (1 + 8 * EPS) + error
    total = float(frobenius_norm(matrix))
    assert total / min(matrix.shape) ** 0.5 - error <= size <= total + error


@given(sentences())
def test_the_gram_matrix_gives_the_same_norm(matrix: Floats) -> None:
    allowed = 8 * max(matrix.shape) ** 2 * EPS
    for which in (matrix, matrix.T):
        assert gram_norm(which) == pytest.approx(float(spectral_norm(matrix)), rel=allowed, abs=0)


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6))
def test_rotations_and_transposition_keep_the_singular_values(seed: int, p: int, q: int) -> None:
    matrix = random_matrix(seed, p, q)
    rotation = np.linalg.qr(random_matrix(seed + 1, p, p))[0]
    allowed = 4 * float(spectral_norm_error(matrix))
    for other in (rotation @ matrix, matrix.T, matrix[::-1]):
        np.testing.assert_allclose(
            singular_values(other), singular_values(matrix), rtol=0, atol=allowed
        )


# --- products ------------------------------------------------------------------------------


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.sampled_from(SCALES))
def test_the_norm_of_a_product_needs_no_product(seed: int, d: int, k: int, scale: float) -> None:
    value, output = random_matrix(seed, d, k), random_matrix(seed + 1, k, d + 1)
    left, right = mp.matrix((scale * value).tolist()), mp.matrix(output.tolist())
    wanted = max(mp.svd_r(left * right, compute_uv=False))
    found = float(product_norm(scale * value, output))
    assert abs(found - wanted) <= float(product_norm_error(scale * value, output))


def test_factors_that_nearly_cancel_keep_an_honest_error() -> None:
    column = random_matrix(0, 5, 1)
    value = np.concatenate([column, column], axis=1)
    output = np.concatenate([column.T, (1e-9 - 1) * column.T])
    product = mp.matrix(value.tolist()) * mp.matrix(output.tolist())
    wanted = max(mp.svd_r(product, compute_uv=False))
    error = float(product_norm_error(value, output))
    assert abs(float(product_norm(value, output)) - wanted) <= error < 1e-3 * wanted


def test_a_huge_and_a_tiny_factor_cancel_without_overflow() -> None:
    value, output = random_matrix(0, 4, 2), random_matrix(1, 2, 4)
    wanted = float(product_norm(value, output))
    for k in (600, 1000, -900):
        found = float(product_norm(np.ldexp(value, k), np.ldexp(output, -k)))
        assert found == pytest.approx(wanted, rel=64 * EPS, abs=0)
    assert product_norm(1e300 * np.eye(2), np.zeros((2, 2))) == 0


# --- libraries and bad input ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, dtype: str
) -> None:
    host = np.abs(random_matrix(0, 2, 3, 5, 5))
    value, output = random_matrix(1, 2, 3, 5, 2), random_matrix(2, 2, 3, 2, 5)
    mask = np.asarray([True, False, True, True, True])
    there = [to(xp, a, dtype, device) for a in (host, value, output)]
    there.append(to(xp, mask, "bool", device))

    def results(heads: Array, left: Array, right: Array, counts: Array) -> list[Array]:
        return [
            singular_values(left),
            spectral_norm(heads),
            product_norm(left, right),
            coupling(heads),
            coupling(heads, token_mask=counts),
        ]

    def errors(heads: Array, left: Array, right: Array, counts: Array) -> list[Array]:
        return [
            spectral_norm_error(left)[..., None],
            spectral_norm_error(heads),
            product_norm_error(left, right),
            coupling_error(heads),
            coupling_error(heads, token_mask=counts),
        ]

    found = results(*there)
    allowed = errors(*there)
    wanted = results(host, value, output, mask)
    input_rounding = 5 * float(np.finfo(dtype).eps) * np.linalg.norm(host)
    for one, error, other in zip(found, allowed, wanted, strict=True):
        assert same_place(one, there[0])
        assert same_place(error, there[0])
        assert (np.abs(numbers(one) - other) <= numbers(error) + input_rounding).all()


EYES = np.stack([np.eye(2)] * 3)
BAD = EYES.copy()
BAD[2, 0, 1] = np.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: singular_values(BAD), r"matrices must be finite.*\(2, 0, 1\)"),
        (lambda: spectral_norm(np.asarray([[np.inf]])), "matrices must be finite"),
        (lambda: spectral_norm(np.eye(2, dtype=int)), "matrices must have dtype"),
        (lambda: spectral_norm(np.ones(3)), r"matrices must have shape \(..., p, q\)"),
        (lambda: spectral_norm(np.ones((2, 0))), r"must not be empty, but have shape \(2, 0\)"),
        (lambda: spectral_norm([[1.0]]), "expected arrays"),
        (lambda: spectral_norm_error(np.ones((0, 2))), "must not be empty"),
        (lambda: product_norm(np.ones((4, 2)), np.ones((3, 4))), "one inner width"),
        (lambda: product_norm(np.eye(2), np.eye(2, dtype=np.float32)), "one dtype"),
        (lambda: product_norm(BAD, EYES), "value must be finite"),
        (lambda: product_norm_error(EYES, BAD), "output must be finite"),
        (lambda: coupling(BAD), r"adjacency must be finite.*\(2, 0, 1\)"),
        (lambda: coupling(np.eye(2)), r"adjacency must have shape \(..., h, n, n\)"),
        (lambda: coupling(np.ones((1, 2, 3))), r"\(..., h, n, n\), but has \(1, 2, 3\)"),
        (lambda: coupling(np.ones((1, 0, 0))), r"but has \(1, 0, 0\)"),
        (lambda: coupling(EYES, token_mask=np.ones(2)), "token_mask must be boolean"),
        (lambda: coupling(EYES, token_mask=np.ones(3, dtype=bool)), "token_mask must have shape"),
        (lambda: coupling(EYES, token_mask=np.zeros(2, dtype=bool)), "at least one token"),
    ],
)
def test_bad_input_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
