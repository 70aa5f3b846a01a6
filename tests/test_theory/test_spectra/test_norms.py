"""Norms of matrices and the coupling of attention: against 60 digits, and what they bound."""

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import (
    DTYPES,
    EPS,
    GRAIN,
    SCALES,
    Floats,
    numbers,
    same_place,
    sentences,
    to,
)
from theory.arrays import Array, InputError
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.spectra.norms import (
    coupling,
    coupling_error,
    product_norm,
    product_norm_error,
    singular_values,
    spectral_norm,
    spectral_norm_error,
)


@st.composite
def attentions(draw: st.DrawFn, *, least: int = 1) -> Floats:
    """Draw row-stochastic (1, n, n): hubs, permutations, parts without edges, nearly equal rows."""
    n = draw(st.integers(least, 5))
    weights = np.asarray(draw(st.lists(st.integers(0, 4), min_size=n * n, max_size=n * n)))
    weights = weights.reshape(1, n, n) + 0.0
    weights[weights.sum(axis=-1) == 0] = 1.0
    if draw(st.booleans()):  # all rows alike up to a spread
        weights = weights[:, :1] + 10.0 ** -draw(st.integers(0, 14)) * weights
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result


def random_matrix(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


# --- singular values -----------------------------------------------------------------------


@given(sentences())
def test_singular_values_are_right_within_the_error_bound(matrix: Floats) -> None:
    wanted = exact.singular_values(matrix)
    allowed = float(spectral_norm_error(matrix))
    for found, value in zip(singular_values(matrix), wanted, strict=True):
        assert abs(float(found) - value) <= allowed


@pytest.mark.parametrize("scale", SCALES)
def test_the_error_bound_holds_for_a_graded_and_an_ill_conditioned_matrix(scale: float) -> None:
    graded = np.triu(random_matrix(0, 8, 8)) * 10.0 ** -np.arange(0, 16, 2)
    hilbert = 1.0 / (1 + np.arange(8)[:, None] + np.arange(8)[None, :])
    for matrix in (scale * graded, scale * hilbert):
        wanted = exact.singular_values(matrix)
        errors = [abs(float(f) - w) for f, w in zip(singular_values(matrix), wanted, strict=True)]
        assert max(errors) <= spectral_norm_error(matrix)


def test_the_error_bound_is_small_for_the_matrices_of_a_bert() -> None:
    weights = np.ones((768, 3072))
    assert spectral_norm_error(weights) < 1e-8 * np.linalg.norm(weights)


@pytest.mark.parametrize("peak", [1e300, 1e-300, GRAIN])
def test_no_scale_overflows_or_vanishes(peak: float) -> None:
    matrix = peak * np.diag([0.0, 1.0, 1.0])[:, ::-1]
    np.testing.assert_allclose(singular_values(matrix), [peak, peak, 0], rtol=8 * EPS, atol=0)
    assert coupling(peak * np.eye(2)[None]) == pytest.approx(peak, rel=8 * EPS, abs=0)


@given(sentences())
def test_the_spectral_norm_lies_between_its_elementary_bounds(matrix: Floats) -> None:
    size, error = float(spectral_norm(matrix)), float(spectral_norm_error(matrix))
    absolute = np.abs(matrix)
    upper = np.sqrt(absolute.sum(axis=0).max()) * np.sqrt(absolute.sum(axis=1).max())
    assert absolute.max() - error <= size <= upper * (1 + 8 * EPS) + error
    total = float(frobenius_norm(matrix))
    assert total / min(matrix.shape) ** 0.5 - error <= size <= total + error


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6))
def test_rotations_and_transposition_keep_the_singular_values(seed: int, p: int, q: int) -> None:
    matrix = random_matrix(seed, p, q)
    rotation = np.linalg.qr(random_matrix(seed + 1, p, p))[0]
    allowed = 4 * float(spectral_norm_error(matrix))
    for other in (rotation @ matrix, matrix.T, matrix[::-1]):
        np.testing.assert_allclose(
            singular_values(other), singular_values(matrix), rtol=0, atol=allowed
        )


# --- products ------------------------------------------------------------------------------


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.sampled_from(SCALES))
def test_the_norm_of_a_product_needs_no_product(seed: int, d: int, k: int, scale: float) -> None:
    value, output = random_matrix(seed, d, k), random_matrix(seed + 1, k, d + 1)
    left, right = mp.matrix((scale * value).tolist()), mp.matrix(output.tolist())
    wanted = max(mp.svd_r(left * right, compute_uv=False))
    found = float(product_norm(scale * value, output))
    assert abs(found - wanted) <= float(product_norm_error(scale * value, output))


def test_factors_that_nearly_cancel_keep_an_honest_error() -> None:
    column = random_matrix(0, 5, 1)
    value = np.concatenate([column, column], axis=1)
    output = np.concatenate([column.T, (1e-9 - 1) * column.T])
    product = mp.matrix(value.tolist()) * mp.matrix(output.tolist())
    wanted = max(mp.svd_r(product, compute_uv=False))
    error = float(product_norm_error(value, output))
    assert abs(float(product_norm(value, output)) - wanted) <= error < 1e-3 * wanted


def test_a_huge_and_a_tiny_factor_cancel_without_overflow() -> None:
    value, output = random_matrix(0, 4, 2), random_matrix(1, 2, 4)
    wanted = float(product_norm(value, output))
    for k in (600, 1000, -900):
        found = float(product_norm(np.ldexp(value, k), np.ldexp(output, -k)))
        assert found == pytest.approx(wanted, rel=64 * EPS, abs=0)
    assert product_norm(1e300 * np.eye(2), np.zeros((2, 2))) == 0


# --- coupling ------------------------------------------------------------------------------


def _exact_coupling(adjacency: Floats) -> mp.mpf:
    centred = exact.residual(exact.rows_of(adjacency))
    return max(mp.svd_r(mp.matrix(centred), compute_uv=False))


@given(attentions(), st.sampled_from([1.0, 1e300, 2.0**-1060]))
def test_coupling_is_the_norm_of_the_rows_minus_their_mean(adjacency: Floats, scale: float) -> None:
    found = float(coupling(scale * adjacency)[0])
    error = float(coupling_error(scale * adjacency)[0])
    assert abs(found - _exact_coupling(scale * adjacency[0])) <= error
    assert error <= 1e-12 * scale + GRAIN


@pytest.mark.parametrize("spread", [1e-4, 1e-8, 1e-12, 1e-15])
def test_coupling_keeps_its_digits_where_the_rows_are_nearly_equal(spread: float) -> None:
    rng = np.random.default_rng(0)
    adjacency = 0.1 + 0.01 * rng.random(10) + spread * rng.standard_normal((1, 10, 10))
    wanted = _exact_coupling(adjacency[0])
    error = float(coupling_error(adjacency)[0])
    assert abs(float(coupling(adjacency)[0]) - wanted) <= error < 1e-11 * wanted


def test_coupling_of_graphs_whose_value_is_known() -> None:
    n = 6
    hubs = np.zeros((n, n))
    hubs[: n // 2, 0] = hubs[n // 2 :, 1] = 1.0
    cases = {
        "all listen to all": (np.full((n, n), 1 / n), 0.0),
        "all listen to one": (np.eye(n)[np.zeros(n, dtype=int)], 0.0),
        "each to itself": (np.eye(n), 1.0),
        "a permutation": (np.eye(n)[[1, 2, 3, 4, 5, 0]], 1.0),
        "half to one, half to another": (hubs, (n / 2) ** 0.5),
    }
    heads = np.stack([adjacency for adjacency, _ in cases.values()])
    wanted = [value for _, value in cases.values()]
    np.testing.assert_allclose(coupling(heads), wanted, rtol=8 * EPS, atol=0)
    assert coupling(np.ones((1, 1, 1))) == 0


@given(attentions(least=2), sentences(least=5))
def test_no_tokens_spread_more_than_the_coupling_allows(adjacency: Floats, tokens: Floats) -> None:
    n = adjacency.shape[-1]
    tokens = tokens[:n] / max(np.abs(tokens).max(), GRAIN)  # the lemma knows no scale
    upper = float((coupling(adjacency) + coupling_error(adjacency))[0])
    mixed = float(consensus_distance(adjacency[0] @ tokens))
    # Rows sum to one up to n eps, and each entry of A X errs by n eps times the peak.
    rounding = 4 * n**1.5 * tokens.shape[1] * EPS
    assert mixed <= upper * float(consensus_distance(tokens)) + rounding


@given(attentions(least=2))
def test_some_tokens_spread_as_much_as_the_coupling_allows(adjacency: Floats) -> None:
    rows = adjacency[0] - adjacency[0].mean(axis=0)
    worst = np.linalg.svd(rows)[2][:1].T  # the right singular vector of the largest value
    found = float(consensus_distance(adjacency[0] @ worst))
    assert found == pytest.approx(float(coupling(adjacency)[0]), rel=1e-10, abs=64 * EPS)
    # and since 1 is in the kernel of C, some such tokens have distance one or the coupling is 0
    if found > 1e-6:
        assert consensus_distance(worst) == pytest.approx(1, abs=1e-9)


@given(attentions(), st.randoms(use_true_random=False))
def test_the_order_of_the_tokens_does_not_matter_to_coupling(adjacency: Floats, rng: Any) -> None:
    n = adjacency.shape[-1]
    order = rng.sample(range(n), n)
    shuffled = adjacency[:, order][:, :, order]
    gap = abs(coupling(shuffled) - coupling(adjacency))
    assert gap <= coupling_error(shuffled) + coupling_error(adjacency)


@given(attentions(least=2), attentions(), st.sampled_from([np.nan, np.inf, 0.0, 0.3]))
def test_padded_attention_has_the_coupling_of_its_sentences(
    one: Floats, two: Floats, garbage: float
) -> None:
    n = max(one.shape[-1], two.shape[-1]) + 2
    batch, mask = np.full((2, 2, n, n), garbage), np.zeros((2, n), dtype=bool)
    for b, adjacency in enumerate((one, two)):
        k = adjacency.shape[-1]
        batch[b, :, :k, :k], mask[b, :k] = adjacency, True
        batch[b, :, :k, k:] = 0.0  # nobody listens to padding; padding listens to anything
    found = coupling(batch, token_mask=mask)
    allowed = coupling_error(batch, token_mask=mask)
    assert found.shape == (2, 2)
    for b, adjacency in enumerate((one, two)):
        gap = np.abs(found[b] - coupling(adjacency)[0])
        assert (gap <= allowed[b] + coupling_error(adjacency)[0]).all()


def test_rows_of_padding_do_not_enter_the_mean() -> None:
    padded = np.zeros((1, 3, 3))
    padded[0, :2, :2] = 0.5  # two tokens that agree, and padding that listens to the first
    padded[0, 2, 0] = 1.0
    assert coupling(padded, token_mask=np.asarray([True, True, False])) == 0
    assert coupling(padded) > 0.5


# --- libraries and bad input ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, dtype: str
) -> None:
    host = np.abs(random_matrix(0, 2, 3, 5, 5))
    value, output = random_matrix(1, 2, 3, 5, 2), random_matrix(2, 2, 3, 2, 5)
    mask = np.asarray([True, False, True, True, True])
    there = [to(xp, a, dtype, device) for a in (host, value, output)]
    there.append(to(xp, mask, "bool", device))

    def results(heads: Array, left: Array, right: Array, counts: Array) -> list[Array]:
        return [
            singular_values(left),
            spectral_norm(heads),
            product_norm(left, right),
            coupling(heads),
            coupling(heads, token_mask=counts),
        ]

    def errors(heads: Array, left: Array, right: Array, counts: Array) -> list[Array]:
        return [
            spectral_norm_error(left)[..., None],
            spectral_norm_error(heads),
            product_norm_error(left, right),
            coupling_error(heads),
            coupling_error(heads, token_mask=counts),
        ]

    found = results(*there)
    allowed = errors(*there)
    wanted = results(host, value, output, mask)
    input_rounding = 5 * float(np.finfo(dtype).eps) * np.linalg.norm(host)
    for one, error, other in zip(found, allowed, wanted, strict=True):
        assert same_place(one, there[0])
        assert same_place(error, there[0])
        assert (np.abs(numbers(one) - other) <= numbers(error) + input_rounding).all()


EYES = np.stack([np.eye(2)] * 3)
BAD = EYES.copy()
BAD[2, 0, 1] = np.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: singular_values(BAD), r"matrices must be finite.*\(2, 0, 1\)"),
        (lambda: spectral_norm(np.asarray([[np.inf]])), "matrices must be finite"),
        (lambda: spectral_norm(np.eye(2, dtype=int)), "matrices must have dtype"),
        (lambda: spectral_norm(np.ones(3)), r"matrices must have shape \(..., p, q\)"),
        (lambda: spectral_norm(np.ones((2, 0))), r"must not be empty, but have shape \(2, 0\)"),
        (lambda: spectral_norm([[1.0]]), "expected arrays"),
        (lambda: spectral_norm_error(np.ones((0, 2))), "must not be empty"),
        (lambda: product_norm(np.ones((4, 2)), np.ones((3, 4))), "one inner width"),
        (lambda: product_norm(np.eye(2), np.eye(2, dtype=np.float32)), "one dtype"),
        (lambda: product_norm(BAD, EYES), "value must be finite"),
        (lambda: product_norm_error(EYES, BAD), "output must be finite"),
        (lambda: coupling(BAD), r"adjacency must be finite.*\(2, 0, 1\)"),
        (lambda: coupling(np.eye(2)), r"adjacency must have shape \(..., h, n, n\)"),
        (lambda: coupling(np.ones((1, 2, 3))), r"\(..., h, n, n\), but has \(1, 2, 3\)"),
        (lambda: coupling(np.ones((1, 0, 0))), r"but has \(1, 0, 0\)"),
        (lambda: coupling(EYES, token_mask=np.ones(2)), "token_mask must be boolean"),
        (lambda: coupling(EYES, token_mask=np.ones(3, dtype=bool)), "token_mask must have shape"),
        (lambda: coupling(EYES, token_mask=np.zeros(2, dtype=bool)), "at least one token"),
    ],
)
def test_bad_input_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
