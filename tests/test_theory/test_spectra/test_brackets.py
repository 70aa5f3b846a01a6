"""Brackets of norms: never wrong, as narrow as asked for, and wrong ones would be seen."""

import tracemalloc
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers import exact, hard_matrices
from tests.test_theory.helpers.exact import (
    DTYPES,
    SCALES,
    Floats,
    numbers,
    same_place,
    sentences,
    to,
)
from tests.test_theory.helpers.hard_matrices import KINDS, draw, violations
from theory.arrays import Array, InputError
from theory.spectra import brackets, enclosures, gram, lanczos, polynomials, tridiagonal
from theory.spectra.brackets import Bracket, coupling_bracket, spectral_bracket
from theory.spectra.norms import coupling

SIZES = (2, 3, 17, 40, 100)  # each side of every change of method, odd and even


def bracket(matrices: Array, *, centred: bool, **options: Any) -> Bracket:
    return (
        coupling_bracket(matrices, **options) if centred else spectral_bracket(matrices, **options)
    )


def widths(found: Bracket) -> Floats:
    """Return upper / lower - 1, 0 where both are zero."""
    lower, upper = (np.asarray(end, dtype=np.float64) for end in found[:2])
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(upper == 0, 0.0, upper / lower - 1)
    return result


@st.composite
def attentions(draw: st.DrawFn) -> Floats:
    """Draw row-stochastic (1, n, n) of small whole weights, or nearly equal rows."""
    n = draw(st.integers(1, 5))
    weights = np.asarray(draw(st.lists(st.integers(0, 4), min_size=n * n, max_size=n * n)))
    weights = weights.reshape(1, n, n) + 0.0
    weights[weights.sum(axis=-1) == 0] = 1.0
    if draw(st.booleans()):
        weights = weights[:, :1] + 10.0 ** -draw(st.integers(0, 14)) * weights
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result


# --- never wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("exactly", [False, True])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-12])
@given(matrix=sentences())
def test_the_norm_of_60_digits_is_inside(matrix: Floats, tolerance: float, exactly: bool) -> None:
    found = spectral_bracket(matrix, tolerance=tolerance, exact=exactly)
    assert found.lower <= exact.singular_values(matrix)[0] <= found.upper


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
@given(matrix=sentences(scaled=False))
def test_in_single_precision_too(matrix: Floats, tolerance: float) -> None:
    rounded = matrix.astype(np.float32)
    found = spectral_bracket(rounded, tolerance=tolerance)
    assert found.lower <= exact.singular_values(rounded.astype(np.float64))[0] <= found.upper


@pytest.mark.parametrize("dtype", DTYPES)
@given(adjacency=attentions())
def test_the_coupling_of_60_digits_is_inside(adjacency: Floats, dtype: str) -> None:
    rounded = adjacency.astype(dtype)
    centred = mp.matrix(exact.residual(exact.rows_of(rounded[0])))
    wanted = max(mp.svd_r(centred, compute_uv=False))
    for options in ({}, {"exact": True}, {"tolerance": 1e-6}):
        found = coupling_bracket(rounded, **options)
        assert found.lower[0] <= wanted <= found.upper[0]


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_hard_matrix_leaves_its_bracket(kind: str, n: int, dtype: str, centred: bool) -> None:
    matrices = draw(kind, 30 if n < 100 else 6, n, dtype=dtype)
    found = bracket(matrices, centred=centred)
    assert violations(found, matrices, centred=centred) == 0
    narrow = bracket(matrices, centred=centred, tolerance=1e-5)
    assert violations(narrow, matrices, centred=centred) == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_one_of_100_000_hard_matrices_leaves_its_bracket(kind: str, dtype: str) -> None:
    chunks = {5: (2, 20_000), 12: (6, 5000), 40: (10, 2500), 100: (4, 1250)}  # 100,000 together
    for n, (repetitions, b) in chunks.items():
        for seed in range(repetitions):
            matrices = draw(kind, b, n, seed=1000 * n + seed, dtype=dtype)
            for centred in (False, True):
                found = bracket(matrices, centred=centred)
                assert violations(found, matrices, centred=centred) == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [-300, -160, -30, -20, 20, 30, 160, 300])
def test_any_scale_gives_the_same_bracket_times_the_scale(exponent: int, dtype: str) -> None:
    if dtype == "float32" and abs(exponent) > 30:
        return
    scale = 2.0 ** round(exponent * np.log2(10))
    matrices = draw("Gaussian", 4, 40, dtype=dtype)
    plain, scaled = spectral_bracket(matrices), spectral_bracket((matrices * scale).astype(dtype))
    for one, other in ((plain.lower, scaled.lower), (plain.upper, scaled.upper)):
        # Another scale may take other steps, and so give another bracket as narrow as asked for.
        assert np.allclose(other / scale, one, rtol=1e-2, atol=0)
    assert violations(scaled, (matrices * scale).astype(dtype), centred=False) == 0


# --- wrong ones would be seen --------------------------------------------------------------


def counterexamples(dtype: str, *, n: int, kinds: tuple[str, ...]) -> int:
    total = 0
    for kind in kinds:
        matrices = draw(kind, 40, n, dtype=dtype)
        for centred in (False, True):
            found = bracket(matrices, centred=centred, tolerance=1e-2)
            total += violations(found, matrices, centred=centred)
    return total


def test_one_dimension_too_few_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = enclosures.wolkowicz_styan

    def wrong(low: Array, high: Array, square: Array, number: Array) -> Array:
        return right(low, high, square, number - 1)

    kinds = ("permutations", "near permutations", "duplicates", "any temperature")
    assert counterexamples("float64", n=40, kinds=kinds) == 0
    monkeypatch.setattr(lanczos, "wolkowicz_styan", wrong)
    monkeypatch.setattr(enclosures, "wolkowicz_styan", wrong)
    assert counterexamples("float64", n=40, kinds=kinds) > 0


def test_no_allowance_for_rounding_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("permutations", "near permutations", "sinks", "two hubs", "low rank", "duplicates")
    assert counterexamples("float32", n=40, kinds=kinds) == 0
    for module in (polynomials, gram, lanczos, brackets):
        monkeypatch.setattr(module, "roundoff", lambda array: 0.0, raising=False)
    assert counterexamples("float32", n=40, kinds=kinds) > 0


def test_a_forgotten_coupling_to_the_rest_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = tridiagonal.largest_eigenvalue

    def wrong(diagonal: list[Array], beside: list[Array]) -> tuple[Array, Array]:
        return right(diagonal, [*beside[:-1], 0 * beside[-1]])

    monkeypatch.setattr(brackets, "_schedule", lambda n: ((0, 1),))
    matrices = draw("identical rows", 40, 17)  # rank one, of which one step sees a part
    assert violations(spectral_bracket(matrices, tolerance=10.0), matrices, centred=False) == 0
    monkeypatch.setattr(lanczos, "largest_eigenvalue", wrong)
    assert violations(spectral_bracket(matrices, tolerance=10.0), matrices, centred=False) > 0


# --- as narrow as asked for ----------------------------------------------------------------


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-2), ("float64", 1e-2), ("float64", 1e-6)]
)
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"identical rows", "near uniform"}))
def test_the_tolerance_is_met(kind: str, dtype: str, tolerance: float, centred: bool) -> None:
    for n in SIZES:
        found = bracket(draw(kind, 8, n, dtype=dtype), centred=centred, tolerance=tolerance)
        assert (widths(found) <= tolerance).all()


def test_nearly_equal_rows_have_no_narrow_bracket_only_where_rounding_forbids_it() -> None:
    adjacency = draw("near uniform", 200, 17)
    found = coupling_bracket(adjacency)
    distinct = coupling(adjacency) > 1e-14
    assert (widths(found)[distinct] <= 1e-2).all()
    assert (found.upper[~distinct] < 1e-13).all()


def test_each_tier_has_its_matrices() -> None:
    lanczos_only = coupling_bracket(draw("two hubs", 8, 64))
    assert (lanczos_only.tier == brackets.LANCZOS).all()
    squared = spectral_bracket(draw("Gaussian", 8, 64))
    assert (squared.tier == brackets.SQUARING).all()
    hopeless = spectral_bracket(draw("duplicates", 8, 64), tolerance=1e-9)
    assert (hopeless.tier == brackets.FALLBACK).any()
    by_lapack = spectral_bracket(draw("Gaussian", 8, 64), exact=True)
    assert (by_lapack.tier == brackets.EXACT).all()
    for found in (lanczos_only, squared, hopeless, by_lapack):
        assert found.tier.dtype == np.int8


def test_all_tiers_meet_in_one_batch_each_member_in_its_place() -> None:
    kinds = sorted(KINDS)
    matrices = np.concatenate([draw(kind, 3, 40, seed=5) for kind in kinds])
    order = np.random.default_rng(1).permutation(len(matrices))
    found = spectral_bracket(matrices[order], tolerance=1e-9)
    assert len(set(found.tier.tolist())) > 1
    assert violations(found, matrices[order], centred=False) == 0


# --- the awkward ones ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 1), (1, 7), (64, 64), (100, 40), (40, 100)])
def test_the_norm_of_zeros_is_zero(shape: tuple[int, int], dtype: str) -> None:
    found = spectral_bracket(np.zeros((2, *shape), dtype=dtype))
    assert (found.lower == 0).all()
    assert (found.upper == 0).all()


@pytest.mark.parametrize("n", [1, 2, 40])
def test_equal_rows_have_no_coupling_but_for_rounding_of_rounding(n: int) -> None:
    found = coupling_bracket(np.ones((3, n, n)) / n)
    assert (found.lower == 0).all()
    assert (found.upper < 1e-30).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_entry_is_its_own_norm(dtype: str) -> None:
    entries = np.asarray([[[-3.0]], [[0.0]], [[1e-30]], [[2.5e30]]], dtype=dtype)
    found = spectral_bracket(entries, tolerance=1e-5)
    size = np.abs(entries[:, 0, 0])
    assert ((found.lower <= size) & (size <= found.upper)).all()
    assert (widths(found) <= 1e-5).all()


def test_an_empty_batch_gives_empty_brackets() -> None:
    for found in (spectral_bracket(np.ones((0, 3, 4))), coupling_bracket(np.ones((2, 0, 4, 4)))):
        assert found.lower.size == found.upper.size == found.tier.size == 0
    assert coupling_bracket(np.ones((2, 0, 4, 4))).lower.shape == (2, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 40, 100])
def test_padding_changes_nothing(n: int, dtype: str) -> None:
    adjacency = draw("sinks", 6, n, dtype=dtype).reshape(2, 3, n, n)
    kept = n - 3
    mask = np.arange(n) < np.asarray([kept, n])[:, None]
    adjacency[0, :, :, kept:] = np.nan
    adjacency[0, :, kept:, :] = np.inf
    found = coupling_bracket(adjacency, token_mask=mask)
    short = np.ascontiguousarray(adjacency[0, :, :kept, :kept])
    assert violations(Bracket(*(x[0] for x in found)), short, centred=True) == 0
    assert violations(Bracket(*(x[1] for x in found)), adjacency[1], centred=True) == 0
    assert (widths(found) <= 1e-2).all()


def test_padding_keeps_flat_spectra_flat() -> None:
    adjacency = np.zeros((1, 1, 64, 64))
    adjacency[..., :50, :50] = draw("permutations", 1, 50)
    found = coupling_bracket(adjacency, token_mask=np.arange(64)[None] < 50)
    assert found.tier == brackets.LANCZOS
    assert widths(found) < 1e-6


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.ones((2, 3, 3)), {"tolerance": 0.0}, "tolerance must be positive, but is 0.0"),
        (np.ones((2, 3, 3)), {"tolerance": float("nan")}, "tolerance must be positive"),
        (np.ones((2, 3, 3)), {"chunk_bytes": 0}, "chunk_bytes must be positive, but is 0"),
        (np.ones((2, 3, 0)), {}, "must not be empty"),
        (np.ones((2, 3, 3), dtype=int), {}, "must have dtype float32 or float64"),
        (np.asarray([[[1.0, np.nan], [0, 0]]]), {}, r"first at index \(0, 0, 1\)"),
        (np.asarray([[[1.0, 2.0], [-np.inf, 0]]]), {}, r"first at index \(0, 1, 0\)"),
    ],
)
def test_bad_input_is_refused_by_name(array: Array, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        spectral_bracket(array, **options)
    if array.shape[-1]:
        with pytest.raises(InputError, match=message):
            coupling_bracket(array, **options)


def test_bad_attention_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="adjacency must have shape"):
        coupling_bracket(np.ones((1, 3, 4)))
    with pytest.raises(InputError, match="at least one token"):
        coupling_bracket(np.ones((1, 1, 2, 2)), token_mask=np.zeros((1, 2), dtype=bool))
    with pytest.raises(InputError, match="token_mask must be boolean"):
        coupling_bracket(np.ones((1, 1, 2, 2)), token_mask=np.zeros((1, 2)))


# --- any library, any chunks ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [3, 33, 100])
def test_every_library_gives_a_true_bracket(
    xp: ModuleType, device: Any, dtype: str, n: int
) -> None:
    adjacency = np.concatenate([draw(kind, 2, n, dtype=dtype) for kind in ("sinks", "local")])
    array = to(xp, adjacency, dtype, device)
    mask = to(xp, np.arange(n)[None] < n - 1, "bool", device)
    for found, centred in ((spectral_bracket(array), False), (coupling_bracket(array), True)):
        assert same_place(found.lower, array)
        assert same_place(found.upper, array)
        assert found.tier.dtype == xp.int8
        assert found.tier.device == array.device
        assert violations(Bracket(*map(numbers, found)), adjacency, centred=centred) == 0
    masked = coupling_bracket(xp.reshape(array, (1, 4, n, n)), token_mask=mask)
    assert masked.lower.shape == (1, 4)
    assert same_place(masked.lower, array)


@pytest.mark.parametrize("centred", [False, True])
def test_chunks_of_any_size_give_true_and_narrow_brackets(centred: bool) -> None:
    matrices = np.concatenate([draw(kind, 5, 40, dtype="float32") for kind in sorted(KINDS)])
    for chunk_bytes in (1, 50_000, 2**30):
        found = bracket(matrices, centred=centred, chunk_bytes=chunk_bytes)
        assert violations(found, matrices, centred=centred) == 0


def test_memory_follows_the_chunk_not_the_batch() -> None:
    matrices = draw("Gaussian", 400, 64, dtype="float32")
    chunk = matrices.nbytes // 20
    tracemalloc.start()
    try:
        spectral_bracket(matrices, chunk_bytes=chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * chunk


def test_the_arguments_are_left_alone() -> None:
    matrices = draw("sinks", 5, 40)
    before = matrices.copy()
    coupling_bracket(matrices, tolerance=1e-9)
    spectral_bracket(matrices, tolerance=1e-9)
    assert (matrices == before).all()


def test_the_kinds_are_what_their_names_say() -> None:
    for kind in KINDS:
        assert hard_matrices.draw(kind, 2, 5).shape == (2, 5, 5)
    assert np.allclose(draw("permutations", 3, 8) @ np.ones(8), 1)
    assert (coupling(draw("two hubs", 9, 16)) > 1.5).any()


@pytest.mark.parametrize("scale", SCALES)
def test_the_exact_tier_holds_at_any_scale(scale: float) -> None:
    matrix = scale * np.triu(np.arange(1.0, 26).reshape(5, 5))
    found = spectral_bracket(matrix, exact=True)
    assert found.lower <= exact.singular_values(matrix)[0] <= found.upper
