"""Is the law of a whole model what the model does to tokens that are nearly equal?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.law import models
from simulations.law.model_layers import Layer, model_layers
from simulations.law.model_orbits import synchronised_model
from simulations.law.models import model_law
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed, run
from simulations.models.tokens import encode
from simulations.numbers import Numbers
from tests.helpers.commands import refused, said
from tests.test_simulations.helpers.tiny_folder import write_folder
from tests.test_simulations.helpers.tiny_llama import write_decoder
from tests.test_simulations.helpers.tiny_vit import SQUARE, picture, write_images_model
from theory.arrays import InputError
from theory.law.synchronised import linearise

TEXTS = ("a graph of tokens fades slowly", "of a graph")
OFF = 1e-5
"""How far factors of differences of 1.5e-8 of the token may be from the law: a layer leaves out
what is of that size times its curvature, which random weights of this size keep below 600."""

GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2, "n_positions": 16}
BLOOM = {"model_type": "bloom", "n_layer": 2, "hidden_size": 8, "n_head": 2}
T5: dict[str, Any] = {
    "model_type": "t5",
    "d_model": 8,
    "d_kv": 4,
    "d_ff": 12,
    "num_heads": 2,
    "num_layers": 2,
}
T5 |= {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 16}
T5 |= {"feed_forward_proj": "relu"}
FAMILIES: dict[str, Callable[[Path], Path]] = {
    "bert": write_folder,
    "llama": lambda folder: write_decoder(folder, num_attention_heads=4, num_key_value_heads=2),
    "gpt_neox": lambda folder: write_decoder(folder, model_type="gpt_neox", rotary_pct=0.5),
    "gpt2": lambda folder: write_decoder(folder, **GPT2),
    "bloom": lambda folder: write_decoder(folder, **BLOOM),
    "qwen3": lambda folder: write_decoder(folder, model_type="qwen3", head_dim=4),
    "t5": lambda folder: write_decoder(folder, **T5),
}


@pytest.fixture
def llama(tmp_path: Path) -> Checkpoint:
    return load_checkpoint(FAMILIES["llama"](tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_nearly_equal_tokens_of_a_model_follow_the_law(family: str, tmp_path: Path) -> None:
    found = model_law(load_checkpoint(FAMILIES[family](tmp_path)), TEXTS, max_length=16, vectors=1)
    real = found.tangent
    assert np.abs(real.near / real.law - 1).max() <= OFF
    assert np.abs(real.measured / real.law - 1).max() > 100 * OFF  # far from equal they do not
    assert found.ordered


def test_nearly_equal_patches_follow_the_law(tmp_path: Path) -> None:
    model = load_checkpoint(write_images_model(tmp_path, SQUARE))
    found = model_law(model, [picture(tmp_path / "one.png", 20, 30)], vectors=1)
    assert np.abs(found.tangent.near / found.tangent.law - 1).max() <= OFF
    assert found.synchronised.starts == ("mean of image 1", "random")
    assert found.ordered


@pytest.mark.parametrize("wrong", ["the walk of the mask", "all hear all"])
def test_the_walk_of_the_mask_alone_is_not_a_rotary_models(
    wrong: str, llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walks(layer: Layer, listening: Numbers, n: int) -> Numbers:
        mask = np.tri(n) if wrong == "the walk of the mask" else np.ones((n, n))
        return np.asarray((mask / mask.sum(axis=1, keepdims=True))[None])

    monkeypatch.setattr(Layer, "walks", walks)
    real = model_law(llama, TEXTS, max_length=16, vectors=1).tangent
    assert np.abs(real.near / real.law - 1).max() > 100 * OFF


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2"])
def test_what_is_said_of_a_layer_is_said_of_its_derivative(family: str, tmp_path: Path) -> None:
    """All n d columns of the derivative at equal tokens, by differences of the model's own run."""
    layers = model_layers(load_checkpoint(FAMILIES[family](tmp_path)))[:1]
    n, token = 4, np.random.default_rng(1).standard_normal(8)
    found = synchronised_model(layers, {"here": (token, n)})
    centre = np.kron(np.eye(n) - 1 / n, np.eye(8))
    columns = []
    for unit in np.eye(8 * n).reshape(-1, n, 8):
        plus, minus = (layers[0].run(token + sign * 1e-5 * unit).output for sign in (1, -1))
        columns.append((plus - minus).reshape(-1) / 2e-5)
    slope = centre @ np.stack(columns, axis=1) @ centre
    assert found.largest[0, 0] == pytest.approx(np.linalg.norm(slope, 2), rel=1e-5)
    assert found.cumulative[0, 0] == pytest.approx(found.largest[0, 0], rel=1e-5)
    assert found.typical[0, 0] == pytest.approx(np.linalg.norm(slope) / (3 * 8) ** 0.5, rel=1e-6)
    radius = np.abs(np.linalg.eigvals(slope)).max()
    assert found.radius[0, 0] == pytest.approx(radius, rel=1e-3)
    assert found.sizes[0, 0] == pytest.approx(
        np.linalg.norm(linearise(layers[0].block, token).token)
    )


def test_where_all_are_heard_alike_two_equal_tokens_stand_for_any_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = model_layers(load_checkpoint(write_folder(tmp_path)))
    start = {"here": (np.random.default_rng(2).standard_normal(8), 5)}
    two = synchronised_model(layers, start)
    monkeypatch.setattr(Layer, "even", False)
    five = synchronised_model(layers, start)
    assert (two.counts, five.counts) == ((2,), (5,))
    for name in ("typical", "radius", "largest", "cumulative", "v_sharp", "v"):
        assert np.allclose(getattr(two, name), getattr(five, name), rtol=1e-4), name


def test_a_repeated_word_is_a_synchronised_state_of_a_decoder_without_added_positions(
    llama: Checkpoint,
) -> None:
    encoded = encode(llama, ["a a a a a"])
    encoded = encoded._replace(ids=np.full_like(encoded.ids, encoded.ids[0, 2]))
    token = np.asarray(embed(llama, encoded))[0, 0]
    for ran in run(llama, encoded):
        token = linearise(ran.block, token).token
        assert np.allclose(ran.step.output, token, rtol=1e-12, atol=1e-12)


def test_a_text_that_is_synchronised_already_is_refused(
    llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "embed", lambda *_: np.ones((1, 5, 8)))
    monkeypatch.setattr(models, "encode", lambda *_, **__: encode(llama, ["a a a"]))
    with pytest.raises(InputError, match="one repeats a single one"):
        model_law(llama, ["a a a"], max_length=16)


def test_no_input_or_one_of_the_wrong_kind_is_refused(llama: Checkpoint) -> None:
    with pytest.raises(InputError, match="texts must hold at least one text"):
        model_law(llama, [])
    with pytest.raises(InputError, match="reads texts, but one of its inputs is none"):
        model_law(llama, [*TEXTS, np.zeros((3, 8, 8))], max_length=16)


def test_the_command_asks_a_decoder_and_a_model_of_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = {name: tmp_path / name for name in ("llama", "vit", "bare")}
    for folder in folders.values():
        folder.mkdir()
    llama = str(write_decoder(folders["llama"]))
    vit = str(write_images_model(folders["vit"], SQUARE))
    bare = str(write_images_model(folders["bare"]))
    text, image = tmp_path / "texts.txt", str(picture(tmp_path / "one.png", 20, 30))
    text.write_text("\n".join(TEXTS))
    code, out, _ = said(capsys, "law", "--model", llama, "--text", str(text), "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == 0
    assert found["ordering"] == "holds"
    assert len(found["synchronised"]["starts"]) == 4
    assert np.shape(found["trajectory"]["near"]) == (2, 2)
    plot = tmp_path / "law.png"
    code, out, _ = said(capsys, "law", "--model", vit, "--images", image, "--plot", str(plot))
    assert code == 0
    assert plot.stat().st_size > 1000
    for words in ("mean of image 1", "shrunk to 1.5e-08", "no layer's own factor", "v sharp"):
        assert words in out
    code, out, _ = said(capsys, "law", "--model", vit, "--json")
    assert code == 0
    assert len(json.loads(out)["trajectory"]["near"]) == 2  # the photograph, and a quarter of it
    wrong: tuple[tuple[tuple[str, ...], str], ...] = (
        (("--model", vit, "--text", str(text)), "reads images, not texts"),
        (("--model", llama, "--images", image), "reads texts, not images"),
        (("--model", vit, "--images", image, "--text", str(text)), "images exclude text"),
        (("--model", bare), "give --images .npy files"),
        (("--images", image), "--images must come with --model"),
    )
    for asked, message in wrong:
        assert message in refused(capsys, "law", *asked)


@pytest.mark.parametrize("model_type", ["deberta-v2", "mixtral"])
def test_biases_that_depend_on_content_and_experts_are_refused_in_one_line(
    model_type: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path, model_type=model_type)
    assert "model_type must be one that" in refused(capsys, "law", "--model", str(folder))
