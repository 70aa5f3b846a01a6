"""Are brackets as narrow as asked for, on any library and in any chunks?"""

import tracemalloc
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.test_theory.helpers import exact, hard_matrices
from tests.test_theory.helpers.bracket_widths import bracket, widths
from tests.test_theory.helpers.exact import DTYPES, SCALES, numbers, same_place, to
from tests.test_theory.helpers.hard_matrices import KINDS, draw, violations
from theory.spectra import brackets
from theory.spectra.brackets import Bracket, coupling_bracket, spectral_bracket
from theory.spectra.norms import coupling

SIZES = (2, 3, 17, 40, 100)  # each side of every change of method, odd and even


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
