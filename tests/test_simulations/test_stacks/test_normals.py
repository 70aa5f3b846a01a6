"""The fast normals: normal, the same whatever the requests, and what the plain formula says."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulations.engine.draws import Draws
from simulations.machine.backends import backend
from simulations.stacks.normals import Normals
from simulations.stacks.seeds import sequence
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights
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


@pytest.mark.parametrize(
    "other", [(1, "test"), (0, "tests"), (0, "test", 0), (0, "test", 1), (2**63, "test")]
)
def test_another_seed_or_key_has_other_and_independent_normals(other: Any) -> None:
    one, two = drawn(2**16).astype("float64"), Normals(*other).draw(2**16)
    assert not np.isin(one[:1000], two[:1000]).any()
    for left, right in ((one, two), (one**2, two**2), (one[1:], two[:-1]), (one[:-1], two[1:])):
        assert stats.pearsonr(left, right).pvalue > ALPHA
    assert stats.ks_2samp(one, two).pvalue > ALPHA
    # Were they dependent in any way, their sum would not be normal of variance two.
    assert stats.kstest((one + two) / math.sqrt(2), "norm").pvalue > ALPHA


class Words:
    """A generator that returns the same word for ever."""

    def __init__(self, low: int, high: int) -> None:
        self.word = low + high * 2**32

    def random_raw(self, number: int) -> Array:
        return np.full(number, self.word, np.uint64)


LAST = 2**32 - 1


@pytest.mark.parametrize("low", [0, 1, 2**31, LAST])
@pytest.mark.parametrize("high", [0, 1, 2**30, 2**31, LAST])
@pytest.mark.parametrize("std", [1.0, 0.02, 1e-18, 1e18])
def test_no_word_gives_a_number_that_is_not_finite(
    low: int, high: int, std: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    normals = Normals(0)
    monkeypatch.setattr(normals, "_bits", Words(low, high))
    out = np.empty(2, np.float32)
    normals.fill(out, std=std)
    assert np.isfinite(out).all()
    radius = {0: math.sqrt(66 * math.log(2)), LAST: 0.0}.get(low)
    if radius is not None:  # the largest and the smallest there are
        assert math.hypot(*out) == pytest.approx(radius * std, rel=1e-6)


def test_the_tails_are_those_of_normals_as_far_as_a_sample_reaches() -> None:
    x = np.concatenate([np.abs(drawn(2**20, seed=seed)) for seed in range(8)])
    for edge in (3.0, 4.0, 5.0, 5.5):
        beyond = int((x > edge).sum())
        assert stats.binomtest(beyond, x.size, 2 * stats.norm.sf(edge)).pvalue > ALPHA
    assert x.max() < 6.77
    for edge in (1e-2, 1e-4, 1e-6):
        near = int((x < edge).sum())
        assert stats.binomtest(near, x.size, 2 * stats.norm.cdf(edge) - 1).pvalue > ALPHA


def test_double_precision_holds_the_same_numbers() -> None:
    number = 2**14 + 5
    wide = np.empty(number)
    Normals(0, "test").fill(wide, std=0.3)
    np.testing.assert_array_equal(wide, drawn(number, std=0.3))
    np.testing.assert_array_equal(Normals(0, "test").draw(number), drawn(number))
