"""Is an image what the model was made to see, and refused where it cannot be?"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from simulations.instruments.analysis import analyze, analyze_images
from simulations.models.architecture import ImageShape
from simulations.models.checkpoint import Checkpoint
from simulations.models.families.vit import VIT
from simulations.models.find import load_checkpoint
from simulations.models.images import encode_images
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture, write_folder
from tests.test_simulations.helpers.tiny_vit import SQUARE, picture, write_images_model
from theory.arrays import InputError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return load_checkpoint(write_images_model(tmp_path, SQUARE))


def test_every_colour_is_scaled_by_its_own_numbers(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    encoded = encode_images(checkpoint, [path])
    values = np.moveaxis(np.asarray(Image.open(path)), -1, 0) / 255
    wanted = (values - np.array([0, 0.5, 1])[:, None, None]) / np.array([1, 2, 4])[:, None, None]
    assert encoded.pixels is not None
    assert np.allclose(encoded.pixels[0], wanted, atol=1e-12)
    assert encoded.pieces == (("[CLS]", "0,0", "0,1", "1,0", "1,1"),)


def test_a_picture_is_resized_and_its_middle_cut_out(tmp_path: Path) -> None:
    said = {"size": {"shortest_edge": 12}, "do_center_crop": True, "crop_size": 8, "resample": 3}
    checkpoint = load_checkpoint(write_images_model(tmp_path, said))
    found = encode_images(checkpoint, [picture(tmp_path / "wide.png", 40, 30)]).pixels
    whole = Image.open(tmp_path / "wide.png").resize((16, 12), Image.Resampling.BICUBIC)
    wanted = np.moveaxis(np.asarray(whole)[2:10, 4:12], -1, 0) / 255
    assert found is not None
    assert np.allclose(found[0], (wanted - 0.5) / 0.5, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ViTImageProcessor", {"size": {"height": 8, "width": 8}}),
        ("BitImageProcessor", {"size": {"shortest_edge": 12}, "crop_size": 8, "resample": 3}),
    ],
)
def test_pictures_become_what_transformers_makes_of_them(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        processor = getattr(transformers, kind)(**options, image_mean=[0.1, 0.2, 0.3])
        processor.save_pretrained(write_images_model(tmp_path))
        path = picture(tmp_path / "a.png", 40, 30)
        theirs = processor(images=Image.open(path), return_tensors="np")["pixel_values"]
    found = encode_images(load_checkpoint(tmp_path), [path]).pixels
    assert found is not None
    assert np.allclose(found, theirs, atol=1e-6)


def test_patches_alone_are_compared_where_marks_are_left_out(checkpoint: Checkpoint) -> None:
    image = np.random.default_rng(0).standard_normal((3, 8, 8))
    whole = analyze_images(checkpoint, [image, image])
    patches = analyze_images(checkpoint, [image], skip_special=True)
    assert whole.trace.depth == 2
    similar = whole.trace.tokens["cosine_similarity"]
    assert np.array_equal(similar[:, 0], similar[:, 1])
    assert not np.allclose(similar[:, :1], patches.trace.tokens["cosine_similarity"])
    assert np.all(whole.trace.inequality == "holds")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 8, 9)), r"must have shape \(3, 8, 8\), but has \(3, 8, 9\)"),
        (np.zeros((8, 8, 3)), r"must have shape \(3, 8, 8\)"),
        (np.zeros((3, 8, 8), np.uint8), "of floating dtype, but has uint8"),
        (np.full((3, 8, 8), np.nan), "must be finite"),
    ],
)
def test_arrays_of_another_kind_are_refused(
    array: Any, message: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        encode_images(checkpoint, [array])
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=rf"image 'a\.npy' .*{message}"):
        encode_images(checkpoint, [tmp_path / "a.npy"])


def test_files_that_are_no_pictures_are_refused_in_one_line(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "pickle.npy").write_bytes(b"\x80\x02}q\x00.")
    cut = picture(tmp_path / "cut.png", 300, 300)
    cut.write_bytes(cut.read_bytes()[:2000])
    (tmp_path / "folder.png").mkdir()
    for name, message in (
        ("text.png", "Pillow knows no such kind"),
        ("pickle.npy", "cannot be read"),
        ("cut.png", "cannot be read"),
        ("folder.png", "cannot be read"),
        ("missing.png", "cannot be read"),
    ):
        with pytest.raises(InputError, match=rf"image '{name}' .*{message}") as caught:
            encode_images(checkpoint, [tmp_path / name])
        assert "\n" not in str(caught.value)
    said = {"size": {"shortest_edge": 12}, "do_center_crop": True, "crop_size": 8}
    narrow = load_checkpoint(write_images_model(tmp_path, said))
    with pytest.raises(InputError, match="100 times longer"):
        encode_images(narrow, [picture(tmp_path / "long.png", 900, 2)])
    with pytest.raises(InputError, match="at least one image"):
        encode_images(checkpoint, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 9}, "cuts images to 9 points a side, but the model has positions for 8"),
        ({"size": {"height": 8, "width": 4}}, "must become squares"),
        ({"size": {"shortest_edge": 4}, "do_center_crop": True, "crop_size": 8}, "from crop_size"),
        ({"do_normalize": False}, "do_normalize must be true"),
        ({"rescale_factor": 1}, "rescale_factor must be 1/255"),
        ({"resample": 9}, "resample must be from 0 to 5"),
        ({"image_mean": [0.5]}, "image_mean must be 3 numbers"),
        ({"image_std": [1, 0, 1]}, "image_std must be positive"),
    ],
)
def test_settings_of_images_that_are_not_done_here_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(write_images_model(tmp_path, SQUARE | change))


def test_pictures_need_the_settings_and_arrays_do_not(tmp_path: Path) -> None:
    bare = load_checkpoint(write_images_model(tmp_path))
    assert encode_images(bare, [np.zeros((3, 8, 8))]).ids.shape == (1, 5)
    with pytest.raises(InputError, match=r"has no preprocessor_config\.json"):
        encode_images(bare, [picture(tmp_path / "a.png")])


def test_texts_and_images_are_not_mixed_up(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reads images, not texts"):
        analyze(checkpoint, ["a graph"])
    (tmp_path / "bert").mkdir()
    reader = load_checkpoint(write_folder(tmp_path / "bert"))
    with pytest.raises(InputError, match="reads texts, not images"):
        analyze_images(reader, [np.zeros((3, 8, 8))])


def test_one_patch_is_refused(tmp_path: Path) -> None:
    model = architecture(
        positions=2, token_types=0, placement="pre", image=ImageShape(size=4, patch=4, channels=3)
    )
    write_images_model(tmp_path, image_size=4)
    save_file(random_tensors(expected_shapes(VIT, model)), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="at least 2 patches"):
        analyze_images(load_checkpoint(tmp_path), [np.zeros((3, 4, 4))])
