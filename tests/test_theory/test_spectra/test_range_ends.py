"""Brackets at the ends of the range: what squares of entries lose there is in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.helpers.exact import DTYPES
from tests.test_theory.helpers.extreme_matrices import extremes, norm
from theory.arrays import Array
from theory.spectra.brackets import coupling_bracket, spectral_bracket
from theory.spectra.gram import MatrixBatch, Scale, gram, norm_of_rows

ANY = st.sampled_from(DTYPES).flatmap(lambda dtype: extremes(dtype))
SQUARE = st.sampled_from(DTYPES).flatmap(lambda dtype: extremes(dtype, square=True))


@pytest.mark.parametrize("exactly", [False, True])
@given(matrix=ANY)
def test_a_norm_at_the_ends_of_the_range_is_inside(matrix: Array, exactly: bool) -> None:
    found = spectral_bracket(matrix, exact=exactly)
    assert found.lower <= norm(matrix, centred=False) <= found.upper


@pytest.mark.parametrize("exactly", [False, True])
@given(matrix=SQUARE)
def test_a_coupling_at_the_ends_of_the_range_is_inside(matrix: Array, exactly: bool) -> None:
    found = coupling_bracket(matrix[None], exact=exactly)
    assert found.lower[0] <= norm(matrix, centred=True) <= found.upper[0]


def test_the_smallest_numbers_of_single_precision_are_no_zeros() -> None:
    found = spectral_bracket(np.full((1, 2), 1e-44, np.float32))
    assert found.lower <= np.sqrt(2) * float(np.float32(1e-44)) <= found.upper
    assert found.upper <= 1.6e-44


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_rows_whose_mean_underflows_have_no_coupling(dtype: str) -> None:
    least = np.finfo(dtype).smallest_subnormal
    found = coupling_bracket(np.asarray([[[1, least], [1, least]]], dtype=dtype))
    assert found.lower == 0
    assert found.upper <= 4 * least


def test_what_rounding_leaves_of_a_mean_may_be_far_above_the_rows_around_it() -> None:
    """Its square overflows at the scale of those rows."""
    matrix = np.zeros((3, 3))
    matrix[:, 1], matrix[2, 0] = -7.33239496e152, 2.77844844e-163
    for exactly in (False, True):
        found = coupling_bracket(matrix[None], exact=exactly)
        assert found.lower[0] <= norm(matrix, centred=True) <= found.upper[0] < np.inf


def test_a_mean_that_overflows_at_that_scale_leaves_no_end_rather_than_nan() -> None:
    lower, upper = norm_of_rows(
        Scale(*np.asarray([[0], [1], [np.inf], [1e150]])), np.ones(1), np.ones(1)
    )
    assert (lower[0], upper[0]) == (0, np.inf)


@given(matrix=SQUARE)
def test_the_gram_matrix_alone_brackets_such_norms(matrix: Array) -> None:
    for centred in (False, True):
        product, scale = gram(MatrixBatch(matrix[None], None, centred))
        top = np.linalg.eigvalsh(product.astype(np.float64))[:, -1]
        off = 1e-13 * np.abs(product).sum(axis=(-2, -1), dtype=np.float64)  # what LAPACK loses
        lower, upper = norm_of_rows(scale, np.maximum(top - off, 0), top + off)
        wanted = norm(matrix, centred=centred)
        assert lower[0] * (1 - 1e-15) - 5e-324 <= wanted <= upper[0] * (1 + 1e-15) + 5e-324
