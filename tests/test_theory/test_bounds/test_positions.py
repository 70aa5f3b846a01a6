"""Do bounds on v over all tokens hold where scores have positions, caps and head norms?"""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import (
    Floats,
    masks,
    positioned,
    positioned_blocks,
    random_block,
    random_tokens,
)
from theory.blocks.forward import apply_block, attention_adjacency
from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import Positions
from theory.blocks.weights import Attention, Block
from theory.bounds.balls import Ball
from theory.bounds.coefficients import block_coefficients
from theory.bounds.couplings import largest_couplings
from theory.bounds.obstacles import bias_free_obstacle
from theory.bounds.supremum import suprema
from theory.spectra.norms import coupling

pytestmark = pytest.mark.once

N = 4
CLOSE = 1e-9


def in_ball(centre: Floats, radius: float, seed: int) -> Floats:
    """Draw sets of tokens inside of a ball, and on its surface."""
    drawn = random_tokens(seed, 20, N, 6)
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    return centre + radius * drawn


def roots_of(attention: Attention, tokens: Floats, mask: Any) -> Floats:
    return np.asarray(coupling(attention_adjacency(attention, tokens, mask=mask)).max(axis=0))


@given(
    block=positioned_blocks(N),
    mask=masks(N),
    radius=st.sampled_from((0.0, 1e-3, 0.1, 1.0, 30.0)),
    size=st.sampled_from((0.0, 0.1, 1.0, 5.0)),
    weight=st.sampled_from((0.03, 0.3, 1.0)),
    seed=st.integers(0, 999),
)
def test_no_tokens_of_a_ball_have_a_larger_root(
    block: Block, mask: Any, radius: float, size: float, weight: float, seed: int
) -> None:
    assert block.attention.query is not None
    attention = replace(block.attention, query=weight * block.attention.query)
    ball = Ball(size * random_tokens(seed, 6), radius)
    bound = largest_couplings(attention, ball, N, mask=mask).roots
    found = roots_of(attention, in_ball(ball.centre, radius, seed), mask)
    assert np.all(found <= bound * (1 + CLOSE) + CLOSE)
    anywhere = largest_couplings(attention, Ball(ball.centre, np.inf), N, mask=mask).roots
    assert np.all(bound <= anywhere * (1 + CLOSE))


def test_a_bound_that_forgot_the_positions_would_be_false() -> None:
    """So the search above would notice."""
    mask, ball = np.ones((N, N), dtype=bool), Ball(random_tokens(0, 6), 1e-3)
    tokens = in_ball(ball.centre, ball.radius, 1)
    for options in ({"rotary": ""}, {"bias": ""}, {"bias": "", "rotary": "", "window": 2}):
        attention = positioned(random_block(1), 2, N, **options).attention
        assert attention.query is not None
        attention = replace(attention, query=0.3 * attention.query)
        forgotten = largest_couplings(replace(attention, positions=None), ball, N, mask=mask).roots
        assert np.all(roots_of(attention, tokens, mask) > 1.1 * forgotten), options


def test_at_equal_tokens_the_bound_is_that_of_the_walk_unless_positions_turn_it() -> None:
    mask = np.tri(N, dtype=bool)
    attention = positioned(random_block(1), 2, N, rotary="", soft_cap=2.0, window=3).attention
    ball = Ball(random_tokens(0, 6), 0.0)
    bound = largest_couplings(attention, ball, N, mask=mask).roots
    np.testing.assert_allclose(bound, roots_of(attention, in_ball(ball.centre, 0, 0), mask), 1e-9)


def test_a_cap_bounds_scores_of_tokens_anywhere() -> None:
    mask, anywhere = np.ones((N, N), dtype=bool), Ball(np.zeros(6), np.inf)
    attention = random_block(1).attention
    free = largest_couplings(attention, anywhere, N, mask=mask).roots
    capped = replace(attention, positions=Positions(soft_cap=0.05))
    bound = largest_couplings(capped, anywhere, N, mask=mask).roots
    assert np.all(bound < 0.2 * free)
    tokens = 1e3 * random_tokens(2, 200, N, 6)
    found = roots_of(capped, tokens, mask)
    assert np.all((found <= bound) & (found > 0.3 * bound))
    assert np.array_equal(
        largest_couplings(replace(attention, scale=0.0), anywhere, N, mask=mask).roots, [0, 0]
    )


_FIRST, _SIGNS = np.diag([1.0, 0.0])[None], np.asarray([1.0, -1.0, 1.0, -1.0])
_RMS, _ROW = HeadNorm("rms"), np.asarray([0.0, 0.0, -700.0, -700.0])
_UNEVEN = Positions(bias=np.asarray([[[0.0, -3.0], [0.0, -3.0]]]))
REACHED: dict[str, tuple[float, dict[str, Any], float]] = {
    "a cap": (np.inf, {"positions": Positions(soft_cap=0.1)}, 1e6),
    "turned": (1.0, {"positions": Positions(frequencies=np.zeros(1))}, 0.1),
    "normalised": (np.inf, {"query_norm": _RMS, "key_norm": _RMS}, 0.05),
    "two of four heard": (1.0, {"positions": Positions(bias=_ROW + np.zeros((1, 4, 1)))}, 0.1),
    "far from the walk": (1.0, {"positions": _UNEVEN}, 1e3),
}


@pytest.mark.parametrize("name", REACHED)
def test_tokens_and_their_opposites_reach_the_bound(name: str) -> None:
    """Each hears its like more: rows turn away from the walk, half of them to either side."""
    radius, parts, scale = REACHED[name]
    n = 2 if name == "far from the walk" else 4
    attention = Attention(_FIRST, _FIRST, _FIRST, scale=scale, **parts)
    mask, tokens = np.ones((n, n), dtype=bool), np.outer(_SIGNS[:n], [1.0, 0.0])
    bound = largest_couplings(attention, Ball(np.zeros(2), radius), n, mask=mask).roots[0]
    found = coupling(attention_adjacency(attention, tokens))[0]
    assert 0.98 * bound <= found <= bound * (1 + CLOSE)


@pytest.mark.parametrize("seed", range(8))
def test_iterated_tokens_stay_below_the_bounds_on_v(seed: int) -> None:
    options: dict[str, Any] = {"rotary": ("", "frequencies", "angles")[seed % 3]}
    options |= {"soft_cap": 1.0 if seed % 2 else None, "head_norms": seed > 4}
    block = random_block(seed, eps=0.1, weight=0.4, activation="relu", factored=seed % 2 == 0)
    block = positioned(block, seed, N, window=3, **options)
    mask, tokens = np.tri(N, dtype=bool), random_tokens(seed, N, 6)
    found = suprema(block, N, mask=mask)
    assert len(found.bounds) > 1
    for layer in range(10):
        step = apply_block(block, tokens, mask=mask)
        v = block_coefficients(block, step)
        for at in found.bounds[: layer + 1]:
            assert v.v <= at.v * (1 + CLOSE)
            assert v.v_sharp <= at.v_sharp * (1 + CLOSE)
            far = np.linalg.norm(step.output - at.ball.centre, axis=1).max()
            assert far <= at.ball.radius * (1 + CLOSE)
        tokens = step.output


def test_the_theorem_about_mirrored_tokens_is_not_said_of_scores_with_positions() -> None:
    block = random_block(1, plain=True, feed_forward=False)
    everyone = np.ones((N, N), dtype=bool)
    assert bias_free_obstacle(block, everyone, None)
    attention = replace(block.attention, positions=Positions(soft_cap=1.0))
    assert not bias_free_obstacle(replace(block, attention=attention), everyone, None)
    small = replace(block, norm_1=Norm(eps=1e-9))  # zero is a token of theirs too
    small = replace(small, attention=attention)
    assert "eps is small" in bias_free_obstacle(small, everyone, None)
