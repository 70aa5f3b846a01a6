"""What do all measures obey: order, rotation, copies, scale, padding?"""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

from tests.test_theory.helpers.exact import Floats, sentences
from tests.test_theory.helpers.measured import ALL, random_tokens
from theory.magnitude import frobenius_norm
from theory.measures.tokens import (
    TokenMeasures,
    attention_entropy,
    attention_similarity,
    consensus_distance,
    dirichlet_energy,
    dong_residual,
    effective_rank,
    high_frequency_ratio,
    measure_tokens,
    participation_rank,
    rank_one_fraction,
    relative_distance,
    stable_rank,
    token_diameter,
)

NO_SCALE = tuple(m for m in ALL if m not in (consensus_distance, dong_residual, token_diameter))
RANKS = (effective_rank, participation_rank, rank_one_fraction, stable_rank)
CLOSE = 1e-12  # sums of fewer than 100 terms, an SVD of fewer than 10 rows: 1e3 eps at most


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
        name = {consensus_distance: "distance", token_diameter: "diameter"}.get(
            measure, measure.__name__
        )
        assert getattr(found, name) == measure(tokens), name
    assert found.norm == frobenius_norm(tokens)
    assert len(TokenMeasures._fields) == len(ALL) + 1
