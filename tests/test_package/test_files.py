"""Is each file short, and does its folder say what it is about, so that its name need not?"""

from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("oversmooth", "theory", "simulations", "paper_figures")
LONGEST = 300
MEDIAN = 120
_RESULTS = ROOT / "paper_figures" / "out"
_FIGURES = Path("paper_figures", "figures")


def _files() -> dict[Path, int]:
    """Return the packages' files, and how many lines each has."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in found
        if _RESULTS not in path.parents
    }


def _faults(files: dict[Path, int]) -> list[str]:
    """Say which files are too long, and which repeat the name of their folder."""
    long = [f"{path} has {lines} lines" for path, lines in files.items() if lines > LONGEST]
    # A figure's file bears the figure's name, which its data and pictures have too.
    folders = {path: path.parent.name for path in files if _FIGURES not in path.parents}
    repeated = [
        f"{path} repeats {folder}"
        for path, folder in folders.items()
        if path.stem.startswith((f"{folder}_", f"{folder.removesuffix('s')}_"))
    ]
    return long + repeated


def test_no_file_is_long_and_none_repeats_the_name_of_its_folder() -> None:
    assert _faults(_files()) == []


def test_half_of_the_files_are_short() -> None:
    assert median(_files().values()) < MEDIAN


@pytest.mark.parametrize(
    ("path", "lines", "fault"),
    [
        ("theory/blocks/forward.py", 301, "has 301 lines"),
        ("theory/law/law_rates.py", 10, "repeats law"),
        ("theory/graphs/graph_masks.py", 10, "repeats graphs"),
    ],
)
def test_a_file_against_the_rules_is_noticed(path: str, lines: int, fault: str) -> None:
    assert any(fault in found for found in _faults({Path(path): lines}))
