"""The paper's values are complete, in range, and unmistakably the paper's."""

from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from paper_figures.workshop.reference import NAMES, REFERENCE_FOLDER, PaperValue, load_reference
from theory.arrays import InputError

GOOD = "# what: a\n# source: shi2022\n# read: b\nquantity,series,x,value,tolerance\n"


@pytest.mark.parametrize("name", NAMES)
def test_each_file_names_its_source_and_how_it_was_read(name: str) -> None:
    reference = load_reference(name)
    assert reference.source == "shi2022"
    assert reference.read
    assert reference.rows


def test_no_file_lies_unread_in_the_folder() -> None:
    assert {path.stem for path in REFERENCE_FOLDER.iterdir()} == set(NAMES)


def test_the_layers_of_bert_are_complete_and_end_smoother_than_they_begin() -> None:
    layer, cosine = load_reference("fig1a").series("BERT")
    assert layer.tolist() == list(range(13))
    assert (np.diff(cosine) > 0).all()


def test_attention_of_each_model_has_one_value_for_each_pair_of_layers() -> None:
    for model in ("BERT", "RoBERTa", "ALBERT"):
        assert load_reference("fig3").series(model)[0].tolist() == list(range(1, 12))


def _averages() -> dict[str, float]:
    """Return, by model, how far the printed average lies from the mean of its row."""
    rows: dict[str, list[PaperValue]] = {}
    for row in load_reference("table2").rows:
        rows.setdefault(row.series, []).append(row)
    return {
        series: abs(fmean(r.value for r in members[:-1]) - members[-1].value)
        for series, members in rows.items()
    }


def test_printed_averages_are_the_means_of_their_rows_up_to_what_the_note_admits() -> None:
    gaps = _averages()
    rounding = 0.05 + 0.05  # of the average, and of each entry
    odd = {series for series, gap in gaps.items() if gap > rounding + 1e-9}
    assert odd == {"ALBERT"}
    assert gaps["ALBERT"] < 0.135


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("CosSim,BERT,1,nan,0.01\n", r"line 5: value must be finite"),
        ("CosSim,BERT,1,0.5,0\n", r"line 5: .*tolerance positive"),
        ("CosSim,BERT,1,1.5,0.01\n", r"cosine must lie in"),
        ("CosSim,BERT,1,0.5,0.01\nCosSim,BERT,1,0.6,0.01\n", r"line 6: .*twice"),
        ("CosSim,BERT,1,0.5\n", r"wanted 5 cells, but got 4"),
        ("CosSim,BERT,1,half,0.01\n", r"line 5: .*half"),
    ],
)
def test_a_damaged_row_is_refused_with_its_line(tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "fig1a.csv").write_text(GOOD + body)
    with pytest.raises(InputError, match=message):
        load_reference("fig1a", folder=tmp_path)


@pytest.mark.parametrize("key", ["what", "source", "read"])
def test_a_header_that_lacks_its_origin_is_refused(tmp_path: Path, key: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"# {key}")]
    (tmp_path / "fig1a.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=f"# {key}"):
        load_reference("fig1a", folder=tmp_path)


def test_an_unknown_name_and_an_unknown_curve_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="fig1a"):
        load_reference("fig9")
    with pytest.raises(InputError, match="RoBERTa"):
        load_reference("fig1a").series("GPT")
