"""--certify of check, verify and replay: what is certain, in text and in JSON, and exit codes."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.commands import arrays, refused, said

pytest.importorskip("flint")


@pytest.fixture
def block_file(tmp_path: Path) -> Path:
    """A valid block file."""
    path = tmp_path / "block.npz"
    np.savez(path, **arrays(activation=np.array("gelu"), ln_eps=np.float64(1e-5)))
    return path


def test_check_certifies_the_block_theorem(
    block_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "check", str(block_file), "--certify", "--json")
    found: dict[str, Any] = json.loads(out)["certified"]
    assert code == 0
    assert (found["outcome"], found["certified"]) == ("holds", True)
    assert set(found["hypotheses"].values()) == {"met"}
    assert found["about"] == "the numbers as they are given, each taken as exact"
    middle = float(found["rhs"].strip("[]").split(" +/-")[0])
    assert middle == pytest.approx(json.loads(out)["v"] * json.loads(out)["distance_in"])


def test_check_says_that_rows_were_divided_by_their_sums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {name: values for name, values in arrays().items() if name not in ("query", "key")}
    n = given["tokens"].shape[0]
    weights = np.random.default_rng(0).random((2, n, n))
    path = tmp_path / "weights.npz"
    np.savez(path, **given, adjacency=weights / weights.sum(axis=-1, keepdims=True))
    _, out, _ = said(capsys, "check", str(path), "--certify")
    assert "holds, certified (with 64 bits)" in out
    assert "divided by its sum" in out


def test_verify_and_replay_certify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, folder = "first-v-forever", tmp_path / "found"
    options = ("--trials", "40", "--out", str(folder), "--certify", "--json")
    code, out, _ = said(capsys, "verify", key, "linear", *options)
    assert code == 0
    false, true = json.loads(out)["theorems"]
    assert false["certified"]["witness"]["outcome"] == "refuted"
    assert sum(true["certified"]["draws"].values()) == 8
    assert true["certified"]["witness"] is None
    file = str(folder / f"{key}.json")
    code, out, _ = said(capsys, "replay", file, "--certify", "--json")
    assert code == 0
    assert json.loads(out)["certified"]["outcome"] == "refuted"
    assert "in exact arithmetic" in json.loads(out)["certified"]["about"]
    code, out, _ = said(capsys, "replay", file, "--certify")
    assert "refuted, certified" in out


def test_without_flint_one_line_names_the_extra(
    block_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    message = refused(capsys, "check", str(block_file), "--certify")
    assert "pip install 'oversmooth[proof]'" in message
