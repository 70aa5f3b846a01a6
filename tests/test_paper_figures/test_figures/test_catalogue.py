"""A figure is found by its name: its file, its key and what is drawn bear the same one."""

from pathlib import Path

import pytest

from paper_figures.figures.catalogue import FIGURES

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
