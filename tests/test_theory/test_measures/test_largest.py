"""The largest share of d_M^2 and the lengths of tokens, against other ways to find them."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.arrays import InputError, to_numpy
from theory.measures.largest import largest_share, token_norms, token_shares
from theory.measures.subspace import consensus_distance

MASK = np.asarray([[True] * 6, [True, False, True, True, False, True]])


def _tokens(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_share_is_what_d_m_squared_loses_with_the_tokens_own_deviation() -> None:
    tokens = _tokens(2, 6, 4)
    shares = token_shares(tokens, token_mask=MASK)
    for text in range(2):
        kept = tokens[text][MASK[text]]
        apart = kept - kept.mean(axis=0)
        wanted = (apart**2).sum(axis=-1) / consensus_distance(kept) ** 2
        np.testing.assert_allclose(shares[text][MASK[text]], wanted, rtol=1e-12)
    assert not shares[~MASK].any()
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(largest_share(tokens, token_mask=MASK), shares.max(axis=-1))


@given(st.integers(2, 9), st.integers(1, 5), st.integers(0, 999), st.integers(-300, 300))
def test_the_largest_share_lies_between_its_ends_at_any_scale(
    n: int, d: int, seed: int, exponent: int
) -> None:
    tokens = _tokens(n, d, seed=seed)
    share = largest_share(tokens)
    assert 1 / n - 1e-12 <= share <= 1 - 1 / n + 1e-12
    np.testing.assert_allclose(largest_share(tokens * 10.0**exponent), share, rtol=1e-12)
    np.testing.assert_allclose(largest_share(tokens[::-1] + 5), share, rtol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 40])
def test_one_token_beside_equal_ones_has_all_but_one_nth(n: int) -> None:
    tokens = np.ones((n, 3))
    tokens[n // 2] = 1e5
    assert largest_share(tokens) == pytest.approx(1 - 1 / n, rel=1e-12)
    assert np.argmax(token_shares(tokens)) == n // 2 or n == 2


def test_equal_tokens_have_no_share_and_one_token_none_either() -> None:
    assert np.isnan(largest_share(np.ones((3, 2))))
    assert np.isnan(largest_share(np.ones((1, 2))))
    assert np.isnan(largest_share(np.zeros((3, 2))))


@pytest.mark.parametrize("counted", [6, 5, 2, 1])
def test_norms_are_those_of_the_tokens_that_count(counted: int) -> None:
    tokens = _tokens(3, 6, 4)
    mask = np.arange(6) < counted
    largest, median = token_norms(tokens, token_mask=np.broadcast_to(mask, (3, 6)))
    norms = np.linalg.norm(tokens[:, :counted], axis=-1)
    np.testing.assert_allclose(largest, norms.max(axis=-1), rtol=1e-14)
    np.testing.assert_allclose(median, np.median(norms, axis=-1), rtol=1e-14)
    for scale in (1e300, 1e-300):
        scaled, _ = token_norms(scale * tokens, token_mask=np.broadcast_to(mask, (3, 6)))
        np.testing.assert_allclose(scaled, scale * largest, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_gives_the_same(xp: ModuleType, device: Any, dtype: str) -> None:
    tokens = _tokens(2, 6, 4)
    there = xp.asarray(tokens, dtype=getattr(xp, dtype), device=device)
    mask = xp.asarray(MASK, device=device)
    wanted = (largest_share(tokens, token_mask=MASK), *token_norms(tokens, token_mask=MASK))
    found = (largest_share(there, token_mask=mask), *token_norms(there, token_mask=mask))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == getattr(xp, dtype)
        np.testing.assert_allclose(to_numpy(one), other, rtol=1e-5 if dtype == "float32" else 1e-13)


def test_what_is_not_finite_is_refused_where_it_counts() -> None:
    tokens = _tokens(2, 6, 4)
    tokens[1, 1] = np.nan
    assert np.isfinite(largest_share(tokens, token_mask=MASK)).all()
    assert np.isfinite(token_norms(tokens, token_mask=MASK)).all()
    for measure in (largest_share, token_norms):
        with pytest.raises(InputError, match="finite"):
            measure(tokens)
