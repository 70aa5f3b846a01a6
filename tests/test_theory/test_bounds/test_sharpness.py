"""Is the bound reached, and is each of its factors needed?"""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import PLACEMENTS, random_tokens
from tests.test_theory.helpers.stretch import coefficients, distance
from theory.blocks.activations import activation
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.coefficients import block_coefficients


def scalar_block(*, value: tuple[float, ...], ffn: tuple[float, float], **options: Any) -> Block:
    """Return a block whose weights all are multiples of the identity."""
    unit = np.eye(6)
    attention = Attention(None, None, np.asarray([factor * unit for factor in value]))
    feed_forward = FeedForward(ffn[0] * unit, ffn[1] * unit, activation="identity")
    return Block(attention, feed_forward, **options)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("value", [(0.7,), (0.7, 0.3), (2.0, 0.0, 0.1)])
def test_the_sharp_forms_are_reached_where_every_map_is_a_multiple_of_the_identity(
    placement: Any, value: tuple[float, ...]
) -> None:
    norms = {
        name: Norm(gain=np.full(6, gain), tau=tau, fixed_std=std)
        for name, gain, tau, std in (
            ("norm_1", 1.3, 0.8, 2.0),
            ("norm_2", 0.6, 1.1, 0.7),
            ("norm_1_out", 2.1, 0.9, 1.2),
            ("norm_2_out", 0.8, 1.7, 3.0),
        )
    }
    block = scalar_block(value=value, ffn=(1.5, 0.4), placement=placement, residual=1.7, **norms)
    tokens = random_tokens(0, 4, 6)
    tokens -= tokens.mean(axis=-1, keepdims=True)  # centring the features then changes nothing
    alone = np.broadcast_to(np.eye(4), (len(value), 4, 4))
    step = apply_block(block, tokens, adjacency=alone)
    found = block_coefficients(block, step)
    ratio = distance(step.output) / distance(tokens)
    assert abs(found.v_sharp / ratio - 1) <= 1e-13
    assert abs(found.v_stacked / ratio - 1) <= 1e-13
    assert found.v >= ratio * (1 - 1e-13)


@pytest.mark.parametrize("heads", [1, 3])
def test_the_published_form_is_reached_where_all_weights_are_alike(heads: int) -> None:
    none = Norm(kind="none")
    block = scalar_block(value=(0.5,) * heads, ffn=(0.5, 0.5), norm_1=none, norm_2=none)
    tokens = random_tokens(0, 4, 6)
    step = apply_block(block, tokens, adjacency=np.broadcast_to(np.eye(4), (heads, 4, 4)))
    found = block_coefficients(block, step)
    ratio = distance(step.output) / distance(tokens)
    assert abs(ratio - (1 + 0.5 * heads) * 1.25) <= 1e-13
    assert abs(found.v - ratio) <= 1e-13


@given(seed=st.integers(0, 999))
def test_attention_alone_reaches_sqrt_lambda_in_the_direction_of_its_singular_vector(
    seed: int,
) -> None:
    adjacency = np.random.default_rng(seed).dirichlet(np.full(4, 0.2), (1, 4))
    block = Block(Attention(None, None, np.eye(6)[None]), norm_1=Norm("none"), residual=0.0)
    deviations = adjacency[0] - adjacency[0].mean(axis=0)
    direction = np.linalg.svd(deviations)[2][0]
    tokens = np.outer(direction, random_tokens(seed, 6))
    found = coefficients(block, tokens, adjacency=adjacency)
    image = distance(apply_block(block, tokens, adjacency=adjacency).output)
    # Rows sum to one, so the direction is orthogonal to e: its distance is its norm.
    assert abs(image - float(found.v) * distance(tokens)) <= 1e-13 * image
    assert abs(float(found.lambda_) - float(found.v) ** 2) <= 1e-13 * float(found.lambda_)


@pytest.mark.parametrize(
    ("name", "steepest"),
    [("relu", 1.0), ("gelu", 2**0.5), ("gelu_tanh", 1.42), ("silu", 2.4), ("tanh", 0.0)],
)
def test_the_lipschitz_constant_of_the_activation_is_needed(name: str, steepest: float) -> None:
    attention = Attention(None, None, np.zeros((1, 1, 1)))
    ffn = FeedForward(np.ones((1, 1)), np.ones((1, 1)), activation=name)
    none = Norm(kind="none")
    block = Block(attention, ffn, norm_1=none, norm_2=none)
    tokens = np.asarray([[steepest - 1e-3], [steepest + 1e-3]])
    step = apply_block(block, tokens, adjacency=np.full((1, 2, 2), 0.5))
    found = block_coefficients(block, step)
    ratio = distance(step.output) / distance(tokens)
    assert ratio <= float(found.v) * (1 + 1e-12)
    assert ratio >= float(found.v) * (1 - 1e-3)
    assert found.v == 1 + activation(name).lipschitz


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_a_norm_stretches_small_steps_across_a_token_by_gain_over_tau_sigma(
    kind: Any, eps: float
) -> None:
    token, step = np.asarray([3.0, -3.0, 1.0, -1.0]), np.asarray([1.0, 1.0, -1.0, -1.0])
    norm = Norm(kind, gain=np.full(4, -2.0), tau=1.7, eps=eps)
    block = Block(Attention(None, None, np.zeros((1, 4, 4))), norm_1=norm)
    tokens = np.stack([token + 1e-4 * step, token - 1e-4 * step])
    out = apply_block(block, tokens, adjacency=np.full((1, 2, 2), 0.5))
    found = block_coefficients(block, out)
    std = float((5.0 + eps) ** 0.5)  # mean square of the token, which already is centred
    assert abs(float(found.v) - 2 / (1.7 * std)) <= 1e-7
    ratio = distance(out.output) / distance(tokens)
    assert float(found.v) * (1 - 1e-7) <= ratio <= float(found.v) * (1 + 1e-10)


def test_heads_that_read_different_features_do_not_add_up_in_the_stacked_form() -> None:
    value = np.asarray([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    block = Block(Attention(None, None, value), norm_1=Norm("none"), residual=0.0)
    alone = np.broadcast_to(np.eye(3), (2, 3, 3))
    found = coefficients(block, random_tokens(0, 3, 2), adjacency=alone)
    assert abs(float(found.v_sharp) - 2) <= 1e-14
    assert abs(float(found.v_stacked) - 2**0.5) <= 1e-14
