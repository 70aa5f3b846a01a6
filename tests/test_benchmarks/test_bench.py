"""The benchmark runs, says under which conditions, and keeps what it found."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import bench
from benchmarks.rows import TINY, Row
from simulations.machine.threads import cores


def test_a_tiny_run_has_every_row_and_its_conditions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results")
    assert bench.main(["--tiny", "--json", "--keep"]) == 0
    result = json.loads(capsys.readouterr().out)
    keys = [row["key"] for row in result["rows"]]
    assert len(set(keys)) == len(keys)
    for start in ("forward-64", "survey-float32-8-rank", "measures-64", "memory", "violations"):
        assert any(key.startswith(start) for key in keys), start
    assert ("processes-2" in keys) == (cores() > 1)
    assert all(row["figure"] >= 0 for row in result["rows"])
    assert min(row["figure"] for row in result["rows"] if row["unit"] == "MB") > 0
    assert result["machine"]["blas"]
    assert all(rate > 0 for found in result["gemm_gflops"].values() for rate in found)
    kept = list((tmp_path / "results").iterdir())
    assert [json.loads(path.read_text()) for path in kept] == [result]
    Console(width=120).print(bench.table(result), bench.about(result))
    assert "no" in capsys.readouterr().out, "two seeds cannot meet the goals for many"


def test_a_device_has_rows_of_its_own() -> None:
    pytest.importorskip("torch")
    result = bench.run(TINY, device="cpu")
    by_key = {row["key"]: row for row in result["rows"]}
    assert by_key.keys() == {"device-eager", "device-agreement"}
    assert by_key["device-agreement"]["met"]


def test_a_goal_is_met_on_its_right_side() -> None:
    assert Row("a", "", 2.0, 1.9, "more").met
    assert not Row("a", "", 1.8, 1.9, "more").met
    assert Row("a", "", 1.8, 1.9, "less").met
    assert Row("a", "", 1.8, None, "less").met is None
