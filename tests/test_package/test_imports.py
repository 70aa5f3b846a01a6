"""What does an import cost, and does it find this project, whatever stands beside a script?"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("oversmooth", "theory", "simulations", "paper_figures")
HEAVY = {
    *("torch", "cupy", "transformers", "tokenizers", "safetensors", "pandas", "xarray"),
    *("scipy.optimize", "scipy.stats", "sympy", "networkx", "matplotlib", "hypothesis"),
}
ANY = HEAVY | {"numpy", "scipy", "cyclopts", "rich"}


def _run(*arguments: str, folder: Path = ROOT) -> str:
    """Run a fresh interpreter, which has loaded nothing yet, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded(module: str, names: set[str]) -> set[str]:
    """Return which of these modules are loaded once a module has been imported."""
    return set(_run("-c", f"import sys, {module}; print(*({names} & sys.modules.keys()))").split())


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_no_library_at_all(package: str) -> None:
    assert _loaded(package, ANY) == set()


# Blocks, masks, measures and theorems as data need arrays, and nothing else that takes time.
@pytest.mark.parametrize(
    "module",
    [
        "theory.blocks.forward",
        "theory.bounds.coefficients",
        "theory.graphs.conversions",
        "theory.graphs.masks",
        "theory.measures.tokens",
        "theory.spectra.norms",
        "theory.statements.domains",
    ],
)
def test_what_everybody_uses_loads_no_heavy_library(module: str) -> None:
    assert _loaded(module, HEAVY) == set()


def test_a_library_that_is_loaded_is_noticed() -> None:
    assert _loaded("theory.symbolic.maps", HEAVY) == {"sympy"}


def test_a_name_is_loaded_when_it_is_used() -> None:
    program = (
        "import sys, oversmooth\n"
        "print('theory.arrays' in sys.modules)\n"
        "oversmooth.InputError\n"
        "print('theory.arrays' in sys.modules, 'simulations.stacks' in sys.modules)"
    )
    assert _run("-c", program).split() == ["False", "True", "False"]


def test_without_an_extra_the_front_door_opens_and_says_what_is_missing() -> None:
    # None in sys.modules makes an import of that name fail, as if it were not installed.
    program = (
        "import sys, pydoc\n"
        "sys.modules.update(pydantic=None, torch=None)\n"
        "import oversmooth\n"
        "from oversmooth import *\n"
        "assert 'front door' in pydoc.render_doc(oversmooth)\n"
        "try: sweep(None, 'store')\n"
        "except InputError as error: print(error)"
    )
    assert "oversmooth.sweep needs the package pydantic" in _run("-c", program)


_OF_FLINT = {
    *(
        f"theory.balls.{name}"
        for name in ("array", "decompositions", "functions", "library", "matrices", "numbers")
    ),
    *(
        f"theory.proofs.checkers.{name}"
        for name in (
            "activation_slope",
            "basin_changes",
            "law",
            "law_basin",
            "law_slopes",
            "programs",
        )
    ),
}


def test_every_module_of_theory_imports_where_torch_and_cupy_do_not_exist() -> None:
    files = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "theory").rglob("*.py"))
    modules = [".".join(path.parts).removesuffix(".__init__") for path in files]
    assert "theory.blocks.forward" in modules
    if find_spec("flint") is None:  # the numbers of these are flint's; nothing else imports them
        modules = [name for name in modules if name not in _OF_FLINT]
    program = (
        "import importlib, sys\n"
        "sys.modules.update(torch=None, cupy=None)\n"
        f"for name in {modules}: importlib.import_module(name)"
    )
    _run("-c", program)


@pytest.mark.parametrize("package", ["oversmooth", "paper_figures"])
def test_a_package_runs_as_the_command(package: str) -> None:
    assert "simulate" in _run("-m", package, "--help")


# --- beside a script --------------------------------------------------------------------------


def _script_beside(folder: Path) -> str:
    """Run a script that uses the project, in a folder that has one of the packages' names."""
    script = folder / "script.py"
    script.write_text(
        "import oversmooth\n"
        "from simulations.stacks import Stack\n"
        "assert oversmooth.Stack is Stack\n"
        "print(oversmooth.__file__)\n",
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_a_folder_of_data_beside_a_script_hides_no_package(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "results.csv").write_text("1,2\n", encoding="utf-8")
    told = _script_beside(tmp_path)
    assert told.strip() == str(ROOT / "oversmooth" / "__init__.py"), "install it as make does"


def test_a_package_of_the_same_name_beside_a_script_comes_first(tmp_path: Path) -> None:
    """Python's own rule; the README says what to do about it."""
    (tmp_path / "simulations").mkdir()
    (tmp_path / "simulations" / "__init__.py").touch()
    assert "No module named 'simulations.stacks'" in _script_beside(tmp_path)
