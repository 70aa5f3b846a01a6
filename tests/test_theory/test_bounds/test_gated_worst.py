"""Has every term of a gated sublayer's allowance for rounding the size that was derived?"""

from functools import partial

import numpy as np
import pytest

from theory.blocks.activations import activation
from theory.blocks.weights import Attention, FeedForward
from theory.bounds.rounding import (
    ACTIVATION_STEPS,
    Running,
    WeightErrors,
    after_feed_forward,
    factor_errors,
    weight_errors,
)
from theory.spectra.norms import spectral_norm_error

EPS = 2.0**-52
TINY = float(np.finfo(float).tiny)
N, D, F = 4, 3, 5
PEAKS = np.asarray([0.5, 2.0, 1.0]), np.asarray([3.0, 0.1, 0.2])
GATE, HIDDEN = 2.0, 3.0
NO_ERROR = WeightErrors(np.zeros(()), np.zeros(()))
norm = np.linalg.norm
approx = partial(pytest.approx, rel=1e-9, abs=0)  # numbers far below 1e-12 are the point here


def at(error: float, size: float) -> Running:
    return Running(np.asarray(error), np.asarray(size))


def sublayer_of(*, biased: bool, name: str = "gelu") -> FeedForward:
    rng = np.random.default_rng(5)
    w_in, w_gate, w_out = (rng.standard_normal(s) for s in ((D, F), (D, F), (F, D)))
    b_in, b_gate, b_out = (rng.standard_normal(k) if biased else None for k in (F, F, D))
    return FeedForward(w_in, w_out, b_in, b_out, name, w_gate, b_gate)


def tiled(bias: np.ndarray | None) -> float:
    return 0.0 if bias is None else float(norm(np.tile(bias, (N, 1))))


@pytest.mark.parametrize("name", ["gelu", "relu"])
@pytest.mark.parametrize("biased", [False, True])
def test_either_factor_multiplies_errors_and_adds_its_steps(name: str, biased: bool) -> None:
    sublayer, c = sublayer_of(biased=biased, name=name), activation(name).lipschitz
    w_in, w_gate = norm(sublayer.weight_in), norm(np.asarray(sublayer.weight_gate))
    gate, hidden = factor_errors(sublayer, at(1.0, 0.0), tokens=N)
    assert gate == pytest.approx(c * w_gate)
    assert hidden == pytest.approx(w_in)
    gate, hidden = factor_errors(sublayer, at(0.0, 2.0), tokens=N)
    gate_size = w_gate * 2 + tiled(sublayer.bias_gate)
    assert ACTIVATION_STEPS == 16
    assert gate == approx(c * (D + 1 + 16) * EPS * gate_size)
    assert hidden == approx((D + 1) * EPS * (w_in * 2 + tiled(sublayer.bias_in)))
    if not biased:
        gate, hidden = factor_errors(sublayer, at(0.0, 0.0), tokens=N)
        small = TINY * (N * F) ** 0.5
        assert hidden == approx(small)
        assert gate == approx((c + 750) * small)


@pytest.mark.parametrize("biased", [False, True])
def test_a_product_errs_by_either_factor_times_the_peak_of_the_other(biased: bool) -> None:
    sublayer, c = sublayer_of(biased=biased), activation("gelu").lipschitz
    w_in, w_out = norm(sublayer.weight_in), norm(sublayer.weight_out)

    def after(run: Running, weights: WeightErrors = NO_ERROR) -> Running:
        return after_feed_forward(sublayer, run, weights, tokens=N, peaks=PEAKS)

    grown = after(at(1.0, 0.0))
    w_gate = norm(np.asarray(sublayer.weight_gate))
    assert grown.error == pytest.approx(w_out * (GATE * w_in + HIDDEN * c * w_gate))
    gate, hidden = factor_errors(sublayer, at(0.0, 2.0), tokens=N)
    size = GATE * (w_in * 2 + tiled(sublayer.bias_in))
    outer, bias = w_out * size, tiled(sublayer.bias_out)
    exact = after(at(0.0, 2.0))
    assert exact.size == approx(outer + bias)
    wanted = w_out * (GATE * hidden + HIDDEN * gate + EPS * size)
    assert exact.error == approx(wanted + F * EPS * outer + EPS * (outer + bias))
    weighed = after(at(0.0, 2.0), WeightErrors(np.asarray(2.0), np.asarray(0.25)))
    # (a + c u) ((s + e)^2 - s^2)
    assert weighed.error == approx((GATE + c * HIDDEN) * (2.25**2 - 4) * 2)
    strong = after(at(0.0, 2.0), WeightErrors(np.asarray(1e10), np.asarray(0.0)))
    assert strong.error == approx((gate + c * hidden) * 1e20 * 2)
    both = after(at(0.0, 2.0), WeightErrors(np.asarray(1e-3), np.asarray(1e10)))
    assert both.error == approx((GATE + c * HIDDEN) * 1e20 * 2)
    off = after(at(1e9, 2.0), WeightErrors(np.asarray(1e10), np.asarray(1e10)))
    moved = c * w_gate * 1e9 + c * w_in * 1e9
    assert off.error == pytest.approx((moved * 4 + 3 * (GATE + c * HIDDEN)) * 1e20 * 2)
    if not biased:
        gate, hidden = factor_errors(sublayer, at(0.0, 0.0), tokens=N)
        lost = TINY * (1 + (N * F) ** 0.5 * w_out)
        nothing = after(at(0.0, 0.0))
        assert nothing.error == approx(w_out * (GATE * hidden + HIDDEN * gate + TINY) + lost)


def test_a_gated_sublayer_without_its_peaks_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="peaks"):
        after_feed_forward(sublayer_of(biased=False), at(0.0, 1.0), NO_ERROR, tokens=N)


@pytest.mark.parametrize("which", ["weight_in", "weight_out", "weight_gate"])
def test_the_error_of_s_is_that_of_the_largest_of_three_weights(which: str) -> None:
    sublayer = sublayer_of(biased=False)
    large = 1e6 * getattr(sublayer, which)
    weights = {name: getattr(sublayer, name) for name in ("weight_in", "weight_out", "weight_gate")}
    ffn = FeedForward(**(weights | {which: large}))
    found = weight_errors(Attention(None, None, np.zeros((1, D, D))), ffn)
    assert found.error == spectral_norm_error(large)
    assert found.s == approx(norm(large, 2))
