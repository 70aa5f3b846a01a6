"""Do the ranks follow their definitions, and in which order do they stand?"""

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given

from tests.test_theory.helpers import exact
from tests.test_theory.helpers.exact import GRAIN, Floats, sentences
from theory.measures.tokens import (
    effective_rank,
    participation_rank,
    rank_one_fraction,
    relative_distance,
    stable_rank,
)

CLOSE = 1e-12  # sums of fewer than 100 terms, an SVD of fewer than 10 rows: 1e3 eps at most


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
