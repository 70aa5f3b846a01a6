"""The command law: tables, one JSON object, pictures, exit codes, and one line for a mistake."""

import json
from pathlib import Path

import numpy as np
import pytest

from paper_figures.command.main import main

SMALL = ("--n", "5", "--width", "8", "--heads", "2", "--ffn-width", "8", "--layers", "40")


def test_law_prints_every_number_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--graph", "causal", "--json", "--critical", "ffn_gain")
    limits = ("--critical-range", "0.1", "0.5", "--points", "2")
    assert main(["law", *SMALL, *options, *limits]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["graph"] == "causal"
    assert found["rank_of_m"] == 1
    rates = {round(mode["eigenvalue"][0], 6): mode["rate"] for mode in found["modes"]}
    assert sorted(rates) == pytest.approx([1 / 5, 1 / 4, 1 / 3, 1 / 2], abs=1e-6)
    assert max(rates.values()) == found["rate"]
    assert found["equal_depth"]["gap"] <= found["equal_depth"]["error"]
    assert found["rate"] <= found["v_sharp"] <= found["v"]
    assert found["ordering"] == "holds"
    assert found["critical"]["ffn_gain"]["words"]["v"].startswith("no crossing in 0.1 .. 0.5")


def test_law_prints_tables_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "graph.txt", tmp_path / "law.svg"
    file.write_text("1 1 0\n1 1 1\n0 1 1\n", encoding="utf-8")
    assert main(["law", "--adjacency", str(file), *SMALL[2:], "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    for words in ("eigenvalue", "simulated", "v sharp", "M has rank 1", "holds", "3 tokens"):
        assert words in out
    assert picture.read_text(encoding="utf-8").startswith("<?xml")


def test_law_says_which_subspace_it_is_about_and_whether_components_meet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["law", "--graph", "blocks:2,3", *SMALL]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rank_of_m"], len(found["components"])) == (2, 2)
    assert found["law_consensus"] == max(found["rate"], found["along"])
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert "M has rank 2: the span of 2 components' indicators, 3 modes" in out
    assert "which do not hear each other" in out
    assert "says nothing about tokens far" in out


def test_law_takes_weights_in_the_place_of_attention(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.npy"
    np.save(file, np.asarray([[3.0, 1.0], [1.0, 1.0]]))
    assert main(["law", "--adjacency", str(file), *SMALL[2:], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["modes"][0]["eigenvalue"][0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--graph", "cycle"), "graph must be"),
        (("--adjacency", "none.npy"), "cannot be read"),
        (("--adjacency", "none.npy", "--n", "3"), "without --graph and --n"),
        (("--n", "3", "--tokens", "4"), "one number"),
        (("--critical", "depth"), "critical"),
        (("--critical-range", "0", "1"), "must come with --critical"),
        (("--text", "a.txt"), "must come with --model"),
        (("--model", "minilm", "--n", "4"), "left out with --model"),
        (("--model", "minilm", "--width", "8"), "options of a stack"),
        (("--n", "1"), "at least 2"),
        (("--plot", "law.txt"), "must end in"),
        (("--seed", "-1"), "seed"),
        (("--n", "2.5"), "whole number"),
    ],
)
def test_a_wrong_question_gets_one_line(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert main(["law", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert words in captured.err
