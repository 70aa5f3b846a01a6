"""Are brackets of norms never wrong, and would wrong ones be seen?"""

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.bracket_widths import bracket
from tests.test_theory.helpers.exact import DTYPES, Floats, sentences
from tests.test_theory.helpers.hard_matrices import KINDS, draw, violations
from theory.arrays import Array
from theory.spectra import brackets, enclosures, gram, lanczos, polynomials, tridiagonal
from theory.spectra.brackets import coupling_bracket, spectral_bracket

SIZES = (2, 3, 17, 40, 100)  # each side of every change of method, odd and even


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
