"""The command that proves the law: what it says, keeps and refuses."""

import json
from pathlib import Path

import pytest

pytest.importorskip("flint")

from tests.helpers.commands import refused, said

pytestmark = pytest.mark.once

SMALL = ("--n", "3", "--width", "4", "--heads", "2", "--ffn-width", "6", "--bias-std", "0.3")
GAINS = ("--value-gain", "0.4", "--ffn-gain", "0.3")


def test_a_proof_is_printed_kept_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "law.json"
    code, out, _ = said(capsys, "law", "--prove", *SMALL, *GAINS, "--out", str(file))
    assert code == 0
    assert "Proved: M attracts" in out
    code, out, _ = said(capsys, "prove", "--check", str(file))
    assert code == 0
    assert "below 1" in out
    line = refused(capsys, "law", "--prove", *SMALL, *GAINS, "--out", str(file))
    assert "is there already" in line


def test_json_is_one_object_whose_bounds_hold_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = said(capsys, "law", "--prove", *SMALL, *GAINS, "--graph", "causal", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["verdict"] == "attracts"
    assert 0 < found["transverse"][0] <= found["transverse"][1] < 1
    assert [mode["times"] for mode in found["modes"]] == [1, 1, 1]


def test_a_basin_is_proved_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "basin.json"
    asked = ("law", "--prove", "--basin", *SMALL, *GAINS, "--out", str(file), "--json")
    code, out, _ = said(capsys, *asked)
    assert code == 0
    assert json.loads(out)["radius"] > 0
    assert "end in consensus" in said(capsys, "prove", "--check", str(file))[1]


def test_a_token_that_never_settles_is_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "law", "--prove", *SMALL, "--placement", "pre")
    assert code == 1
    assert out.startswith("Undecided: ")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--prove", "--no-tied"), "leave out --no-tied"),
        (("--prove", "--plot", "x.png"), "--prove must come without"),
        (("--prove", "--critical", "value_gain"), "--prove must come without"),
        (("--out", "x.json"), "must come with --prove"),
        (("--basin",), "must come with --prove"),
        (("--layer", "2"), "--layer must come with"),
        (("--prove", "--layer", "2"), "--layer must come with"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    more: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line in refused(capsys, "law", *SMALL, *more)
