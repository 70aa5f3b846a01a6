"""Is the bound on a ball one, whatever is tried in it, and does it say what it should?"""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import Floats, InputError
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Block
from theory.local.ascent import reached_ratio
from theory.local.bound import LocalBound, Neighbourhood, local_bound, neighbourhood
from theory.measures.subspace import consensus_distance

_RADII = (1e-5, 1e-3, 5e-3, 0.1, 0.4)


def _block(seed: int, **options: object) -> Block:
    return random_block(seed, d=10, f=12, eps=1e-5, **options)  # type: ignore[arg-type]


def _ratio(block: Block, tokens: Floats) -> float:
    after = consensus_distance(apply_block(block, tokens).output)
    return float(after / consensus_distance(tokens))


def _tokens(seed: int) -> Floats:
    return random_tokens(seed, 4, 10)


@pytest.fixture(scope="module", params=[0, 1])
def case(request: pytest.FixtureRequest) -> tuple[Block, Floats, Neighbourhood]:
    seed = int(request.param)
    block = _block(seed, kind="layer" if seed == 0 else "rms", factored=seed == 0)
    tokens = _tokens(seed)
    return block, tokens, neighbourhood(block, tokens)


def test_no_input_of_the_ball_is_stretched_further(
    case: tuple[Block, Floats, Neighbourhood],
) -> None:
    block, tokens, near = case
    rng = np.random.default_rng(7)
    for radius in _RADII:
        found = near.bound(radius)
        reached = reached_ratio(block, tokens, radius, steps=4)
        room = radius * np.linalg.norm(tokens, axis=1, keepdims=True)
        for _ in range(20):
            change = rng.standard_normal(tokens.shape)
            change *= room * (1 - 1e-12) / np.linalg.norm(change, axis=1, keepdims=True)
            reached = max(reached, _ratio(block, tokens + change))
        assert found.ratio <= reached * (1 + 1e-7), "the given tokens are in the ball"
        assert reached <= found.bound
        assert reached <= found.saturation


def test_it_tends_to_the_measured_ratio(case: tuple[Block, Floats, Neighbourhood]) -> None:
    block, tokens, near = case
    found = near.bound(1e-9)
    measured = _ratio(block, tokens)
    assert measured <= found.bound <= measured * (1 + 1e-6)
    assert 1 <= near.bound(1e-5).factor <= near.bound(1e-4).factor <= near.bound(1e-3).factor


def test_its_slope_is_reached_at_small_radii(case: tuple[Block, Floats, Neighbourhood]) -> None:
    block, tokens, near = case
    radius = 1e-5
    found, reached = near.bound(radius), reached_ratio(block, tokens, radius, steps=4)
    assert (found.bound - reached) < 0.05 * (found.bound - found.ratio)


def test_a_ball_that_holds_consensus_has_no_bound() -> None:
    block, tokens = _block(0), _tokens(0)
    found = local_bound(block, tokens, 1.0)
    assert not found.applies
    assert not found.contracts
    assert found.bound == found.saturation == float("inf")


def test_contraction_is_said_only_below_one() -> None:
    parts = dict.fromkeys(("first", "attention", "second", "mixed", "third", "square"), 0.0)
    for bound, proved in ((0.999, True), (1.0, False), (float("inf"), False)):
        found = LocalBound(radius=0.1, ratio=0.9, bound=bound, saturation=2.0, **parts)
        assert found.contracts is proved


@pytest.mark.parametrize("radius", [0.0, -1e-3, float("nan"), float("inf"), 1e-13])
def test_a_radius_that_is_none_is_refused(radius: float) -> None:
    near = neighbourhood(_block(0), _tokens(0))
    with pytest.raises(InputError, match="radius must be a positive number"):
        near.bound(radius)
    with pytest.raises(InputError, match="radius"):
        reached_ratio(_block(0), _tokens(0), min(radius, 0.0) if radius < 1 else radius)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (_block(0, placement="pre"), "placed 'pre'"),
        (_block(0, feed_forward=False), "without a feed-forward"),
        (_block(0, gated=True), "with a gate"),
        (_block(0, activation="silu"), "'silu'"),
        (_block(0, residual=0.5), "scaled residuals"),
        (_block(0, tau=2.0), "a scaled or fixed std"),
        (replace(_block(0), norm_2=Norm("none")), "without norms"),
        (
            replace(_block(0), attention=replace(_block(0).attention, query=None, query_bias=None)),
            "without query",
        ),
    ],
)
def test_blocks_of_another_kind_are_refused_by_name(block: Block, words: str) -> None:
    with pytest.raises(InputError, match=words):
        neighbourhood(block, _tokens(0))


def test_batches_single_tokens_and_what_is_not_finite_are_refused() -> None:
    block, tokens = _block(0), _tokens(0)
    with pytest.raises(InputError, match="those of one text"):
        neighbourhood(block, tokens[None])
    with pytest.raises(InputError, match="at least 2"):
        neighbourhood(block, tokens[:1])
    with pytest.raises(InputError, match="finite"):
        neighbourhood(block, np.full_like(tokens, np.nan))


def test_tokens_that_are_all_alike_have_no_ratio() -> None:
    with pytest.raises(InputError, match="tokens must not be all alike"):
        neighbourhood(_block(0), np.ones((4, 1)) * _tokens(0)[:1])


def test_token_by_token_the_square_is_bounded_more_loosely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So it is done where the whole Jacobian would not fit into memory."""
    block, tokens = _block(0), _tokens(0)
    near = neighbourhood(block, tokens)
    monkeypatch.setattr("theory.local.bound._WHOLE", 1)
    far = neighbourhood(block, tokens)
    assert near.whole <= far.whole <= 4 * near.whole
    assert near.bound(1e-3).bound <= far.bound(1e-3).bound
