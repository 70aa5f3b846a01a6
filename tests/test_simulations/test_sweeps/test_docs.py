"""Do the docs and the examples of sweeps say what the code does?"""

import re
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("safetensors")

from pydantic import BaseModel

from simulations.sweeps.axes import Axis, Sobol, SobolAxis
from simulations.sweeps.config import RunSettings, Seeds, Sweep, read_sweep
from simulations.sweeps.dataset import read_store
from simulations.sweeps.expansion import expand
from simulations.sweeps.run import run_sweep

TOP = Path(__file__).parents[3]
MODELS: dict[str, type[BaseModel]] = {
    "The sweep": Sweep,
    "An axis": Axis,
    "sobol": Sobol,
    "A range of sobol.axes": SobolAxis,
    "seeds": Seeds,
    "run": RunSettings,
}


def _sections() -> dict[str, str]:
    text = (TOP / "docs" / "sweeps.md").read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "wanted"
    value = field.default
    if isinstance(value, RunSettings):
        return "`{...}`"  # its own table has them
    if isinstance(value, BaseModel):
        value = value.model_dump()
    return "`" + repr(value).replace("'", '"') + "`"


@pytest.mark.parametrize("title", MODELS)
def test_every_key_of_a_sweep_is_in_the_docs_with_its_default(title: str) -> None:
    model = MODELS[title]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", _sections()[title], flags=re.MULTILINE)
    assert {name: default for name, _, default in rows} == {
        name: _default(model, name) for name in model.model_fields
    }


def test_the_example_runs_and_has_every_part(tmp_path: Path) -> None:
    path = TOP / "examples" / "first_sweep.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {"axes", "zipped", "sobol", "seeds"} <= content.keys()
    sweep = read_sweep(path)
    tally = run_sweep(sweep, tmp_path / "s", workers=0)
    assert tally.done == tally.cells == expand(sweep).size
    pytest.importorskip("xarray")
    assert bool(read_store(tmp_path / "s")["complete"].all())


def test_the_phase_diagram_has_a_hundred_thousand_cells_of_eight_a_draw() -> None:
    sweep = read_sweep(TOP / "examples" / "phase_diagram.toml")
    grid = expand(sweep)
    assert grid.size >= 100_000
    assert {len(task.cases) for task in grid.tasks} == {8}
    shapes = {(c.stack.tokens, c.stack.width, c.stack.heads, c.stack.depth) for c in grid.cases}
    assert shapes == {(64, 64, 4, 24)}
    assert sweep.run.dtype == "float32"


def test_the_files_that_the_docs_name_are_there() -> None:
    text = "\n".join(_sections().values())
    named = set(re.findall(r"examples/\w+\.\w+", text))
    assert named >= {"examples/first_sweep.toml", "examples/slurm_sweep.py"}
    assert all((TOP / name).exists() for name in named)
