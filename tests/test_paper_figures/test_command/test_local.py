"""`analyze --local`: what is proved is said, and a question without sense refused."""

import json
from pathlib import Path

import pytest

from paper_figures.command import local_summary
from tests.helpers.commands import refused, said
from tests.test_simulations.helpers.tiny_folder import write_folder


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    return str(write_folder(folder))


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "text.txt"
    path.write_text("a graph of tokens fades\nslowly tokens\n", encoding="utf-8")
    return str(path)


def test_the_bound_stands_between_what_is_reached_and_saturation(
    model: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("analyze", model, "--text", text, "--local", "1e-4", "--reach", "--json")
    code, out, _ = said(capsys, *words)
    found = json.loads(out)["local"]
    assert code == 0
    assert [(each["text"], each["layer"]) for each in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for each in found:
        assert each["ratio"] <= each["reached"] * (1 + 1e-6)
        assert each["reached"] <= each["bound"] <= each["saturation"]
        assert each["contracts"] == (each["bound"] < 1)
        assert each["radius"] == 1e-4


def test_the_table_says_what_is_proved_and_what_is_not(
    model: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ("analyze", model, "--text", text, "--layers", "2")
    code, out, _ = said(capsys, *some, "--local", "1e-4")
    assert code == 0
    assert "proved" in out
    assert "no certificate" in out
    assert "reached" not in out
    _, out, _ = said(capsys, *some, "--local", "3")
    assert "does not apply" in out


@pytest.mark.parametrize("radius", ["0", "-1", "nan", "inf"])
def test_a_radius_must_be_a_positive_number(
    model: str, text: str, radius: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, "analyze", model, "--text", text, f"--local={radius}")
    assert "radius must be a positive number" in told


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--local", "1e-3", "--via", "capture"), "local goes with"),
        (("--local", "1e-3", "--skip-special"), "local goes with"),
        (("--local", "1e-3", "--layers", "3"), "layers must be from 1 to 2"),
        (("--reach",), "go with local"),
        (("--layers", "1"), "go with local"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    model: str, text: str, more: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, "analyze", model, "--text", text, *more)


def test_the_summary_asks_for_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert local_summary.main([]) == 2
    assert local_summary.main(["minilm", "two"]) == 2
    assert "local_summary NAME" in capsys.readouterr().err
