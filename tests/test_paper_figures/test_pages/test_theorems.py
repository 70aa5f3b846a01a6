"""The page of theorems shows every statement, says no more than was found, and needs no network."""

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from paper_figures.figures.bounds import tightness
from paper_figures.figures.catalogue import FIGURES
from paper_figures.pages import instances as instance_html
from paper_figures.pages import statements as statement_html
from paper_figures.pages.gallery import gallery
from paper_figures.pages.inline_pictures import formula_lines, formula_pictures, graph_picture
from paper_figures.pages.instances import ratio_text
from paper_figures.pages.statements import found_in_words
from paper_figures.pages.theorems import page_text, theorem_page
from paper_figures.sources.typical import typical_verdict
from paper_figures.workshop.bibliography import cite
from paper_figures.workshop.build import Caption, Settings, build
from paper_figures.workshop.data import Dataset, dumps, loads
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.statements.trend import Trend
from theory.theorems.catalogue import CATALOGUE, TRENDS

PARSER, LETTERS = MathTextParser("path"), FontProperties(size=13, math_fontfamily="stix")
FALSE, TRUE, TREND = "dirichlet-energy-smallest-eigenvalue", "attention", "sphere-energy-rises"


@pytest.fixture(scope="module")
def small() -> Dataset:
    """Two theorems, one of them false, and a trend, without a model's layers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tightness, "layers_of_texts", lambda count, seed: [None] * 6)
        patch.setattr("paper_figures.sources.statements.layer_verdicts", lambda theorem, layers: [])
        patch.setattr(tightness, "model_facts", lambda name: {})
        return tightness.try_statements(Settings(quick=True), keys=[TRUE, FALSE], trends=[TREND])


@pytest.fixture(scope="module")
def page(small: Dataset) -> str:
    return page_text(small.attrs)


def record(data: Dataset, key: str) -> dict[str, Any]:
    """Return the stored record of one statement."""
    return next(x for x in data.attrs["statements"] if x["key"] == key)


def changed(data: Dataset, key: str, **values: Any) -> Dataset:
    """Return the data with another record of one statement."""
    statements = [x | values if x["key"] == key else x for x in data.attrs["statements"]]
    return replace(data, attrs={**data.attrs, "statements": statements})


def article(page: str, key: str) -> str:
    """Return the part of the page about one statement."""
    return page.split(f'<article id="{key}"')[1].split("</article>")[0]


def test_two_theorems_and_a_trend_come_out_as_expected(small: Dataset) -> None:
    assert small.attrs["unexpected"] == []
    assert not tightness.refuted(small)
    assert list(small["theorem"]) == [TRUE, FALSE]
    assert small["attack"][0] == pytest.approx(1, abs=1e-3)
    assert small["attack"][0] <= 1 < small["attack"][1]


def test_what_is_stored_comes_back_bit_for_bit(small: Dataset) -> None:
    again = loads(dumps(small))
    assert again.attrs == small.attrs
    for name in small.data_vars:
        np.testing.assert_array_equal(again[name], small[name])


def test_the_stored_numbers_rebuild_the_instance_with_the_same_sides(small: Dataset) -> None:
    example = record(loads(dumps(small)), FALSE)["example"]
    params = {name: np.asarray(values) for name, values in example["params"].items()}
    verdict = check(CATALOGUE[FALSE], CATALOGUE[FALSE].domain.build(example["sizes"], params))
    assert verdict.status == "refuted"
    assert (float(verdict.lhs), float(verdict.rhs)) == (example["lhs"], example["rhs"])


def test_an_entry_refuted_as_stated_says_so_and_shows_its_correction(page: str) -> None:
    text = article(page, FALSE)
    assert '<span class="verdict">refuted as stated</span>' in text
    assert CATALOGUE[FALSE].correction.split(":")[0] in text
    assert "counterexample, simplified" in text


def test_an_entry_that_held_says_how_much_was_tried_and_never_that_it_is_verified(
    page: str, small: Dataset
) -> None:
    tried = record(small, TRUE)
    count = tried["random"]["applied"] + tried["attack"]["applied"]
    assert f"no counterexample in {count:,} trials" in article(page, TRUE)
    assert "verified" not in page.lower()
    assert f"{small.attrs['budget']:,} evaluations" in page


def test_a_trend_shows_estimate_interval_claim_and_alpha(page: str, small: Dataset) -> None:
    text, found = article(page, TREND), record(small, TREND)
    assert found["statistic"] in text
    assert f"{found['estimate']:.4g}".replace("-", "\u2212") in text
    assert "at least 0" in text
    assert "1e-09" in text


def test_a_verdict_against_expectation_is_seen_and_refutes_the_caption(small: Dataset) -> None:
    for key, status in ((TRUE, "refuted"), (FALSE, "holds")):
        wrong = changed(small, key, status=status)
        assert tightness.refuted(wrong)
        text = page_text({**wrong.attrs, "unexpected": [key]})
        assert f"Not as expected: {key}" in text
    assert "against expectation" in found_in_words({**record(small, TRUE), "status": "refuted"})


def test_the_page_shows_every_statement_of_the_catalogue(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pictures take long, and are tested below.
    monkeypatch.setattr(statement_html, "formula_pictures", lambda claim: ["data:,"])
    monkeypatch.setattr(instance_html, "graph_picture", lambda *_: "data:,")
    # each with what was found of another: the words are its own
    own = ("key", "claim", "source", "expected", "correction", "note")
    statements = [
        record(small, TRUE if theorem.expected == "holds" else FALSE)
        | {name: getattr(theorem, name) for name in own}
        | {"hypotheses": [hypothesis.name for hypothesis in theorem.hypotheses]}
        for theorem in CATALOGUE.values()
    ]
    statements += [
        record(small, TREND) | {name: getattr(trend, name) for name in own}
        for trend in TRENDS.values()
    ]
    text = page_text({**small.attrs, "statements": statements})
    for key in (*CATALOGUE, *TRENDS):
        assert f'<article id="{key}"' in text, key
    assert set(re.findall(r'<article id="([^"]*)"', text)) == {*CATALOGUE, *TRENDS}
    every: list[Theorem[Any] | Trend] = [*CATALOGUE.values(), *TRENDS.values()]
    for statement in every:
        for words in (statement.claim, statement.note, statement.correction):
            assert html.escape(words) in article(text, statement.key)


def test_the_page_asks_for_nothing_but_the_figure_beside_it(page: str) -> None:
    assert "://" not in page
    assert "@import" not in page
    assert "<script" not in page
    addresses = set(re.findall(r'(?:href|src)="([^"#]*)', page))
    asked = {x for x in addresses if not x.startswith("data:image/svg+xml;base64,")}
    assert asked == {"", "index.html", "tightness.png"}


def test_the_page_is_linked_where_it_was_built_and_goes_when_its_data_go(
    small: Dataset, tmp_path: Path
) -> None:
    assert theorem_page(out=tmp_path) is None
    (tmp_path / "tightness.json").write_text(dumps(small), encoding="utf-8")
    built = theorem_page(out=tmp_path)
    assert built is not None
    first = built.read_bytes()
    assert theorem_page(out=tmp_path) == built
    assert built.read_bytes() == first
    index = gallery([], out=tmp_path, pages={"Theorems <all>": built}).read_text()
    assert '<a href="theorems.html">Theorems &lt;all&gt;</a>' in index
    (tmp_path / "tightness.json").unlink()
    assert theorem_page(out=tmp_path) is None
    assert not built.exists()


def test_the_card_of_the_figure_does_not_spill_all_records(small: Dataset, tmp_path: Path) -> None:
    figure = replace(tightness.FIGURE, compute=lambda settings: small, size=(3.0, 2.0))
    build(figure, out=tmp_path, quick=True)
    index = gallery([figure], out=tmp_path).read_text()
    assert "statements" not in index
    assert len(index) < 20_000


def test_the_figure_draws_only_what_is_stored(small: Dataset) -> None:
    canvas = Canvas()
    tightness.draw(canvas, loads(dumps(small)))
    (axes,) = canvas.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [TRUE, FALSE]
    low, high = axes.get_xlim()
    for line in axes.lines:
        places = np.asarray(line.get_xdata(), dtype=float)
        assert (((low <= places) & (places <= high)) | np.isnan(places)).all()


def test_ratios_beyond_the_axis_are_drawn_at_its_edge_and_kept_as_they_are(small: Dataset) -> None:
    wide = record(small, TRUE)
    infinite = wide | {"attack": wide["attack"] | {"unbounded": True, "ratio": None}}
    zero = wide | {"typical": {"count": 1, "median": 0.0, "largest": 0.0, "refuted": 0}}
    variables, _ = tightness._variables([infinite, zero])
    assert variables["attack_side"].values.tolist() == [1, 0]
    assert variables["attack_place"].values[0] == tightness.HIGHEST
    assert np.isnan(variables["attack"].values[0])
    assert variables["typical_side"].values.tolist() == [0, -1]
    assert variables["typical"].values[1] == 0
    assert variables["layers_side"].values.tolist() == [0, 0]


def test_the_caption_can_be_filled(small: Dataset) -> None:
    caption = Caption().vformat(tightness.FIGURE.caption, (), small.attrs)
    assert "the 1 that are called tight" in caption
    assert "{" not in caption
    assert FIGURES["tightness"] is tightness.FIGURE


@pytest.mark.parametrize("key", [*CATALOGUE, *TRENDS])
def test_every_claim_can_be_drawn(key: str) -> None:
    claim = CATALOGUE[key].claim if key in CATALOGUE else TRENDS[key].claim
    for line in formula_lines(claim):
        width, height, *_ = PARSER.parse(f"${line}$", dpi=72, prop=LETTERS)
        assert height > 0
        assert width < 640, "the line is wider than the page"


@pytest.mark.parametrize("key", CATALOGUE)
def test_every_source_is_written_out(key: str) -> None:
    theorem = CATALOGUE[key]
    assert cite(theorem.source) != theorem.source
    assert not set(cite(theorem.source)) & set("{}\\")


def test_a_source_that_is_not_in_the_bibliography_keeps_its_key() -> None:
    assert cite("nobody1900") == "nobody1900"
    assert cite("castin2024").startswith("Castin, Ablin and Peyr\u00e9 (2024).")


@pytest.mark.parametrize("key", ["linear", "attention", "block-v", "rank-collapse-tanh"])
def test_gaussian_instances_meet_the_hypotheses_and_do_not_refute(key: str) -> None:
    verdict = typical_verdict(CATALOGUE[key], np.random.default_rng(0), members=2)
    assert verdict is not None
    assert verdict.applies.all()
    assert not verdict.refuted.any()


def test_the_same_claim_gives_the_same_picture_and_a_wrong_one_is_shown_as_text() -> None:
    claim = CATALOGUE[TRUE].claim
    assert formula_pictures(claim) == formula_pictures(claim)
    assert statement_html._claim(r"\nonsense{<}") == r"<code>\nonsense{&lt;}</code>"


def test_a_graph_is_drawn_with_negative_weights_and_without_any() -> None:
    places = [[1.0, 0.0], [-1.0, 0.0]]
    signed = graph_picture([[1.5, -0.5], [0.5, 0.5]], places)
    assert signed.startswith("data:image/svg+xml;base64,")
    assert signed != graph_picture([[0.5, 0.5], [0.5, 0.5]], places)
    assert graph_picture([[0.0, 0.0], [0.0, 0.0]], places)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "\u2013"),
        (0.0, "0"),
        (1.0, "1"),
        (1 - 2e-14, "1 \u2212 2e-14"),
        (0.25, "0.25"),
        (2e-5, "2.00e-05"),
        (1.5, "1.5"),
    ],
)
def test_a_ratio_near_one_shows_what_it_misses(ratio: float | None, text: str) -> None:
    assert ratio_text(ratio) == text
