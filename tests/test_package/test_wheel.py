"""Is what gets installed complete, light, and true to its sources?"""

import ast
import configparser
import importlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("oversmooth", "theory", "simulations", "paper_figures")
_RESULTS = ROOT / "paper_figures" / "out"
_OWN = ("derived", "this project's")
_CITATION = re.compile(r"\b[a-z]+(?:19|20)\d\d[a-z0-9]*\b")


def _sources() -> list[Path]:
    """Return the packages' Python files."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return [path for path in found if _RESULTS not in path.parents]


@pytest.fixture(scope="module")
def configuration() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


# --- the wheel --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing stale gets in and nothing is left behind."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, copy)
    skip = shutil.ignore_patterns("__pycache__", "out")
    # The tests come along to prove that they stay out of the wheel.
    for folder in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=skip)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(copy), str(copy)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = copy.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheels_top_level_is_exactly_the_four_packages(wheel_files: set[str]) -> None:
    top_level = {name.split("/")[0] for name in wheel_files}
    packages = {name for name in top_level if not name.endswith(".dist-info")}
    assert packages == set(PACKAGES)
    assert len(top_level) == len(PACKAGES) + 1, "one folder of metadata and nothing else"


def test_the_wheel_has_every_module_and_the_mark_that_it_is_typed(wheel_files: set[str]) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in _sources()}
    wanted |= {f"{package}/py.typed" for package in PACKAGES}
    assert wanted - wheel_files == set()


def test_no_data_lies_where_the_wheel_would_lose_it(wheel_files: set[str]) -> None:
    kinds = {".py", ".pyc"}
    data = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in kinds and _RESULTS not in path.parents
    }
    assert data - wheel_files == set(), "name them under options.package_data in setup.cfg"


def test_every_name_at_a_door_is_found_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    program = """
        import importlib, sys
        import oversmooth
        assert sys.argv[1] in oversmooth.__file__, oversmooth.__file__
        for room in sys.argv[2:]:
            module = importlib.import_module(room)
            for name in module.__all__:
                getattr(module, name)
    """
    doors = [stub.parent.relative_to(ROOT) for stub in ROOT.glob("*/**/__init__.pyi")]
    rooms = [".".join(door.parts) for door in doors if door.parts[0] in PACKAGES]
    assert "oversmooth" in rooms
    assert "theory.blocks" in rooms
    _run_in(wheel, tmp_path, program, wheel.name, *rooms)


def test_a_source_is_written_out_by_what_is_installed(wheel: Path, tmp_path: Path) -> None:
    program = """
        import sys
        from paper_figures.workshop import bibliography
        assert sys.argv[1] in bibliography.__file__, bibliography.__file__
        print(bibliography.cite("shi2022"))
    """
    assert "Revisiting Over-smoothing in BERT" in _run_in(wheel, tmp_path, program, wheel.name)


def _run_in(wheel: Path, folder: Path, program: str, *words: str) -> str:
    """Run a program with the wheel's packages and none of these, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(wheel)},  # Python imports from zip files
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- sources ----------------------------------------------------------------------------------


def _bibliography() -> set[str]:
    text = (ROOT / "theory" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,\s]+),", text, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)), "a key of references.bib stands twice"
    return set(keys)


def _source_statements(tree: ast.Module) -> Iterator[str]:
    """Give what follows ``Source:`` in docstrings, and each text passed as ``source=``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node) or ""
            # A statement ends where the docstring, a blank line or the next "Name:" line begins.
            yield from re.findall(
                r"^Source:\s*(.*?)(?=\n\s*\n|\n\w+:|\Z)", docstring, flags=re.MULTILINE | re.DOTALL
            )
        elif (
            isinstance(node, ast.keyword)
            and node.arg == "source"
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


def _faults(text: str, known: set[str]) -> list[str]:
    """Say what is wrong with the sources that a module states."""
    faults = []
    for statement in _source_statements(ast.parse(text)):
        cited = set(_CITATION.findall(statement))
        faults += [f"{key} is not in references.bib" for key in sorted(cited - known)]
        if not cited and not any(word in statement for word in _OWN):
            faults.append(f"Source: {statement!r} names no key, nor one of {_OWN}")
    return faults


def test_every_source_that_the_code_cites_is_in_the_bibliography() -> None:
    known = _bibliography()
    faults = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in _sources()
        for fault in _faults(path.read_text(encoding="utf-8"), known)
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('"""Q?\n\nSource: nobody1900, page 1\n"""', "nobody1900"),
        ('def f():\n    """Do.\n\n    Source: shi2022;\n    nobody1900\n    """', "nobody1900"),
        ('THEOREM = Theorem(key="k", source="nobody1900")', "nobody1900"),
        ('"""Q?\n\nSource: folklore\n"""', "folklore"),
    ],
)
def test_a_source_that_nobody_can_look_up_is_noticed(text: str, fault: str) -> None:
    assert any(fault in found for found in _faults(text, _bibliography()))


def test_the_bibliographys_entries_can_be_found_by_a_reader() -> None:
    text = (ROOT / "theory" / "references.bib").read_text(encoding="utf-8")
    for entry in re.split(r"^@", text, flags=re.MULTILINE)[1:]:
        fields = set(re.findall(r"^\s*(\w+)\s*=", entry, flags=re.MULTILINE))
        key = entry.partition("{")[2].partition(",")[0]
        assert {"author", "title", "year"} <= fields, key
        assert fields & {"eprint", "journal", "booktitle", "publisher"}, key


# --- metadata ---------------------------------------------------------------------------------


def test_the_citation_names_the_version_that_is_set_up(
    configuration: configparser.ConfigParser,
) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == configuration["metadata"]["version"]
    assert citation["license"] == configuration["metadata"]["license_expression"]


def test_the_installed_version_is_the_one_in_the_file(
    configuration: configparser.ConfigParser,
) -> None:
    assert version("oversmooth") == configuration["metadata"]["version"], "install it again"


def test_the_command_starts_where_setup_says(configuration: configparser.ConfigParser) -> None:
    scripts = configuration["options.entry_points"]["console_scripts"]
    lines = [line for line in scripts.splitlines() if line and not line.startswith("#")]
    for line in lines:
        module, _, function = line.partition("=")[2].strip().partition(":")
        assert callable(getattr(importlib.import_module(module), function))
    assert [line.partition(" ")[0] for line in lines] == ["oversmooth"]


def test_every_dependency_is_wanted_for_a_reason_that_stands_above_it() -> None:
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    section = text.partition("install_requires =\n")[2].partition("\n\n")[0].splitlines()
    lines = [line.strip() for line in section]
    for before, line in zip(["", *lines], lines, strict=False):
        assert line.startswith("#") or before.startswith("#"), line
