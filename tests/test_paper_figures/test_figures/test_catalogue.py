"""A figure is found by its name: its file, its key and what is drawn bear the same one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from paper_figures.figures.catalogue import FIGURES, make_figures
from paper_figures.workshop.build import Outcome, build

FOLDER = Path(__file__).parents[3] / "paper_figures" / "figures"
SHARED = {"__init__", "catalogue", "configurations"}
"""Files there that hold no figure."""


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_stands_in_the_file_of_its_name(name: str) -> None:
    figure = FIGURES[name]
    for function in (figure.compute, figure.draw, figure.refuted):
        assert function.__module__.rpartition(".")[2] == figure.name == name


def test_no_figure_is_left_out_of_the_catalogue() -> None:
    stems = {path.stem for path in FOLDER.rglob("*.py")} - SHARED
    assert stems == set(FIGURES)


def test_the_page_is_there_as_soon_as_one_figure_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(FIGURES["fig4"], out=tmp_path, quick=True)
    pages: list[bool] = []

    def one_by_one(
        _figures: object, *, on_progress: Callable[[str, str], None], **_: object
    ) -> list[Outcome]:
        for event in ("start", "done"):
            on_progress("fig4", event)
            pages.append((tmp_path / "index.html").is_file())
        return []

    monkeypatch.setattr("paper_figures.figures.catalogue.make", one_by_one)
    make_figures(["fig4", "tau"], out=tmp_path)
    assert pages == [False, True]
    assert 'id="fig4"' in (tmp_path / "index.html").read_text()
