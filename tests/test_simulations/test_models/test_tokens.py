"""Are texts split, padded and cut as they should be, and does padding change nothing?"""

import dataclasses
import warnings
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from simulations.models.checkpoint import Checkpoint, tokenizer_of
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.texts import read_texts
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import WORDS, write_settings
from tests.test_simulations.helpers.tiny_folder import TENSORS, write_folder
from theory.arrays import InputError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Give a small random model with 16 positions and a tokenizer of ten words."""
    return load_checkpoint(write_folder(tmp_path_factory.mktemp("model")), dtype="float64")


texts = st.lists(
    st.lists(st.sampled_from([*WORDS[4:], "other"]), min_size=1, max_size=14).map(" ".join),
    min_size=1,
    max_size=5,
)


@given(texts)
def test_masks_tell_tokens_from_padding_and_marks_from_words(
    checkpoint: Checkpoint, texts: list[str]
) -> None:
    encoded = encode(checkpoint, texts)
    lengths = [len(text.split()) + 2 for text in texts]
    assert encoded.ids.shape == encoded.token_mask.shape == (len(texts), max(lengths))
    assert encoded.token_mask.sum(axis=1).tolist() == lengths
    assert (encoded.ids[~encoded.token_mask] == 0).all()
    assert not encoded.special_mask[~encoded.token_mask].any()
    marks = [("[CLS]", "[SEP]")] * len(texts)
    assert [(pieces[0], pieces[-1]) for pieces in encoded.pieces] == marks
    words = encoded.token_mask & ~encoded.special_mask
    assert words.sum(axis=1).tolist() == [len(text.split()) for text in texts]
    assert not encoded.truncated.any()


@given(texts)
def test_a_padded_batch_gives_what_its_single_texts_give(
    checkpoint: Checkpoint, texts: list[str]
) -> None:
    together = list(run(checkpoint, encode(checkpoint, texts)))
    for row, text in enumerate(texts):
        alone = list(run(checkpoint, encode(checkpoint, [text])))
        length = alone[0].tokens.shape[1]
        for batch, single in zip(together, alone, strict=True):
            for ours, wanted in (
                (batch.tokens[row, :length], single.tokens[0]),
                (batch.step.output[row, :length], single.step.output[0]),
                (batch.step.adjacency[row, :, :length, :length], single.step.adjacency[0]),
            ):
                assert np.allclose(ours, wanted, rtol=0, atol=1e-10)
            assert (batch.step.adjacency[row, :, :, length:] == 0).all()


def test_each_layer_gets_what_the_one_before_it_gave(checkpoint: Checkpoint) -> None:
    layers = list(run(checkpoint, encode(checkpoint, ["a graph of tokens"])))
    assert [layer.layer for layer in layers] == [1, 2]
    assert layers[1].tokens is layers[0].step.output
    assert [layer.block for layer in layers] == list(checkpoint.blocks)
    assert np.allclose(layers[1].step.adjacency.sum(axis=-1), 1)


@pytest.mark.parametrize("limit", range(3, 17))
def test_what_does_not_fit_is_cut_and_noted(checkpoint: Checkpoint, limit: int) -> None:
    long, short = "graph " * 40, "graph"
    encoded = encode(checkpoint, [long, short], max_length=limit)
    assert encoded.ids.shape == (2, limit)
    assert encoded.truncated.tolist() == [True, False]
    assert encoded.pieces[0] == ("[CLS]", *["graph"] * (limit - 2), "[SEP]")
    assert encoded.pieces[1] == ("[CLS]", "graph", "[SEP]")
    again = encode(checkpoint, [long, short], max_length=limit)  # nothing is left behind
    assert again.pieces == encoded.pieces


def test_cutting_that_nobody_asked_for_warns(checkpoint: Checkpoint) -> None:
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 16 tokens"):
        encoded = encode(checkpoint, ["a " * 15, "a " * 14])
    assert encoded.truncated.tolist() == [True, False]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode(checkpoint, ["a " * 14])


def test_the_prefix_in_use_is_told(checkpoint: Checkpoint) -> None:
    assert encode(checkpoint, ["a"]).prefix == ""
    assert encode(checkpoint, ["a"], prefix="tokens of ").prefix == "tokens of "
    tokenizer = dataclasses.replace(tokenizer_of(checkpoint), prefix="slowly ")
    slow = dataclasses.replace(checkpoint, tokenizer=tokenizer)
    silent, bare = encode(slow, ["a"]), encode(slow, ["a"], prefix="")
    assert (silent.prefix, silent.pieces) == ("slowly ", (("[CLS]", "slowly", "a", "[SEP]"),))
    assert (bare.prefix, bare.pieces) == ("", (("[CLS]", "a", "[SEP]"),))


def test_a_prefix_that_is_no_text_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(InputError, match="prefix must be valid Unicode"):
        encode(checkpoint, ["a"], prefix="\udcff")
    with pytest.raises(InputError, match="prefix must be a string, but is a int"):
        encode(checkpoint, ["a"], prefix=3)  # type: ignore[arg-type]


def test_a_line_without_tokens_is_named_by_its_number_in_the_file(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    cleaner = {0x2800: ""}  # a blank that is a symbol to Unicode, and nothing to this engine
    tokenizer = dataclasses.replace(tokenizer_of(checkpoint), characters=cleaner)
    path = tmp_path / "texts.txt"
    path.write_text("a graph\n\n\u200b\n\u2800\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"^texts\[1\] \(line 4 of the file\) has no tokens"):
        encode(dataclasses.replace(checkpoint, tokenizer=tokenizer), read_texts(path))


def test_a_prefix_is_put_before_every_text(checkpoint: Checkpoint) -> None:
    encoded = encode(checkpoint, ["a", "graph"], prefix="tokens of ")
    assert encoded.pieces[1] == ("[CLS]", "tokens", "of", "graph", "[SEP]")
    with pytest.raises(InputError, match="max_length must be from 5"):
        encode(checkpoint, ["a"], prefix="tokens of ", max_length=4)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "texts must hold at least one text"),
        ("a graph", r"texts must be a list of strings, but is one string: write \[text\]"),
        (["a", ""], r"texts\[1\] has no tokens: it is ''"),
        (["  \t\n"], r"texts\[0\] has no tokens"),
        (["a", b"graph"], r"texts\[1\] must be a string, but is a bytes"),
        (["a \ud800"], "must be valid Unicode"),
    ],
)
def test_texts_without_tokens_are_refused(
    checkpoint: Checkpoint, texts: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        encode(checkpoint, texts, prefix="graph ")


@pytest.mark.parametrize("limit", [-1, 0, 2, 17])
def test_lengths_that_leave_no_room_are_refused(checkpoint: Checkpoint, limit: int) -> None:
    with pytest.raises(InputError, match=r"max_length must be from 3 .* to 16"):
        encode(checkpoint, ["a"], max_length=limit)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    name = "embeddings.word_embeddings.weight"
    write_folder(tmp_path, TENSORS | {name: TENSORS[name][:8]}, vocab_size=8)
    checkpoint = load_checkpoint(tmp_path)
    assert encode(checkpoint, ["a tokens"]).ids.tolist() == [[2, 4, 7, 3]]
    with pytest.raises(
        InputError, match=r"texts\[1\] the token number 9, but the model has rows for 8"
    ):
        encode(checkpoint, ["a", "slowly"])


def test_roberta_counts_positions_from_the_number_after_padding(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_settings(tmp_path, model_type="roberta", pad_token_id=1)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.architecture.longest == 14
    with pytest.warns(UserWarning, match="longer than the 14 tokens"):
        encoded = encode(checkpoint, ["a " * 13])
    assert encoded.ids.shape == (1, 14)
    *_, last = run(checkpoint, encoded)
    assert np.isfinite(last.step.output).all()
