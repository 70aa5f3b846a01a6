"""The fast normals: normal, the same whatever the requests, and what the plain formula says."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulations.backends import backend
from simulations.engine_draws import Draws, Weights, survey_blocks
from simulations.engine_normals import Normals
from simulations.ensembles import Stack, draw_blocks
from simulations.seeds import sequence
from theory.arrays import Array, InputError

SMALL = Stack(depth=3, tokens=7, width=12, heads=3, ffn_width=20, bias_std=0.5)
SEEDS = range(4, 9)
ALPHA = 1e-9


def drawn(number: int, *, seed: int = 0, std: float = 1.0) -> Array:
    out = np.empty(number, np.float32)
    Normals(seed, "test").fill(out, std=std)
    return out


def test_they_are_standard_normal() -> None:
    x = drawn(2**20)
    assert stats.kstest(x, "norm").pvalue > ALPHA
    # (x^2 - 1) has variance 2, (x^4 - 3) has 96: exact enough for means of a million of them.
    for moment, mean, variance in ((x**2, 1, 2), (x.astype("float64") ** 4, 3, 96)):
        score = (moment.mean(dtype="float64") - mean) / math.sqrt(variance / x.size)
        assert 2 * stats.norm.sf(abs(score)) > ALPHA
    beyond = int((np.abs(x) > 4.5).sum())
    assert stats.binomtest(beyond, x.size, 2 * stats.norm.sf(4.5)).pvalue > ALPHA


def test_those_of_one_word_and_neighbours_are_independent() -> None:
    x = drawn(2**14).astype("float64")  # one part: cosines, then sines of the same words
    for one, two in ((x[: 2**13], x[2**13 :]), (x[:-1], x[1:])):
        for left, right in ((one, two), (one**2, two**2), (np.abs(one), np.abs(two))):
            assert stats.pearsonr(left, right).pvalue > ALPHA


@pytest.mark.parametrize("number", [1, 2, 7, 2**14, 2**14 + 5])
def test_they_are_those_of_the_plain_formula(number: int) -> None:
    bits, wanted = np.random.SFC64(sequence(3, "test")), []
    for start in range(0, number, 2**14):
        count = min(2**14, number - start)
        words = [int(word) for word in bits.random_raw((count + 1) // 2)]
        radius = [math.sqrt(-2 * math.log(((w % 2**32) + 0.5) / 2**32)) for w in words]
        angle = [2 * math.pi * (w // 2**32) / 2**32 for w in words]
        part = [r * turn(a) for turn in (math.cos, math.sin)
                for r, a in zip(radius, angle, strict=True)]  # fmt: skip
        wanted += part[:count]
    # An angle is rounded to 2^-23 of 2 pi, a radius squared to 2^-24 of one near zero.
    np.testing.assert_allclose(drawn(number, seed=3), wanted, atol=1e-3)
    assert np.abs(drawn(number, seed=3) - wanted).mean() < 1e-6


def test_a_std_only_scales_and_a_seed_decides() -> None:
    np.testing.assert_allclose(drawn(999, std=0.125), 0.125 * drawn(999), rtol=1e-6)
    assert not np.array_equal(drawn(99, seed=1), drawn(99, seed=2))
    assert np.isfinite(drawn(10**6)).all()
    with pytest.raises(InputError, match="seed"):
        drawn(3, seed=-1)


@pytest.mark.parametrize("weights", ["gaussian", "bert"])
def test_single_and_double_precision_have_the_same_weights(weights: Any) -> None:
    stack = replace(SMALL, weights=weights)
    narrow, wide = (
        Draws(stack, seeds=SEEDS, on=backend(dtype=dtype)) for dtype in ("float32", "float64")
    )
    for layer in range(2):
        one, two = (draws.part(layer, slice(0, 5)) for draws in (narrow, wide))
        for name in Weights.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
            assert getattr(two, name).dtype == np.float64


@pytest.mark.parametrize("weights", ["gaussian", "bert"])
def test_the_weights_have_the_std_of_their_ensemble(weights: Any) -> None:
    stack = Stack(depth=1, tokens=2, width=64, heads=4, ffn_width=256, weights=weights)
    w = Draws(stack, seeds=range(8), on=backend()).part(0, slice(0, 8))
    for name, fan_in in (("mixing", 64), ("output", 64), ("ffn_in", 64), ("ffn_out", 256)):
        std = 0.02 if weights == "bert" else fan_in**-0.5
        assert stats.kstest(getattr(w, name).ravel() / std, "norm").pvalue > ALPHA
    for name in ("bias", "bias_in", "bias_out"):
        assert stats.kstest(getattr(w, name).ravel(), "norm").pvalue > ALPHA


@pytest.mark.parametrize("ffn_width", [0, 20])
@pytest.mark.parametrize("weights", ["orthogonal", "low-rank", "identity"])
def test_ensembles_without_a_fast_way_are_those_of_the_plain_stack(
    weights: Any, ffn_width: int
) -> None:
    stack = replace(SMALL, weights=weights, ffn_width=ffn_width, value_gain=3.0, ffn_gain=0.5)
    pairs = zip(
        draw_blocks(stack, seeds=SEEDS), survey_blocks(stack, seeds=SEEDS), strict=True
    )  # fmt: skip
    for plain, found in pairs:
        for part in ("attention", "feed_forward"):
            one, two = getattr(plain, part), getattr(found, part)
            assert (one is None) == (two is None)
            for name, value in vars(one).items() if one is not None else ():
                if isinstance(value, np.ndarray):
                    np.testing.assert_array_equal(value, getattr(two, name))


def test_blocks_to_recheck_differ_from_layer_to_layer_but_where_tied() -> None:
    for tied in (False, True):
        first, second, *_ = survey_blocks(replace(SMALL, tied=tied), seeds=SEEDS)
        assert np.array_equal(first.attention.value, second.attention.value) == tied
