"""What is known of a gated sublayer's constant: its peaks, its ends, and what rounding does."""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import PLACEMENTS, Floats, random_block, random_tokens
from tests.helpers.exact_block import FUNCTIONS, block_step, rows_of
from theory.blocks.activations import activation
from theory.blocks.forward import apply_block, feed_forward
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.bounds.block_rounding import coefficient_bounds
from theory.bounds.coefficients import WeightNorms, block_coefficients, weight_norms
from theory.bounds.gates import gate_lipschitz, gate_peaks
from theory.bounds.rounding import (
    WeightErrors,
    after_feed_forward,
    exactly,
    factor_errors,
    weight_errors,
)
from theory.magnitude import frobenius_norm

EPS = 2.0**-52
D = 6
ACTIVATIONS = st.sampled_from(sorted(FUNCTIONS))
NO_ERROR = WeightErrors(np.zeros(()), np.zeros(()))


def gated_ffn(seed: int, *, name: str = "silu", plain: bool = False) -> FeedForward:
    ffn = random_block(seed, gated=True, activation=name, plain=plain).feed_forward
    assert ffn is not None
    return ffn


# --- the peaks -------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_padding_of_any_size_leaves_the_peaks_alone(placement: Any) -> None:
    block = random_block(0, gated=True, placement=placement, kind="none")
    tokens = random_tokens(0, 5, D)
    tokens[3:] *= 1e6
    present = np.asarray([True, True, True, False, False])
    step = apply_block(block, tokens, mask=present[None, :])
    alone = apply_block(block, tokens[:3])
    for found, wanted in zip(gate_peaks(step, token_mask=present), gate_peaks(alone), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert all((peak > 1e3).any() for peak in gate_peaks(step)), "it would have shown"
    found = block_coefficients(block, step, token_mask=present)
    wanted = block_coefficients(block, alone)
    np.testing.assert_allclose(found.v, wanted.v, rtol=1e-10)
    np.testing.assert_allclose(found.v_sharp, wanted.v_sharp, rtol=1e-10)
    ends = coefficient_bounds(block, tokens, step, found, token_mask=present)
    assert ends.v_lower <= wanted.v <= ends.v_upper


@given(seed=st.integers(0, 999), name=ACTIVATIONS)
def test_no_two_tokens_are_torn_apart_faster_than_their_constant_says(seed: int, name: str) -> None:
    """With unit weights in and out, of every feature alone: |phi(g) u - phi(g') u'|."""
    rng = np.random.default_rng(seed)
    tokens, unit = rng.standard_normal((2, 1)) * 10 ** rng.uniform(-3, 1), np.ones((1, 1))
    sublayer = FeedForward(unit, unit, rng.standard_normal(1), None, name, unit, rng.normal(size=1))
    peaks = gate_peaks(_step(sublayer, tokens))
    moved = np.abs(np.diff(feed_forward(sublayer, tokens), axis=0)).max()
    bound = gate_lipschitz(sublayer, *peaks) * np.abs(np.diff(tokens, axis=0)).max()
    assert moved <= bound * (1 + 1e-12) + 1e-15


def _step(sublayer: FeedForward, tokens: Floats) -> BlockStep:
    """Return what a block of this sublayer alone sees of these very tokens."""
    d, none = tokens.shape[-1], Norm("none")
    silent = Attention(None, None, np.zeros((1, d, d)))
    block = Block(silent, sublayer, none, none)
    return apply_block(block, tokens, adjacency=np.eye(len(tokens))[None])


def three_norms(norms: WeightNorms) -> tuple[Any, Any, Any]:
    return norms.ffn_in, norms.ffn_gate, norms.ffn_out


def test_one_constant_a_feature_is_sharper_where_peaks_differ_and_never_worse() -> None:
    sharper = 0
    for seed in range(20):
        block = random_block(seed, gated=True, f=40, placement="parallel", kind="none")
        step = apply_block(block, random_tokens(seed, 5, D))
        norms, found = weight_norms(block), block_coefficients(block, step)
        gate, hidden = (np.max(peak) for peak in gate_peaks(step))
        w_in, w_gate, w_out = (float(x) for x in three_norms(norms))
        factor = w_out * (gate * w_in + activation("gelu").lipschitz * hidden * w_gate)
        rest = block_coefficients(replace(block, feed_forward=None), step).v_sharp
        assert found.v_sharp <= (rest + factor) * (1 + 1e-12)
        sharper += found.v_sharp < rest + 0.9 * factor
    assert sharper > 15


# --- the ends of v ---------------------------------------------------------------------------


def _true_v(block: Block, tokens: Floats, step: BlockStep) -> mp.mpf:
    """Return v with fifty digits, the attention weights taken as given."""
    exact = block_step(block, rows_of(tokens))
    ffn, attention = block.feed_forward, block.attention
    assert ffn is not None
    assert exact.hidden is not None
    assert exact.gate is not None

    def norm(matrix: mp.matrix) -> mp.mpf:
        return max(mp.svd_r(matrix, compute_uv=False))

    def m(array: Any) -> mp.matrix:
        return mp.matrix(np.asarray(array).tolist())

    assert attention.output is not None
    products = [m(v) * m(o) for v, o in zip(attention.value, attention.output, strict=True)]
    s = max(*map(norm, products), *(norm(m(w)) for w in (ffn.weight_in, ffn.weight_out)))
    s = max(s, norm(m(ffn.weight_gate)))
    n = len(tokens)
    centring = mp.eye(n) - mp.ones(n) / n
    root = max(norm(centring * m(a)) for a in step.adjacency)
    slope = mp.mpf(activation(ffn.activation).lipschitz)
    a, u = (max(abs(x) for row in rows for x in row) for rows in (exact.gate, exact.hidden))

    def stretch(which: Norm, std: Any) -> mp.mpf:
        if which.kind == "none":
            return mp.mpf(1)
        return mp.mpf(float(np.abs(np.asarray(which.gain)).max())) / (mp.mpf(which.tau) * min(std))

    one, two = stretch(block.norm_1, exact.std_1), stretch(block.norm_2, exact.std_2)
    attend = root * len(step.adjacency) * s
    feed = (a + slope * u) * s * s
    r_1, r_2 = (abs(mp.mpf(block.residual_scale(i))) for i in "12")
    if block.placement == "post":
        return one * (r_1 + attend) * two * (r_2 + feed)
    if block.placement == "parallel":
        return r_1 + one * attend + two * feed
    if block.placement == "sandwich":
        attend *= stretch(block.norm_1_out, exact.std_1_out)
        feed *= stretch(block.norm_2_out, exact.std_2_out)
    return (r_1 + one * attend) * (r_2 + two * feed)


@pytest.mark.parametrize("placement", PLACEMENTS)
@given(seed=st.integers(0, 999), name=ACTIVATIONS, offset=st.sampled_from((0.0, 1.0, 1e6)))
def test_the_true_v_lies_between_its_ends(
    placement: Any, seed: int, name: str, offset: float
) -> None:
    """An offset that layer norms take away leaves less of the digits, and wider ends."""
    block = random_block(
        seed, gated=True, placement=placement, activation=name, residual_ffn=0.7, d=4, f=5
    )
    tokens = random_tokens(seed, 2, 4) + offset
    # Softmax errs too, which the ends leave out: weights that no token changes are exact.
    attention = block.attention
    assert attention.query is not None
    still = replace(attention, query=0 * attention.query, query_bias=None)
    block = replace(block, attention=still)
    step = apply_block(block, tokens)
    found = block_coefficients(block, step)
    ends = coefficient_bounds(block, tokens, step, found)
    with mp.workdps(50):
        true = _true_v(block, tokens, step)
        assert mp.mpf(float(ends.v_lower)) <= true <= mp.mpf(float(ends.v_upper))
    assert ends.v_lower <= found.v <= ends.v_upper
    if offset <= 1 and name != "relu":
        assert ends.v_upper / ends.v_lower - 1 < 1e-5, "else it says nothing"


# --- rounding --------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 999),
    name=ACTIVATIONS,
    power=st.sampled_from((-200, -20, -3, 0, 1, 3)),
    plain=st.booleans(),
)
def test_rounding_covers_what_exact_arithmetic_finds(
    seed: int, name: str, power: int, plain: bool
) -> None:
    sublayer, tokens = (
        gated_ffn(seed, name=name, plain=plain),
        10.0**power * random_tokens(seed, 4, D),
    )
    with mp.workdps(60):
        step = block_step(_alone(sublayer), rows_of(tokens))
        exact = [[x / 2 for x in row] for row in step.output]
        output = feed_forward(sublayer, tokens)
        error = _distance(output, exact)
        gate_error, hidden_error = factor_errors(sublayer, exactly(tokens), tokens=4)
        seen = _step(sublayer, tokens)
        assert _distance(seen.gate, step.gate) <= mp.mpf(float(gate_error))
        assert _distance(seen.hidden, step.hidden) <= mp.mpf(float(hidden_error))
    peaks = gate_peaks(seen)
    norms = weight_errors(Attention(None, None, np.zeros((1, D, D))), sublayer)
    run = after_feed_forward(sublayer, exactly(tokens), norms, tokens=4, peaks=peaks)
    assert error <= mp.mpf(float(run.error))
    assert run.size >= frobenius_norm(output) * (1 - 1e-12)
    if power == 0:
        assert run.error <= 1e-9 * run.size, "so much rounding would say nothing"


def _alone(sublayer: FeedForward) -> Block:
    """A block of which the output is twice what the sublayer makes of the tokens."""
    doubled = replace(sublayer, weight_out=2 * sublayer.weight_out)
    if sublayer.bias_out is not None:
        doubled = replace(doubled, bias_out=2 * sublayer.bias_out)
    none, d = Norm("none"), len(sublayer.weight_in)
    silent = Attention(np.zeros((1, d, 1)), np.zeros((1, d, 1)), np.zeros((1, d, d)))
    return Block(silent, doubled, none, none, residual_attention=1.0, residual_ffn=0.0)


def _distance(found: Any, exact: Any) -> mp.mpf:
    rows = zip(np.asarray(found).tolist(), exact, strict=True)
    squares = ((mp.mpf(x) - y) ** 2 for a, b in rows for x, y in zip(a, b, strict=True))
    return mp.sqrt(mp.fsum(squares))
