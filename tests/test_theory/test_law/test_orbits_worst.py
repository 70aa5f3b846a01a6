"""An attractor is kept only if it attracts, closes, and is where the orbit was going."""

from unittest import mock

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.law import orbits
from theory.law.orbits import (
    Matrix,
    find_attractor,
    host_block,
    host_token,
    is_homogeneous,
)
from theory.law.synchronised import synchronised_step

NO_NORM = Norm(kind="none")


def scalar(slope: float, out: float, bias: float = 0.0, *, residual: float = 0.0) -> Block:
    """Return x -> residual x + out tanh(slope x + bias), of one feature; attention passes on."""
    ffn = FeedForward(
        np.asarray([[slope]]), np.asarray([[out]]), np.asarray([bias]), activation="tanh"
    )
    value = np.full((1, 1, 1), 1.0 - residual)
    return Block(Attention(None, None, value), ffn, NO_NORM, NO_NORM, residual=residual)


def linear(value: object, *, residual: float = 0.0) -> Block:
    matrix = np.asarray(value, dtype=float)[None]
    return Block(Attention(None, None, matrix), norm_1=NO_NORM, residual=residual)


def test_a_point_that_repels_is_no_attractor_though_the_orbit_stands_on_it() -> None:
    assert find_attractor(scalar(2.0, 1.0), np.zeros(1), most_steps=200) is None
    calm = find_attractor(scalar(0.5, 1.0), np.zeros(1), most_steps=200)
    assert calm is not None
    assert calm.points == 0
    assert calm.residual == 0


def test_an_orbit_far_from_its_goal_is_polished_onto_it() -> None:
    for block in (scalar(1.2, 1.0), scalar(0.99, 1.0, 0.01)):
        found = find_attractor(block, np.asarray([0.5]))
        assert found is not None
        assert found.period == 1
        assert found.growth == 1
        ffn = block.feed_forward
        assert ffn is not None
        point = float(found.points[0, 0])
        assert ffn.bias_in is not None
        back = np.tanh(ffn.weight_in[0, 0] * point + ffn.bias_in[0])
        assert back == pytest.approx(point, rel=1e-13)
        assert found.residual <= 1e3 * 2.0**-52


def test_a_cycle_has_the_least_period() -> None:
    found = find_attractor(scalar(2.0, -1.0), np.asarray([0.5]))
    assert found is not None
    assert found.period == 2
    np.testing.assert_allclose(found.points[0], -found.points[1], rtol=1e-12)
    turn = 2 * np.pi / 5
    matrix = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    five = find_attractor(linear(matrix), np.asarray([1.0, 2.0]))
    assert five is not None
    assert five.period == 5
    sizes = np.linalg.norm(five.points, axis=-1)
    np.testing.assert_allclose(sizes, 1, rtol=1e-12)
    step = five.points @ np.asarray(matrix)
    np.testing.assert_allclose(step, np.roll(five.points, -1, axis=0), atol=1e-12)
    assert find_attractor(linear(matrix), np.asarray([1.0, 2.0]), longest=4) is None
    assert find_attractor(linear(matrix), np.asarray([1.0, 2.0]), longest=5) is not None


def test_a_period_at_the_end_of_what_is_remembered_is_found() -> None:
    turn = 2 * np.pi / 24
    matrix = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    found = find_attractor(linear(matrix), np.asarray([1.0, 0.0]))
    assert found is not None
    assert found.period == 24


def test_the_orbit_is_looked_at_after_64_layers_and_ever_more_seldom() -> None:
    turn = np.asarray([[0.0, 1.0], [-1.0, 0.0]])
    assert find_attractor(linear(turn), np.asarray([1.0, 0.0]), most_steps=63) is None
    assert find_attractor(linear(turn), np.asarray([1.0, 0.0]), most_steps=64) is not None
    # At 64 layers the slow mode is 1 % of the token; at 128 it is near enough for Newton.
    slow = linear(np.diag([1.0, 0.93]))
    near = find_attractor(slow, np.asarray([1.0, 1.0]), most_steps=64)
    later = find_attractor(slow, np.asarray([1.0, 1.0]), most_steps=128)
    assert later is not None
    np.testing.assert_allclose(np.abs(later.points), [[1.0, 0.0]], atol=1e-12)
    assert near is None or np.allclose(near.points, later.points)


def test_directions_are_followed_where_nothing_has_a_scale() -> None:
    found = find_attractor(linear(np.diag([3.0, 1.0])), np.asarray([0.1, 5.0]))
    assert found is not None
    np.testing.assert_allclose(found.points, [[1.0, 0.0]], atol=1e-14)
    assert found.growth == pytest.approx(3.0)
    flips = find_attractor(linear(np.diag([-3.0, 1.0])), np.asarray([0.1, 5.0]))
    assert flips is not None
    assert flips.period == 2
    assert flips.growth == pytest.approx(3.0)
    swap = find_attractor(linear([[0.0, 4.0], [1.0, 0.0]]), np.asarray([0.6, 0.8]))
    assert swap is not None
    assert swap.period == 2
    assert swap.growth == pytest.approx(2.0)
    repelling = find_attractor(linear(np.diag([3.0, 1.0])), np.asarray([0.0, 1.0]), most_steps=300)
    assert repelling is None
    marginal = find_attractor(linear(np.eye(2)), np.asarray([0.3, 0.4]))
    assert marginal is not None  # every direction stays where it is
    np.testing.assert_allclose(marginal.points, [[0.6, 0.8]])


@pytest.mark.parametrize("period", [3, 4, 5, 7, 8, 11, 12])
def test_rounding_that_makes_a_neutral_slope_repel_is_forgiven(period: int) -> None:
    turn = 2 * np.pi / period
    matrix = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    found = find_attractor(linear(matrix), np.asarray([1.0, 0.3]), most_steps=64)
    assert found is not None
    assert found.period == period


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 5])
def test_a_block_of_several_features_settles_to_rounding(seed: int) -> None:
    block = random_block(seed, d=6, weight=0.3, tau=0.01)
    found = find_attractor(block, random_tokens(seed, 6))
    assert found is not None
    here = found.points[0]
    for _ in range(found.period):
        here = synchronised_step(block, here)
    size = np.linalg.norm(here)
    missed = np.linalg.norm(here - found.points[0]) / size
    assert missed <= 1e3 * 2.0**-52 * found.period * 6**0.5
    assert found.residual <= 3e-15 * found.period * 6**0.5
    assert size > 100
    assert abs(found.residual - missed) <= 0.5 * missed + 1e-17


def test_the_orbit_is_compared_with_its_past_after_powers_of_two_then_every_500() -> None:
    lengths: list[int] = []
    layers = 0

    def seen(_layer: object, past: list[object]) -> None:
        lengths.append(layers)
        assert len(past) == 5

    class Counted(orbits._Map):
        def step(self, token: Matrix) -> Matrix:
            nonlocal layers
            layers += 1
            return token

    with mock.patch.multiple(orbits, _polish=seen, _Map=Counted):
        find_attractor(scalar(1.0, 1.0), np.ones(1), most_steps=2100, longest=4)
    assert lengths == [64, 128, 256, 512, 1012, 1512, 2012]


def test_an_orbit_that_never_closes_has_none() -> None:
    matrix = [[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]]
    assert find_attractor(linear(matrix), np.asarray([1.0, 0.0]), most_steps=300) is None


def test_a_near_return_that_newton_takes_elsewhere_is_refused() -> None:
    """The orbit creeps past where a fixed point has just vanished: back within 1e-3, not at it."""
    block = scalar(1.0, 1.0, 0.0)
    ffn = FeedForward(
        np.asarray([[1.0]]), np.asarray([[1.0]]), np.asarray([0.0]), np.asarray([0.0002]), "tanh"
    )
    moved = Block(block.attention, ffn, NO_NORM, NO_NORM, residual=0.0)
    found = find_attractor(moved, np.asarray([-1.0]), most_steps=64)
    if found is not None:
        point = float(found.points[0, 0])
        assert np.tanh(point) + 0.0002 == pytest.approx(point, abs=1e-14)
        orbit = -1.0
        for _ in range(64):
            orbit = np.tanh(orbit) + 0.0002
        assert abs(point - orbit) <= 0.05 * abs(orbit)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"bias": np.ones(2)}, False),
        ({"norm": Norm()}, False),
        ({"norm": Norm(fixed_std=2.0)}, True),
        ({"norm": Norm(fixed_std=2.0, shift=np.ones(2))}, False),
        ({"activation": "relu"}, True),
        ({"activation": "identity"}, True),
        ({"activation": "gelu"}, False),
        ({"activation": "relu", "bias_in": np.ones(2)}, False),
        ({"activation": "relu", "bias_out": np.ones(2)}, False),
    ],
)
def test_what_has_a_scale(changes: dict[str, object], wanted: bool) -> None:
    given: dict[str, object] = dict(changes)
    attention = Attention(None, None, np.eye(2)[None], bias=given.get("bias"))
    ffn = None
    if "activation" in given:
        ffn = FeedForward(
            np.eye(2),
            np.eye(2),
            given.get("bias_in"),
            given.get("bias_out"),
            activation=str(given["activation"]),
        )
    which = given.get("norm", NO_NORM)
    assert isinstance(which, Norm)
    block = Block(attention, ffn, which, which)
    assert is_homogeneous(block) == wanted


def test_one_network_and_one_token_are_taken_and_others_refused() -> None:
    batched = Block(Attention(None, None, np.ones((1, 1, 2, 2))), norm_1=NO_NORM)
    assert host_block(batched).attention.value.shape == (1, 2, 2)
    two = Block(Attention(None, None, np.ones((2, 1, 2, 2))), norm_1=NO_NORM)
    with pytest.raises(InputError, match="batch axes"):
        host_block(two)
    assert host_token(np.ones((1, 3), dtype=np.float32)).shape == (3,)
    assert host_token(np.ones(1)).shape == (1,)
    for bad in (np.ones((2, 3)), np.ones(())):
        with pytest.raises(InputError, match="one token"):
            host_token(bad)
    with pytest.raises(InputError, match="finite"):
        host_token(np.asarray([np.nan]))


def test_tokens_that_vanish_or_leave_the_range_are_named() -> None:
    with pytest.raises(InputError, match="became zero"):
        find_attractor(linear([[0.0, 1.0], [0.0, 0.0]]), np.asarray([1.0, 1.0]))
    growing = Block(
        Attention(None, None, np.full((1, 1, 1), 1e9), bias=np.ones(1)),
        norm_1=NO_NORM,
        residual=0.0,
    )
    with pytest.raises(InputError, match="left the range"):
        find_attractor(growing, np.ones(1))
