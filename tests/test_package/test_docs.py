"""Is every name and file that the documents mention there, and every room on the map?"""

import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("oversmooth", "theory", "simulations", "paper_figures")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
    *sorted(path for path in (ROOT / "examples").rglob("*.*") if path.suffix != ".pyc"),
]
_NAME = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+(?![\w/])")
_TAKEN = re.compile(
    rf"^\s*from ((?:{'|'.join(PACKAGES)})[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE
)
_FOLDERS = ("docs", "examples", "notebooks", "requirements", "tests", "benchmarks", ".ci")
_PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join([*PACKAGES, *_FOLDERS])})/[\w./*-]*\w/?")
_ABSENT = ("paper_figures/out", "tests/theory/")  # made by a command; must not be made


def _text(path: Path) -> str:
    """Return what a document says; of a notebook, what its cells say."""
    text = path.read_text(encoding="utf-8") if path.suffix != ".png" else ""
    if path.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def _is_there(name: str) -> bool:
    """Whether a dotted name is a module, something in one, or a style of matplotlib's."""
    if any(ROOT.glob(name.replace(".", "/") + ".mplstyle")):
        return True
    found = importlib.import_module(name.partition(".")[0])
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            try:
                found = importlib.import_module(f"{found.__name__}.{part}")
            except (ImportError, AttributeError):
                return False
        else:
            found = getattr(found, part)
    return True


def _missing(text: str) -> list[str]:
    """Return the names and files that a text mentions and that are not there."""
    names = {match.group() for match in _NAME.finditer(text)}
    for module, listed in _TAKEN.findall(text):
        taken = re.sub(r"#.*", "", listed).strip("()").split(",")
        names |= {f"{module}.{name.split(' as ')[0].strip()}" for name in taken if name.strip()}
    paths = {match.group() for match in _PATH.finditer(text)}
    lost = [path for path in paths if not path.startswith(_ABSENT) and not any(ROOT.glob(path))]
    return sorted(lost + [name for name in names if not _is_there(name)])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_mentions_is_there(path: Path) -> None:
    assert _missing(_text(path)) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("see `theory.block.apply_block`", "theory.block.apply_block"),
        ("from oversmooth import (\n    Stack,\n    stack,  # small\n)", "oversmooth.stack"),
        ("in `theory/blocks/layers.py`", "theory/blocks/layers.py"),
    ],
)
def test_a_name_or_file_that_is_not_there_is_noticed(text: str, missing: str) -> None:
    assert _missing(text) == [missing]


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for package in PACKAGES[1:]:
        table = text.partition(f"| room of `{package}` |")[2].partition("\n\n")[0]
        rows = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
        rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert set(rows) == rooms
        assert len(rows) == len(rooms)
