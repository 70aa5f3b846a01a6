"""Distances to any subspace: what they add up to, under padding, on every library."""

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.helpers.allowed_error import allowed_error
from tests.test_theory.helpers.exact import (
    DTYPES,
    EPS,
    GRAIN,
    Floats,
    numbers,
    same_place,
    sentences,
    to,
)
from theory.arrays import Array, InputError
from theory.magnitude import frobenius_norm, rescale
from theory.measures.subspace import (
    Subspace,
    consensus,
    consensus_distance,
    distance,
    general,
    partition,
    project,
)


@given(sentences(), st.data())
def test_the_distance_to_a_partition_adds_up_over_its_classes(
    tokens: Floats, data: st.DataObject
) -> None:
    n = len(tokens)
    labels = np.asarray(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)))
    subspace = partition(labels, like=tokens)
    assert (subspace.size, subspace.rank) == (n, len(set(labels.tolist())))
    parts = [float(consensus_distance(tokens[labels == label])) for label in set(labels.tolist())]
    wanted = float(np.hypot.reduce(parts))
    left = (8 * n * EPS) ** 2 * frobenius_norm(tokens)
    allowed = 4 * allowed_error(tokens) * wanted + 4 * GRAIN + left
    assert abs(float(distance(subspace, tokens)) - wanted) <= allowed


@given(sentences(scaled=False), st.integers(0, 99), st.integers(1, 5))
def test_projection_splits_the_tokens_into_orthogonal_parts(
    tokens: Floats, seed: int, m: int
) -> None:
    n = len(tokens)
    subspace = general(np.random.default_rng(seed).standard_normal((n, min(m, n))))
    near = project(subspace, tokens)
    size = float(frobenius_norm(tokens))
    allowed = 16 * n * n * EPS * size
    np.testing.assert_allclose(project(subspace, near), near, rtol=0, atol=allowed)
    assert abs(np.sum(near * (tokens - near))) <= allowed * size
    away = float(distance(subspace, tokens))
    assert abs(away - frobenius_norm(tokens - near)) <= allowed + GRAIN
    assert abs(size**2 - away**2 - np.linalg.norm(near) ** 2) <= 4 * allowed * size


@given(st.integers(0, 99), st.integers(1, 4))
def test_nothing_in_the_subspace_is_nearer_than_the_projection(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    subspace = general(rng.standard_normal((4, m)))
    tokens, member = rng.standard_normal((4, 3)), subspace.basis @ rng.standard_normal((m, 3))
    allowed = 64 * EPS * np.linalg.norm(tokens)
    assert distance(subspace, tokens) <= np.linalg.norm(tokens - member) + allowed
    assert distance(subspace, member) <= 64 * EPS * np.linalg.norm(member)


def test_a_basis_of_everything_leaves_no_distance() -> None:
    tokens = np.random.default_rng(1).standard_normal((4, 3))
    assert distance(general(np.eye(4)[::-1]), tokens) == 0


def test_columns_of_any_length_span_the_same_subspace() -> None:
    rng = np.random.default_rng(2)
    vectors, tokens = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    wanted = distance(general(vectors), tokens)
    found = distance(general(vectors * np.asarray([1e-300, 1.0, 1e300])), tokens)
    assert found == pytest.approx(wanted, rel=64 * EPS)
    smallest = general(GRAIN * np.asarray([[1.0], [0.0], [1.0]]))
    np.testing.assert_allclose(np.abs(smallest.basis[:, 0]), [0.5**0.5, 0, 0.5**0.5], rtol=8 * EPS)


@given(st.lists(sentences(scaled=False), min_size=1, max_size=3), st.sampled_from([np.nan, np.inf]))
def test_a_padded_batch_gives_the_numbers_of_its_sentences(
    batch: list[Floats], garbage: float
) -> None:
    n, d = max(len(s) for s in batch) + 1, batch[0].shape[1]
    padded, mask = np.full((len(batch), n, d), garbage), np.zeros((len(batch), n), dtype=bool)
    batch = [np.resize(s, (len(s), d)) for s in batch]
    for row, counts, sentence in zip(padded, mask, batch, strict=True):
        row[: len(sentence)], counts[: len(sentence)] = sentence, True
    found = consensus_distance(padded, token_mask=mask)
    wanted = np.asarray([consensus_distance(s) for s in batch])
    np.testing.assert_allclose(found, wanted, rtol=2 * allowed_error(padded), atol=0)


def test_the_mask_is_broadcast_over_layers_and_may_leave_out_any_token() -> None:
    rng = np.random.default_rng(3)
    layers = rng.standard_normal((4, 2, 5, 3))
    mask = np.asarray([[True, False, True, True, False], [False, True, True, False, True]])
    found = consensus_distance(layers, token_mask=mask)
    for layer in range(4):
        for b in range(2):
            wanted = consensus_distance(layers[layer, b, mask[b]])
            assert found[layer, b] == pytest.approx(wanted, rel=64 * EPS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, dtype: str
) -> None:
    host = np.random.default_rng(4).standard_normal((2, 3, 5, 4))
    mask = np.asarray([True, True, False, True, True])
    tokens = to(xp, host, dtype, device)
    token_mask = to(xp, mask, "bool", device)

    def results(like: Array, counts: Array) -> list[Array]:
        vectors = like[0, 0, :, :2]
        spaces = [
            consensus(5, like=like),
            partition([7, 0, 7, 7, 0], like=like),
            general(vectors),
        ]
        found = [distance(space, like) for space in spaces]
        found += [project(space, like) for space in spaces]
        return [*found, consensus_distance(like), consensus_distance(like, token_mask=counts)]

    tolerance = 64 * float(np.finfo(dtype).eps)
    for found, wanted in zip(results(tokens, token_mask), results(host, mask), strict=True):
        assert same_place(found, tokens)
        np.testing.assert_allclose(numbers(found), wanted, rtol=tolerance, atol=4 * tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rescaling_loses_no_digit_on_any_library(xp: ModuleType, device: Any, dtype: str) -> None:
    info = np.finfo(dtype)
    exponents = np.arange(info.minexp - info.nmant, info.maxexp - 1)
    peaks = np.ldexp(np.full(1, np.pi), exponents).astype(dtype)
    host = np.stack([peaks, peaks / 4], axis=-1)
    there = to(xp, host, dtype, device)
    scaled, unit = rescale(there, axis=(-1,))
    np.testing.assert_array_equal(numbers(scaled) * numbers(unit), host)
    moderate = numbers(scaled)[:, 0]
    assert (moderate >= 2.0**-80).all()
    assert (moderate < 2.0**26).all()
    normal = (exponents > info.minexp + 30) & (exponents < info.maxexp - 30)
    assert normal.sum() > 100
    assert (moderate[normal] >= 1).all()
    assert (moderate[normal] < 2).all()
    usual = np.abs(exponents) < 12
    left, ones = rescale(to(xp, host[usual], dtype, device), axis=(-1,))
    assert (numbers(ones) == 1).all()
    np.testing.assert_array_equal(numbers(left), host[usual])


TOKENS = np.ones((3, 2))


@pytest.mark.parametrize(
    ("tokens", "options", "message"),
    [
        (np.ones((3, 2), dtype=int), {}, "tokens must have dtype float32 or float64"),
        (np.ones((3, 2), dtype=np.float16), {}, "tokens must have dtype"),
        ([[1.0]], {}, "expected arrays"),
        (np.ones(3), {}, r"tokens must have shape \(..., n, d\), but has \(3,\)"),
        (np.ones((3, 0)), {}, "at least one feature"),
        (np.ones((0, 3)), {}, "at least one token"),
        (np.asarray([[1.0, np.nan]]), {}, r"tokens must be finite.*\(0, 1\)"),
        (np.asarray([[-np.inf]]), {}, "tokens must be finite"),
        (TOKENS, {"token_mask": np.ones(3)}, "token_mask must be boolean"),
        (TOKENS, {"token_mask": np.ones(4, dtype=bool)}, r"token_mask must have shape \(..., 3\)"),
        (TOKENS, {"token_mask": np.zeros(3, dtype=bool)}, "at least 1 tokens .* 0 do"),
    ],
)
def test_bad_tokens_are_refused_by_name(tokens: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        consensus_distance(tokens, **options)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Subspace(np.ones((3, 1))), "orthonormal columns.*by 2"),
        (lambda: Subspace(np.asarray([[1.0], [np.nan]])), "basis must be finite"),
        (lambda: Subspace(np.eye(3)[:2]), r"\(n, m\) with 1 <= m <= n, but has \(2, 3\)"),
        (lambda: Subspace(np.eye(2, dtype=int)), "basis must have dtype"),
        (lambda: Subspace(np.ones((2, 2, 1))), "basis must have shape"),
        (lambda: Subspace(np.eye(2) + 1e-12), "orthonormal"),
        (lambda: consensus(0, like=TOKENS), "n must be positive"),
        (lambda: consensus(2, like=np.ones(2, dtype=int)), "like must have dtype"),
        (lambda: partition([], like=TOKENS), "labels must be"),
        (lambda: partition([0.5, 1.0], like=TOKENS), "labels must be"),
        (lambda: partition(np.eye(2, dtype=int), like=TOKENS), "labels must be"),
        (lambda: general(np.ones((3, 2))), "linearly independent.*singular value"),
        (lambda: general(np.asarray([[1.0, 1.0], [0.0, 1e-17]])), "linearly independent"),
        (lambda: general(np.asarray([[1.0, 0.0], [0.0, 0.0]])), "a column is zero"),
        (lambda: general(np.full((2, 1), np.inf)), "vectors must be finite"),
        (lambda: distance(consensus(2, like=TOKENS), TOKENS), r"shape \(..., 2, d\)"),
        (lambda: project(consensus(2, like=TOKENS), TOKENS), r"shape \(..., 2, d\)"),
        (
            lambda: distance(consensus(3, like=TOKENS), TOKENS.astype(np.float32)),
            "one dtype, but have float32 and float64",
        ),
        (lambda: distance(consensus(3, like=TOKENS), TOKENS * np.nan), "tokens must be finite"),
    ],
)
def test_bad_subspaces_are_refused_by_name(build: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()


def test_the_arguments_are_left_as_they_were() -> None:
    tokens, mask = np.asarray([[3.0, 1.0], [np.nan, 2.0]]), np.asarray([True, False])
    consensus_distance(tokens, token_mask=mask)
    np.testing.assert_array_equal(tokens, [[3.0, 1.0], [np.nan, 2.0]])
    np.testing.assert_array_equal(mask, [True, False])
