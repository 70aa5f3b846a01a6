"""Do the data of the paper's figures say what their captions say, and can those be refuted?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paper_figures.figures.bounds import bound_vs_rate, lambda_heads
from paper_figures.figures.catalogue import FIGURES
from paper_figures.figures.paper import fig1a, fig2, fig3, fig4, fig5
from paper_figures.sources.models import ModelRuns
from paper_figures.workshop.build import Settings, build
from paper_figures.workshop.data import Dataset, Variable
from paper_figures.workshop.reference import load_reference
from simulations.stacks.stack import Stack
from tests.test_paper_figures.helpers.changed_data import changed

QUICK = Settings(quick=True)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put invented measures in the models' place: what is tested is what figures make of them."""

    def invented(name: str, settings: Settings) -> ModelRuns:
        rng = np.random.default_rng([settings.seed, len(name)])
        layers = 12 if name == "e5-small" else 6
        rise = np.linspace(0.1, 0.8, layers + 1)
        lambda_ = np.geomspace(2.0, 0.5, layers)[:, None] * np.ones((16, layers, 12))
        return ModelRuns(
            cosine=rise + 0.01 * rng.standard_normal((48, layers + 1)),
            sigma_1=rng.uniform(0.3, 0.5, (48, layers)),
            sigma_2=rng.uniform(0.3, 0.5, (48, layers)),
            similarity=np.linspace(0.2, 0.9, layers - 1) + np.zeros((48, 1)),
            ratio=rng.uniform(0.5, 1.1, (16, layers)),
            v=rng.uniform(1e4, 1e5, (16, layers)),
            v_sharp=rng.uniform(1e3, 1e4, (16, layers)),
            lambda_=lambda_,
            facts={f"{name}_weights_sha256": "0" * 64},
        )

    for module in (fig1a, fig3, fig5, lambda_heads, bound_vs_rate):
        monkeypatch.setattr(module, "runs_of", invented)
    tiny = Stack(depth=2, tokens=4, width=8, heads=2, ffn_width=8, weights="bert")
    monkeypatch.setattr(bound_vs_rate, "SMALL", tiny)


def test_the_trajectories_stay_on_the_sphere_and_end_in_the_plane() -> None:
    data = fig4.compute(QUICK)
    radius = np.sqrt(fig4.FIG4_STACK.tokens * fig4.FIG4_STACK.width)
    assert (np.hypot(data["within"], data["distance"])[1:] <= radius * (1 + 1e-9)).all()
    assert (data["distance"][-1] < 0.1 * data["distance"][0]).all()
    assert not fig4.refuted(data)
    for name in ("last_relative", "colours_left"):
        assert fig4.refuted(replace(data, attrs={**data.attrs, name: 0.5}))
    spread = np.ptp(data["colour"], axis=1)
    assert spread[-1] < 0.2 * spread[0], "the graph fades to one colour"
    assert data["adjacency"].sum(axis=-1) == pytest.approx(1)


@pytest.mark.usefixtures("models")
def test_bands_hold_their_mean_and_the_papers_curve_stands_beside_them() -> None:
    for module, name in ((fig1a, "cosine"), (fig3, "similarity")):
        data = module.compute(QUICK)
        for key in ("e5_small", "minilm"):
            low, mean, high = (data[f"{name}_{key}_{part}"] for part in ("low", "mean", "high"))
            assert (low <= mean + 1e-12).all()
            assert (mean <= high + 1e-12).all()
    paper = load_reference("fig3").series("BERT")[1]
    assert (fig3.compute(QUICK)["paper_BERT"] == paper).all()


@pytest.mark.usefixtures("models")
def test_each_models_depth_runs_from_zero_to_one() -> None:
    data = fig1a.compute(QUICK)
    assert data["depth_e5_small"][[0, -1]].tolist() == [0, 1]
    assert (len(data["depth_e5_small"]), len(data["depth_minilm"])) == (13, 7)


@pytest.mark.usefixtures("models")
def test_the_density_integrates_to_one() -> None:
    data = fig5.compute(QUICK)
    for density in data["density"]:
        assert np.trapezoid(density, np.log10(data["grid"])) == pytest.approx(1, abs=1e-2)


@pytest.mark.usefixtures("models")
def test_invented_data_draw_and_each_refutation_is_noticed() -> None:
    data = fig1a.compute(QUICK)
    assert not fig1a.refuted(data)
    assert fig1a.refuted(changed(data, "cosine_minilm_mean", data["cosine_minilm_mean"][::-1]))
    data = fig5.compute(QUICK)
    assert not fig5.refuted(data)
    assert fig5.refuted(changed(data, "sigma", data["sigma"] + 1))
    data = fig3.compute(QUICK)
    assert not fig3.refuted(data)
    for name in ("similarity_minilm_mean", "paper_ALBERT"):
        assert fig3.refuted(changed(data, name, data[name][::-1]))
    data = lambda_heads.compute(QUICK)
    assert not lambda_heads.refuted(data)
    assert lambda_heads.refuted(replace(data, attrs={**data.attrs, "last_largest": 1.1}))
    data = bound_vs_rate.compute(QUICK)
    assert not bound_vs_rate.refuted(data)
    for wrong in ({"worst": 1.1}, {"least": 0.9}):
        assert bound_vs_rate.refuted(replace(data, attrs={**data.attrs, **wrong}))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", ["fig1a", "fig4", "fig5", "lambda_heads"])
def test_two_builds_of_a_figure_agree_in_every_byte(name: str, tmp_path: Path) -> None:
    first, second = (
        build(FIGURES[name], out=tmp_path / part, quick=True) for part in ("one", "two")
    )
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.suffix


def test_an_adjacency_that_is_no_random_walk_would_refute_figure_2() -> None:
    good = {"tokens": 10, "row_error": 1e-7, "smallest": 0.0}
    empty = Dataset({"x": Variable((), np.asarray(0.0), "x")}, attrs=good)
    assert not fig2.refuted(empty)
    for wrong in ({"row_error": 1e-3}, {"smallest": -1e-9}):
        assert fig2.refuted(replace(empty, attrs={**good, **wrong}))
