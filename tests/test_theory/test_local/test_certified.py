"""Are the bounds on eigenvalues bounds, and close ones?"""

import numpy as np
import pytest

from theory.arrays import Floats
from theory.local.certified import factor_above, norm_above, top_eigenvalue
from theory.local.enclosed import Enclosed, enclosed


def _symmetric(seed: int, p: int) -> Floats:
    matrix = np.random.default_rng(seed).standard_normal((p, p))
    return matrix + matrix.T


@pytest.mark.parametrize("p", [1, 2, 7, 40, 90])
def test_the_largest_eigenvalue_is_bounded_closely(p: int) -> None:
    matrix = _symmetric(p, p)
    top = float(np.linalg.eigvalsh(matrix)[-1])
    bound = top_eigenvalue(enclosed(matrix))
    assert bound >= top
    assert bound <= max(1.06 * top, 1e-9 * float(np.linalg.norm(matrix)))


def test_a_negative_matrix_and_none_have_nothing_above_zero() -> None:
    assert 0 <= top_eigenvalue(enclosed(-np.eye(5))) < 1e-10
    assert 0 <= top_eigenvalue(enclosed(np.zeros((3, 3)))) < 1e-100


def test_a_wrong_guess_costs_and_does_not_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = _symmetric(1, 12)
    top = float(np.linalg.eigvalsh(matrix)[-1])
    monkeypatch.setattr(
        "theory.local.certified._guess", lambda it: 0.3 * np.linalg.eigvalsh(it)[-1]
    )
    assert top <= top_eigenvalue(enclosed(matrix)) <= 1.06 * top


def test_a_radius_counts_in_full() -> None:
    rad = np.full((4, 4), 0.5)
    bound = top_eigenvalue(Enclosed(np.eye(4), rad))
    assert bound >= np.linalg.eigvalsh(np.eye(4) + rad)[-1]


def test_what_is_not_finite_has_no_bound() -> None:
    assert top_eigenvalue(enclosed(np.array([[np.nan]]))) == np.inf
    assert top_eigenvalue(Enclosed(np.eye(2), np.full((2, 2), np.inf))) == np.inf


@pytest.mark.parametrize("shape", [(3, 30), (30, 3), (8, 8)])
def test_norms_are_bounded_closely(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(2).standard_normal(shape)
    norm = float(np.linalg.norm(matrix, 2))
    assert norm <= norm_above(enclosed(matrix)) <= 1.03 * norm


def test_a_factor_lies_above_the_matrix_even_if_that_is_singular() -> None:
    rows = np.random.default_rng(5).standard_normal((4, 9))
    gram = rows.T @ rows
    factor = factor_above(Enclosed(gram, np.full((9, 9), 1e-9)))
    assert factor is not None
    rest = factor.mid @ factor.mid.T - gram
    assert np.linalg.eigvalsh(rest)[0] >= 9e-9
    assert np.linalg.norm(rest) < 1e-6
    assert factor_above(enclosed(-np.eye(3))) is None
