"""Tridiagonal matrices whose largest eigenvalue is known, at scales where squares vanish too."""

import numpy as np
import pytest

from theory.spectra.tridiagonal import largest_eigenvalue

SCALES = [1.0, 2.0**-500, 2.0**-1000, 2.0**400]


def ends(diagonal: list[float], beside: list[float]) -> tuple[float, float]:
    lower, upper = largest_eigenvalue(
        [np.asarray([x]) for x in diagonal], [np.asarray([x]) for x in beside]
    )
    return float(lower[0]), float(upper[0])


def dense_largest(diagonal: list[float], beside: list[float]) -> float:
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    return float(np.linalg.eigvalsh(matrix)[-1])


CASES = [
    ([1.0], []),
    ([-2.0], []),
    ([1.0, 1.0], [1.0]),
    ([0.0, 0.0, 0.0], [1.0, 1.0]),
    ([3.0, -1.0, 2.0], [0.5, -2.0]),
    ([-3.0, -1.0, -2.0, -5.0], [0.5, -0.25, 1.0]),
    ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 0.0, -1.0, 0.3]),
    ([2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    ([1.0, 1.0 + 1e-9, 1.0], [1e-9, 1e-10]),
    ([-1.0, -1.0, 0.5], [2.0, 2.0]),
]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("diagonal", "beside"), CASES)
def test_the_largest_eigenvalue_is_inside_and_the_ends_are_close(
    diagonal: list[float], beside: list[float], scale: float
) -> None:
    wanted, size = dense_largest(diagonal, beside), max(map(abs, [*diagonal, *beside]))
    lower, upper = (
        end / scale for end in ends([scale * x for x in diagonal], [scale * x for x in beside])
    )
    few = 4e-15 * size
    assert lower - few <= wanted <= upper + few
    if scale > 2.0**-400:
        assert upper - lower <= 3e-14 * size + 1e-13 * abs(wanted)
    else:
        assert upper <= wanted + 2 * max(map(abs, [0.0, *beside])) + 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_random_matrices_are_enclosed_to_many_digits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = 2 + seed % 8
    diagonal, beside = list(rng.standard_normal(k)), list(rng.standard_normal(k - 1))
    lower, upper = ends(diagonal, beside)
    wanted = dense_largest(diagonal, beside)
    assert lower - 1e-14 <= wanted <= upper + 1e-14
    assert upper - lower <= 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_what_rounding_may_do_to_the_entries_is_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    diagonal, beside = list(rng.standard_normal(4)), list(rng.standard_normal(3))
    lower, upper = ends(diagonal, beside)
    off = (
        16
        * 2.0**-52
        * max(
            abs(a) + b + c
            for a, b, c in zip(
                diagonal, [0, *map(abs, beside)], [*map(abs, beside), 0], strict=True
            )
        )
    )
    wanted = dense_largest(diagonal, beside)
    assert wanted - lower >= 0.2 * off
    assert upper - wanted >= 0.2 * off
