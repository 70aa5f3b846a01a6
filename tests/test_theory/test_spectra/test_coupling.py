"""The coupling of attention: against 60 digits, and what it bounds."""

from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import EPS, GRAIN, Floats, sentences
from theory.measures.subspace import consensus_distance
from theory.spectra.norms import coupling, coupling_error


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
