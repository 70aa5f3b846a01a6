"""What are the brackets of zeros, equal rows, single entries, padding and bad input?"""

from typing import Any

import numpy as np
import pytest

from tests.test_theory.helpers.bracket_widths import widths
from tests.test_theory.helpers.exact import DTYPES
from tests.test_theory.helpers.hard_matrices import draw, violations
from theory.arrays import Array, InputError
from theory.spectra import brackets
from theory.spectra.brackets import Bracket, coupling_bracket, spectral_bracket


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
