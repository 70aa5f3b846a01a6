"""Centred coordinates under large offsets and biases, at tiny scales and in single precision."""

import math
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from simulations.centred.maps import Centred, feed_forward_centred, from_tokens
from simulations.centred.rollout import centred_block, rollout
from simulations.instruments.simulation import simulate
from simulations.instruments.trace import trace_blocks, trace_centred
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import PLACEMENTS, Floats, random_block, random_tokens
from tests.helpers.exact_block import FUNCTIONS
from theory.arrays import InputError
from theory.blocks.activations import ACTIVATIONS
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward

D = 8
EPS = 2.0**-52
NONE = Norm(kind="none")
SILENT = Attention(np.zeros((1, D, 1)), np.zeros((1, D, 1)), np.zeros((1, D, D)))


def opposites(seed: int, members: int) -> Floats:
    """Return pairs of opposite tokens without a mean feature, which norms may stretch by v."""
    x = random_tokens(seed, members, 1, D)
    x -= x.mean(axis=-1, keepdims=True)
    return np.concatenate([x, -x], axis=-2)


# --- large centres ---------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [1.0, 1.37])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e9])
def test_an_offset_of_all_features_refutes_nothing_and_agrees_with_plain_tokens(
    offset: float, residual: float
) -> None:
    block = Block(SILENT, residual=residual)
    for tokens in (opposites(0, 300), random_tokens(1, 300, 2, D)):
        found, plain = (trace([block], offset + tokens) for trace in (trace_centred, trace_blocks))
        assert found.inequality is not None
        assert np.all(found.inequality == "holds")
        assert np.all(found.blocks["rounding"] < 1e-11 * found.blocks["v"])
        close = 1e-12 + 100 * EPS * offset
        for name in ("measured_ratio", "v"):
            np.testing.assert_allclose(found.blocks[name], plain.blocks[name], rtol=close)


@given(
    seed=st.integers(0, 999),
    offset=st.sampled_from((1e3, 1e6, 1e9)),
    placement=st.sampled_from(PLACEMENTS),
    spread=st.sampled_from((10.0, 1.0, 1e-2)),
)
def test_no_block_is_refuted_by_an_offset(
    seed: int, offset: float, placement: Any, spread: float
) -> None:
    tokens = offset + spread * random_tokens(seed, 4, D)
    block = random_block(seed, d=D, placement=placement)
    found, plain = (trace([block], tokens) for trace in (trace_centred, trace_blocks))
    assert found.inequality is not None
    assert found.inequality.tolist() == ["holds"]
    least = float(tokens.std(axis=-1).min())
    np.testing.assert_allclose(
        found.blocks["measured_ratio"],
        plain.blocks["measured_ratio"],
        rtol=1e-9 + 1e4 * EPS * offset / least,
    )


SLOPES = {name: 0.0 if name == "tanh" else 1.0 for name in ACTIVATIONS}


@pytest.mark.parametrize("bias", [1e4, 1e5, 1e6, 1e7, 1e8])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_a_large_bias_leaves_the_slope_at_infinity(name: str, bias: float) -> None:
    for sign, slope in ((1.0, SLOPES[name]), (-1.0, 1.0 if name == "identity" else 0.0)):
        ffn = FeedForward(np.eye(D), np.eye(D), np.full(D, sign * bias), activation=name)
        block = Block(SILENT, ffn, norm_1=NONE, norm_2=NONE)
        trace = trace_centred([block], random_tokens(0, 30, 2, D))
        np.testing.assert_allclose(trace.blocks["measured_ratio"], 1 + slope, rtol=1e-14)
        assert trace.inequality is not None
        assert np.all(trace.inequality == "holds")


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@given(
    centre=st.floats(-40, 40) | st.floats(-1e9, 1e9) | st.floats(-1e-290, 1e-290),
    step=st.floats(-40, 40) | st.floats(-1e9, 1e9) | st.floats(-1e-3, 1e-3),
    log=st.sampled_from((0.0, 3.0, -3.0, -20.0, -200.0)),
)
def test_an_activation_keeps_the_digits_of_every_step(
    name: str, centre: float, step: float, log: float
) -> None:
    one = np.eye(1)
    state = Centred(np.full((1, 1), centre), np.full((1, 1), step), np.asarray(log))
    out, *_ = feed_forward_centred(FeedForward(one, one, activation=name), state)
    found = float(out.deviations[0, 0])
    with mp.workdps(350):
        c, t, phi = mp.mpf(centre), mp.exp(mp.mpf(log)), FUNCTIONS[name]
        wanted = (phi(c + t * mp.mpf(step)) - phi(c)) / t
        # The logarithms of t and c err by eps of themselves.
        allowed = (40 + 2 * (abs(log) + abs(math.log(abs(centre) or 1.0)))) * EPS
        assert abs(wanted - mp.mpf(found)) <= allowed * abs(step) + 1e-200


# --- tiny and huge scales --------------------------------------------------------------------

HOMOGENEOUS = Stack(
    depth=12,
    tokens=8,
    width=16,
    heads=2,
    ffn_width=16,
    activation="relu",
    fixed_std=1.0,
    score_gain=0.0,
    ffn_gain=0.25,
    value_gain=0.15,
    weights="orthogonal",
)


@pytest.mark.parametrize("power", [-100, -140, -155, -200, -270, -300])
def test_a_homogeneous_stack_gives_the_same_at_every_scale(power: int) -> None:
    seeds = range(3)
    blocks, tokens = (
        list(draw_blocks(HOMOGENEOUS, seeds=seeds)),
        draw_tokens(HOMOGENEOUS, seeds=seeds),
    )
    wanted, found = (trace_centred(blocks, scale * tokens) for scale in (1.0, 10.0**power))
    for name in ("log10_relative_distance", "log10_distance"):
        moved = power if name == "log10_distance" else 0
        np.testing.assert_allclose(found.tokens[name], wanted.tokens[name] + moved, atol=1e-10)
    np.testing.assert_allclose(
        found.blocks["measured_ratio"], wanted.blocks["measured_ratio"], rtol=1e-10
    )
    assert found.inequality is not None
    assert np.all(found.inequality == "holds")


@pytest.mark.parametrize("power", [-120, -104, -40, 40, 104])
def test_scores_do_not_care_how_scale_is_shared_between_tokens_and_queries(power: int) -> None:
    plain = random_block(0, d=D, kind="none", plain=True, feed_forward=False)
    attention, unit = plain.attention, 2.0 ** round(power * math.log2(10))
    assert attention.query is not None
    assert attention.key is not None
    scaled = replace(attention, query=attention.query / unit, key=attention.key / unit)
    tokens = random_tokens(3, 4, D)
    wanted, step = centred_block(plain, from_tokens(tokens))
    found, other = centred_block(replace(plain, attention=scaled), from_tokens(unit * tokens))
    np.testing.assert_allclose(other.adjacency, step.adjacency, atol=1e-12)
    np.testing.assert_allclose(found.deviations, wanted.deviations, atol=1e-12)
    np.testing.assert_allclose(
        found.log_scale, wanted.log_scale + math.log(unit), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("scale", [1e-310, 5e-324])
def test_the_norm_of_the_smallest_tokens_is_known_without_a_warning(scale: float) -> None:
    assert math.isclose(float(from_tokens(np.full((1, 1), scale)).log_norm), math.log(scale))
    assert float(from_tokens(np.zeros((3, 2))).log_norm) == -math.inf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tokens_that_underflow_are_named_with_the_layer(dtype: str) -> None:
    shrink = {"float32": 2.0**-40, "float64": 2.0**-300}[dtype]
    block = Block(SILENT, norm_1=NONE, residual=shrink)
    on = backend(dtype=dtype)
    with pytest.raises(InputError, match=rf"at layer 3: the tokens underflowed: .* {dtype}"):
        list(rollout([on.move(block)] * 9, on.move(random_tokens(0, 4, D))))
    with pytest.raises(InputError, match="at layer 3: the tokens underflowed"):
        trace_centred([on.move(block)] * 9, on.move(random_tokens(0, 4, D)))


def test_tokens_that_become_zero_are_named_with_the_layer() -> None:
    gone = Block(SILENT, norm_1=NONE, residual=0.0)
    with pytest.raises(InputError, match="at layer 0: the tokens underflowed"):
        trace_centred([gone], random_tokens(0, 4, D))


# --- single precision ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "identity", "tied": True, "value_gain": 6.0, "ffn_gain": 0.2},
        {"value_gain": 3.0, "residual": 0.3, "activation": "tanh"},
        {"norm": "rms", "activation": "relu"},
    ],
)
def test_single_precision_follows_double_far_below_its_own_range(options: dict[str, Any]) -> None:
    stack = Stack(depth=160, tokens=8, width=16, heads=2, ffn_width=16, **options)
    double = simulate(stack, seeds=1)
    single = simulate(stack, seeds=1, on=backend(dtype="float32"))
    logs = [trace.tokens["log10_distance"][:, 0] for trace in (double, single)]
    assert logs[0][-1] < -20
    blocks = single.blocks
    # Verdicts, and so their rounding, are float64; the bound is linear in eps: 2^29 for the run.
    rounding = blocks["rounding"][:, 0] * 2.0 ** (52 - 23)
    share = np.log10(1 + rounding / blocks["measured_ratio"][:, 0])
    allowed = np.concatenate([[1e-6], np.cumsum(share)])
    assert np.all(np.abs(logs[1] - logs[0]) <= allowed)
    # The allowance is a worst case; in fact a block moves the distance by a few dozen eps.
    assert np.abs(logs[1] - logs[0]).max() <= stack.depth * 64 * 2.0**-23
    assert single.inequality is not None
    assert np.all(single.inequality == "holds")
