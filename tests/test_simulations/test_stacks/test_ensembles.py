"""Is each ensemble of weights and tokens what it is called?"""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.normals import Normals
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Initial, Stack
from simulations.stacks.weights import orthogonal
from tests.helpers.blocks import Floats

SMALL = Stack(depth=3, tokens=5, width=12, heads=3, ffn_width=20)


def whole(heads: Floats) -> Floats:
    """Return (h, d, k) as the d x (h k) matrix that it was cut from."""
    return np.concatenate(list(heads), axis=-1)


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (1, 5), (5, 1)])
def test_orthogonal_means_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    matrix = orthogonal(Normals(0), *shape)
    assert matrix.shape == shape
    gram = matrix @ matrix.T if shape[0] <= shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-14)


def test_orthogonal_matrices_are_haar_distributed() -> None:
    traces = np.asarray([np.trace(orthogonal(Normals(i), 3, 3)) for i in range(3000)])
    # Haar: E tr = 0 and E tr^2 = 1 (Diaconis and Shahshahani); five standard errors. The bare QR
    # decomposition, whose triangle has a negative diagonal, gives a trace far from 0.
    assert abs(traces.mean()) < 5 / 3000**0.5
    assert abs((traces**2).mean() - 1) < 5 * (traces**2).std() / 3000**0.5
    signs = np.sign([np.linalg.det(orthogonal(Normals(i), 3, 3)) for i in range(400)])
    assert abs(signs.mean()) < 5 / 400**0.5


def test_orthogonal_weights_are_orthogonal_as_whole_matrices() -> None:
    block = next(draw_blocks(replace(SMALL, weights="orthogonal"), seeds=range(1)))
    for heads in (block.attention.query, block.attention.key, block.attention.value):
        assert heads is not None
        np.testing.assert_allclose(whole(heads[0]).T @ whole(heads[0]), np.eye(12), atol=1e-14)
    assert block.attention.output is not None
    output = block.attention.output[0].reshape(12, 12)
    np.testing.assert_allclose(output.T @ output, np.eye(12), atol=1e-14)


@pytest.mark.parametrize("rank", [1, 3, 12])
def test_low_rank_weights_have_the_rank(rank: int) -> None:
    block = next(draw_blocks(replace(SMALL, weights="low-rank", rank=rank), seeds=range(1)))
    assert block.feed_forward is not None
    assert np.linalg.matrix_rank(whole(block.attention.value[0])) == min(rank, 12)
    assert np.linalg.matrix_rank(block.feed_forward.weight_in[0]) == min(rank, 12)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal", "low-rank"])
def test_unit_gain_keeps_the_size_of_what_is_multiplied(weights: Any) -> None:
    stack = Stack(depth=1, width=64, heads=4, ffn_width=256, weights=weights)
    block = next(draw_blocks(stack, seeds=range(40)))
    assert block.feed_forward is not None
    tokens = generator(0).standard_normal((40, 200, 64))
    values = tokens @ np.concatenate(list(np.moveaxis(block.attention.value, 1, 0)), axis=-1)
    hidden = tokens @ block.feed_forward.weight_in
    spread = 0.1 if weights != "orthogonal" else 0.01
    assert abs((values**2).mean() - 1) < spread
    # An orthogonal 64 x 256 matrix has norm one rows: a quarter of the variance for each feature.
    assert abs((hidden**2).mean() - (0.25 if weights == "orthogonal" else 1)) < spread


def test_bert_weights_have_std_two_hundredths_and_identity_weights_are_near_the_identity() -> None:
    stack = Stack(depth=1, width=64, heads=1, ffn_width=64)
    bert = next(draw_blocks(replace(stack, weights="bert"), seeds=range(9)))
    assert abs(bert.attention.value.std() - 0.02) < 0.001
    near = next(draw_blocks(replace(stack, weights="identity"), seeds=range(9)))
    noise = near.attention.value[:, 0] - np.eye(64)
    assert abs(noise.std() - 0.1 / 8) < 0.001


@pytest.mark.parametrize("initial", get_args(Initial))
def test_the_tokens_are_what_they_are_called(initial: Initial) -> None:
    tokens = draw_tokens(replace(SMALL, initial=initial), seeds=range(50))
    apart = tokens - tokens.mean(axis=1, keepdims=True)
    relative = np.linalg.norm(apart, axis=(1, 2)) / np.linalg.norm(tokens, axis=(1, 2))
    if initial == "gaussian":
        assert abs(tokens.std() - 1) < 0.1
    elif initial == "orthogonal":
        gram = tokens @ np.swapaxes(tokens, 1, 2)
        np.testing.assert_allclose(gram, np.broadcast_to(12 * np.eye(5), gram.shape), atol=1e-12)
    elif initial == "near-consensus":
        assert relative.max() < 5e-3
        assert relative.min() > 1e-4
    else:
        gaps = np.linalg.norm(tokens[:, :, None] - tokens[:, None], axis=-1)
        near = gaps < 0.4 * 12**0.5  # about sqrt(0.24) within a cluster, sqrt(24) between two
        for graph in near:  # being near is an equivalence with at most two classes
            assert len({tuple(row) for row in graph}) <= 2
