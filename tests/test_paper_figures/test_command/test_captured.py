"""`analyze --via capture`: what it prints, what it refuses, and why the theorem may not apply."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.commands import refused, said
from tests.test_simulations.helpers.tiny_folder import write_folder

pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

VIA = ("--via", "capture")


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    return str(write_folder(folder))


def texts(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(lines))
    return str(path)


def test_it_says_what_the_default_says(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "each.jsonl"
    file = texts(tmp_path, "a graph of tokens", "a", "of a")
    argv = ("analyze", model, "--text", file, "--skip-special", "--skip-short")
    wanted = said(capsys, *argv, "--json")
    found = said(capsys, *argv, *VIA, "--json", "--out", str(out))
    assert (found[0], found[2]) == (wanted[0], wanted[2])
    one, two = json.loads(wanted[1]), json.loads(found[1])
    assert [*one] == [*two]
    assert {name for name in one if one[name] != two[name]} <= {"tokens", "blocks", "log10_bound"}
    assert [json.loads(line)["number"] for line in out.read_text().splitlines()] == [0, 1]
    assert said(capsys, *argv, *VIA)[1].splitlines()[:3] == said(capsys, *argv)[1].splitlines()[:3]


def test_a_corpus_is_summed_up(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("analyze", model, "--text", texts(tmp_path, *["a graph", "of tokens"] * 33), "--json")
    one, two = (json.loads(said(capsys, *argv, *via)[1]) for via in ((), VIA))
    assert (two["texts"], two["inequality"]) == (66, one["inequality"])
    for statistic in ("mean", "min", "max"):
        np.testing.assert_allclose(
            two["blocks"]["v"][statistic], one["blocks"]["v"][statistic], rtol=1e-5
        )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mixtral", "mlp (MixtralSparseMoeBlock) is only measured"),
        ("gpt_oss", "an attention sink?"),
    ],
)
def test_it_is_told_why_the_theorem_does_not_apply(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.test_simulations.test_capture.test_load import save

    argv = ("analyze", str(save(name, tmp_path)), *VIA, "--text", texts(tmp_path, "a graph of"))
    code, out, _ = said(capsys, *argv)
    assert code == 0
    (line,) = [line for line in out.splitlines() if "does not apply to blocks 1 to 2: " in line]
    assert reason in line
    assert "block 0" not in line
    assert "2 of 2 blocks have no v" in out
    assert ("v secant" in out) == (name == "mixtral")
    found = json.loads(said(capsys, *argv, "--json")[1])
    assert all(reason in each for each in found["reasons"])
    assert found["blocks"]["v"] == [[None], [None]]


def test_questions_that_do_not_go_together_are_refused(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, message in (
        (["--backend", "torch"], "via capture excludes backend"),
        (["--device", "cuda"], "via capture excludes device"),
        (["--images", "x.png"], "reads texts, not images"),
        (["--max-length", "99"], "max_length must be from 3"),
        (["--text", texts(tmp_path, "a"), "--skip-special"], "at least 2 tokens that count"),
    ):
        assert message in refused(capsys, "analyze", model, *VIA, *words)


def test_a_model_in_which_tokens_are_merged_is_read_stage_by_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.test_simulations.test_capture.test_load import save

    image = tmp_path / "image.npy"
    np.save(image, np.random.default_rng(0).standard_normal((3, 16, 16)))
    argv = ("analyze", str(save("swin", tmp_path)), *VIA, "--images", str(image))
    capsys.readouterr()  # what transformers says while it writes
    assert "stage must be given" in refused(capsys, *argv)
    assert "stage must be one of these runs" in refused(capsys, *argv, "--stage", "2")
    for stage, (blocks, tokens) in enumerate([(2, 64), (1, 16)]):
        found = json.loads(said(capsys, *argv, "--stage", str(stage), "--json")[1])
        assert (len(found["blocks"]["v"]), found["image_tokens"]) == (blocks, tokens)
        assert (found["stage"], found["inequality"]) == (stage, [["holds"]] * blocks)
    assert f"16 tokens, stage {stage}" in said(capsys, *argv, "--stage", str(stage))[1]
    wrong = ("analyze", "minilm", "--stage", "0")
    assert "stage goes with --via capture alone" in refused(capsys, *wrong)
