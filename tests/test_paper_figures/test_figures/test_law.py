"""The data behind the figures of the exact law, and that what would refute them is noticed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paper_figures.figures.exact_law import law_by_eigenvalue as curve
from paper_figures.figures.exact_law import law_models as models
from paper_figures.figures.exact_law import law_phase_diagrams as phases
from paper_figures.figures.exact_law import law_proved as proved
from paper_figures.figures.exact_law import law_vs_simulation as versus
from paper_figures.figures.exact_law.configurations import (
    COMPARED_GRAPHS,
    KINDS,
    configuration,
    graph,
)
from paper_figures.workshop.build import Settings
from paper_figures.workshop.data import Dataset
from tests.test_paper_figures.helpers.invented_law import invented_law
from theory.graphs.conversions import random_walk
from theory.law.transverse import weak_components

pytestmark = pytest.mark.once

QUICK = Settings(quick=True)


def changed(data: Dataset, name: str, values: Any) -> Dataset:
    """Return the data with other values of one variable."""
    variable = replace(data.data_vars[name], values=np.asarray(values))
    return replace(data, data_vars={**data.data_vars, name: variable})


def told(data: Dataset, **attrs: Any) -> Dataset:
    """Return the data with other attributes."""
    return replace(data, attrs={**data.attrs, **attrs})


@pytest.fixture(scope="module")
def compared() -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versus, "COMPARED_GRAPHS", ("star", "two components"))
        return versus.compute(QUICK)


@pytest.fixture(scope="module")
def read() -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "QUICK_GRAPHS", ("star", "bipartite"))
        patch.setattr(curve, "ARCS", ("directed ring",))
        return curve.compute(QUICK)


@pytest.fixture(scope="module")
def driven() -> Dataset:
    return phases.compute(QUICK)


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Return the models' figure with invented measures: what is made of them is tested."""
    monkeypatch.setattr(models, "checkpoint", lambda name: None)
    monkeypatch.setattr(models, "sentences", lambda count, seed: ("a",) * count)
    monkeypatch.setattr(models, "model_facts", lambda name: {f"{name}_weights_sha256": "0" * 64})
    monkeypatch.setattr(models, "model_law", lambda *_, **__: invented_law())
    near = np.ones((4, 3)) * np.asarray([4.0, 0.1, 0.5])
    monkeypatch.setattr(models, "_near", lambda *_: near)
    return models.compute(Settings())


@pytest.mark.parametrize("name", [*COMPARED_GRAPHS, *curve.SHOWN_GRAPHS, *curve.ARCS])
def test_every_graph_lets_each_token_listen_and_has_its_components(name: str) -> None:
    mask = graph(name, 16)
    assert mask.shape == (16, 16)
    assert mask.any(axis=1).all()
    assert len(weak_components(mask)) == (2 if name == "two components" else 1)


def test_a_bipartite_walk_reaches_minus_one_and_a_directed_ring_is_complex() -> None:
    assert np.linalg.eigvals(random_walk(graph("bipartite", 16))).real.min() == pytest.approx(-1)
    assert np.abs(np.linalg.eigvals(random_walk(graph("directed ring", 16))).imag).max() > 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_depends_on_its_own_names_and_the_seed_alone(kind: str) -> None:
    first, again = (configuration("ring", kind, tied=True, depth=24, seed=1) for _ in range(2))
    assert first == again
    assert first != configuration("path", kind, tied=True, depth=24, seed=1)
    assert first != configuration("ring", kind, tied=True, depth=24, seed=2)


def test_simulations_follow_the_law_at_equal_depth_and_in_the_limit(compared: Dataset) -> None:
    assert (compared["residual"] <= compared["error"]).all()
    assert (compared["error"] < 1e-3).all(), "a bound that says nothing"
    settled = compared["left"] <= versus.SETTLED
    assert settled.any()
    assert (compared["late_residual"][settled] <= 1e-3).all()
    assert np.ptp(compared["law"]) > 0.1, "the rates differ"
    assert not versus.refuted(compared)


def test_away_from_consensus_the_law_is_off_in_proportion_to_the_distance(
    compared: Dataset,
) -> None:
    assert compared.attrs["slope_lowest"] == pytest.approx(1, abs=0.2)
    assert compared.attrs["slope_highest"] == pytest.approx(1, abs=0.2)
    assert (compared["away"][:, -1] > 1e-3).all(), "at the token's own size it fails"


def test_every_part_of_the_comparison_can_be_refuted(compared: Dataset) -> None:
    assert versus.refuted(changed(compared, "residual", 2 * compared["error"]))
    assert versus.refuted(changed(compared, "late_residual", compared["late_residual"] + 1e-2))
    assert versus.refuted(changed(compared, "left", np.ones_like(compared["left"])))
    assert versus.refuted(told(compared, ordered=compared.attrs["runs"] - 1))


def test_simulated_modes_lie_on_the_curve(read: Dataset) -> None:
    assert not curve.refuted(read)
    for stack in range(len(curve.STACKS)):
        modes = read["stack_of"] == stack
        on_curve = np.interp(read["eigenvalue"][modes], read["mu"], read["curve"][stack])
        assert np.abs(read["law"][modes] / on_curve - 1).max() < 0.02  # between the curve's points
        assert np.abs(read["simulated"][modes] / on_curve - 1).max() < 0.07
    assert read["eigenvalue"].min() == pytest.approx(-1)


def test_the_plane_has_the_curve_on_its_real_axis(read: Dataset) -> None:
    real = read["curve"][curve.PLANE]
    half = len(read["plane"]) // 2
    assert read["plane"][0, -1] == pytest.approx(real[-1])
    assert read["plane"][half, -1] == pytest.approx(real[0])
    assert read["plane"][:, 0] == pytest.approx(real[len(real) // 2])
    assert read["plane"][1] == pytest.approx(read["plane"][-2]), "conjugates have one rate"


def test_every_part_of_the_curve_caption_can_be_refuted(read: Dataset) -> None:
    assert curve.refuted(changed(read, "simulated", 1.2 * read["simulated"]))
    assert curve.refuted(changed(read, "simulated", 1.02 * read["simulated"]))
    assert curve.refuted(changed(read, "arc_simulated", 1.2 * read["arc_simulated"]))
    assert curve.refuted(changed(read, "slowest", np.abs(read["slowest"])))


def test_measured_rates_follow_the_law_over_the_drivers(driven: Dataset) -> None:
    off = np.abs(np.log(driven["measured_each"] / driven["law_each"]))
    assert np.median(off) < 0.02
    assert (driven["law"] <= 1.1 * driven["v_sharp"]).all()
    assert (driven["v_sharp"] <= driven["v"] * (1 + 1e-6)).all()
    fixed = driven["sigma"][phases.FIXED]
    wanted = np.broadcast_to(driven["y"][2][:, None] ** 2, fixed.shape)
    assert fixed == pytest.approx(wanted, rel=1e-6)
    assert driven["growth"][: phases.FIXED] == pytest.approx(1, abs=0.02)
    for name in phases.JUDGED:
        np.testing.assert_array_equal(driven[name], np.median(driven[f"{name}_each"], axis=-1))


def test_every_part_of_the_phase_caption_can_be_refuted(driven: Dataset) -> None:
    assert not phases.refuted(driven)
    law, measured = driven["law_each"], driven["measured_each"]
    assert phases.refuted(changed(driven, "measured_each", 1.1 * measured))
    assert phases.refuted(changed(driven, "measured_each", np.full_like(law, np.nan)))
    sharp = driven["v_sharp_each"].copy()
    sharp[0, 0, 0, 0, 0] = 0.5 * law[0, 0, 0, 0, 0]
    assert phases.refuted(changed(driven, "v_sharp_each", sharp))
    assert phases.refuted(told(driven, priced=driven.attrs["seeds"] - 1))
    calm = np.minimum(law, 0.99)
    assert phases.refuted(changed(changed(driven, "law_each", calm), "measured_each", calm))


def test_the_models_figure_says_that_real_tokens_are_far_from_the_law(invented: Dataset) -> None:
    assert not models.refuted(invented)
    assert invented.attrs["minilm_law_highest"] == pytest.approx(4)
    assert invented.attrs["lowest_sharp"] == pytest.approx(80)
    assert invented.attrs["near_off"] == 0


def test_every_part_of_the_models_caption_can_be_refuted(invented: Dataset) -> None:
    assert models.refuted(told(invented, near_off=1e-3))
    assert models.refuted(told(invented, ordered=False))
    assert models.refuted(told(invented, lowest_sharp=0.9))
    assert models.refuted(changed(invented, "law_minilm", invented["measured_minilm"]))


def test_the_proved_law_is_refuted_by_floats_outside_its_bounds() -> None:
    pytest.importorskip("flint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proved, "_GRAPHS", {"complete": "full attention"})
        data = proved.compute(QUICK)
    assert not proved.refuted(data)
    assert not (data["low"] > data["high"]).any()
    assert set(np.unique(data["verdict"])) >= {0, 1}
    for attrs in ({"outside": 1}, {"attracts": 0}, {"repels": 0}):
        assert proved.refuted(told(data, **attrs))
