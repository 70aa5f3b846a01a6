"""Measures of similarity: the definitions to 60 digits, the laws they obey, and padding."""

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from scipy.stats import entropy as scipy_entropy

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import (
    DTYPES,
    EPS,
    GRAIN,
    Floats,
    lopsided,
    numbers,
    same_place,
    sentences,
    to,
)
from theory.arrays import Array, InputError
from theory.magnitude import frobenius_norm
from theory.measures.tokens import (
    TokenMeasures,
    attention_entropy,
    attention_similarity,
    consensus_distance,
    cosine_similarity,
    dirichlet_energy,
    dong_residual,
    effective_rank,
    high_frequency_ratio,
    mean_average_distance,
    measure_tokens,
    participation_rank,
    rank_one_fraction,
    relative_distance,
    stable_rank,
)

ALL: tuple[Callable[..., Array], ...] = (
    consensus_distance,
    cosine_similarity,
    dong_residual,
    effective_rank,
    high_frequency_ratio,
    mean_average_distance,
    participation_rank,
    rank_one_fraction,
    relative_distance,
    stable_rank,
)
NO_SCALE = tuple(m for m in ALL if m not in (consensus_distance, dong_residual))
RANKS = (effective_rank, participation_rank, rank_one_fraction, stable_rank)
CLOSE = 1e-12  # sums of fewer than 100 terms, an SVD of fewer than 10 rows: 1e3 eps at most


def random_tokens(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


def attention(seed: int, *shape: int) -> Floats:
    weights = np.random.default_rng(seed).random(shape)
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result


# --- cosine and mean average distance ------------------------------------------------------


@given(sentences(least=2))
def test_cosine_is_the_mean_over_pairs_at_every_scale(tokens: Floats) -> None:
    wanted = exact.cosine(tokens)
    assert abs(float(cosine_similarity(tokens)) - wanted) <= 64 * EPS
    # Parallel tokens of different lengths: each unit row errs by a few eps of its own.
    gap = max(1 - wanted, mp.mpf(0))
    allowed = 64 * EPS * gap + 32 * EPS * mp.sqrt(gap) + 256 * EPS**2
    assert abs(float(mean_average_distance(tokens)) - gap) <= allowed


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
def test_one_minus_cosine_keeps_its_digits_near_consensus(spread: float) -> None:
    tokens = random_tokens(0, 8) + spread * random_tokens(1, 9, 8)
    wanted = 1 - exact.cosine(tokens)
    assert wanted > 0
    assert abs(float(mean_average_distance(tokens)) / wanted - 1) <= 64 * EPS


def test_tokens_of_any_length_keep_their_direction() -> None:
    rows = np.asarray([[3e-300, 4e-300], [3e300, 4e300], [-4.0, 3.0], [5e-324, 0.0]])
    wanted = exact.cosine(rows)
    assert abs(float(cosine_similarity(rows)) - wanted) <= 16 * EPS


def test_a_mean_that_cancels_to_almost_nothing_gives_no_direction() -> None:
    near = 1e-161 * (1 + 0.1 * random_tokens(0, 6, 2))
    tokens = np.concatenate([[[1.0, 0.0], [-1.0, 0.0]], near])  # added in this order, 1 - 1 is 0
    wanted = exact.cosine(tokens)
    assert abs(float(cosine_similarity(tokens)) - wanted) <= 16 * EPS


def test_a_zero_token_has_cosine_zero_with_every_token() -> None:
    assert cosine_similarity(np.asarray([[1.0, 2.0], [0.0, 0.0]])) == 0
    assert cosine_similarity(np.zeros((3, 2))) == 0
    three = np.asarray([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])  # one pair of three is parallel
    assert cosine_similarity(three) == pytest.approx(1 / 3, rel=8 * EPS)


def test_cosine_reaches_its_bounds() -> None:
    equal = np.full((5, 3), 0.1)
    assert cosine_similarity(equal) == 1
    assert mean_average_distance(equal * np.asarray([[1], [2], [4], [8], [1e9]])) <= EPS**2
    simplex = np.eye(4) - 0.25
    assert cosine_similarity(simplex) == pytest.approx(-1 / 3, rel=8 * EPS)


def test_cosine_is_signed_and_not_centred() -> None:
    assert cosine_similarity(np.asarray([[1.0, 0.0], [-1.0, 0.0]])) == -1
    assert cosine_similarity(np.asarray([[1.0, 10.0], [-1.0, 10.0]])) > 0.9


@given(sentences(least=2, scaled=False), st.integers(2, 3))
def test_copies_of_all_tokens_keep_the_mean_over_all_pairs_and_selves(
    tokens: Floats, k: int
) -> None:
    assume((tokens != 0).any(axis=-1).all())
    n = len(tokens)
    once, often = (float(mean_average_distance(np.tile(tokens, (r, 1)))) for r in (1, k))
    allowed = 64 * EPS * once + 32 * EPS * once**0.5 + 256 * EPS**2
    assert abs((k * n - 1) / (k * n) * often - (n - 1) / n * once) <= allowed


@given(sentences(least=2, scaled=False), st.data())
def test_the_length_of_tokens_does_not_matter_to_cosine(tokens: Floats, data: Any) -> None:
    drawn = data.draw(st.lists(st.integers(-50, 50), min_size=len(tokens), max_size=len(tokens)))
    lengths = np.asarray(drawn)[:, None]
    scaled = np.ldexp(tokens, lengths)
    assume((np.ldexp(scaled, -lengths) == tokens).all())  # 5e-324 has no half
    assert abs(cosine_similarity(scaled) - cosine_similarity(tokens)) <= 64 * EPS


# --- distances -----------------------------------------------------------------------------


@given(sentences())
def test_relative_distance_is_distance_over_norm(tokens: Floats) -> None:
    assume(tokens.any())
    wanted = exact.distance(tokens) / exact.norm(exact.rows_of(tokens))
    assert abs(float(relative_distance(tokens)) - wanted) <= CLOSE * wanted


@given(sentences())
def test_high_frequency_ratio_is_deviations_over_the_mean(tokens: Floats) -> None:
    rows = exact.rows_of(tokens)
    low = exact.norm([exact.mean(rows)]) * mp.sqrt(len(rows))
    size = exact.norm(rows)
    assume(low > 1e-3 * size)  # a mean that cancels is known to eps of what cancelled
    wanted = exact.distance(tokens) / low
    assert abs(float(high_frequency_ratio(tokens)) - wanted) <= 1e3 * CLOSE * wanted
    relative = float(relative_distance(tokens))
    assume(relative < 0.9)
    assert high_frequency_ratio(tokens) == pytest.approx(
        relative / (1 - relative**2) ** 0.5, rel=1e-10, abs=0
    )


@given(lopsided())
def test_a_large_feature_hides_no_difference_in_a_small_one(tokens: Floats) -> None:
    rows = exact.rows_of(tokens)
    far, size = exact.distance(tokens), exact.norm(rows)
    assume(size > 0)
    assert abs(float(relative_distance(tokens)) - far / size) <= CLOSE * far / size + 8 * GRAIN
    rest = [[abs(x) for x in row] for row in exact.residual(rows)]
    columns, sums = max(mp.fsum(c) for c in zip(*rest, strict=True)), max(map(mp.fsum, rest))
    wanted = mp.sqrt(columns * sums)
    assert abs(float(dong_residual(tokens)) - wanted) <= CLOSE * wanted + 8 * GRAIN
    low = exact.norm([exact.mean(rows)]) * mp.sqrt(len(rows))
    if low > 1e-3 * size:
        wanted = far / low
        assert abs(float(high_frequency_ratio(tokens)) - wanted) <= 1e3 * CLOSE * wanted + 8 * GRAIN
    energy = len(rows) * far**2
    if energy < 1e300:
        found = float(dirichlet_energy(tokens, np.ones((len(rows), len(rows)))))
        assert abs(found - energy) <= CLOSE * energy + 8 * GRAIN


def test_high_frequency_ratio_is_infinite_without_a_mean_and_zero_at_consensus() -> None:
    assert high_frequency_ratio(np.asarray([[1.0], [-1.0]])) == np.inf
    assert high_frequency_ratio(np.full((3, 2), 0.1)) == 0


@given(sentences())
def test_dong_residual_is_the_composite_norm_of_the_deviations(tokens: Floats) -> None:
    rest = exact.residual(exact.rows_of(tokens))
    columns = max(mp.fsum(abs(x) for x in column) for column in zip(*rest, strict=True))
    rows = max(mp.fsum(abs(x) for x in row) for row in rest)
    wanted = mp.sqrt(columns * rows)
    found = float(dong_residual(tokens))
    assert abs(found - wanted) <= 64 * EPS * wanted + GRAIN


@given(sentences())
def test_dong_residual_and_distance_bound_each_other(tokens: Floats) -> None:
    n, d = tokens.shape
    root, far = float(dong_residual(tokens)), float(consensus_distance(tokens))
    assert root <= (n * d) ** 0.25 * far * (1 + CLOSE) + 4 * GRAIN
    assert far <= min(n, d) ** 0.5 * root * (1 + CLOSE) + 4 * GRAIN


def test_another_centre_than_the_mean_can_have_a_smaller_composite_norm() -> None:
    tokens = np.asarray([[0.0], [0.0], [3.0]])  # |.|_1 is least at the median, |.|_inf at 1.5

    def composite(centre: float) -> float:
        rest = np.abs(tokens - centre)
        return float(np.sqrt(rest.sum(axis=0).max() * rest.sum(axis=1).max()))

    assert dong_residual(tokens) == pytest.approx(composite(1.0))
    assert composite(1.1) < composite(1.0)


@given(sentences(), st.integers(0, 99))
def test_dirichlet_energy_is_half_the_weighted_sum_over_pairs(tokens: Floats, seed: int) -> None:
    n = len(tokens)
    weights = np.random.default_rng(seed).integers(0, 4, (n, n)).astype(float)
    rows = exact.rows_of(tokens)
    wanted = mp.mpf(0)
    for i in range(n):
        for j in range(n):
            gap = [x - y for x, y in zip(rows[i], rows[j], strict=True)]
            wanted += int(weights[i, j]) * exact.dot(gap, gap) / 2
    assume(wanted < 1e300)
    found = float(dirichlet_energy(tokens, weights))
    assert abs(found - wanted) <= 64 * EPS * wanted + 4 * GRAIN
    both = (weights + weights.T) / 2
    assert dirichlet_energy(tokens, both) == pytest.approx(found, rel=CLOSE, abs=4 * GRAIN)


@given(sentences(scaled=False))
def test_dirichlet_energy_of_the_complete_graph_is_n_times_the_squared_distance(
    tokens: Floats,
) -> None:
    n = len(tokens)
    energy = float(dirichlet_energy(tokens, np.ones((n, n))))
    assert energy == pytest.approx(n * float(consensus_distance(tokens)) ** 2, rel=CLOSE, abs=0)


def test_dirichlet_energy_is_the_quadratic_form_of_the_laplacian() -> None:
    weights = random_tokens(0, 6, 6) ** 2
    weights = weights + weights.T
    tokens = random_tokens(1, 6, 3)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    wanted = np.trace(tokens.T @ laplacian @ tokens)
    assert dirichlet_energy(tokens, weights) == pytest.approx(wanted, rel=CLOSE)


# --- ranks ---------------------------------------------------------------------------------


@given(sentences())
def test_the_ranks_follow_their_definitions(tokens: Floats) -> None:
    assume(tokens.any())
    values = exact.singular_values(tokens / np.abs(tokens).max())
    values = [v for v in values if v > 1e-40 * values[0]]
    shares = [v / mp.fsum(values) for v in values]
    energies = [v * v for v in values]
    wanted = {
        effective_rank: mp.exp(-mp.fsum(p * mp.log(p) for p in shares)),
        stable_rank: mp.fsum(energies) / energies[0],
        participation_rank: mp.fsum(energies) ** 2 / mp.fsum(e * e for e in energies),
        rank_one_fraction: energies[0] / mp.fsum(energies),
    }
    for measure, value in wanted.items():
        assert float(measure(tokens)) == pytest.approx(float(value), rel=CLOSE), measure.__name__


@given(sentences())
def test_the_ranks_are_ordered(tokens: Floats) -> None:
    assume(tokens.any())
    ordered = [float(m(tokens)) for m in (stable_rank, participation_rank, effective_rank)]
    chain = [1.0, *ordered, float(min(tokens.shape))]
    assert all(low <= high * (1 + CLOSE) for low, high in pairwise(chain)), chain


@pytest.mark.parametrize("scale", [1.0, 1e300, 1e-300, GRAIN])
def test_orthogonal_directions_of_one_length_count_one_each(scale: float) -> None:
    tokens = scale * np.eye(5)[:, [2, 0, 4]]
    for measure in (effective_rank, stable_rank, participation_rank):
        assert measure(tokens) == pytest.approx(3, rel=CLOSE)
    assert rank_one_fraction(tokens) == pytest.approx(1 / 3, rel=CLOSE)


@given(sentences())
def test_the_best_direction_holds_at_least_the_share_of_the_mean_token(tokens: Floats) -> None:
    assume(tokens.any())
    mean_share = 1 - float(relative_distance(tokens)) ** 2
    assert rank_one_fraction(tokens) >= mean_share - CLOSE


# --- laws that all obey --------------------------------------------------------------------


@given(st.integers(0, 999), st.integers(2, 6), st.integers(1, 4))
def test_order_rotation_and_copies(seed: int, n: int, d: int) -> None:
    tokens, rng = random_tokens(seed, n, d), np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    for measure in ALL:
        wanted = measure(tokens)
        # Dividing by a mean that happens to be small magnifies the rotation's rounding.
        allowed = CLOSE * (1 + high_frequency_ratio(tokens)) * max(1.0, float(wanted))
        assert abs(measure(tokens[rng.permutation(n)]) - wanted) <= allowed, measure
        if measure is not dong_residual:  # column sums know the axes
            assert abs(measure(tokens @ rotation) - wanted) <= allowed, measure
    for measure in (*RANKS, relative_distance, high_frequency_ratio):
        copies = measure(np.repeat(tokens, 3, axis=0))
        assert abs(copies - measure(tokens)) <= CLOSE * (1 + high_frequency_ratio(tokens)) * max(
            1.0, float(measure(tokens))
        )


@given(sentences(least=2, scaled=False), st.sampled_from([-1000, -300, 300, 1000]))
def test_scale_changes_no_relative_measure(tokens: Floats, k: int) -> None:
    assume(tokens.any())
    scaled = np.ldexp(tokens, k)
    assume((np.ldexp(scaled, -k) == tokens).all())
    for measure in NO_SCALE:
        wanted = float(measure(tokens))
        found = float(measure(scaled))
        assert found == pytest.approx(wanted, rel=CLOSE, abs=CLOSE) or found == wanted


@given(st.integers(0, 999), st.integers(1, 4), st.sampled_from([np.nan, np.inf, 1e308, -0.0]))
def test_a_padded_batch_gives_the_numbers_of_its_sentences(
    seed: int, d: int, garbage: float
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 7)) < 0.6
    mask[:, [2, 5]] = True  # anywhere, not only at the end
    padded = np.where(mask[..., None], rng.standard_normal((3, 7, d)), garbage)
    weights = np.where(mask[:, :, None] & mask[:, None, :], rng.random((3, 7, 7)), garbage)
    for measure in ALL:
        found = measure(padded, token_mask=mask)
        for b in range(3):
            wanted = float(measure(padded[b, mask[b]]))
            assert found[b] == pytest.approx(wanted, rel=1e-10, abs=CLOSE), measure
    found = dirichlet_energy(padded, weights, token_mask=mask)
    for b in range(3):
        inside = weights[b][np.ix_(mask[b], mask[b])]
        wanted = float(dirichlet_energy(padded[b, mask[b]], inside))
        assert found[b] == pytest.approx(wanted, rel=CLOSE)


@given(st.integers(0, 999), st.sampled_from([np.nan, np.inf, 7.0]))
def test_padded_attention_gives_the_numbers_of_its_sentences(seed: int, garbage: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((3, 6)) < 0.5
    mask[:, 1] = True
    both = np.broadcast_to((mask[:, :, None] & mask[:, None, :])[:, None], (3, 2, 6, 6))
    one, two = (np.where(both, rng.random((3, 2, 6, 6)), garbage) for _ in range(2))
    entropy = attention_entropy(one, token_mask=mask)
    similarity = attention_similarity(one, two, token_mask=mask)
    for b in range(3):
        inside = np.ix_([0, 1], mask[b], mask[b])
        wanted = attention_entropy(one[b][inside])
        np.testing.assert_allclose(entropy[b], wanted, rtol=CLOSE, atol=CLOSE)
        wanted = attention_similarity(one[b][inside], two[b][inside])
        assert similarity[b] == pytest.approx(float(wanted), rel=CLOSE)


def test_one_mask_serves_all_layers() -> None:
    layers, mask = random_tokens(0, 4, 2, 6, 3), np.ones((2, 6), dtype=bool)
    mask[0, 4:] = False
    found = measure_tokens(layers, token_mask=mask)
    for name, values in found._asdict().items():
        assert values.shape == (4, 2), name
        wanted = getattr(measure_tokens(layers[3, 0, :4]), name)
        assert values[3, 0] == pytest.approx(float(wanted), rel=1e-10)


@given(sentences(least=2))
def test_measure_tokens_gives_what_the_measures_give(tokens: Floats) -> None:
    assume(tokens.any())
    found = measure_tokens(tokens)
    for measure in ALL:
        name = "distance" if measure is consensus_distance else measure.__name__
        assert getattr(found, name) == measure(tokens), name
    assert found.norm == frobenius_norm(tokens)
    assert len(TokenMeasures._fields) == len(ALL) + 1


# --- attention -----------------------------------------------------------------------------


def test_attention_similarity_is_the_cosine_of_all_heads_in_one_vector() -> None:
    one, two = attention(0, 3, 2, 5, 5), attention(1, 3, 2, 5, 5)
    found = attention_similarity(one, two)
    for b in range(3):
        x, y = one[b].ravel(), two[b].ravel()
        wanted = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert found[b] == pytest.approx(wanted, rel=CLOSE)
    assert (attention_similarity(one, one) == 1).all()
    pairs = attention_similarity(one[:, None], one[None, :])  # every layer with every other
    assert pairs.shape == (3, 3)
    np.testing.assert_array_equal(pairs, pairs.T)


def test_attention_similarity_of_nearly_equal_layers_stays_below_one() -> None:
    one = attention(0, 1, 4, 4)
    two = one + 1e-7 * random_tokens(1, 1, 4, 4)
    x, y = (exact.rows_of(a.reshape(1, -1))[0] for a in (one, two))
    wanted = 1 - exact.dot(x, y) / mp.sqrt(exact.dot(x, x) * exact.dot(y, y))
    assert 1 - float(attention_similarity(one, two)) == pytest.approx(float(wanted), abs=EPS)
    assert wanted > 4 * EPS


def test_attention_that_shares_no_edge_has_similarity_zero() -> None:
    here, there = np.eye(3)[None], np.eye(3)[None, [1, 2, 0]]
    assert abs(attention_similarity(here, there)) <= 4 * EPS
    assert attention_similarity(here * 1e-300, here * 1e300) == pytest.approx(1)


def test_attention_entropy_lies_between_one_token_and_all_alike() -> None:
    np.testing.assert_array_equal(attention_entropy(np.eye(4)[None]), [0.0])
    np.testing.assert_allclose(attention_entropy(np.full((2, 5, 5), 0.2)), np.log(5), rtol=CLOSE)


@given(st.integers(0, 999), st.floats(0.1, 10))
def test_attention_entropy_is_the_mean_over_rows_of_rows_made_to_sum_to_one(
    seed: int, factor: float
) -> None:
    weights = factor * attention(seed, 2, 3, 5, 5)
    wanted = scipy_entropy(weights, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(attention_entropy(weights), wanted, rtol=CLOSE)


# --- libraries and bad input ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, dtype: str
) -> None:
    mask = np.asarray([[1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]], dtype=bool)
    host = np.where(mask[..., None], random_tokens(0, 2, 6, 4), np.nan)
    weights = attention(1, 2, 3, 6, 6)
    there = [to(xp, a, k, device) for a, k in ((host, dtype), (weights, dtype), (mask, "bool"))]

    def results(tokens: Array, heads: Array, counts: Array) -> list[Array]:
        return [
            *measure_tokens(tokens, token_mask=counts),
            *(measure(tokens, token_mask=counts) for measure in ALL),
            dirichlet_energy(tokens, heads[:, 0, :, :], token_mask=counts),
            attention_entropy(heads, token_mask=counts),
            attention_similarity(heads, heads * heads, token_mask=counts),
        ]

    tolerance = 256 * float(np.finfo(dtype).eps)
    for found, wanted in zip(results(*there), results(host, weights, mask), strict=True):
        assert same_place(found, there[0])
        np.testing.assert_allclose(numbers(found), wanted, rtol=tolerance, atol=tolerance)


HEADS = np.full((1, 2, 2), 0.5)
PAIR = np.asarray([[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cosine_similarity(np.ones((1, 3))), "at least 2 tokens of each sentence"),
        (
            lambda: mean_average_distance(PAIR, token_mask=np.asarray([True, False])),
            "at least 2 tokens of each sentence must count, but 1 do",
        ),
        (lambda: measure_tokens(np.ones((1, 3))), "at least 2"),
        (lambda: measure_tokens(PAIR * np.nan), "tokens must be finite"),
        (lambda: relative_distance(np.zeros((2, 3))), "relative distance is undefined"),
        (lambda: high_frequency_ratio(np.zeros((4, 2, 3))), "4 of 4 sentences are zero"),
        (lambda: effective_rank(np.zeros((2, 3))), "must not all be zero"),
        (lambda: stable_rank(np.ones((2, 3), dtype=int)), "tokens must have dtype"),
        (lambda: dirichlet_energy(PAIR, -np.eye(2)), "adjacency must not be negative"),
        (lambda: dirichlet_energy(PAIR, np.eye(3)), r"adjacency must have shape \(..., 2, 2\)"),
        (lambda: dirichlet_energy(PAIR, np.full((2, 2), np.inf)), "adjacency must be finite"),
        (lambda: dirichlet_energy(PAIR, np.eye(2, dtype=np.float32)), "one dtype"),
        (lambda: attention_entropy(-HEADS), "adjacency must not be negative"),
        (lambda: attention_entropy(HEADS * np.nan), "adjacency must be finite"),
        (lambda: attention_entropy(0 * HEADS), "every row of adjacency that counts"),
        (lambda: attention_entropy(np.ones((1, 2, 3))), r"shape \(..., h, n, n\), but has"),
        (lambda: attention_entropy(np.ones((2, 2))), r"shape \(..., h, n, n\), but has"),
        (lambda: attention_entropy(np.ones((0, 2, 2))), r"shape \(..., h, n, n\), but has"),
        (
            lambda: attention_entropy(HEADS, token_mask=np.zeros(2, dtype=bool)),
            "at least one token",
        ),
        (lambda: attention_similarity(HEADS, 0 * HEADS), "other must not be zero"),
        (lambda: attention_similarity(HEADS, np.ones((2, 2, 2))), "heads, tokens and dtype"),
        (lambda: attention_similarity(HEADS, HEADS.astype(np.float32)), "heads, tokens and dtype"),
    ],
)
def test_bad_input_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
