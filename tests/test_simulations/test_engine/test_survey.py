"""Are the survey's readings those of the plain rollout within rounding?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.engine.draws import Draws
from simulations.engine.scales import cell_scales
from simulations.engine.step import step
from simulations.engine.surveys import QUANTITIES, grid, survey
from simulations.instruments.trace import trace_blocks
from simulations.machine.backends import backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from tests.test_simulations.helpers.surveys import BLOCK_NAMES, SEEDS, SMALL, TOKEN_NAMES, worst
from theory.arrays import Array, eps
from theory.blocks.activations import activation
from theory.blocks.forward import apply_block
from theory.blocks.weights import PLACEMENTS, Block, BlockStep
from theory.bounds.coefficients import block_coefficients, compose, weight_norms
from theory.bounds.rounding import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    exactly,
    weight_errors,
)
from theory.graphs.masks import causal_mask
from theory.magnitude import frobenius_norm
from theory.spectra.norms import coupling

AXES: dict[str, list[float | None]] = {
    "value_gain": [1.0, -0.4],
    "ffn_gain": [1.0, 2.0],
    "score_gain": [1.0, 3.0],
    "tau": [1.0, 0.5],
    "fixed_std": [None, 1.5],
    "residual": [1.0, 0.3],
    "norm_gain": [1.0, 0.7],
    "bias_std": [0.0, 0.2],
}


def allowance(block: Block, tokens: Array, plain: BlockStep) -> Array:
    """Bound the rounding error of one post-LN block, that of its attention weights included.

    A score is off by at most (2 d + k + 4) eps of the lengths that go into it, taken as the
    Frobenius norms of tokens, query and key, and scale; the softmax doubles that as a relative
    error of every weight, and adds n + 4 roundings. Then the stages as in the block theorem.
    """
    attention, ffn = block.attention, block.feed_forward
    assert attention.query is not None
    assert attention.key is not None
    assert ffn is not None
    d, k = attention.query.shape[-2:]
    n, unit, shape = tokens.shape[-2], eps(tokens), tuple(tokens.shape)
    longest = np.sqrt(np.max(np.sum(tokens * tokens, axis=-1), axis=-1))[..., None]
    lengths = longest**2 * frobenius_norm(attention.query) * frobenius_norm(attention.key)
    score = (2 * d + k + 4) * unit * np.abs(attention.score_scale) * lengths
    off = (2 * score + (n + 4) * unit) * frobenius_norm(plain.adjacency)
    value = frobenius_norm(attention.value)
    if attention.output is not None:
        value = value * frobenius_norm(attention.output)
    weights = weight_errors(attention, ffn)
    start = exactly(tokens)
    change = after_attention(attention, plain.adjacency, start, weights)
    change = Running(change.error + np.sum(off * value, axis=-1) * start.size, change.size)
    stream = after_sum(start, change, factor=block.residual, like=tokens)
    stream = after_norm(block.norm_1, plain.std_1, stream, shape=shape)
    change = after_feed_forward(ffn, stream, weights, tokens=n)
    stream = after_sum(stream, change, factor=block.residual, like=tokens)
    return after_norm(block.norm_2, plain.std_2, stream, shape=shape).error


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_layer_is_that_of_theory_within_a_derived_bound(
    activation: str, dtype: str, masked: bool
) -> None:
    on, mask = backend(dtype=dtype), causal_mask(SMALL.tokens) if masked else None
    cells = grid(replace(SMALL, activation=activation), **AXES)[::5]
    tokens = on.move(draw_tokens(SMALL, seeds=SEEDS))
    state = np.stack([tokens] * len(cells), axis=1)
    draws, by = Draws(cells[0], seeds=SEEDS, on=on), cell_scales(cells, on=on)
    plain = [draw_blocks(cell, seeds=SEEDS) for cell in cells]
    for layer in range(2):
        weights = draws.part(layer, slice(0, len(SEEDS)))
        after = step(cells[0], weights, by, state, mask)
        for c in range(len(cells)):
            block = on.move(next(plain[c]))
            want = apply_block(block, state[:, c], mask=mask)
            allowed = 2 * allowance(block, state[:, c], want)  # either may err by as much
            gap = frobenius_norm(after.tokens[:, c] - want.output)
            assert (gap <= allowed).all()
            if dtype == "float64":
                assert (allowed < 1e-6 * frobenius_norm(want.output)).all(), "else it says nothing"
        state = after.tokens


GATED = {"gated": True, "activation": "silu", "residual_attention": 0.8}


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    "changes",
    [{"norm": "layer"}, {"norm": "rms"}, {**GATED, "norm": "rms"}, {**GATED, "residual_ffn": 0.6}],
)
def test_every_reading_is_that_of_the_plain_trace(placement: Any, changes: dict[str, Any]) -> None:
    stack = (
        replace(SMALL, **changes)
        if placement != "parallel"
        else replace(
            SMALL, placement=placement, **{k: v for k, v in changes.items() if "residual" not in k}
        )
    )
    stack = replace(stack, placement=placement)
    own = {"residual"} if stack.residual_ffn is not None else set()
    axes = {name: values for name, values in AXES.items() if name not in own}
    cells = grid(stack, **axes)[:: 37 if not own else 19]
    mask = causal_mask(stack.tokens)
    found = survey(cells, seeds=SEEDS, mask=mask, quantities=QUANTITIES)
    for c, cell in enumerate(cells):
        tokens, blocks = draw_tokens(cell, seeds=SEEDS), draw_blocks(cell, seeds=SEEDS)
        plain = trace_blocks(blocks, tokens, mask=mask)
        here = {name: values[:, c] for name, values in found.tokens.items()}
        names = TOKEN_NAMES | {"effective_rank"}
        assert worst(here, plain.tokens, names) < 1e-9
        here = {name: values[:, c] for name, values in found.blocks.items()}
        assert worst(here, plain.blocks, BLOCK_NAMES) < 1e-9
        slack = 1 + 1e-9
        for name in ("lambda", "s"):
            assert (here[f"{name}_lower"] <= plain.blocks[name] * slack).all()
            assert (plain.blocks[name] <= here[f"{name}_upper"] * slack).all()
            assert (here[f"{name}_upper"] <= 1.0202 * here[f"{name}_lower"]).all()
        # A gated v sharp has one constant for all hidden features, not one for each.
        flat = np.inf if stack.gated else 1.5
        for name, width in (("v", 1.1), ("v_sharp", flat), ("v_diameter", flat)):
            assert (plain.blocks[name] <= here[name] * slack).all()
            assert (here[name] <= width * plain.blocks[name]).all()
        assert (here["measured_ratio"] <= here["v_sharp"] * slack).all()
        assert (here["diameter_ratio"] <= here["v_diameter"] * slack).all()
        assert ("saturation" in here) == (placement == "post" and cell.norm != "none")
        if "saturation" in here and cell.fixed_std is None:
            assert (here["measured_ratio"] <= here["saturation"] * slack).all()


def _flat_factors(block: Block, step: BlockStep) -> tuple[Array, Array]:
    """Return the factors of both sublayers, with every weight's norm and the largest peaks."""
    ffn, norms = block.feed_forward, weight_norms(block)
    assert ffn is not None
    c = activation(ffn.activation).lipschitz
    both: tuple[Any, Any] = (step.gate, step.hidden)
    gate, hidden = (np.abs(factor).max(axis=(-2, -1)) for factor in both)
    assert norms.ffn_gate is not None
    inner = gate * norms.ffn_in + c * hidden * norms.ffn_gate
    return (coupling(step.adjacency) * norms.value).sum(axis=-1), norms.ffn_out * inner


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gated_cell_has_the_peaks_of_its_own_tokens(dtype: str) -> None:
    # One head: of several only the largest lambda is known to the tolerance.
    one = replace(SMALL, gated=True, placement="pre", heads=1)
    cells = grid(one, value_gain=[0.2, 1.0, 3.0])
    found = survey(cells, seeds=SEEDS, on=backend(dtype=dtype), tolerance=1e-5)
    close = 1e-3 if dtype == "float32" else 1e-4  # brackets of s to 1e-5, in products of three
    for c, cell in enumerate(cells):
        tokens = draw_tokens(cell, seeds=SEEDS)
        for layer, block in enumerate(draw_blocks(cell, seeds=SEEDS)):
            step = apply_block(block, tokens)
            plain = block_coefficients(block, step)
            np.testing.assert_allclose(found.blocks["v"][layer, c], plain.v, rtol=close)
            flat = compose(block, step, *_flat_factors(block, step))
            np.testing.assert_allclose(found.blocks["v_sharp"][layer, c], flat, rtol=close)
            assert (plain.v_sharp <= flat * (1 + 1e-12)).all()
            tokens = step.output


def test_a_stack_of_attention_alone_can_be_surveyed() -> None:
    stack = replace(SMALL, ffn_width=0)
    found = survey([stack], seeds=SEEDS)
    plain = trace_blocks(draw_blocks(stack, seeds=SEEDS), draw_tokens(stack, seeds=SEEDS))
    here = {name: values[:, 0] for name, values in found.blocks.items()}
    assert worst(here, plain.blocks, {"sigma_1", "measured_ratio"}) < 1e-9
    assert "sigma_2" not in here
    assert (plain.blocks["v"] <= here["v"] * (1 + 1e-9)).all()


def test_large_scores_take_the_shifted_softmax() -> None:
    cell = replace(SMALL, score_gain=1e4)
    found = survey([cell], seeds=SEEDS)
    plain = trace_blocks(draw_blocks(cell, seeds=SEEDS), draw_tokens(cell, seeds=SEEDS))
    here = {name: values[:1, 0] for name, values in found.blocks.items()}
    assert found.complete.all()
    first = {name: values[:1] for name, values in plain.blocks.items()}
    assert worst(here, first, {"sigma_1"}) < 1e-9
