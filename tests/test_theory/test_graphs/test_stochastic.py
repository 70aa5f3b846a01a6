"""Row sums and the Dobrushin coefficient: kernels on every array library."""

from itertools import pairwise, product
from types import ModuleType
from typing import Any

import array_api_compat
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.test_theory.helpers.graph_strategies import masks, walks, weights
from theory.arrays import Array, InputError, eps, to_numpy
from theory.graphs.conversions import random_walk
from theory.graphs.masks import block_mask, causal_mask
from theory.graphs.stochastic import (
    dobrushin_coefficient,
    is_row_stochastic,
    require_row_stochastic,
    row_sum_error,
    stochastic_rounding,
)

# --- row sums -----------------------------------------------------------------------------


@given(weights())
def test_whatever_was_normalised_is_row_stochastic(adjacency: Array) -> None:
    assert is_row_stochastic(random_walk(adjacency))
    require_row_stochastic("adjacency", random_walk(adjacency))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_rows_stay_within_the_rounding_and_the_rounding_is_not_lax(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    walk = random_walk(np.exp(rng.normal(0, 5, (3, 500, 500))).astype(dtype))
    assert is_row_stochastic(walk).all()
    assert stochastic_rounding(walk) < 501 * eps(walk)
    walk[1, 7, 8] += 2 * 500 * eps(walk)
    assert is_row_stochastic(walk).tolist() == [True, False, True]


@given(walks(), st.data())
def test_the_error_is_that_of_the_worst_row(adjacency: Array, data: st.DataObject) -> None:
    n = len(adjacency)
    i, j = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    adjacency[i, j] += 0.5
    assert abs(row_sum_error(adjacency) - 0.5) <= n * eps(adjacency)
    assert not is_row_stochastic(adjacency)
    assert is_row_stochastic(adjacency, tolerance=0.51)


@pytest.mark.parametrize(
    "bad",
    [
        [[1.5, -0.5], [0.0, 1.0]],
        [[0.75, 0.5, -0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[np.nan, 1.0], [0.0, 1.0]],
        [[np.inf, -np.inf], [0.0, 1.0]],
        [[1.7e308, 1.7e308], [0.0, 1.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[0.5, 0.0], [0.5, 1.0]],
    ],
)
def test_what_is_not_row_stochastic_is_found_and_refused(bad: list[list[float]]) -> None:
    assert not is_row_stochastic(np.asarray(bad))
    with np.errstate(over="ignore"), pytest.raises(InputError, match="weights must"):
        require_row_stochastic("weights", np.asarray(bad))


def test_the_message_shows_the_worst_row_of_the_batch() -> None:
    adjacency = np.stack([np.eye(3)] * 2)
    adjacency[1, 2, 0] = 0.25
    with pytest.raises(InputError, match=r"row \(1, 2\) sums to 1.25; .*dividing each row"):
        require_row_stochastic("adjacency", adjacency)


# --- Dobrushin's coefficient --------------------------------------------------------------


def _by_definition(adjacency: Array) -> float:
    rows = range(len(adjacency))
    return max(
        0.5 * float(np.abs(adjacency[i] - adjacency[j]).sum()) for i, j in product(rows, rows)
    )


@given(
    arrays(
        np.float64,
        st.tuples(st.just(2), *[st.shared(st.integers(1, 6), key="n")] * 2),
        elements=st.floats(-9, 9),
    )
)
def test_the_coefficient_is_its_definition_for_any_matrix(batch: Array) -> None:
    found = dobrushin_coefficient(batch)
    assert found.shape == (2,)
    for one, matrix in zip(found, batch, strict=True):
        # Each side sums n gaps of at most 18.
        assert abs(one - _by_definition(matrix)) <= 18 * len(matrix) ** 2 * eps(batch)


@given(walks())
def test_the_coefficient_is_what_two_rows_do_not_share(adjacency: Array) -> None:
    n = len(adjacency)
    shared = np.minimum(adjacency[:, None, :], adjacency[None, :, :]).sum(axis=-1).min()
    assert abs(dobrushin_coefficient(adjacency) - (1 - shared)) <= 2 * n * eps(adjacency)


@given(walks(), st.data())
def test_ranges_shrink_by_the_coefficient_and_one_feature_reaches_it(
    adjacency: Array, data: st.DataObject
) -> None:
    n, tau = len(adjacency), dobrushin_coefficient(adjacency)
    rounding = 4 * n * eps(adjacency)
    feature = data.draw(arrays(np.float64, n, elements=st.integers(-9, 9).map(float)))
    assert np.ptp(adjacency @ feature) <= tau * np.ptp(feature) + rounding * 9
    reached = max(
        np.ptp(adjacency @ (adjacency[i] > adjacency[j])) for i, j in product(range(n), range(n))
    )
    assert abs(reached - tau) <= rounding


@given(
    st.integers(1, 5).flatmap(lambda n: st.tuples(masks(min_n=n, max_n=n), masks(min_n=n, max_n=n)))
)
def test_a_product_mixes_at_least_as_well_as_its_factors(pair: tuple[Array, Array]) -> None:
    one, two = map(random_walk, pair)
    both = dobrushin_coefficient(one @ two)
    bound = dobrushin_coefficient(one) * dobrushin_coefficient(two)
    assert both <= bound + 8 * len(one) * eps(one)


def test_known_coefficients() -> None:
    assert dobrushin_coefficient(np.full((5, 5), 0.2)) == 0
    assert dobrushin_coefficient(np.eye(5)[[1, 2, 3, 4, 0]]) == 1
    assert dobrushin_coefficient(random_walk(block_mask([2, 3]))) == pytest.approx(1, rel=1e-15)
    assert dobrushin_coefficient(np.ones((1, 1))) == 0
    found = [float(dobrushin_coefficient(random_walk(causal_mask(n)))) for n in range(2, 9)]
    np.testing.assert_allclose(found, [1 - 1 / n for n in range(2, 9)], rtol=1e-15)
    assert all(a < b for a, b in pairwise(found)), "the longer, the worse it mixes"


# --- libraries, bad input -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", [row_sum_error, dobrushin_coefficient, is_row_stochastic])
def test_libraries_agree_and_keep_dtype_device_and_batch(
    xp: ModuleType, device: Any, kernel: Any, dtype: str
) -> None:
    source = np.random.default_rng(0).uniform(0, 1, (2, 3, 6, 6)).astype(dtype)
    source[0] = random_walk(source[0])
    adjacency = xp.asarray(source, device=device)
    found = kernel(adjacency)
    assert found.shape == (2, 3)
    assert found.dtype == (xp.bool if kernel is is_row_stochastic else adjacency.dtype)
    assert array_api_compat.device(found) == array_api_compat.device(adjacency)
    # A row has 6 entries below 1, in sums that libraries order as they like.
    np.testing.assert_allclose(to_numpy(found), kernel(source), rtol=0, atol=36 * eps(adjacency))


@pytest.mark.parametrize("kernel", [row_sum_error, dobrushin_coefficient, is_row_stochastic])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.eye(2, dtype=int), "must have dtype"),
        (np.ones((2, 3)), r"must have shape \(..., n, n\)"),
        (np.ones(3), r"must have shape \(..., n, n\)"),
        (np.ones((0, 0)), "n > 0"),
    ],
)
def test_a_matrix_that_is_none_is_refused(kernel: Any, bad: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        kernel(bad)


def test_a_nan_is_passed_on_and_never_reported_as_mixing() -> None:
    adjacency = np.eye(3)
    adjacency[1, 1] = np.nan
    assert np.isnan(dobrushin_coefficient(adjacency))
    assert np.isnan(row_sum_error(adjacency))
