"""Is a Hugging Face folder read completely, and an incomplete or strange one refused?"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from struct import pack
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from safetensors.numpy import save_file

from simulations.models.checkpoint import Architecture, Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed, run
from simulations.models.names import BERT, expected_shapes
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import (
    WORDS,
    random_tensors,
    write_settings,
    write_tokenizer,
)
from theory.arrays import InputError


def architecture(**changes: int) -> Architecture:
    """Return that of a small BERT; the settings in `tiny.SETTINGS` describe it."""
    sizes = {"vocabulary": len(WORDS), "positions": 16, "width": 8, "ffn": 12, "heads": 2}
    sizes |= {"layers": 2} | changes
    return Architecture(
        model_type="bert",
        activation="gelu",
        norm_eps=1e-12,
        token_types=2,
        embedding_width=sizes["width"],
        groups=sizes["layers"],
        **sizes,
    )


TENSORS = random_tensors(expected_shapes(BERT, architecture()))


def write_folder(
    folder: Path, tensors: dict[str, NDArray[Any]] | None = None, **settings: Any
) -> Path:
    write_settings(folder, **settings)
    write_tokenizer(folder)
    save_file(TENSORS if tensors is None else tensors, folder / "model.safetensors")
    return folder


def last_tokens(checkpoint: Checkpoint) -> NDArray[Any]:
    *_, last = run(checkpoint, encode(checkpoint, ["a graph of tokens fades"]))
    tokens: NDArray[Any] = last.step.output
    return tokens


def test_the_settings_and_the_source_are_recorded(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_folder(tmp_path))
    assert checkpoint.architecture == architecture()
    assert checkpoint.name == tmp_path.name
    assert str(tmp_path.parent) not in checkpoint.source
    assert len(checkpoint.weights_sha256) == 64
    assert [block.placement for block in checkpoint.blocks] == ["post", "post"]


def test_one_changed_weight_changes_the_digest(tmp_path: Path) -> None:
    before = load_checkpoint(write_folder(tmp_path)).weights_sha256
    changed = TENSORS | {"embeddings.LayerNorm.bias": np.zeros(8, np.float32)}
    assert load_checkpoint(write_folder(tmp_path, changed)).weights_sha256 != before


def test_shards_give_what_one_file_gives(tmp_path: Path) -> None:
    whole = last_tokens(load_checkpoint(write_folder(tmp_path)))
    (tmp_path / "model.safetensors").unlink()
    places = {name: f"model-{i % 3}.safetensors" for i, name in enumerate(TENSORS)}
    for file in set(places.values()):
        part = {name: TENSORS[name] for name in TENSORS if places[name] == file}
        save_file(part, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert np.array_equal(last_tokens(load_checkpoint(tmp_path)), whole)
    index.write_text(json.dumps({"weight_map": {"a": "../model-0.safetensors"}}))
    with pytest.raises(InputError, match="which is not in the folder"):
        load_checkpoint(tmp_path)
    index.write_text(json.dumps({"weight_map": places | {"a": "model-9.safetensors"}}))
    with pytest.raises(InputError, match=r"names 'model-9\.safetensors'"):
        load_checkpoint(tmp_path)


def test_names_of_older_files_are_understood(tmp_path: Path) -> None:
    new = last_tokens(load_checkpoint(write_folder(tmp_path)))
    old: dict[str, NDArray[Any]] = {
        "bert." + name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): t
        for name, t in TENSORS.items()
    }
    old |= {"cls.predictions.bias": np.zeros(10, np.float32)}
    old |= {"bert.embeddings.position_ids": np.arange(16)[None, :]}
    assert np.array_equal(last_tokens(load_checkpoint(write_folder(tmp_path, old))), new)


def test_half_precision_is_read_and_stays_close(tmp_path: Path) -> None:
    whole = last_tokens(load_checkpoint(write_folder(tmp_path)))
    half = {name: tensor.astype(np.float16) for name, tensor in TENSORS.items()}
    tokens = last_tokens(load_checkpoint(write_folder(tmp_path, half)))
    assert tokens.dtype == np.float64
    assert 0 < abs(tokens - whole).max() < 0.1


def test_weights_in_bfloat16_are_widened_to_the_last_bit_and_it_is_said(tmp_path: Path) -> None:
    upper = {name: tensor.view(np.uint32) >> 16 for name, tensor in TENSORS.items()}
    write_folder(tmp_path)
    write_bfloat16(tmp_path / "model.safetensors", upper)
    found = load_checkpoint(str(tmp_path))
    wanted = {name: (bits << 16).view(np.float32) for name, bits in upper.items()}
    (tmp_path / "wide").mkdir()
    write_folder(tmp_path / "wide", wanted)
    plain = load_checkpoint(str(tmp_path / "wide"))
    np.testing.assert_array_equal(last_tokens(found), last_tokens(plain))
    assert found.widened == "BF16"
    assert plain.widened is None


def write_bfloat16(path: Path, upper: Mapping[str, NDArray[Any]]) -> None:
    """Write a file of safetensors byte by byte: NumPy has no such dtype."""
    header, place, content = {}, 0, b""
    for name, bits in upper.items():
        content += bits.astype("<u2").tobytes()
        about = {"dtype": "BF16", "shape": bits.shape, "data_offsets": (place, len(content))}
        header[name], place = about, len(content)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


def test_double_precision_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    double = {name: tensor / np.float64(3) for name, tensor in TENSORS.items()}
    write_folder(tmp_path, double)
    gain = load_checkpoint(tmp_path, dtype="float64").blocks[0].norm_1.gain
    assert gain is not None
    assert np.array_equal(gain, double["encoder.layer.0.attention.output.LayerNorm.weight"])


def test_embeddings_are_the_normalised_sum_of_three_rows(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write_folder(tmp_path), dtype="float64")
    encoded = encode(checkpoint, ["a graph"])
    tables = {name: TENSORS[f"embeddings.{name}_embeddings.weight"] for name in
              ("word", "position", "token_type")}  # fmt: skip
    total = tables["word"][[2, 4, 5, 3]] + tables["position"][:4] + tables["token_type"][0]
    centred = np.asarray(total, np.float64) - total.mean(axis=1, keepdims=True, dtype=np.float64)
    wanted = centred / centred.std(axis=1, keepdims=True)
    wanted = wanted * TENSORS["embeddings.LayerNorm.weight"] + TENSORS["embeddings.LayerNorm.bias"]
    assert np.allclose(embed(checkpoint, encoded)[0], wanted, rtol=0, atol=1e-6)


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
        ({"model_type": "mpnet"}, "model_type must be one of bert.*'mpnet'"),
        ({"model_type": ...}, "has no model_type.* bert, .*architectures are None"),
        (
            {"model_type": ..., "architectures": ["BertModel"]},
            r"has no model_type.*architectures are \['BertModel'\]",
        ),
        ({"model_type": ["bert"]}, "model_type must be one of bert"),
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


def test_a_folder_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in two\nlines").mkdir()
    for given_as in (".", "..", "in two\nlines", str(tmp_path), "./in two\nlines/.."):
        with pytest.raises(InputError) as caught:
            load_checkpoint(given_as)
        shown = repr(str(Path(given_as)))
        assert str(caught.value) == f"{shown} has no config.json"
    write_settings(tmp_path)
    with pytest.raises(InputError, match=r"^'\.' has neither model\.safetensors nor"):
        load_checkpoint(".")
    save_file(TENSORS, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"^'\.' has no tokenizer\.json"):
        load_checkpoint(".")
    write_folder(tmp_path)
    assert load_checkpoint(".").name == tmp_path.name


def test_the_root_has_a_name() -> None:
    if Path("/config.json").exists():
        pytest.skip("there is a config.json at the root")
    with pytest.raises(InputError, match=r"^'/' has no config\.json$"):
        load_checkpoint("/")


@given(st.floats(0, 1, exclude_max=True))
def test_truncated_weights_are_refused_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = write_folder(tmp_path_factory.mktemp("cut")) / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"model\.safetensors' is truncated or corrupt"):
        load_checkpoint(path.parent)


def test_a_pickle_is_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pickle.*save_pretrained"):
        load_checkpoint(tmp_path)


def test_a_list_of_words_will_do_as_tokenizer(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    lower = encode(load_checkpoint(tmp_path), ["A Graph of unknowns"])
    assert lower.pieces == (("[CLS]", "a", "graph", "of", "[UNK]", "[SEP]"),)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    cased = encode(load_checkpoint(tmp_path), ["A Graph of unknowns"])
    assert cased.pieces == (("[CLS]", "[UNK]", "[UNK]", "of", "[UNK]", "[SEP]"),)


def test_layers_that_share_weights_are_one_block(tmp_path: Path) -> None:
    from simulations.models.names import ALBERT

    model = dataclasses.replace(architecture(layers=5), model_type="albert", groups=2)
    tensors = random_tensors(expected_shapes(ALBERT, model))
    settings = {"model_type": "albert", "num_hidden_layers": 5, "num_hidden_groups": 2}
    blocks = load_checkpoint(write_folder(tmp_path, tensors, **settings)).blocks
    assert blocks[0] is blocks[1] is blocks[2] is not blocks[3] is blocks[4]
    with pytest.raises(InputError, match="inner_group_num must be 1"):
        load_checkpoint(write_folder(tmp_path, tensors, **settings, inner_group_num=2))
