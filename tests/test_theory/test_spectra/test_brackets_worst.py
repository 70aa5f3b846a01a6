"""The tiers of a bracket: each keeps what the one before knew, each member its own place."""

from unittest import mock

import numpy as np
import pytest

from tests.test_theory.helpers.hard_matrices import draw, violations
from theory.arrays import Array, InputError
from theory.spectra import brackets
from theory.spectra.brackets import Bracket, coupling_bracket, spectral_bracket
from theory.spectra.gram import MatrixBatch
from theory.spectra.norms import coupling_error, spectral_norm_error


def mixed(n: int, dtype: str) -> Array:
    kinds = ("Gaussian", "duplicates", "permutations", "sinks", "low rank")
    return np.concatenate([draw(kind, 2, n, seed=3, dtype=dtype) for kind in kinds])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [6, 41])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-5, 1e-10])
def test_brackets_are_true_and_as_narrow_as_asked(tolerance: float, n: int, dtype: str) -> None:
    matrices = mixed(n, dtype)
    for centred in (False, True):
        find = coupling_bracket if centred else spectral_bracket
        found = find(matrices, tolerance=tolerance)
        assert violations(found, matrices, centred=centred) == 0
        own = float(np.finfo(dtype).eps)
        wanted = max(tolerance, 1e-6 if dtype == "float32" else 1e-9)
        ratio = found.upper.astype(float) / np.maximum(found.lower.astype(float), 1e-30)
        assert (ratio <= 1 + wanted + 8 * own).all()
        if tolerance >= 64 * own:
            assert (ratio <= 1 + tolerance).all()
        assert found.lower.dtype == matrices.dtype
        assert found.tier.dtype == np.int8
    if tolerance == 1e-1:
        assert (found.tier <= brackets.SQUARING).all()


@pytest.mark.parametrize("n", [39, 40])
def test_which_tier_comes_first_depends_on_the_size(n: int) -> None:
    found = spectral_bracket(draw("permutations", 3, n), tolerance=0.5)
    assert (found.tier == (brackets.SQUARING if n < 40 else brackets.LANCZOS)).all()


def test_the_tiers_have_their_numbers() -> None:
    numbers = brackets.EXACT, brackets.LANCZOS, brackets.SQUARING, brackets.FALLBACK
    assert numbers == (0, 1, 2, 3)
    flat = np.zeros((4, 40, 40)) + draw("duplicates", 4, 40)
    found = spectral_bracket(flat, tolerance=1e-11)
    assert (found.tier == 3).all()
    assert (found.upper <= found.lower * (1 + 1e-9)).all()
    single = spectral_bracket(flat.astype(np.float32), tolerance=2e-6)
    assert violations(single, flat.astype(np.float32), centred=False) == 0
    assert (single.upper.astype(float) <= single.lower.astype(float) * (1 + 2e-6)).all()


def test_every_size_has_its_schedule() -> None:
    assert brackets._schedule(39) == ((3, 4), (2, 8), (2, 8), (2, 8))
    assert brackets._schedule(40) == ((0, 6), (2, 8), (2, 8), (2, 8), (2, 8))


def test_what_lapack_encloses_holds_the_error_of_the_products_too() -> None:
    q = 4000
    row = np.random.default_rng(1).random((1, 1, q))
    found = brackets._by_lapack(MatrixBatch(row, None, False))
    error = (256 + 16) * 2.0**-53 * float((row**2).sum())
    assert found.upper[0] ** 2 - found.lower[0] ** 2 >= 2 * error


def test_a_tall_matrix_is_turned() -> None:
    tall = np.ones((1, 3000, 2), dtype=np.float32)
    assert spectral_bracket(tall).upper[0] == pytest.approx(6000**0.5, rel=1e-2)
    with mock.patch.object(brackets, "_in_chunks") as chunks:
        chunks.side_effect = lambda source, *_: Bracket(*(source.matrices[..., 0, 0],) * 3)
        spectral_bracket(tall)
        assert chunks.call_args.args[0].matrices.shape == (1, 2, 3000)
        spectral_bracket(np.ones((1, 2, 5)))
        assert chunks.call_args.args[0].matrices.shape == (1, 2, 5)


def test_lapack_is_given_its_own_error() -> None:
    n = 9
    matrices = np.eye(n)[None] * np.asarray([1.0, 2.0])[:, None, None]
    found = brackets._by_lapack(MatrixBatch(matrices, None, False))
    error = 8 * n * n * 2.0**-52 * np.sqrt(n) * np.asarray([1.0, 4.0])
    assert (found.upper**2 - [1, 4] <= 1.5 * error).all()
    peak = np.diag([2.0, 1.9, 1.0, *[0.5] * (n - 3)])[None]
    found = brackets._by_lapack(MatrixBatch(peak, None, False))
    error = 8 * n * n * 2.0**-52 * float(np.linalg.norm(peak[0] ** 2))
    assert found.lower[0] ** 2 == pytest.approx(4 - error, abs=0.3 * error)
    assert found.upper[0] ** 2 == pytest.approx(4 + error, abs=0.3 * error)
    assert found.tier == brackets.FALLBACK
    zero = brackets._by_lapack(MatrixBatch(np.zeros((1, 3, 3)), None, False))
    assert zero.lower == zero.upper == 0


@pytest.mark.parametrize("centred", [False, True])
def test_on_request_lapack_alone_and_its_error(centred: bool) -> None:
    matrices = draw("Gaussian", 3, 8)
    find, error = (
        (coupling_bracket, coupling_error(matrices))
        if centred
        else (spectral_bracket, spectral_norm_error(matrices))
    )
    found = find(matrices, exact=True)
    assert violations(found, matrices, centred=centred) == 0
    np.testing.assert_allclose(found.upper - found.lower, 2 * error, rtol=0.1)
    assert (found.upper - found.lower >= 2 * error + 4e-16).all()
    assert (found.tier == 0).all()
    low = find(1e-320 * matrices, exact=True)
    assert (low.lower >= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ends_round_outwards_to_the_dtype(dtype: str) -> None:
    value = np.full((1, 1), 0.1, dtype=dtype)
    found = spectral_bracket(value, tolerance=1e-2)
    eps, exact = float(np.finfo(dtype).eps), float(value[0, 0])
    assert 0.4 * eps <= 1 - float(found.lower) / exact <= 1e-3
    assert 0.4 * eps <= float(found.upper) / exact - 1 <= 40 * eps
    least = float(np.finfo(dtype).smallest_subnormal)
    for times in (1, 2, 3, 10):
        small = spectral_bracket(np.full((1, 1), times * least, dtype=dtype))
        assert float(small.lower) <= times * least <= float(small.upper)
        assert float(small.upper) <= (times + 2) * least
        assert float(small.lower) >= (times - 2) * least


def test_wide_and_tall_matrices_have_one_norm() -> None:
    wide = np.random.default_rng(1).standard_normal((2, 3, 4, 9))
    one, other = spectral_bracket(wide), spectral_bracket(np.swapaxes(wide, -1, -2))
    np.testing.assert_array_equal(one.upper, other.upper)
    assert one.upper.shape == (2, 3)
    assert violations(one, wide, centred=False) == 0


def test_members_that_are_done_stay_as_they_are() -> None:
    kinds = [draw(kind, 2, 44, seed=1) for kind in ("permutations", "duplicates", "Gaussian")]
    matrices = np.concatenate(kinds)[[4, 0, 2, 5, 1, 3]]
    together = spectral_bracket(matrices, tolerance=1e-4)
    for i, matrix in enumerate(matrices):
        alone = spectral_bracket(matrix[None], tolerance=1e-4)
        assert together.tier[i] == alone.tier[0]
        assert together.upper[i] == pytest.approx(alone.upper[0], rel=2e-4)
    assert violations(together, matrices, centred=False) == 0


@pytest.mark.parametrize("chunk_bytes", [1, 3000, 2**25])
def test_chunks_change_no_truth(chunk_bytes: int) -> None:
    matrices = mixed(12, "float64")
    found = spectral_bracket(matrices, chunk_bytes=chunk_bytes)
    assert violations(found, matrices, centred=False) == 0
    counts = np.arange(12) < np.asarray([12, 7, 1, 3, 12, 9, 2, 5, 11, 4])[:, None]
    masked = coupling_bracket(matrices[:, None], token_mask=counts, chunk_bytes=chunk_bytes)
    for i, number in enumerate(counts.sum(axis=-1)):
        kept = np.ascontiguousarray(matrices[i : i + 1, :number, :number])
        one = Bracket(*(x[i] for x in masked))
        assert violations(one, kept, centred=True) == 0


def test_what_cannot_be_asked_is_refused() -> None:
    ones = np.ones((2, 3, 3))
    for options in ({"tolerance": 0.0}, {"chunk_bytes": 0}):
        with pytest.raises(InputError, match="must be positive"):
            spectral_bracket(ones, **options)
    assert spectral_bracket(ones, tolerance=5.0, chunk_bytes=1).upper.shape == (2,)
    with pytest.raises(InputError, match="at least one token"):
        coupling_bracket(ones, token_mask=np.zeros(3, dtype=bool))
    with pytest.raises(InputError, match="must not be empty"):
        spectral_bracket(np.ones((2, 0, 3)))
    with pytest.raises(InputError, match="NaN or infinite"):
        spectral_bracket(np.full((1, 1), np.inf))
