"""The brackets of the engine: never broken, and narrow where it matters, on every library."""

from typing import Any

import numpy as np
import pytest

from simulations.engine import squaring
from simulations.engine.spectra import product_bracket
from simulations.engine.squaring import group_bracket
from tests.test_theory.helpers.hard_matrices import KINDS, draw, violations
from theory.arrays import Array, to_numpy
from theory.spectra.brackets import Bracket
from theory.spectra.norms import spectral_norm


def heads(matrices: Array, group: int) -> Array:
    return matrices.reshape(-1, group, *matrices.shape[-2:])


def broken(kind: str, n: int, dtype: str, *, b: int, seed: int = 0, centred: bool = True) -> int:
    matrices = heads(draw(kind, b, n, seed=seed, dtype=dtype), 4)
    found = group_bracket(matrices, tolerance=1e-2, deviations=centred)
    return violations(found, matrices, centred=centred)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [3, 16, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_no_hard_matrix_leaves_its_bracket(kind: str, n: int, dtype: str, centred: bool) -> None:
    assert broken(kind, n, dtype, b=40, centred=centred) == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_one_of_100_000_hard_matrices_leaves_its_bracket(kind: str, dtype: str) -> None:
    wrong = sum(broken(kind, 32, dtype, b=10_000, seed=seed) for seed in range(10))
    assert wrong == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["any temperature", "two hubs", "sinks", "causal", "Gaussian"])
def test_the_largest_of_a_group_is_enclosed_to_the_tolerance(kind: str, dtype: str) -> None:
    matrices = heads(draw(kind, 80, 40, dtype=dtype), 4)
    found = group_bracket(matrices, tolerance=1e-2, deviations=True)
    highest, safest = found.upper.max(axis=-1), found.lower.max(axis=-1)
    assert (highest <= 1.01 * safest).all()


def test_the_others_lie_below_the_largest() -> None:
    matrices = heads(draw("any temperature", 80, 40), 4)
    found = group_bracket(matrices, tolerance=1e-2, deviations=True)
    assert (found.upper <= 1.01 * found.lower.max(axis=-1, keepdims=True)).all()
    assert (found.upper > 1.01 * found.lower).any(), "else grouping saves nothing"


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scale_is_no_matter_within_the_range_of_squares(dtype: str, scale: float) -> None:
    matrices = heads((scale * draw("Gaussian", 16, 20)).astype(dtype), 1)
    found = group_bracket(matrices, tolerance=1e-2)
    assert violations(found, matrices, centred=False) == 0
    assert (found.upper <= 1.01 * found.lower).all()


def test_members_of_different_scale_share_a_batch() -> None:
    scales = 10.0 ** np.arange(-12, 13, 2)[:, None, None]
    matrices = heads((scales * draw("Gaussian", len(scales), 9)).astype("float32"), 1)
    found = group_bracket(matrices, tolerance=1e-2)
    assert violations(found, matrices, centred=False) == 0
    assert (found.upper <= 1.01 * found.lower).all()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (1, 4), (4, 1), (1, 1)])
def test_matrices_need_not_be_square(shape: tuple[int, int]) -> None:
    matrices = np.random.default_rng(1).standard_normal((6, 2, *shape))
    found = group_bracket(matrices, tolerance=1e-2)
    truth = spectral_norm(matrices)
    assert (found.lower <= truth).all()
    assert (truth <= found.upper).all()


def test_nan_stays_in_its_group() -> None:
    matrices = heads(draw("Gaussian", 12, 8), 4)
    clean = group_bracket(matrices, tolerance=1e-2)
    matrices[1, 2, 0, 0] = np.nan
    with np.errstate(invalid="ignore"):
        found = group_bracket(matrices, tolerance=1e-2)
    assert np.isnan(found.upper[1, 2])
    for i in (0, 2):
        np.testing.assert_array_equal(found.upper[i], clean.upper[i])


def test_no_allowance_for_rounding_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squaring, "_gamma", lambda terms, like: 0.0)
    monkeypatch.setattr(squaring, "_MORE", 1.0)
    wrong = sum(broken(kind, 24, "float32", b=400) for kind in ("near uniform", "identical rows"))
    assert wrong > 0


def test_an_upper_end_that_is_a_little_low_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = squaring._norm_from_last_product

    def wrong(power: Any) -> tuple[Array, Array]:
        lower, upper = ends(power)
        return lower, upper * (1 - 1e-3)

    monkeypatch.setattr(squaring, "_norm_from_last_product", wrong)
    assert broken("permutations", 16, "float64", b=8, centred=False) > 0


def test_every_library_gives_a_true_bracket(xp: Any, device: Any) -> None:
    host = heads(draw("any temperature", 24, 12), 4)
    found = group_bracket(xp.asarray(host, device=device), tolerance=1e-2, deviations=True)
    there = Bracket(*(to_numpy(x) for x in found))
    assert violations(there, host, centred=True) == 0
    assert (there.upper.max(axis=-1) <= 1.01 * there.lower.max(axis=-1)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("d", "k"), [(24, 4), (8, 8), (12, 6)])
def test_the_norm_of_a_product_is_inside(d: int, k: int, dtype: str) -> None:
    rng = np.random.default_rng(2)
    left = rng.standard_normal((9, 3, d, k)).astype(dtype)
    right = rng.standard_normal((9, 3, k, d)).astype(dtype)
    found = product_bracket(left, right, tolerance=1e-2)
    truth = spectral_norm(left.astype("float64") @ right.astype("float64"))
    assert (found.lower <= truth).all()
    assert (truth <= found.upper).all()
    assert (found.upper.max(axis=-1) <= 1.011 * found.lower.max(axis=-1)).all()


def test_a_product_of_lower_rank_than_its_width_is_inside_too() -> None:
    rng = np.random.default_rng(3)
    left, right = rng.standard_normal((5, 2, 24, 4)), rng.standard_normal((5, 2, 4, 24))
    right[..., 3, :] = right[..., 2, :]
    right[2] = 0
    found = product_bracket(left, right, tolerance=1e-2)
    truth = spectral_norm(left @ right)
    assert (found.lower <= truth * (1 + 1e-12)).all()
    assert (truth <= found.upper * (1 + 1e-12)).all()
