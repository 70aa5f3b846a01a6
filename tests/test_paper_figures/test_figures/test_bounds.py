"""Do the data of the figures about bounds say what their captions say, and can those be refuted?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paper_figures.figures.bounds import fixed_sigma
from paper_figures.figures.bounds import ln_std_drivers as drivers
from paper_figures.figures.bounds import tau as tau_figure
from paper_figures.sources.stacks import late_mean, trace
from paper_figures.workshop.build import Caption, Settings
from paper_figures.workshop.data import Dataset
from paper_figures.workshop.drawing import where_one
from simulations.instruments.trace import trace_centred
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.test_paper_figures.helpers.changed_data import changed

pytestmark = pytest.mark.once

QUICK = Settings(quick=True)


@pytest.fixture(scope="module")
def fixed() -> Dataset:
    return fixed_sigma.compute(QUICK)


@pytest.fixture(scope="module")
def driven() -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        shallow = replace(drivers.DRIVEN_STACK, depth=12)  # half the time
        patch.setattr(drivers, "DRIVEN_STACK", shallow)
        return drivers.compute(QUICK)


@pytest.fixture(scope="module")
def heated() -> Dataset:
    few = {name: tau_figure.KINDS_OF_STACKS[name] for name in ("bias-free ReLU", "with biases")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tau_figure, "KINDS_OF_STACKS", few)  # those that the caption names
        return tau_figure.compute(QUICK)


def test_with_a_fixed_sigma_the_distance_stays_below_the_product_of_v(fixed: Dataset) -> None:
    assert (fixed["absolute"] <= fixed["bound"] + 1e-9).all()


def test_with_a_fixed_sigma_small_v_shrinks_the_distance_but_not_the_relative_one(
    fixed: Dataset,
) -> None:
    small = fixed["sup_v"] < 1
    assert small.sum() >= 3
    assert (fixed["absolute"][small, -1] < fixed["absolute"][small, 0] - 1).all()
    assert (fixed["relative"][small, -1] > 0.5).all()
    assert fixed["sup_v"][-1] == pytest.approx(1 / fixed_sigma.OPPOSED_SIGMA)
    assert fixed["relative"][-1, -1] > 0.99 > fixed["relative"][-1, 0]


def test_the_counterexample_follows_its_closed_form(fixed: Dataset) -> None:
    shrink = np.diff(fixed["absolute"][-1])[1:]  # after the first centring of the features
    assert shrink == pytest.approx(np.log10(1 / fixed_sigma.OPPOSED_SIGMA))


def test_merged_tokens_would_refute_the_fixed_sigma_caption(fixed: Dataset) -> None:
    assert not fixed_sigma.refuted(fixed)
    relative = fixed["relative"].copy()
    relative[:, -1] = 1e-6
    assert fixed_sigma.refuted(changed(fixed, "relative", relative))
    assert fixed_sigma.refuted(changed(fixed, "sup_v", fixed["sup_v"] + 9))


def test_every_other_part_of_the_fixed_sigma_caption_can_be_refuted(fixed: Dataset) -> None:
    absolute, relative = fixed["absolute"], fixed["relative"]
    stays = np.broadcast_to(absolute[:, :1], absolute.shape)
    assert fixed_sigma.refuted(changed(fixed, "absolute", stays))
    assert fixed_sigma.refuted(changed(fixed, "bound", fixed["bound"] - 1))
    for run, factor in ((0, 0.98), (-1, 0.5)):
        other = relative.copy()
        other[run, -1] *= factor
        assert fixed_sigma.refuted(changed(fixed, "relative", other))


@pytest.mark.parametrize("tau", [0.25, 4.0])
def test_tau_is_a_score_temperature_without_biases_and_is_not_with_them(tau: float) -> None:
    base = replace(tau_figure.TAU_STACK, depth=6)
    one = range(1)
    tokens = draw_tokens(base, seeds=one)

    def gap(stack: Stack) -> float:
        scaled = trace_centred(draw_blocks(replace(stack, tau=tau), seeds=one), tokens / tau)
        heated = trace(replace(stack, score_gain=tau**-2), seeds=one)
        name = "log10_relative_distance"
        return float(np.abs(scaled.tokens[name] - heated.tokens[name]).max())

    assert gap(base) < 1e-9
    assert gap(replace(base, bias_std=0.5)) > 1e-2


def test_biases_raise_sigma_and_merge_while_the_residual_raises_it_and_does_not() -> None:
    def late(**change: Any) -> tuple[float, float]:
        run = trace(replace(drivers.DRIVEN_STACK, depth=12, **change), seeds=range(1))
        sigma = run.blocks["sigma_1"] * run.blocks["sigma_2"]
        return float(late_mean(sigma)[0]), float(late_mean(run.blocks["measured_ratio"])[0])

    sigma, rate = late()
    for change, sign in (({"bias_std": 4.0}, -1), ({"residual": 4.0}, 1)):
        raised, other = late(**change)
        assert raised > 1.6 * sigma
        assert sign * (other - rate) > 0


def test_a_crossing_is_found_in_either_direction_or_not_at_all() -> None:
    driver = np.asarray([1.0, 10.0, 100.0])
    for factor in ([2.0, 0.5, 0.3], [0.5, 2.0, 3.0]):
        assert where_one(driver, np.asarray(factor)) == pytest.approx(10**0.5)
    assert where_one(driver, np.asarray([0.25, 0.5, 2.0])) == pytest.approx(10**1.5)
    for factor in ([2.0, 3.0, 2.0], [0.1, 0.3, 0.2]):
        assert np.isnan(where_one(driver, np.asarray(factor)))


def test_the_drivers_say_where_there_is_a_crossing() -> None:
    assert drivers._say([np.nan, 2.0, np.nan, 30.0]) == "at 2 (residual scale), 30 (biases)"
    assert drivers._say([np.nan] * 4) == "nowhere"


def test_every_part_of_the_drivers_caption_can_be_refuted(driven: Dataset) -> None:
    assert not drivers.refuted(driven)
    rate, sigma = driven["rate"], driven["sigma"]
    assert drivers.refuted(changed(driven, "rate", np.broadcast_to(rate[:1], rate.shape)))
    assert drivers.refuted(changed(driven, "sigma", sigma[:, ::-1]))
    moved = rate.copy()
    moved[2, 0] /= 3  # the gains' rate at their lowest setting
    assert drivers.refuted(changed(driven, "rate", moved))
    highest = 1.2 * driven.attrs["product_lowest"]
    assert drivers.refuted(replace(driven, attrs={**driven.attrs, "product_highest": highest}))


def test_the_crossings_that_the_drivers_caption_names_are_those_in_the_data(
    driven: Dataset,
) -> None:
    caption = Caption().vformat(drivers.FIGURE.caption, (), driven.attrs)
    for name in ("crossing", "crossing_sharp"):
        for driver, place in zip(driven["driver"], driven[name], strict=True):
            assert np.isnan(place) or f"{place:.2g} ({driver})" in caption
    below = (driven["v_sharp"].mean(axis=-1) < 1).any(axis=-1)
    assert below[[0, 1]].all(), "v sharp is below 1 along the value gain and the residual"
    assert np.isfinite(driven["crossing_sharp"][[0, 1]]).all()


def test_every_part_of_the_tau_caption_can_be_refuted(heated: Dataset) -> None:
    assert not tau_figure.refuted(heated)
    attrs = heated.attrs
    for wrong in (
        {"gap": 1e-5},
        {"rate_highest": 1.02 * attrs["rate_lowest"]},
        {"v_highest": 1.02 * attrs["v_lowest"]},
        {"biased_last": attrs["biased_first"]},
    ):
        assert tau_figure.refuted(replace(heated, attrs={**attrs, **wrong})), wrong


def test_the_late_mean_is_the_geometric_mean_of_the_second_half() -> None:
    values = np.asarray([[7.0, 9.0], [3.0, 3.0], [1.0, 2.0], [4.0, 8.0]])
    assert late_mean(values) == pytest.approx([2.0, 4.0])
