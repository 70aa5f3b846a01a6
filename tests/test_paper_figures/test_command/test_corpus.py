"""`analyze` on a corpus: summed up, a line of JSON a text, and nothing half-written."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paper_figures.command import corpus as command
from simulations.instruments import batches, corpus
from simulations.instruments.analysis import analyze
from simulations.models.texts import read_texts
from tests.helpers.commands import refused, said
from tests.test_simulations.helpers.tiny_folder import write_folder

WORDS = ("a", "graph", "of", "tokens", "fades", "slowly")
RNG = np.random.default_rng(7)
TEXTS = tuple(" ".join(RNG.choice(WORDS, size=RNG.integers(2, 12))) for _ in range(100))


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    return str(write_folder(folder))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


def test_a_corpus_is_summed_up_in_one_object(
    model: str, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "analyze", model, "--text", str(text), "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["texts"], found["skipped_short"], found["truncated"]) == (100, 0, 0)
    trace = analyze(model, read_texts(text)).trace
    for group, all_values in (("tokens", trace.tokens), ("blocks", trace.blocks)):
        for name in all_values.keys() - {"rounding", "v_error", "attention_similarity"}:
            values, told = all_values[name], found[group][name]
            close: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-11, "err_msg": name}
            np.testing.assert_allclose(told["mean"], values.mean(axis=1), **close)
            np.testing.assert_allclose(told["min"], values.min(axis=1), **close)
            np.testing.assert_allclose(told["max"], values.max(axis=1), **close)
            ordered = np.sort(values, axis=1)
            for part, place in (("0.05", 4), ("0.5", 49), ("0.95", 94)):
                np.testing.assert_allclose(told["quantiles"][part], ordered[:, place], **close)
            assert told["count"] == [100] * len(values)
    similar = found["blocks"]["attention_similarity"]  # the first layer has none before it
    assert similar["count"] == [0, 100]
    assert similar["mean"][0] is None
    assert found["inequality"] == {"holds": [100, 100]}
    assert found["undecided"] == [0, 0]


def test_up_to_64_texts_are_told_one_by_one(
    model: str, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text.write_text("\n".join(TEXTS[: command.FEW]), encoding="utf-8")
    found = json.loads(said(capsys, "analyze", model, "--text", str(text), "--json")[1])
    assert np.shape(found["tokens"]["distance"]) == (3, 64)
    assert "skipped_short" not in found


@pytest.mark.parametrize("texts", [3, 100])
def test_out_has_a_line_for_each_text(
    texts: int, model: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = ["", *TEXTS[:texts]]
    text.write_text("\n".join(content), encoding="utf-8")
    file = tmp_path / "each.jsonl"
    argv = ["analyze", model, "--text", str(text), "--out", str(file)]
    assert said(capsys, *argv)[0] == 0
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["line"] for line in lines] == list(range(2, texts + 2))
    assert [line["number"] for line in lines] == list(range(texts))
    trace = analyze(model, TEXTS[:texts]).trace
    for row, line in enumerate(lines):
        assert line["text_tokens"] == len(TEXTS[row].split()) + 2
        assert line["inequality"] == ["holds", "holds"]
        for name in ("cosine_similarity", "effective_rank"):
            np.testing.assert_allclose(line["tokens"][name], trace.tokens[name][:, row], rtol=1e-8)
        np.testing.assert_allclose(line["blocks"]["v"], trace.blocks["v"][:, row], rtol=1e-8)


@pytest.mark.parametrize("texts", [3, 100])
def test_skip_short_leaves_texts_out_and_says_so(
    texts: int, model: str, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text.write_text("\n".join(["a", *TEXTS[:texts], "of"]), encoding="utf-8")
    argv = ["analyze", model, "--text", str(text), "--skip-special", "--json"]
    assert "(line 1 of the file)" in refused(capsys, *argv)
    out_file = tmp_path / "each.jsonl"
    code, out, err = said(capsys, *argv, "--skip-short", "--out", str(out_file))
    assert code == 0
    assert f"2 of {texts + 2} texts were left out" in err
    found = json.loads(out)
    assert (found["texts"], found["skipped_short"]) == (texts, 2)
    lines = [json.loads(line)["line"] for line in out_file.read_text().splitlines()]
    assert lines == list(range(2, texts + 2))


@pytest.mark.parametrize("before", [None, "what was there"])
def test_a_stop_leaves_nothing_half_written(
    before: str | None,
    model: str,
    text: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    file = folder / "each.jsonl"
    if before is not None:
        file.write_text(before, encoding="utf-8")
    monkeypatch.setattr(corpus, "WINDOW", 30)
    measured: list[int] = []
    trace = batches.Bench.trace

    def stopped(bench: Any, encoded: Any) -> Any:
        measured.append(len(encoded.ids))
        if len(measured) == 3:
            assert [path.suffix for path in folder.iterdir() if path != file] == [".part"]
            raise KeyboardInterrupt
        return trace(bench, encoded)

    monkeypatch.setattr(batches.Bench, "trace", stopped)
    code, out, err = said(capsys, "analyze", model, "--text", str(text), "--out", str(file))
    assert (code, out, err) == (130, "", "oversmooth: stopped\n")
    assert sum(measured[:2]) == 60, "two windows were written by then"
    assert [path.read_text() for path in folder.iterdir()] == ([] if before is None else [before])


@pytest.mark.parametrize(
    ("file", "wanted"),
    [("x.json", "must end in .jsonl"), ("absent/x.jsonl", "a folder that exists")],
)
def test_a_place_that_takes_no_lines_is_refused_first(
    file: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wanted in refused(capsys, "analyze", "no-such-model", "--out", file)


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(
    model: str,
    text: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(corpus, "WINDOW", 25)
    assert said(capsys, "analyze", model, "--text", str(text), "--json")[2] == ""
    monkeypatch.setattr(command, "_SECONDS", 0)
    err = said(capsys, "analyze", model, "--text", str(text), "--json")[2]
    told = err.splitlines()
    assert [line.split(" texts, about ")[0] for line in told] == [
        f"oversmooth: {done} of 100" for done in (25, 50, 75, 100)
    ]
    assert told[-1].endswith("about 0:00:00 left")


def test_a_pipe_is_read_once(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("\n".join(TEXTS),))
    writer.start()
    code, out, _ = said(capsys, "analyze", model, "--text", str(pipe), "--json")
    writer.join()
    assert code == 0
    assert json.loads(out)["texts"] == 100
