"""Is a checkpoint that others saved in their own way read, or the real cause told why not?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulations.models import load_checkpoint
from tests.test_simulations.helpers.tiny_folder import TENSORS, last_tokens, write_folder
from theory.arrays import InputError

Tensors = dict[str, NDArray[Any]]
WORDS = "embeddings.word_embeddings.weight"


def under(prefix: str, tensors: Tensors = TENSORS) -> Tensors:
    """Put a prefix before every name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def compiled(tensors: Tensors) -> Tensors:
    """Name every layer as torch.compile does where it wraps layers."""
    return {
        name.replace("encoder.layer.0.", "encoder.layer.0._orig_mod."): tensor
        for name, tensor in tensors.items()
    }


def moved(name: str) -> Tensors:
    """Keep the table of words under another name."""
    return {name if old == WORDS else old: tensor for old, tensor in TENSORS.items()}


BIAS = np.zeros(10, np.float32)
SAME: dict[str, Tensors] = {
    "wrapped for several devices": under("module."),
    "wrapped twice": under("module.bert."),
    "wrapped, and its head, too": under("module.bert.") | {"module.cls.predictions.bias": BIAS},
    "compiled": under("_orig_mod."),
    "compiled and wrapped": under("module._orig_mod.bert."),
    "compiled by layers": compiled(TENSORS),
    "of sentence-transformers": under("0.auto_model."),
    "of one's own class": under("text_encoder."),
    "the words in the head": moved("cls.predictions.decoder.weight"),
    "the words in the head, of a task": under("bert.", moved("lm_head.decoder.weight")),
    "the words in the head, beside": {
        key.removeprefix("bert.") if "lm_head" in key else key: tensor
        for key, tensor in under("bert.", moved("lm_head.decoder.weight")).items()
    },
}


@pytest.mark.parametrize("name", SAME)
def test_wrappers_and_shared_tables_change_nothing(name: str, tmp_path: Path) -> None:
    whole = last_tokens(load_checkpoint(write_folder(tmp_path)))
    assert np.array_equal(last_tokens(load_checkpoint(write_folder(tmp_path, SAME[name]))), whole)


@pytest.mark.parametrize("prefix", ["", "bert.", "module.bert."])
def test_a_head_of_ones_own_is_left_out_with_a_word(prefix: str, tmp_path: Path) -> None:
    whole = last_tokens(load_checkpoint(write_folder(tmp_path)))
    write_folder(tmp_path, under(prefix) | {"regression.weight": BIAS, "regression.bias": BIAS})
    with pytest.warns(UserWarning, match=r"outside the encoder \(2, the first 'regression\.bias'"):
        checkpoint = load_checkpoint(tmp_path)
    assert np.array_equal(last_tokens(checkpoint), whole)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (under("a.") | under("b."), r"has 2 encoders, under 'a\.' and 'b\.': keep one of them"),
        (under("bert.") | {"bert.encoder.layer.0.x": BIAS}, "does not account for"),
        (under("bert.") | {"embeddings.LayerNorm.weight": BIAS}, "has 'embeddings.* twice"),
        (
            TENSORS | {"embeddings.LayerNorm.gamma": BIAS},
            r"twice, as 'embeddings\.LayerNorm\.\w+' and 'embeddings\.LayerNorm\.\w+'",
        ),
        (moved("cls.decoder.bias"), f"lacks 1 of the 37 tensors .* first '{WORDS}'"),
        (
            under("module.", {k: t for k, t in TENSORS.items() if "LayerNorm.bias" not in k}),
            r"lacks 5 of the 37 .* first 'embeddings\.LayerNorm\.bias'",
        ),
    ],
)
def test_the_real_cause_is_told(tensors: Tensors, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(write_folder(tmp_path, tensors))


def test_the_head_is_no_table_of_words_where_the_model_says_so(tmp_path: Path) -> None:
    write_folder(tmp_path, moved("lm_head.decoder.weight"), tie_word_embeddings=False)
    with pytest.raises(InputError, match=f"first '{WORDS}'"):
        load_checkpoint(tmp_path)


def test_a_model_without_token_types_adds_none(tmp_path: Path) -> None:
    name = "embeddings.token_type_embeddings.weight"
    zero = TENSORS | {name: np.zeros((2, 8), np.float32)}
    wanted = last_tokens(load_checkpoint(write_folder(tmp_path, zero)))
    without = {key: tensor for key, tensor in TENSORS.items() if key != name}
    for tensors in (without, without | {name: np.zeros((0, 8), np.float32)}):
        checkpoint = load_checkpoint(write_folder(tmp_path, tensors, type_vocab_size=0))
        assert np.array_equal(last_tokens(checkpoint), wanted)
    with pytest.raises(InputError, match="does not account for"):
        load_checkpoint(write_folder(tmp_path, TENSORS, type_vocab_size=0))


FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def point(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n")


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("../../blobs/gone")


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (point, "is a git-lfs pointer in the place of the file; run: git lfs pull"),
        (dangle, r"is a link to nothing: '\.\./\.\./blobs/gone' is gone"),
        (fold, "must be a file, but is a folder or a device"),
    ],
)
def test_a_file_that_is_not_the_file_itself_is_named(
    file: str, spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    spoil(write_folder(tmp_path) / file)
    with pytest.raises(InputError, match=f"^'{file}' {message}"):
        load_checkpoint(tmp_path)


def test_a_shard_or_a_single_file_may_be_a_pointer_too(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    point(tmp_path / "model-1.safetensors")
    with pytest.raises(InputError, match=r"^'model-1\.safetensors' is a git-lfs pointer"):
        load_checkpoint(tmp_path)
    with pytest.raises(InputError, match=r"^'model-1\.safetensors' is a git-lfs pointer"):
        load_checkpoint(tmp_path / "model-1.safetensors")
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(InputError, match=r"^'link' is a link to nothing: 'gone' is gone"):
        load_checkpoint(tmp_path / "link")


@pytest.mark.parametrize("part", ["model", "normalizer", "pre_tokenizer", "post_processor"])
def test_an_unknown_part_of_a_tokenizer_is_named(part: str, tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "tokenizer.json"
    content = json.loads(path.read_text())
    content[part] = {"type": "Novel", "vocab": {}}
    path.write_text(json.dumps(content))
    message = rf"tokenizer\.json: its {part} of type 'Novel' is not known to tokenizers \d"
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)
