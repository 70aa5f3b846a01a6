"""Which measures are tried, and on which random tokens and attention weights?"""

from collections.abc import Callable

import numpy as np

from tests.test_theory.helpers.exact import Floats
from theory.arrays import Array
from theory.measures.tokens import (
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
    token_diameter,
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
    token_diameter,
)


def random_tokens(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


def attention(seed: int, *shape: int) -> Floats:
    weights = np.random.default_rng(seed).random(shape)
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result
