"""The command check: its numbers are the library's, and bad files are refused by name."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.instruments.block_file import read_block
from tests.helpers.commands import arrays, refused, said
from theory.blocks.forward import apply_block
from theory.bounds.coefficients import block_coefficients
from theory.measures.tokens import consensus_distance

NAMES = ("lambda", "s", "sigma_1", "sigma_2", "v", "v_sharp", "distance_in", "distance_out")


@pytest.fixture
def block_file(tmp_path: Path) -> Path:
    """A valid block file."""
    path = tmp_path / "block.npz"
    np.savez(path, **arrays(activation=np.array("gelu"), ln_eps=np.float64(1e-5)))
    return path


def test_check_prints_the_numbers_of_the_block(
    block_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "check", str(block_file), "--json")
    found = json.loads(out)
    block, tokens, _, _ = read_block(block_file)
    step = apply_block(block, tokens)
    found_here = block_coefficients(block, step).items()
    wanted = {name: float(value) for name, value in found_here if value is not None}
    wanted["distance_in"] = float(consensus_distance(tokens))
    wanted["distance_out"] = float(consensus_distance(step.output))
    assert code == 0
    for name in NAMES:
        assert found[name] == pytest.approx(wanted[name], rel=1e-12), name
    assert found["measured_ratio"] == pytest.approx(found["distance_out"] / found["distance_in"])
    assert found["verdict"] == "holds"
    assert found["below_one"] == ("yes" if found["v"] < 1 else "no")
    assert {"alike", "sup_v", "sup_after", "subspace", "rank", "components"} <= found.keys()


def test_check_keeps_the_three_questions_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On these tokens v is below one; on all that follow it is so only with biases."""
    path = tmp_path / "contracting.npz"
    small = arrays()
    zero = {name: 0 * small[name] for name in ("query", "key", "ffn_in", "ffn_out")}
    for size, word in ((0.0, "not implied"), (30.0, "yes")):
        bias = size * np.linspace(-1, 1, 8)
        tokens = small["tokens"] + 10 * np.linspace(-1, 1, 8)
        given = zero | {"tokens": tokens, "value_output": np.stack([np.eye(8)] * 2)}
        given |= {"attention_bias": bias, "ffn_out_bias": bias}
        np.savez(path, **(small | given))
        code, out, _ = said(capsys, "check", str(path), "--json")
        found = json.loads(out)
        assert (code, found["verdict"], found["below_one"]) == (0, "holds", "yes")
        assert (found["converges"], found["alike"]) == (word, word)
        assert found["measured_ratio"] <= found["v"] < 1
        assert (found["sup_v"] is not None) == (word == "yes")
        code, out, _ = said(capsys, "check", str(path))
        assert "d_M -> 0, from any tokens" in out
        assert "v < 1 on these tokens only" in out


@pytest.mark.parametrize("kept_as", ["f4", ">f8", "f4 then f8"])
def test_check_takes_attention_weights_of_single_precision_and_either_byte_order(
    kept_as: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    weights = np.exp(rng.standard_normal((2, 6, 6)))
    weights /= weights.sum(axis=-1, keepdims=True)
    for dtype in kept_as.split(" then "):
        weights = weights.astype(dtype)
    path = tmp_path / "captured.npz"
    np.savez(path, **arrays(query=None, key=None, adjacency=weights))
    code, out, _ = said(capsys, "check", str(path), "--json")
    assert code == 0
    assert json.loads(out)["verdict"] == "holds"


def test_check_says_the_same_wherever_it_computes(
    block_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(*options: str) -> dict[str, Any]:
        code, out, _ = said(capsys, "check", str(block_file), "--json", *options)
        assert code == 0
        return dict(json.loads(out))

    plain, single = found(), found("--dtype", "float32")
    assert plain["tier"] == single["tier"] == "exact"
    assert plain["verdict"] == single["verdict"] == "holds"
    for name in ("lambda", "s", "v"):
        for one in (plain, single):  # float64 in both: the ends are close
            assert one[f"{name}_lower"] < one[name] < one[f"{name}_upper"] < 1.000001 * one[name]
        assert single[name] == pytest.approx(plain[name], rel=1e-5)
        assert single[name] != plain[name]
    if find_spec("torch") is not None:
        there = found("--backend", "torch", "--device", "cpu")
        assert there["v"] == pytest.approx(plain["v"], rel=1e-12)
        assert there["verdict"] == "holds"


BAD_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"tokens": None, "ffn_out": None}, "lacks tokens, ffn_out"),
    "no attention": ({"query": None}, "adjacency (or query and key)"),
    "both": ({"adjacency": np.full((2, 6, 6), 1 / 6)}, "adjacency"),
    "shape": ({"ffn_in": np.ones((7, 12))}, "ffn_in"),
    "axes": ({"value_output": np.ones((8, 8))}, "value_output"),
    "nan": ({"key": np.full((2, 8, 4), np.nan)}, "key must be finite"),
    "inf": ({"tokens": np.full((6, 8), np.inf)}, "tokens must be finite"),
    "dtype": ({"tokens": np.ones((6, 8), np.int64)}, "tokens must have dtype"),
    "half": ({"tokens": np.ones((6, 8), np.float16)}, "tokens must have dtype"),
    "rows": (
        {"query": None, "key": None, "adjacency": np.full((2, 6, 6), 0.2)},
        "adjacency must have rows that sum to one",
    ),
    "constant token": (
        {"tokens": np.ones((6, 8)), "value_output": np.zeros((2, 8, 8))},
        "variance",
    ),
    "one token": ({"tokens": np.ones((1, 8))}, "two tokens"),
    "empty": ({"tokens": np.ones((0, 8))}, "tokens must not be empty"),
    "unknown": ({"gian_1": np.ones(8)}, "did you mean gain_1"),
    "activation": ({"activation": np.array("swoosh")}, "activation"),
    "placement": ({"placement": np.array("middle")}, "placement"),
    "eps": ({"ln_eps": np.float64(-1)}, "eps"),
    "mask": ({"mask": np.zeros((6, 6), bool)}, "mask"),
    "mask dtype": ({"mask": np.ones((6, 6))}, "mask must be boolean"),
    "pickle": ({"activation": np.array([None])}, "plain arrays"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_check_refuses_bad_arrays_by_name(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, wanted = BAD_ARRAYS[case]
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays(**changes))
    assert wanted in refused(capsys, "check", str(path))


@pytest.mark.parametrize(
    ("name", "size", "dtype"),
    [
        ("tokens", 1e300, "float32"),
        ("tokens", 5e-324, "float64"),
        ("value_output", 1e200, "float32"),
    ],
)
def test_check_refuses_what_leaves_the_range_in_one_line(
    name: str, size: float, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "far.npz"
    whole = np.round(10 * arrays()[name])
    np.savez(path, **arrays(**{name: size * whole}))
    refused(capsys, "check", str(path), "--dtype", dtype)


@pytest.mark.parametrize("length", [0, 10, 400, -30])
def test_check_refuses_a_truncated_file(
    length: int, block_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block_file.write_bytes(block_file.read_bytes()[:length])
    assert "block.npz" in refused(capsys, "check", str(block_file))
