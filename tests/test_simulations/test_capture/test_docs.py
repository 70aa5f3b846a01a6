"""Do the programs of docs/capture.md run, and does its table name every family?"""

import re
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

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "capture.md").read_text(encoding="utf-8")
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


def test_its_table_names_every_family() -> None:
    table = TEXT.partition("## Families")[2].partition("\n\nThe family")[0]
    named = re.findall(r"`([\w-]+)`", table.partition("| --- |")[2])
    assert set(named) == FAMILIES.keys()
