"""Each figure's data say what its caption says, and its caption can be refuted."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paper_figures.figures.bounds import bound_vs_rate, fixed_sigma, lambda_heads
from paper_figures.figures.bounds import ln_std_drivers as drivers
from paper_figures.figures.bounds import tau as tau_figure
from paper_figures.figures.catalogue import FIGURES, make_figures
from paper_figures.figures.paper import fig1a, fig2, fig3, fig4, fig5
from paper_figures.sources.models import MODELS, ModelRuns
from paper_figures.sources.stacks import late_mean, trace
from paper_figures.workshop.build import Caption, Settings, build, render
from paper_figures.workshop.data import Dataset, Variable, load
from paper_figures.workshop.drawing import where_one
from paper_figures.workshop.reference import load_reference
from simulations.instruments.trace import trace_centred
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import InputError

QUICK = Settings(quick=True)


def changed(data: Dataset, name: str, values: Any) -> Dataset:
    """Return the data with other values of one variable."""
    variable = replace(data.data_vars[name], values=np.asarray(values))
    return replace(data, data_vars={**data.data_vars, name: variable})


@pytest.fixture(scope="module")
def fixed() -> Dataset:
    return fixed_sigma.compute(QUICK)


@pytest.fixture(scope="module")
def driven() -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "BASE", replace(drivers.BASE, depth=12))  # half the time
        return drivers.compute(QUICK)


@pytest.fixture(scope="module")
def heated() -> Dataset:
    few = {name: tau_figure.FAMILIES[name] for name in ("bias-free ReLU", "with biases")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tau_figure, "FAMILIES", few)  # those that the caption names
        return tau_figure.compute(QUICK)


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


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_is_one_sentence_that_says_what_would_refute_it(name: str) -> None:
    caption = FIGURES[name].caption
    assert "would refute" in caption
    assert caption.endswith(".")
    plain = re.sub(r"\{[^}]*\}", "0", caption)
    assert not re.search(r"\. [A-Z]", plain), "a second sentence begins"


def test_the_catalogue_holds_the_figures_of_the_paper_and_of_the_theory() -> None:
    assert {"fig1a", "fig2", "fig3", "fig4", "fig5"} <= set(FIGURES)
    assert {"ln_std_drivers", "fixed_sigma", "tau", "bound_vs_rate", "lambda_heads"} <= set(FIGURES)
    assert all(name == figure.name for name, figure in FIGURES.items())


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
    base = replace(tau_figure.BASE, depth=6)
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
        run = trace(replace(drivers.BASE, depth=12, **change), seeds=range(1))
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


def test_the_trajectories_stay_on_the_sphere_and_end_in_the_plane() -> None:
    data = fig4.compute(QUICK)
    radius = np.sqrt(fig4.STACK.tokens * fig4.STACK.width)
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


@pytest.fixture(scope="module")
def installed() -> None:
    """Skip where a model or the sentences are not installed."""
    from paper_figures.sources.models import checkpoint
    from simulations.models.texts import sentences

    try:
        checkpoint("minilm")
        sentences(1)
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("installed")
def test_measures_of_a_padded_batch_are_those_of_its_single_sentences() -> None:
    from paper_figures.sources.models import _measure
    from simulations.models.find import load_checkpoint
    from simulations.models.forward import run
    from simulations.models.texts import sentences
    from simulations.models.tokens import encode
    from theory.measures.tokens import cosine_similarity

    runs = _measure("minilm", 16, 16, 0)
    model = load_checkpoint("minilm")
    for number in (0, 7):
        steps = list(run(model, encode(model, [sentences(16)[number]])))
        alone = [float(cosine_similarity(layer.step.output)[0]) for layer in steps]
        assert runs.cosine[number, 1:] == pytest.approx(alone, abs=1e-5)
        std = [float(layer.step.std_1.min()) for layer in steps if layer.step.std_1 is not None]
        assert runs.sigma_1[number] == pytest.approx(std, rel=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_the_whole_job_is_deterministic_and_its_pictures_need_only_the_data(
    tmp_path: Path,
) -> None:
    outcomes = make_figures(out=tmp_path, quick=True)
    assert [outcome.error for outcome in outcomes] == [None] * len(FIGURES)
    assert not any(outcome.refuted for outcome in outcomes)
    page = (tmp_path / "index.html").read_text()
    again = tmp_path / "again"
    again.mkdir()
    for name, figure in FIGURES.items():
        assert f'id="{name}"' in page
        stored = tmp_path / f"{name}.json"
        _, png = render(figure, stored, into=again)
        assert png.read_bytes() == (tmp_path / f"{name}.png").read_bytes(), name
        if figure.packages:
            attrs = load(stored).attrs
            assert any(key.endswith("_weights_sha256") for key in attrs), name
    assert set(MODELS) == {"e5-small", "minilm"}
