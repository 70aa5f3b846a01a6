"""A corpus: many texts in little memory, each with the readings that it has by itself."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.instruments import batches, corpus, readings
from simulations.instruments.analysis import analyze
from simulations.instruments.batches import by_length, bytes_of_text, in_order, make_ready
from simulations.instruments.corpus import Window, analyze_corpus, count_texts, trace_windows
from simulations.models.checkpoint import Checkpoint
from simulations.models.families.bert import BERT
from simulations.models.find import load_checkpoint
from simulations.models.shapes import expected_shapes
from simulations.models.texts import TextFile
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture, write_folder
from theory.arrays import InputError
from theory.bounds.coefficients import weight_norms

WORDS = ("a", "graph", "of", "tokens", "fades", "slowly")
RNG = np.random.default_rng(5)
TEXTS = tuple(" ".join(RNG.choice(WORDS, size=RNG.integers(1, 12))) for _ in range(40))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "model"
    folder.mkdir()
    return load_checkpoint(write_folder(folder))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make windows of 7 texts and batches of about two."""
    monkeypatch.setattr(corpus, "WINDOW", 7)
    monkeypatch.setattr(batches, "BATCH_BYTES", 30_000)


def readings_of(found: Any) -> Iterator[tuple[str, Any]]:
    for group in (found.trace.tokens, found.trace.blocks):
        yield from group.items()


def test_texts_in_several_batches_read_bit_for_bit_what_they_read_in_one(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    whole = analyze(checkpoint, TEXTS)
    monkeypatch.setattr(batches, "BATCH_BYTES", 30_000)
    monkeypatch.setattr(
        batches.Bench, "trace", counted(batches.Bench.trace, lambda _, part: len(part.ids), sizes)
    )
    found = analyze(checkpoint, TEXTS)
    assert sum(sizes) == len(TEXTS)
    assert len(sizes) > 3
    wanted = dict(readings_of(whole))
    for name, values in readings_of(found):
        np.testing.assert_array_equal(values, wanted[name], err_msg=name)


def counted(function: Any, measure: Any, into: list[int]) -> Any:
    """Return the function, which also notes a number each time."""

    def noting(*args: Any, **options: Any) -> Any:
        into.append(measure(*args))
        return function(*args, **options)

    return noting


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("skip_special", [False, True])
def test_every_text_of_a_corpus_reads_what_it_reads_alone(
    checkpoint: Checkpoint, skip_special: bool
) -> None:
    texts = [text for text in TEXTS if " " in text]
    found = analyze_corpus(checkpoint, iter(texts), skip_special=skip_special)
    assert found.numbers.tolist() == list(range(len(texts)))
    assert len(set(found.text_tokens.tolist())) > 5
    for row, text in enumerate(texts):
        alone = analyze(checkpoint, [text], skip_special=skip_special)
        assert found.text_tokens[row] == alone.encoded.ids.shape[1]
        wanted = dict(readings_of(alone))
        for name, values in readings_of(found):
            if name not in ("rounding", "v_error"):  # these are about the sizes of batches too
                np.testing.assert_allclose(
                    values[:, row], wanted[name][:, 0], rtol=1e-8, atol=1e-11, err_msg=name
                )


@pytest.mark.usefixtures("small")
def test_a_corpus_is_asked_for_its_texts_as_they_are_measured(checkpoint: Checkpoint) -> None:
    asked: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            asked.append("a graph fades")
            yield asked[-1]

    windows = trace_windows(checkpoint, endless())
    for number in (1, 2, 3):
        assert next(windows).numbers.tolist() == list(range(7 * (number - 1), 7 * number))
        assert len(asked) == 7 * number


@pytest.mark.usefixtures("small")
def test_the_norms_of_the_weights_are_found_once(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(readings, "weight_norms", counted(weight_norms, lambda _: 1, calls))
    analyze_corpus(checkpoint, TEXTS)
    assert len(calls) == len(checkpoint.blocks)


@pytest.mark.usefixtures("small")
def test_windows_come_in_order_and_progress_counts_all(checkpoint: Checkpoint) -> None:
    windows: list[Window] = []
    steps: list[int] = []
    found = analyze_corpus(checkpoint, TEXTS, on_progress=steps.append, on_window=windows.append)
    assert sum(steps) == len(TEXTS)
    assert len(steps) > len(windows) == 6
    np.testing.assert_array_equal(
        np.concatenate([window.trace.tokens["distance"] for window in windows], axis=1),
        found.trace.tokens["distance"],
    )


@pytest.mark.usefixtures("small")
def test_short_texts_are_named_by_line_or_left_out(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    lines = ["a graph fades"] * 5 + [""] + ["a"] * 9 + ["tokens fades slowly"]
    path.write_text("\n".join(lines), encoding="utf-8")
    texts = TextFile(path)
    named = r"but texts\[5\] \(line 7 of the file\), texts\[6\] \(line 8 of the file\)"
    with pytest.raises(InputError, match=rf"{named}, .* and 6 more have fewer; .*--skip-short"):
        count_texts(checkpoint, texts, skip_special=True)
    with pytest.raises(InputError, match=f"{named} have fewer"):
        analyze_corpus(checkpoint, texts, skip_special=True)
    assert count_texts(checkpoint, texts) == (15, 0), "with [CLS] and [SEP] all are long enough"
    assert count_texts(checkpoint, texts, skip_special=True, skip_short=True) == (15, 9)
    found = analyze_corpus(checkpoint, texts, skip_special=True, skip_short=True)
    assert found.skipped == 9
    assert found.lines.tolist() == [1, 2, 3, 4, 5, 16]
    assert found.numbers.tolist() == [0, 1, 2, 3, 4, 14]


@pytest.mark.parametrize("texts", [[], ["a", "of"]])
def test_a_corpus_of_nothing_to_measure_is_refused(
    checkpoint: Checkpoint, texts: list[str]
) -> None:
    for read in (count_texts, analyze_corpus):
        with pytest.raises(InputError, match="at least one text of two tokens"):
            read(checkpoint, texts, skip_special=True, skip_short=True)


def test_one_string_is_no_corpus(checkpoint: Checkpoint) -> None:
    with pytest.raises(InputError, match="one string"):
        analyze_corpus(checkpoint, "a graph of tokens")


@pytest.mark.usefixtures("small")
def test_an_error_names_the_text_by_its_place_in_the_corpus(checkpoint: Checkpoint) -> None:
    with pytest.raises(InputError, match=r"texts\[20\] must be valid Unicode"):
        analyze_corpus(checkpoint, ["a graph"] * 20 + ["a \ud800"])


@pytest.mark.parametrize("plan", [in_order, by_length])
def test_each_text_is_in_one_batch_that_fits(
    checkpoint: Checkpoint, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 50_000)
    encoded, model = encode(checkpoint, TEXTS), checkpoint.architecture
    rows = []
    for part, width in plan(encoded, model):
        assert len(part) * bytes_of_text(model, width) <= 50_000
        assert encoded.token_mask[part].sum(axis=1).max() <= width
        rows += part.tolist()
    assert sorted(rows) == list(range(len(TEXTS)))


@pytest.mark.parametrize("length", [8, 64])
def test_a_text_takes_no_more_memory_than_is_reckoned_with(length: int, tmp_path: Path) -> None:
    sizes = {"width": 64, "ffn": 256, "heads": 4, "positions": 64}
    names = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4}
    tensors = random_tensors(expected_shapes(BERT, architecture(**sizes)))
    write_folder(tmp_path, tensors, **names, max_position_embeddings=64)
    found = load_checkpoint(tmp_path)
    bench = make_ready(found, skip_special=False, on=None)
    encoded = encode(found, [" ".join(["graph"] * (length - 2))] * 32)
    assert encoded.ids.shape == (32, length)
    tracemalloc.start()
    try:
        bench.trace(encoded)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reckoned = 32 * bytes_of_text(found.architecture, length)
    assert reckoned / 4 < peak < reckoned, (peak, reckoned)


def test_a_bench_is_the_same_in_single_precision(tmp_path: Path) -> None:
    write_folder(tmp_path)
    found = load_checkpoint(tmp_path, dtype="float32")
    bench = make_ready(found, skip_special=False, on=None)
    encoded = encode(found, TEXTS[:3])
    again = replace(bench, norms=None).trace(encoded)  # each block's norms found on the way
    for name, values in bench.trace(encoded).blocks.items():
        np.testing.assert_array_equal(values, again.blocks[name], err_msg=name)
