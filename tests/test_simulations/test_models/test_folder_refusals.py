"""Is an incomplete, damaged or strange Hugging Face folder refused?"""

import sys
from pathlib import Path
from struct import pack
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from simulations.models.find import load_checkpoint
from tests.test_simulations.helpers.tiny_folder import TENSORS, write_folder
from theory.arrays import InputError


@given(st.sampled_from(sorted(TENSORS)), st.booleans())
def test_no_tensor_may_be_missing_or_misshapen(
    tmp_path_factory: pytest.TempPathFactory, name: str, misshapen: bool
) -> None:
    tensors: dict[str, NDArray[Any]] = dict(TENSORS)
    del tensors[name]
    if misshapen:
        tensors[name] = np.zeros(7, np.float32)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load_checkpoint(write_folder(tmp_path_factory.mktemp("model"), tensors))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ({"encoder.layer.2.output.dense.bias": np.zeros(8)}, "does not account for"),
        ({"encoder.layer.0.attention.self.distance.weight": np.zeros(8)}, "does not account for"),
        ({"encoder.layer.1.output.dense.bias": np.full(8, np.inf)}, "must be finite"),
        ({"encoder.layer.1.output.dense.bias": np.zeros(8, np.int8)}, "I8"),
    ],
)
def test_strange_tensors_are_refused(
    tmp_path: Path, tensor: dict[str, NDArray[Any]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(write_folder(tmp_path, TENSORS | tensor))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model_type": "gptj"},
            "model_type must be one that `oversmooth models` lists, but is 'gptj'",
        ),
        ({"model_type": ...}, "has no model_type.* 'bert'; .*architectures are None"),
        (
            {"model_type": ..., "architectures": ["BertModel"]},
            r"has no model_type.*architectures are \['BertModel'\]",
        ),
        ({"model_type": ["bert"]}, "model_type must be one that"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type must be 'absolute'"),
        ({"is_decoder": True}, "is_decoder must be False"),
        ({"quantization_config": {"bits": 8}}, "quantization_config must be None"),
        ({"hidden_act": "xielu"}, "hidden_act must be one of gelu.*'xielu'"),
        ({"hidden_act": ["gelu"]}, "hidden_act must be one of gelu"),
        ({"hidden_size": ...}, "hidden_size must be a whole number from 1 up .*but is None"),
        ({"hidden_size": 10**4000}, r"hidden_size must be a whole .* but is 10*\.\.\.0*$"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number"),
        ({"num_attention_heads": True}, "num_attention_heads must be a whole number"),
        ({"num_attention_heads": 3}, "hidden_size must be a multiple of num_attention_heads"),
        ({"layer_norm_eps": -1}, "layer_norm_eps must be a number"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps must be a number"),
        ({"num_hidden_layers": 10**9}, "at most 10000 layers"),
        ({"model_type": "roberta", "pad_token_id": 15}, "room for a token"),
        ({"vocab_size": 11}, r"word_embeddings\.weight' must have shape \(11, 8\)"),
    ],
)
def test_settings_that_we_cannot_run_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(write_folder(tmp_path, **change))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", b"{", "config.json is truncated or corrupt"),
        ("config.json", b"\xff\xfe", "config.json is truncated or corrupt"),
        ("config.json", b"[" * 100_000, "config.json is corrupt: it is nested too deeply"),
        ("tokenizer_config.json", b"[" * 100_000, "corrupt: it is nested too deeply"),
        ("tokenizer_config.json", b'{"pad_token": "\\ud800"}', "pad_token must be a string"),
        ("tokenizer.json", b"[" * 100_000, "tokenizer.json is truncated or corrupt"),
        ("tokenizer.json", b'{"model": ' * 100_000, "tokenizer.json is truncated or corrupt"),
        ("model.safetensors", pack("<Q", 100_000) + b"[" * 100_000, "truncated or corrupt"),
        ("config.json", b"[]", "must hold a JSON object, but holds list"),
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("tokenizer.json", b"{}", "tokenizer.json is truncated or corrupt"),
        ("model.safetensors", None, "has neither model.safetensors nor"),
        ("model.safetensors", b"", "'model.safetensors' is truncated or corrupt"),
        ("model.safetensors", b"\x00" * 64, "'model.safetensors' is truncated or corrupt"),
    ],
)
def test_a_folder_with_a_missing_or_damaged_file_is_refused(
    tmp_path: Path, file: str, text: bytes | None, message: str
) -> None:
    write_folder(tmp_path)
    if text is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(text)
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "it is nested too deeply$"),
        ('{"weight_map": []}', r"an object weight_map, but has \[\]$"),
        ('{"weight_map": {"a": %s}}' % ("[" * 900 + "]" * 900), r"names \[\[\.\.\.\]\], which"),
        ('{"weight_map": {"a": "%s"}}' % ("x" * 5000), r"names 'x*\.\.\.x*', which is not"),
        (r'{"weight_map": {"a": "x\ny"}}', r"names 'x\\ny', which is not"),
        ('{"weight_map": {"a": "."}}', r"names '\.', which is not"),
    ],
)
def test_a_damaged_index_is_refused_in_one_short_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (write_folder(tmp_path) / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(tmp_path)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", ["b\n" * 5000, [["bert"] * 1000] * 1000, {"a" * 5000: "b"}])
@pytest.mark.parametrize("key", ["model_type", "hidden_act", "hidden_size", "is_decoder"])
def test_whatever_a_setting_holds_is_refused_in_one_short_line(
    tmp_path: Path, key: str, value: Any
) -> None:
    with pytest.raises(InputError, match=f"{key} must be") as caught:
        load_checkpoint(write_folder(tmp_path, **{key: value}))
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@given(st.floats(0, 1, exclude_max=True))
def test_truncated_weights_are_refused_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = write_folder(tmp_path_factory.mktemp("cut")) / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"model\.safetensors' is truncated or corrupt"):
        load_checkpoint(path.parent)


def test_without_torch_a_pickle_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails from here on
    with pytest.raises(InputError, match=r"a pickle.*oversmooth\[torch\].*save_pretrained"):
        load_checkpoint(tmp_path)


def test_several_pickles_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(InputError, match=r"several pickles.*save_pretrained"):
        load_checkpoint(tmp_path)
