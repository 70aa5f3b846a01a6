"""oversmooth prove: a certificate is made once, checked by anyone, and never written over."""

import json
from pathlib import Path

import pytest

from paper_figures.command.main import main
from tests.helpers.commands import refused

STORED = Path(__file__).parents[3] / "theory" / "proofs" / "stored"
SMALL = STORED / "attention-3-tokens-t-1.json"


def test_a_certificate_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--check", str(SMALL)]) == 0
    assert "Of 3 tokens, residual attention" in capsys.readouterr().out
    assert main(["prove", "--check", str(SMALL), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["proved"] is True


def test_one_that_proves_nothing_is_not_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_bytes(SMALL.read_bytes().replace(b'"t":"1"', b'"t":"2"'))
    assert main(["prove", "--check", str(wrong)]) == 1
    assert "not proved: it is damaged" in capsys.readouterr().err
    assert main(["prove", "--check", str(wrong), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["proved"] is False


def test_what_is_no_certificate_is_a_wrong_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text("{}")
    for words, line in (
        (["--check", str(tmp_path / "x.json")], "no certificate"),
        (["--check", str(tmp_path / "none.json")], "No such file"),
        ([], "prove needs a statement"),
        (["nonsense"], "nonsense"),
        (["residual-attention", "--tokens", "3", "--t", "1"], "--out"),
        (["residual-attention", "--tokens", "2.5", "--t", "1", "--out", "y"], "whole number"),
        (["residual-attention", "--tokens", "3", "--t", "1", "--out", str(SMALL)], "there already"),
        (["activation-slope", "--activation", "relu", "--out", str(tmp_path / "y")], "one of gelu"),
        (["smallest-counterexample", "--nodes", "9", "--out", str(tmp_path / "y")], "2 to 7"),
    ):
        assert line in refused(capsys, "prove", *words)
    assert not (tmp_path / "y").exists()


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    words = ["prove", "smallest-counterexample", "--nodes", "4", "--out"]
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        assert main([*words, str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_statement_that_is_made_is_the_one_that_is_stored(tmp_path: Path) -> None:
    pytest.importorskip("clarabel")
    file = tmp_path / "made.json"
    assert (
        main(["prove", "residual-attention", "--tokens", "3", "--t", "1", "--out", str(file)]) == 0
    )
    made, stored = (json.loads(path.read_bytes())["claim"] for path in (file, SMALL))
    assert made["at_most_squared"] == stored["at_most_squared"]
