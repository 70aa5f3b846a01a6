"""Do the measures agree on every library, and refuse bad input by name?"""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.test_theory.helpers.exact import DTYPES, numbers, same_place, to
from tests.test_theory.helpers.measured import ALL, attention, random_tokens
from theory.arrays import Array, InputError
from theory.measures.tokens import (
    attention_entropy,
    attention_similarity,
    cosine_similarity,
    dirichlet_energy,
    effective_rank,
    high_frequency_ratio,
    mean_average_distance,
    measure_tokens,
    relative_distance,
    stable_rank,
)


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
