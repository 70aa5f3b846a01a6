"""The brackets of the engine at the ends of the range: squares there are zero or infinite."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.engine.spectra import product_bracket
from simulations.engine.squaring import at_safe_scale, group_bracket
from tests.test_theory.helpers.exact import DTYPES
from tests.test_theory.helpers.extreme_matrices import extremes, norm
from theory.arrays import Array

ANY = st.sampled_from(DTYPES).flatmap(lambda dtype: extremes(dtype))


@pytest.mark.parametrize("centred", [False, True])
@given(matrix=ANY)
def test_a_norm_at_the_ends_of_the_range_is_inside(matrix: Array, centred: bool) -> None:
    found = group_bracket(matrix[None], tolerance=1e-2, deviations=centred)
    assert found.lower[0] <= norm(matrix, centred=centred) <= found.upper[0]


@pytest.mark.parametrize("power", [1, -1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_scale_is_too_small_or_too_large_for_a_narrow_bracket(dtype: str, power: int) -> None:
    matrix = np.random.default_rng(1).standard_normal((1, 5, 7)).astype(dtype)
    scale = float(np.finfo(dtype).tiny) ** (-0.9 * power)
    found = group_bracket((matrix * scale).astype(dtype), tolerance=1e-2)
    assert 0 < found.upper <= 1.01 * found.lower


@given(matrix=ANY)
def test_the_unit_taken_out_leaves_squares_alone(matrix: Array) -> None:
    scaled, unit, square = at_safe_scale(matrix[None])
    peak = float(np.abs(scaled).max())
    assert peak == 0 or 2.0**-15 < peak < 2.0**15
    assert peak**2 <= square[0] <= 1.001 * matrix.size * peak**2
    largest = np.unravel_index(np.argmax(np.abs(matrix)), matrix.shape)
    assert float(scaled[0][largest]) * unit[0] == float(matrix[largest])


@given(left=st.integers(-1000, 900), right=st.integers(-1000, 900), seed=st.integers(0, 99))
def test_the_norm_of_a_product_of_small_and_large_is_inside(
    left: int, right: int, seed: int
) -> None:
    one, other = np.random.default_rng(seed).integers(-4, 5, (2, 4, 4)) + np.eye(4)
    if not -1060 < left + right < 1000:
        return
    parts = np.ldexp(one[None, :, :2], left), np.ldexp(other[None, :2, :], right)
    found = product_bracket(*parts, tolerance=1e-2)
    with mp.workdps(60):
        wanted = mp.svd_r(mp.matrix((one[:, :2] @ other[:2, :]).tolist()), compute_uv=False)[0]
        wanted *= mp.mpf(2) ** (left + right)
    assert found.lower <= wanted <= found.upper
    if left + right > -1000:
        assert found.upper <= 1.02 * found.lower
