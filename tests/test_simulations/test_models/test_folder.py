"""Is a Hugging Face folder read completely?"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from simulations.models.shapes import expected_shapes
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny import WORDS, random_tensors, write_settings
from tests.test_simulations.helpers.tiny_folder import (
    TENSORS,
    architecture,
    last_tokens,
    write_folder,
)
from theory.arrays import InputError


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
    from simulations.models.families.albert import ALBERT

    model = dataclasses.replace(architecture(layers=5), model_type="albert", groups=2)
    tensors = random_tensors(expected_shapes(ALBERT, model))
    settings = {"model_type": "albert", "num_hidden_layers": 5, "num_hidden_groups": 2}
    blocks = load_checkpoint(write_folder(tmp_path, tensors, **settings)).blocks
    assert blocks[0] is blocks[1] is blocks[2] is not blocks[3] is blocks[4]
    with pytest.raises(InputError, match="inner_group_num must be 1"):
        load_checkpoint(write_folder(tmp_path, tensors, **settings, inner_group_num=2))
