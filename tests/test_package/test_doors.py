"""Does each room say what it answers and offer what it has, and does nobody inside use its door?"""

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import get_args

import numpy as np
import pytest

import oversmooth
from paper_figures.pages.theorems import theorem_page
from paper_figures.sources.fusion_runs import load_experiments, load_sharing
from simulations.instruments.block_file import read_block
from simulations.law.comparison import law_beside_simulation
from simulations.machine.files import commit_file, read_file
from simulations.models.texts import TextFile
from simulations.sweeps.run import run_sweep
from simulations.sweeps.store import open_store
from theory.arrays import InputError
from theory.statements.domains import draw
from theory.theorems.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("theory", "simulations", "paper_figures")
MOST_NAMES = 24
_RESULTS = ROOT / "paper_figures" / "out"


def _folders() -> list[Path]:
    """Return the folders of the rooms, the packages themselves among them."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))
    return [path.parent for path in found if _RESULTS not in path.parents]


def _room(folder: Path) -> str:
    return ".".join(folder.relative_to(ROOT).parts)


ROOMS = {_room(folder): folder for folder in _folders()}
DOORS = {room: folder for room, folder in ROOMS.items() if (folder / "__init__.pyi").exists()}

by_door = pytest.mark.parametrize("room", DOORS)


# --- the rooms --------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_in_a_paragraph_what_it_answers(room: str) -> None:
    first, _, rest = (importlib.import_module(room).__doc__ or "").strip().partition("\n\n")
    assert first
    assert "\n" not in first
    assert len(rest.split()) > 10


@by_door
def test_every_name_at_a_door_exists_and_they_are_few(room: str) -> None:
    module = importlib.import_module(room)
    assert 0 < len(module.__all__) <= MOST_NAMES
    assert module.__all__ == sorted(set(module.__all__)) == dir(module)
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []


@by_door
def test_no_name_at_a_door_hides_behind_a_file_of_its_name(room: str) -> None:
    """Once a file is imported, Python shows the file under its name, whatever the door says."""
    module = importlib.import_module(room)
    files = {path.stem for path in DOORS[room].glob("*.py")}
    alike = [name for name in module.__all__ if name in files]
    assert [name for name in alike if not isinstance(getattr(module, name), ModuleType)] == []


def test_a_name_that_no_door_has_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(AttributeError, match=r"'theory\.blocks' has no attribute 'aply_block'"):
        importlib.import_module("theory.blocks").aply_block  # noqa: B018 - asking is the test
    with pytest.raises(ImportError, match="cannot import name 'trace'"):
        from oversmooth import trace  # type: ignore[attr-defined]  # noqa: F401


def _through_doors(text: str) -> list[str]:
    """Say which names a file takes from a room's door instead of from their home."""
    return [
        f"{alias.name} from {node.module}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (folder := ROOMS.get(node.module or ""))
        for alias in node.names
        if not (folder / alias.name).is_dir() and not (folder / f"{alias.name}.py").exists()
    ]


def test_the_house_itself_imports_from_homes() -> None:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    found = {path.name: _through_doors(path.read_text(encoding="utf-8")) for path in files}
    assert {name: names for name, names in found.items() if names} == {}


def test_an_import_through_a_door_is_noticed() -> None:
    assert _through_doors("from theory.blocks import apply_block") == [
        "apply_block from theory.blocks"
    ]
    assert _through_doors("from theory.blocks import forward") == []
    assert _through_doors("from theory.blocks.forward import apply_block") == []


@pytest.mark.parametrize("key", CATALOGUE)
def test_the_instances_of_every_theorem_are_of_a_class_at_the_door(key: str) -> None:
    instance = draw(CATALOGUE[key].domain, np.random.default_rng(0)).instance
    door = importlib.import_module("theory.theorems")
    assert getattr(door, type(instance).__name__) is type(instance)


# --- the front door ---------------------------------------------------------------------------


def test_the_front_door_offers_some_25_names_and_the_packages() -> None:
    names = set(oversmooth.__all__)
    assert {*PACKAGES, "__version__", "check", "simulate", "law"} <= names
    assert 20 <= len(names - {*PACKAGES, "__version__"}) <= 28
    assert [name for name in names if getattr(oversmooth, name, None) is None] == []


def test_two_names_are_shorter_at_the_front_door() -> None:
    assert oversmooth.law is law_beside_simulation
    assert oversmooth.sweep is run_sweep


def test_the_rooms_can_be_reached_from_the_front_door() -> None:
    assert oversmooth.theory.blocks.apply_block.__module__ == "theory.blocks.forward"
    assert oversmooth.simulations.stacks.Stack is oversmooth.Stack


def test_an_instance_is_built_from_plain_arrays_and_checked() -> None:
    averaging = oversmooth.theory.theorems.Averaging
    tokens = np.asarray([[1.0, 2.0], [3.0, -4.0]])
    theorem = oversmooth.CATALOGUE["attention"]
    right = averaging(tokens=tokens, adjacency=np.full((2, 2), 0.5))
    assert oversmooth.check(theorem, right).status == "holds"
    wrong = averaging(tokens=tokens, adjacency=np.full((2, 2), 0.4))
    assert oversmooth.check(theorem, wrong).status == "does not apply"


# --- what is offered takes -------------------------------------------------------------------


@by_door
def test_what_takes_a_path_takes_it_as_a_string_too(room: str) -> None:
    module = importlib.import_module(room)
    functions = (getattr(module, name) for name in module.__all__)
    functions = (found for found in functions if inspect.isfunction(found))
    takes = [
        f"{function.__name__}({name})"
        for function in functions
        for name, hint in function.__annotations__.items()
        if name != "return" and Path in (hint, *get_args(hint)) and str not in get_args(hint)
    ]
    assert takes == []


def test_a_path_as_a_string_is_read_and_written(tmp_path: Path) -> None:
    assert commit_file(f"{tmp_path}/cell", b"payload")
    assert read_file(f"{tmp_path}/cell") == b"payload"
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    assert list(TextFile(f"{tmp_path}/texts.txt")) == ["one", "two"]
    assert theorem_page(out=str(tmp_path)) is None
    for read in (load_experiments, load_sharing, read_block, open_store):
        with pytest.raises(InputError):
            read(f"{tmp_path}/none")
