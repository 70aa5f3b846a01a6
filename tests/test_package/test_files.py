"""Is each file short, and does its folder say what it is about, so that its name need not?"""

from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("oversmooth", "theory", "simulations", "paper_figures", "tests", "benchmarks")
LONGEST = 300
MEDIAN = 120
_RESULTS = ROOT / "paper_figures" / "out"
_FIGURES = Path("paper_figures", "figures")


def _files() -> dict[Path, int]:
    """Return the files of the packages, the tests and the benchmarks, and each one's lines."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in found
        if _RESULTS not in path.parents
    }


def _repeats(path: Path) -> bool:
    """Whether a file is named after its folder; the `test_` that both may begin with is no name."""
    # A figure's file bears the figure's name, which its data and pictures have too.
    if _FIGURES in path.parents:
        return False
    name, folder = (text.removeprefix("test_") for text in (path.stem, path.parent.name))
    return f"{name}_".startswith(f"{folder}_") or name.startswith(f"{folder.removesuffix('s')}_")


def _faults(files: dict[Path, int]) -> list[str]:
    """Say which files are too long, and which repeat the name of their folder."""
    long = [f"{path} has {lines} lines" for path, lines in files.items() if lines > LONGEST]
    repeated = [f"{path} repeats {path.parent.name}" for path in files if _repeats(path)]
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
        ("tests/test_theory/test_law/test_rates.py", 301, "has 301 lines"),
        ("tests/test_theory/test_graphs/test_graph_masks.py", 10, "repeats test_graphs"),
        ("tests/test_theory/test_law/law_rates.py", 10, "repeats test_law"),
        ("tests/test_simulations/test_datasets/test_datasets.py", 10, "repeats test_datasets"),
        ("benchmarks/benchmark_engine.py", 10, "repeats benchmarks"),
    ],
)
def test_a_file_against_the_rules_is_noticed(path: str, lines: int, fault: str) -> None:
    assert any(fault in found for found in _faults({Path(path): lines}))
