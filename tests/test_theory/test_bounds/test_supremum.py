"""The bound on v over all tokens that can still come, tried on stacks that are iterated."""

from dataclasses import replace
from itertools import product

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.helpers.blocks import Floats, random_block, random_tokens
from tests.helpers.exact_block import block_step, rows_of
from tests.helpers.plain_block import block_output
from tests.helpers.planted_stacks import PLANTED, TWO, attention, feed_forward
from tests.helpers.tied_stacks import TiedStack, draw_tied_stack
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.bounds.balls import Change, shortest, through_norm
from theory.bounds.coefficients import block_coefficients, weight_norms
from theory.bounds.couplings import largest_couplings, worst_root
from theory.bounds.implications import Convergence, convergence
from theory.bounds.supremum import Suprema, suprema
from theory.graphs.masks import causal_mask
from theory.graphs.stochastic import dobrushin_coefficient
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import relative_distance
from theory.spectra.norms import coupling

pytestmark = pytest.mark.once

LAYERS = 64
CLOSE = 1e-9  # float64 iterates beside bounds on exact ones: a few thousand eps of their sizes


def _v(block: Block, tokens: Floats, mask: NDArray[np.bool_] | None) -> tuple[float, float, float]:
    found = block_coefficients(block, apply_block(block, tokens, mask=mask))
    return float(found.v), float(found.v_sharp), float(found.v_diameter)


def _implied(stack: TiedStack) -> tuple[Suprema, Convergence]:
    found = suprema(stack.block, len(stack.tokens), mask=stack.mask)
    return found, convergence(found)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_stack_gets_the_verdict_that_its_tokens_obey(name: str) -> None:
    planted = PLANTED[name]
    rng = np.random.default_rng(0)
    tokens = planted.scale * rng.standard_normal(
        (planted.n, planted.block.attention.value.shape[-1])
    )
    assert (_v(planted.block, tokens, planted.mask)[0] < 1) == planted.tempts
    for _ in range(200):
        tokens = block_output(planted.block, tokens, planted.mask)
    apart = float(relative_distance(tokens))
    assert apart == pytest.approx(planted.apart, abs=5e-4), "the plant is another one"
    _, implied = _implied(TiedStack(planted.block, planted.mask, tokens))
    assert (implied.distance, implied.alike) == (planted.distance, planted.alike)
    if planted.bound is None:
        assert implied.bound is None
    else:
        assert implied.bound == pytest.approx(planted.bound, rel=5e-3)


def _follow(seed: int) -> tuple[bool, bool] | None:
    """Iterate a stack and hold every bound against what comes; None if it refuses its tokens."""
    stack = draw_tied_stack(seed)
    block, mask, tokens = stack
    found, implied = _implied(stack)
    yes, alike = implied.distance == "yes", implied.alike == "yes"
    started = False
    with np.errstate(all="ignore"):
        for layer in range(LAYERS):
            spread = token_diameter if implied.form == "v diameter" else consensus_distance
            before = float(spread(tokens))
            try:
                read = _v(block, tokens, mask) if layer in (0, 1, 4) else (0.0, 0.0, 0.0)
            except InputError:  # a std of zero
                return (yes, alike) if started else None
            started = True
            tokens = block_output(block, tokens, mask)
            size = float(np.linalg.norm(tokens))
            if not np.isfinite(size):
                return yes, alike
            for at in found.bounds:
                if at.after > layer:
                    break
                for v, most in zip(read, (at.v, at.v_sharp, at.v_diameter), strict=True):
                    assert v <= most * (1 + CLOSE), "a form of v escapes its bound"
                far = np.linalg.norm(tokens - at.ball.centre, axis=1).max()
                assert far <= at.ball.radius * (1 + CLOSE) + CLOSE * (1 + size), (
                    "a token is outside"
                )
                assert np.linalg.norm(tokens, axis=1).min() >= at.least * (1 - CLOSE)
            after = float(np.linalg.norm(tokens - tokens.mean(axis=0)))
            if implied.distance == "yes" and layer >= (implied.after or 0):
                assert implied.bound is not None
                fallen = float(spread(tokens))
                assert fallen <= implied.bound * before * (1 + CLOSE) + 1e-12 * size
            if after <= 1e-13 * size or size < 1e-120:
                return yes, alike
        if alike and implied.bound is not None and implied.bound < 0.8:
            assert after <= 1e-2 * size, "alike was implied, and the tokens are not"
    return yes, alike


@pytest.mark.parametrize("part", range(4))
def test_no_yes_is_false(part: int) -> None:
    found = [_follow(seed) for seed in range(60 * part, 60 * (part + 1))]
    assert sum(each is not None and each[0] for each in found) > 10, "hardly any is implied"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(50))
def test_no_yes_of_ten_thousand_is_false(part: int) -> None:
    found = [_follow(seed) for seed in range(1000 + 200 * part, 1200 + 200 * part)]
    assert sum(each is not None and each[1] for each in found) > 30


@pytest.mark.parametrize("seed", [3, 8, 15, 21, 40, 56])
def test_climbing_on_the_first_tokens_stays_below_the_bound(seed: int) -> None:
    block, mask, tokens = draw_tied_stack(seed)
    bounds = suprema(block, len(tokens), mask=mask).bounds
    rng = np.random.default_rng(seed)

    def v_after(number: int, start: Floats, form: int) -> float:
        for _ in range(number):
            start = block_output(block, start, mask)
        try:
            return _v(block, start, mask)[form]
        except InputError:
            return 0.0

    with np.errstate(all="ignore"):
        for at, form in product(bounds[1:4], (1, 2)):
            best, climber, width = v_after(at.after, tokens, form), tokens, 1.0
            for _ in range(25):
                step = width * np.abs(climber).max() * rng.standard_normal(tokens.shape)
                height = v_after(at.after, climber + step, form)
                if height > best:
                    best, climber, width = height, climber + step, 1.3 * width
                else:
                    width *= 0.8
            assert best <= (at.v, at.v_sharp, at.v_diameter)[form] * (1 + CLOSE)


def test_the_bound_becomes_v_at_the_fixed_token() -> None:
    planted = PLANTED["biases of 10, causal, scores"]
    found = suprema(planted.block, 6, mask=planted.mask)
    tokens = np.zeros((6, 6)) + found.bounds[-1].ball.centre
    reached = _v(planted.block, tokens, planted.mask)[1]
    assert reached <= found.bounds[-1].v_sharp <= reached * (1 + 1e-6)


@pytest.mark.parametrize("name", ["biases of 3", "fixed sigma"])
def test_given_weights_are_bounded_as_they_stand(name: str) -> None:
    block = PLANTED[name].block
    walk = np.full((1, 6, 6), 1 / 6)
    given, own = (convergence(suprema(block, 6, adjacency=w)).bound for w in (walk, None))
    assert given == own
    rounded = walk.astype(np.float32).astype(np.float64)
    assert convergence(suprema(block, 6, adjacency=rounded)).distance == "yes"
    for wrong, word in ((2 * walk, "sum to one"), (walk - np.eye(6) / 3 + 1 / 18, "negative")):
        refused = convergence(suprema(block, 6, adjacency=wrong))
        assert (refused.distance, refused.bound) == ("not implied", None)
        assert word in refused.reason


def test_without_constants_the_theorem_is_named_only_where_it_speaks() -> None:
    plain, hub = PLANTED["large inputs, two components"].block, PLANTED["hub, no bias"]
    for mask in (None, causal_mask(3), TWO[:4, :4]):
        n = 3 if mask is None else len(mask)
        assert "docs/verdicts.md" in suprema(plain, n, mask=mask).obstacle
    small = Block(plain.attention, plain.feed_forward, Norm(eps=1e-5), Norm(eps=1e-5))
    assert "zero is a token" in suprema(small, 5, mask=hub.mask).obstacle
    for block, mask in (
        (hub.block, hub.mask),
        (plain, causal_mask(2)),
        (PLANTED["biases of 3"].block, None),
        (Block(attention(3 * np.eye(6)), None, Norm(eps=2.0)), None),
        (Block(attention(10 * np.eye(2))), None),
    ):
        assert not suprema(block, 3 if mask is None else len(mask), mask=mask).obstacle


@given(seed=st.integers(0, 9999))
def test_a_std_that_cancellation_spoils_is_below_the_exact_one(seed: int) -> None:
    """A gain of zero sends all tokens to the shift: the second ball is a point."""
    rng = np.random.default_rng(seed)
    shift = rng.standard_normal(6) * 10 ** rng.uniform(0, 8)
    value = rng.standard_normal((1, 6, 6))
    zero = np.zeros((1, 6, 6))
    bias = -(shift + shift @ value[0]) + 1e-7 * rng.standard_normal(6)
    block = Block(
        Attention(zero, zero, value, bias=bias), None, Norm(gain=np.zeros(6), shift=shift)
    )
    with mp.workdps(50):
        exact = block_step(block, rows_of([shift, shift])).std_1
        assert exact is not None
        least = min(exact)
    second = suprema(block, 2).bounds[1]
    assert second.sigma_1 is not None
    assert second.sigma_1.least <= least


@given(seed=st.integers(0, 9999), power=st.integers(0, 14))
def test_the_cap_of_a_point_holds_the_exact_token(seed: int, power: int) -> None:
    rng = np.random.default_rng(seed)
    centre = 10.0**power + rng.standard_normal(5)
    norm = Norm(gain=rng.uniform(0.5, 2, 5), shift=rng.standard_normal(5), tau=0.7)
    spread = 10.0 ** rng.uniform(-16, 0)
    point = centre + spread * rng.standard_normal(5) / 5
    ball = through_norm(norm, centre, float(np.linalg.norm(point - centre)), 0.0).ball
    nothing = Attention(None, None, np.zeros((1, 5, 5)))
    still = Block(nothing, None, norm)
    with mp.workdps(50):
        weights = replace(nothing, query=np.zeros((1, 5, 1)), key=np.zeros((1, 5, 1)))
        exact = block_step(replace(still, attention=weights), rows_of([point])).output[0]
        away = mp.sqrt(
            mp.fsum((x - mp.mpf(float(c))) ** 2 for x, c in zip(exact, ball.centre, strict=True))
        )
    assert away <= ball.radius


@given(seed=st.integers(0, 9999))
def test_no_sum_is_shorter_than_the_shortest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((2, 4, 4)) * 10 ** rng.uniform(-2, 0.5)
    centre, residual = 10 * rng.standard_normal(4), float(rng.choice([1, 0, -0.5]))
    change = Change(
        lambda e: maps @ e,
        lambda y: np.einsum("kpq,kp->q", maps, y),
        float(np.linalg.norm(maps, 2, axis=(-2, -1)).sum()),
        float(np.linalg.norm(maps, axis=(-2, -1)).sum()),
        6,
    )
    radius = float(rng.uniform(0, 2))
    norm = Norm(kind=rng.choice(["layer", "rms"]))
    least = shortest(norm, centre, 0.0, radius, residual, change)

    def unit() -> Floats:
        w = rng.standard_normal((3, 4))
        w[1:] += 3 * rng.standard_normal() * maps @ centre
        return np.asarray(radius * w / np.linalg.norm(w, axis=1, keepdims=True))

    for w in (unit() for _ in range(50)):
        z = centre + residual * w[0] + np.einsum("kpq,kp->q", maps, w[1:])
        z = z - z.mean() if norm.kind == "layer" else z
        assert least <= float(np.linalg.norm(z)) * (1 + 1e-12)


def test_rounding_leaves_no_shortest_where_only_rounding_is_left() -> None:
    """The centred part of the centre, some eps of it, is no length to be relied on."""
    centre = 1e8 * np.ones(4) + 1e-8 * np.asarray([1.0, -1, 2, -2])
    still = Change(lambda e: 0 * e[None], lambda y: 0 * y[0], 0.0, 0.0, 4)
    assert shortest(Norm(), centre, 0.0, 0.0, 1.0, still) == 0
    clear = 1e8 * np.ones(4) + np.asarray([1.0, -1, 2, -2])
    assert 0.99 * 10**0.5 < shortest(Norm(), clear, 0.0, 0.0, 1.0, still) < 10**0.5


@given(seed=st.integers(0, 9999))
def test_no_attention_in_the_ball_has_a_larger_root_or_tau(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, block = int(rng.integers(2, 7)), random_block(seed, feed_forward=False)
    tokens = random_tokens(seed, n, 6)
    mask = (rng.random((n, n)) < 0.6) | (np.eye(n) > 0)
    ball = suprema(PLANTED["biases of 3"].block, n).bounds[0].ball
    centre = tokens.mean(axis=0)
    around = replace(
        ball, centre=centre, radius=float(np.linalg.norm(tokens - centre, axis=1).max())
    )
    size = 10 ** rng.uniform(-2, 1)
    weights = replace(block.attention, scale=size)
    heads = apply_block(replace(block, attention=weights), tokens, mask=mask).adjacency
    bounds = largest_couplings(weights, around, n, mask=mask)
    assert (coupling(heads) <= bounds.roots).all()
    assert (bounds.roots <= worst_root(n)).all()
    assert (dobrushin_coefficient(heads) <= bounds.taus * (1 + n * 2.3e-16)).all()  # n roundings
    assert (bounds.taus <= 1).all()


def test_hard_attention_reaches_the_worst_root() -> None:
    for n in (2, 3, 4, 7):
        listens = np.zeros((1, n, n))
        listens[0, : n // 2, 0] = listens[0, n // 2 :, 1] = 1
        assert float(coupling(listens)[0]) == pytest.approx(worst_root(n), rel=1e-12)
        assert float(coupling(listens)[0]) <= worst_root(n)


def test_norms_that_are_given_change_nothing() -> None:
    listen = attention(0.5 * np.eye(6), bias=np.arange(6.0) * 5)
    block = Block(listen, feed_forward(np.arange(6.0) * 9))
    one, two = suprema(block, 4).bounds, suprema(block, 4, norms=weight_norms(block)).bounds
    assert [at.v for at in one] == [at.v for at in two]
    assert one[-1].v < 1
