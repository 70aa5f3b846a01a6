"""Simulations: far below round-off, by seed, by mask, and the std scale that LN forgets."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.centred.rollout import rollout
from simulations.instruments.simulation import ln_std_mode, simulate
from simulations.instruments.trace import Trace, trace_centred
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.graphs import mask_by_name
from simulations.stacks.stack import Stack
from tests.helpers.blocks import Floats
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.statements.instances import member

pytestmark = pytest.mark.once

SMALL = Stack(depth=5, tokens=6, width=12, heads=3, ffn_width=16)
# Attention that is seven times the residual: under full attention the differences between the
# tokens are what the residual keeps of them, about a seventh a block.
DEEP = Stack(
    depth=400,
    tokens=6,
    width=12,
    heads=2,
    ffn_width=16,
    weights="identity",
    tied=True,
    value_gain=6.0,
    ffn_gain=0.2,
)


def assert_finite(trace: Trace) -> None:
    for name, values in (*trace.tokens.items(), *trace.blocks.items()):
        if name == "saturation":  # a constant over d_M, which may be more than float64 has
            assert not np.isnan(values).any()
            tiny = trace.tokens["log10_distance"][:-1] < -300
            assert np.isfinite(values[~tiny]).all()
            continue
        assert np.all(np.isfinite(values)), name


# --- far below round-off ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "rms", "activation": "relu"},
        {"weights": "orthogonal", "ffn_width": 0},
        {"weights": "gaussian", "value_gain": 3.0, "residual": 0.3, "activation": "tanh"},
    ],
)
def test_a_deep_stack_goes_below_1e_300_without_nan_or_warning(options: dict[str, Any]) -> None:
    trace = simulate(replace(DEEP, **options), seeds=2)
    assert_finite(trace)
    logs = trace.tokens["log10_relative_distance"]
    assert logs[-1].max() < -300
    np.testing.assert_allclose(
        np.diff(trace.tokens["log10_distance"], axis=0),
        np.log10(trace.blocks["measured_ratio"]),
        atol=1e-11,
    )
    assert trace.inequality is not None
    assert np.all(trace.inequality == "holds")


def transverse_map(block: Block, token: Floats) -> Floats:
    """Return, by differences, what full attention makes of small steps between two tokens."""
    steps, size = np.eye(len(token)), 1e-5
    pairs = np.stack([token + size * steps, token - size * steps], axis=1)  # (d, 2, d)
    out = apply_block(block, pairs).output
    result: Floats = (out[:, 0] - out[:, 1]) / (2 * size)
    return result


def test_the_rate_at_1e_300_is_the_spectral_radius_of_the_map_between_tokens() -> None:
    tokens = draw_tokens(DEEP, seeds=range(3))
    states = [after for *_, after in rollout(draw_blocks(DEEP, seeds=range(3)), tokens)]
    assert states[-1].log_scale.max() < -300 * math.log(10)
    # The mean over 200 blocks: complex eigenvalues make the single ratios swing.
    rates = np.exp((states[-1].log_scale - states[199].log_scale) / 200)
    block = next(draw_blocks(DEEP, seeds=range(3)))
    for i in range(3):
        step = transverse_map(member(block, (i,)), states[-1].centre[i, 0])
        eigenvalues = np.linalg.eigvals(step)
        # A swing of a factor of ten over 200 blocks is one per cent of the rate.
        assert abs(rates[i] / np.abs(eigenvalues).max() - 1) < 0.01


@pytest.mark.parametrize("causal", [False, True])
def test_the_rate_of_tied_blocks_is_constant_in_the_far_tail(causal: bool) -> None:
    # The seeds are those whose slowest mode has a real eigenvalue well apart from the next.
    stack = replace(DEEP, weights="gaussian", value_gain=3.0, residual=0.3, width=16)
    if not causal:
        stack = replace(DEEP, weights="orthogonal", ffn_width=0, width=16)
    mask = np.tri(6, dtype=bool) if causal else None
    trace = simulate(stack, seed=12 if causal else 0, mask=mask)
    assert trace.tokens["log10_distance"][-1, 0] < (-100 if causal else -300)
    tail = trace.blocks["measured_ratio"][-100:, 0]
    assert tail[-1] < 1
    assert np.abs(tail / tail[-1] - 1).max() < 1e-6


def test_attention_alone_is_doubly_exponential() -> None:
    stack = replace(SMALL, ffn_width=0, residual=0.0, norm="none", initial="near-consensus")
    trace = simulate(replace(stack, depth=7), seeds=2)
    logs = trace.tokens["log10_relative_distance"]
    assert logs[5].max() < -300
    # Each block takes the distance to its third power, up to what the weights multiply by.
    growth = logs[3:6] / logs[2:5]
    assert np.all((growth > 2.7) & (growth < 3.3))
    assert np.all(np.isfinite(logs))


# --- seeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_a_run_does_not_depend_on_how_many_there_are(tied: bool) -> None:
    stack = replace(SMALL, tied=tied)
    together = simulate(stack, seeds=3, seed=5)
    for i in range(3):
        alone = simulate(stack, seeds=1, seed=5 + i)
        for both, one in ((together.tokens, alone.tokens), (together.blocks, alone.blocks)):
            for name, values in one.items():
                np.testing.assert_allclose(both[name][:, i], values[:, 0], rtol=1e-9, err_msg=name)


def test_a_simulation_is_the_trace_of_what_was_drawn() -> None:
    found = simulate(SMALL, seeds=2)
    wanted = trace_centred(draw_blocks(SMALL, seeds=range(2)), draw_tokens(SMALL, seeds=range(2)))
    assert found.depth == wanted.depth == 5
    for name, values in wanted.tokens.items():
        np.testing.assert_array_equal(found.tokens[name], values)
        assert values.shape == (6, 2)
    for name, values in wanted.blocks.items():
        np.testing.assert_array_equal(found.blocks[name], values)
        assert values.shape == (5, 2)


def test_a_deeper_stack_begins_as_the_shallower_one() -> None:
    one, two = simulate(SMALL), simulate(replace(SMALL, depth=8))
    for name, values in one.tokens.items():
        np.testing.assert_array_equal(two.tokens[name][:6], values)


@pytest.mark.parametrize("seeds", [0, -1])
def test_no_run_is_refused(seeds: int) -> None:
    with pytest.raises(InputError, match=f"seeds must be at least 1, but is {seeds}"):
        simulate(SMALL, seeds=seeds)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed must not be negative, but is -3"):
        simulate(SMALL, seed=-3)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((5, 5), dtype=bool), r"mask must have shape .*6, 6.*\(5, 5\)"),
        (np.ones((6, 6)), "mask must be boolean"),
        (np.zeros((6, 6), dtype=bool), "mask must leave every token at least one"),
    ],
)
def test_a_bad_mask_is_named(mask: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(SMALL, mask=mask)


def test_tokens_that_leave_the_range_are_refused_with_the_layer() -> None:
    stack = replace(SMALL, norm="none", value_gain=1e90, depth=8)
    with pytest.raises(InputError, match=r"at layer \d: the tokens left the range of float64"):
        simulate(stack)


# --- the std scale is a score temperature ----------------------------------------------------


@pytest.mark.parametrize("tau", [0.25, 3.0])
@pytest.mark.parametrize("causal", [False, True])
def test_tau_is_a_temperature_of_the_scores_where_all_else_is_homogeneous(
    tau: float, causal: bool
) -> None:
    stack = replace(SMALL, activation="relu", depth=12)
    mask = np.tri(6, dtype=bool) if causal else None
    tokens = draw_tokens(stack, seeds=range(2))
    cool = replace(stack, score_gain=tau**-2)
    one = trace_centred(draw_blocks(cool, seeds=range(2)), tokens, mask=mask)
    scaled = replace(stack, tau=tau)
    two = trace_centred(draw_blocks(scaled, seeds=range(2)), tokens / tau, mask=mask)
    np.testing.assert_allclose(
        one.tokens["relative_distance"], two.tokens["relative_distance"], rtol=1e-9
    )
    np.testing.assert_allclose(one.tokens["distance"], tau * two.tokens["distance"], rtol=1e-9)
    np.testing.assert_allclose(one.blocks["v"], two.blocks["v"], rtol=1e-9)


def test_tau_matters_where_something_is_not_homogeneous() -> None:
    plain = replace(SMALL, activation="relu", bias_std=0.5)
    tokens = draw_tokens(plain, seeds=range(1))
    cool = replace(plain, score_gain=1 / 9)
    one = trace_centred(draw_blocks(cool, seeds=range(1)), tokens)
    two = trace_centred(draw_blocks(replace(plain, tau=3.0), seeds=range(1)), tokens / 3)
    gap = one.tokens["relative_distance"][-1] - two.tokens["relative_distance"][-1]
    assert np.abs(gap).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "true"),
        ({"score_gain": 3.0}, "true"),
        ({"tau": 2.0}, "tau"),
        ({"fixed_std": 2.0}, "fixed"),
        ({"value_gain": 2.0}, "driven"),
        ({"ffn_gain": 0.5}, "driven"),
        ({"norm_gain": 2.0}, "driven"),
        ({"residual": 0.5}, "driven"),
        ({"bias_std": 0.1}, "driven"),
        ({"tau": 2.0, "value_gain": 2.0}, "tau"),
        ({"fixed_std": 2.0, "tau": 3.0}, "fixed"),
        ({"norm": "none", "value_gain": 2.0}, "none"),
    ],
)
def test_the_mode_of_the_std_is_named(options: dict[str, Any], mode: str) -> None:
    assert ln_std_mode(replace(Stack(), **options)) == mode


def test_a_mask_goes_to_the_backend_of_the_run() -> None:
    pytest.importorskip("torch")
    mask = mask_by_name("causal", 6)
    one, two = simulate(SMALL, mask=mask), simulate(SMALL, mask=mask, on=backend("torch"))
    np.testing.assert_allclose(one.tokens["distance"], two.tokens["distance"], rtol=1e-9)
