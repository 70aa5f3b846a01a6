"""Do the programs of docs/capture.md run, and does its table name every family?"""

import re
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

from simulations.capture.known import FAMILIES

for module in ("torch", "safetensors", "pydantic", "xarray"):
    pytest.importorskip(module)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "capture.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples" / "capture").glob("*.py"))
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_its_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shared: dict[str, object] = {}
    assert len(PROGRAMS) == 3
    for program in PROGRAMS:
        exec(compile(program, "docs/capture.md", "exec"), shared)  # noqa: S102 - our own text
        trace = shared["trace"]
        assert set(np.ravel(trace.inequality)) == {"holds"}  # type: ignore[attr-defined]
    assert shared["data"]["step"].values.tolist() == [0, 100, 200]  # type: ignore[index]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says_of_each_block(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(path))
    shown = capsys.readouterr()
    assert shown.err == ""
    head, *rows = [line.split() for line in shown.out.splitlines() if re.match(r" +\w", line)]
    assert head == [
        "layer",
        "lambda",
        "s",
        "sigma_1",
        "sigma_2",
        "v",
        "v",
        "sharp",
        "ratio",
        "bound",
    ]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert {row[-1] for row in rows} == {"holds"}
    assert all(np.isfinite([float(number) for number in row[1:-1]]).all() for row in rows)


def test_all_kinds_of_models_have_an_example() -> None:
    names = {"albert", "gpt2", "llama", "t5_encoder", "torch_encoder", "vit"}
    assert {path.stem for path in EXAMPLES} == names


def test_its_table_names_every_family() -> None:
    table = TEXT.partition("## Families")[2].partition("\n\nThe family")[0]
    named = re.findall(r"`([\w-]+)`", table.partition("| --- |")[2])
    assert set(named) == FAMILIES.keys()
