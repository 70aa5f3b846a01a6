"""Each term of a running error bound, alone, against the rounding that it stands for."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import tiny
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.coefficients import weight_norms
from theory.bounds.rounding import (
    ACTIVATION_STEPS,
    Running,
    WeightErrors,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    distance_rounding,
    exactly,
    product_rounding,
    row_defect,
    row_sum_allowance,
    std_error,
    uneven_rows,
    weight_errors,
)
from theory.measures.subspace import consensus_distance
from theory.spectra.norms import coupling_error, product_norm_error, spectral_norm_error
from theory.statements.evaluation import check
from theory.theorems.block.input import BlockInput
from theory.theorems.block.shi2022_lemmas import Averaging
from theory.theorems.catalogue import CATALOGUE

EPS = 2.0**-52
TINY = float(np.finfo(float).tiny)
NO_NORM = Norm(kind="none")
NO_ERROR = WeightErrors(np.zeros(()), np.zeros(()))
norm = np.linalg.norm
approx = partial(pytest.approx, rel=1e-6, abs=0)  # numbers far below 1e-12 are the point here


def at(error: float, size: float) -> Running:
    return Running(np.asarray(error), np.asarray(size))


def missing_rows(n: int) -> np.ndarray:
    """Return attention weights whose rows miss one by 7.5e-8, as from single precision."""
    signs = np.where(np.arange(n) % 2, 1, -1)[:, None]
    return np.full((n, n), 1 / n) * (1 + 7.5e-8 * signs)


@pytest.mark.parametrize("key", ["block-v", "block-v-sharp", "block-v-stacked"])
def test_rows_that_miss_one_send_the_mean_token_away_and_refute_nothing(key: str) -> None:
    n = 4
    tokens = 1e6 + 1e-9 * random_tokens(0, n, 3)
    block = Block(Attention(None, None, np.eye(3)[None]), norm_1=NO_NORM, residual=0.0)
    verdict = check(CATALOGUE[key], BlockInput(block, tokens, adjacency=missing_rows(n)[None]))
    assert verdict.applies
    assert not verdict.refuted
    assert verdict.excess > 1e-3, "the defect of the rows does not show here"
    averaged = check(CATALOGUE["attention"], Averaging(tokens, missing_rows(n)))
    assert averaged.applies
    assert not averaged.refuted


def test_the_defect_is_that_of_the_rows_with_the_rounding_of_their_sums() -> None:
    n = 5
    exact = row_defect(np.full((n, n), 0.25) * np.eye(n) * 4)
    assert exact == approx(n * EPS * (n**0.5 * n**0.5 + n**0.5))
    sloppy = missing_rows(n)
    assert row_defect(sloppy) == approx(7.5e-8 * n**0.5, rel=1e-6)
    allowed = n * 2.0**-23
    assert row_sum_allowance(sloppy) == allowed
    assert row_defect(2 * sloppy) == approx(n**0.5 * allowed, rel=1e-6)


def test_rows_of_one_sum_have_no_defect_beside_m() -> None:
    n = 5
    for r in (0.5, 1.0, -3.0):
        assert uneven_rows(r * np.eye(n)) == approx(2 * n * EPS * abs(r) * n)
    sloppy = missing_rows(4)
    assert uneven_rows(2 * sloppy) == approx(2 * row_defect(sloppy), rel=1e-6)
    assert uneven_rows(100 * sloppy) == approx(4**0.5 * row_sum_allowance(sloppy), rel=1e-6)


def test_a_chain_starts_without_error() -> None:
    tokens = random_tokens(1, 4, 3)
    start = exactly(tokens)
    assert start.error == 0
    assert start.size == approx(norm(tokens))
    close = 1 + 1e-9 * tokens
    wanted = (4 * 3 + 4 + 8) * EPS * consensus_distance(close) + TINY
    assert distance_rounding(close) == approx(float(wanted), rel=1e-12)
    assert distance_rounding(np.ones((4, 3))) == TINY


def test_products_and_sums_lose_their_terms() -> None:
    left, right = random_tokens(2, 4, 3), random_tokens(3, 3, 5)
    wanted = 3 * EPS * norm(left) * norm(right)
    assert product_rounding(left, right) == approx(wanted)
    assert product_rounding(0 * left, right) == TINY
    found = after_sum(at(0.1, 2.0), at(0.02, 3.0), factor=-0.5, like=left)
    assert found.error == approx(0.07)
    assert found.size == approx(4.0)
    exact = after_sum(at(0.0, 2.0), at(0.0, 3.0), factor=-0.5, like=left)
    assert exact.error == approx(2 * EPS * 4.0)
    assert after_sum(at(0.0, 0.0), at(0.0, 0.0), factor=1.0, like=left).error == TINY


@pytest.mark.parametrize("fixed", [None, 2.0])
def test_a_normalisation_stretches_and_adds_its_own_steps(fixed: float | None) -> None:
    n, d = 3, 4
    gain, shift = np.asarray([1.0, -2.0, 0.5, 1.0]), np.asarray([0.3, 0.1, 0.0, -0.2])
    which = Norm(gain=gain, shift=shift, tau=0.8, fixed_std=fixed)
    std = np.asarray([0.5, 1.0, 2.0])
    if fixed is not None:
        std = np.full(3, fixed)
    stretch = 2.0 / (0.8 * std.min())
    moved = norm(np.tile(shift, (n, 1)))
    steps = (d + 10) * math.sqrt(d) + 2 * (d + 8)
    for size in (0.1, 100.0):
        found = after_norm(which, std, at(0.01, size), shape=(n, d))
        longest = stretch * size
        if fixed is None:  # a normalised row has length sqrt(d) max|gain| / tau at most
            longest = min(longest, 2.0 / 0.8 * math.sqrt(n * d))
        assert found.size == approx(longest + moved, rel=1e-12)
        assert found.error == approx(stretch * 0.01, rel=1e-9)
        exact = after_norm(which, std, at(0.0, size), shape=(n, d))
        wanted = stretch * steps * EPS * size + EPS * (longest + moved)
        assert exact.error == approx(wanted, rel=1e-9)
        spread = std_error(which, std, at(0.01, size), d=d)
        assert spread == approx(0 if fixed else 0.01 / d**0.5, rel=1e-9)
        own = std_error(which, std, at(0.0, size), d=d)
        assert own == approx(0 if fixed else steps * EPS * size / d**0.5, rel=1e-9)
    bare = replace(which, shift=None)
    nothing = after_norm(bare, std, at(0.0, 0.0), shape=(n, d))
    assert TINY <= nothing.error <= (1 + 1.01 * stretch) * TINY
    assert nothing.error >= (1 + 0.99 * stretch) * TINY
    if fixed is None:
        assert std_error(bare, std, at(0.0, 0.0), d=d) == approx(TINY / 2)
    assert after_norm(NO_NORM, None, at(0.5, 1.0), shape=(n, d)) == at(0.5, 1.0)


def attention_parts(*, factored: bool, biased: bool) -> tuple[Attention, np.ndarray]:
    rng = np.random.default_rng(4)
    h, n, d, m = 2, 3, 4, 2
    value, output = rng.standard_normal((h, d, m)), rng.standard_normal((h, m, d))
    weights = rng.random((h, n, n))
    weights /= weights.sum(axis=-1, keepdims=True)
    bias = rng.standard_normal(d) if biased else None
    if not factored:
        return Attention(None, None, value @ output, bias=bias), weights
    return Attention(None, None, value, output, bias=bias), weights


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("factored", [False, True])
def test_attention_multiplies_errors_and_adds_four_terms(factored: bool, biased: bool) -> None:
    attention, weights = attention_parts(factored=factored, biased=biased)
    (h, n), (d, m) = weights.shape[:2], attention.value.shape[-2:]
    heard = norm(weights, axis=(-2, -1))
    sizes = norm(attention.value, axis=(-2, -1))
    out = np.ones(h)
    small = 1 + heard.sum()
    if attention.output is not None:
        out = norm(attention.output, axis=(-2, -1))
        small = 1 + ((1 + heard) * out).sum()
    gain = (heard * sizes * out).sum()
    moved = 0.0 if attention.bias is None else norm(np.tile(attention.bias, (n, 1)))
    found = after_attention(attention, weights, at(1.0, 3.0), NO_ERROR)
    assert found.error == approx(gain, rel=1e-9)
    assert found.size == approx(3 * gain + moved)
    exact = after_attention(attention, weights, at(0.0, 3.0), NO_ERROR)
    rows = (np.asarray(uneven_rows(weights)) * sizes * out).sum() * 3 / n**0.5
    wanted = (d + m + n + h + 2) * EPS * gain * 3 + rows + EPS * (3 * gain + moved)
    assert exact.error == approx(wanted, rel=1e-9)
    weighed = WeightErrors(np.asarray(2.0), np.asarray(0.25))
    more = after_attention(attention, weights, at(0.0, 3.0), weighed)
    assert more.error == approx(h * heard.max() * 0.25 * 3, rel=1e-9)
    strong = WeightErrors(np.asarray(1e10), np.asarray(0.0))
    more = after_attention(attention, weights, at(0.0, 3.0), strong)
    root = h * np.max(coupling_error(weights)) * 1e10 * 3
    assert more.error - exact.error == approx(root, rel=1e-6)
    if not biased:
        nothing = after_attention(attention, weights, at(0.0, 0.0), NO_ERROR)
        assert nothing.error == approx(TINY * (small + gain), rel=1e-9)


def test_rows_that_miss_one_are_an_error_of_their_own() -> None:
    attention = Attention(None, None, np.eye(3)[None])
    weights = missing_rows(4)[None]
    found = after_attention(attention, weights, at(0.0, 2.0), NO_ERROR)
    assert found.error == approx(7.5e-8 * 2 * 3**0.5 * 2 / 2, rel=1e-3)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("biased", [False, True])
def test_a_feed_forward_multiplies_errors_and_adds_its_steps(activation: str, biased: bool) -> None:
    rng = np.random.default_rng(5)
    d, f, n = 3, 5, 4
    w_in, w_out = rng.standard_normal((d, f)), rng.standard_normal((f, d))
    b_in, b_out = (rng.standard_normal(f), rng.standard_normal(d)) if biased else (None, None)
    sublayer = FeedForward(w_in, w_out, b_in, b_out, activation=activation)
    slope = {"relu": 1.0, "gelu": 1.1289}[activation]
    shift_in = norm(np.tile(b_in, (n, 1))) if b_in is not None else 0.0
    shift_out = norm(np.tile(b_out, (n, 1))) if b_out is not None else 0.0
    outer = slope * norm(w_out) * (norm(w_in) * 2.0 + shift_in)
    found = after_feed_forward(sublayer, at(1.0, 2.0), NO_ERROR, tokens=n)
    assert found.error == approx(slope * norm(w_in) * norm(w_out), rel=1e-3)
    assert found.size == approx(outer + shift_out, rel=1e-3)
    exact = after_feed_forward(sublayer, at(0.0, 2.0), NO_ERROR, tokens=n)
    steps = d + f + 2 + 16
    wanted = EPS * (steps * outer + outer + shift_out)
    assert ACTIVATION_STEPS == 16
    assert exact.error == approx(wanted, rel=1e-3)
    weighed = WeightErrors(np.asarray(2.0), np.asarray(0.25))
    more = after_feed_forward(sublayer, at(0.0, 2.0), weighed, tokens=n)
    # c (s + e)^2 - c s^2
    assert more.error == approx(slope * (2.25**2 - 4) * 2.0, rel=1e-3)
    if not biased:
        nothing = after_feed_forward(sublayer, at(0.0, 0.0), NO_ERROR, tokens=n)
        flushed = TINY * (1 + 750 * (n * f) ** 0.5 * norm(w_out))
        assert nothing.error == approx(flushed, rel=1e-9)


def test_a_gate_lost_below_the_normal_numbers_may_be_huge_after_the_second_matrix() -> None:
    """Gates of GELU near -38 and of SiLU near -709 are subnormal; w_out = 1e300 makes it show."""
    sublayer = FeedForward(np.asarray([[1.0]]), np.asarray([[1e300]]), activation="silu")
    found = after_feed_forward(sublayer, at(0.0, 0.0), NO_ERROR, tokens=1)
    assert found.error >= 709 * TINY * 1e300


@pytest.mark.parametrize("factored", [False, True])
@pytest.mark.parametrize("which", ["value", "weight_in", "weight_out"])
def test_the_error_of_s_is_the_largest_of_all_weights(which: str, factored: bool) -> None:
    block = random_block(0, factored=factored)
    attention, ffn = block.attention, block.feed_forward
    assert ffn is not None
    if which == "value":
        attention = replace(attention, value=1e6 * attention.value)
    else:
        ffn = replace(ffn, **{which: 1e6 * getattr(ffn, which)})
    found = weight_errors(attention, ffn)
    if which != "value":
        wanted = spectral_norm_error(getattr(ffn, which))
    elif attention.output is None:
        wanted = spectral_norm_error(attention.value).max()
    else:
        wanted = product_norm_error(attention.value, attention.output).max()
    assert found.error == wanted
    assert found.s == weight_norms(Block(attention, ffn)).largest
    assert tiny(attention.value) == TINY


def test_single_precision_counts_in_its_own_units() -> None:
    tokens = random_tokens(0, 3, 2).astype(np.float32)
    assert product_rounding(tokens, tokens.T) == approx(2 * 2.0**-23 * norm(tokens) ** 2, rel=1e-5)
