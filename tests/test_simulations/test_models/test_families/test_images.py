"""Do models of images, read from files, give what transformers gives?"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.find import load_checkpoint
from simulations.models.images import encode_images
from tests.test_simulations.helpers.against_transformers import differences, random_model
from tests.test_simulations.test_models.test_families.sizes import DINO, VIT

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViT", VIT),
    "vit-grey": ("ViT", VIT | {"num_channels": 1, "qkv_bias": False}),
    "deit": ("DeiT", VIT),
    "dinov2": ("Dinov2", DINO),
    "dinov2-registers": ("Dinov2WithRegisters", DINO | {"num_register_tokens": 3}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_images_gives_what_transformers_gives(family: str, tmp_path: Path) -> None:
    kind, settings = FAMILIES[family]
    model = random_model(kind, tmp_path, **settings)
    checkpoint = load_checkpoint(tmp_path)
    shape = (settings.get("num_channels", 3), 15, 15)
    images = list(np.random.default_rng(0).standard_normal((2, *shape)))
    encoded = encode_images(checkpoint, images)
    found = differences(checkpoint, encoded, model)
    assert max(found.values()) < 1e-5, found
    first = len(encoded.pieces[0]) - 9
    assert encoded.special_mask.sum(axis=1).tolist() == [first, first]


def test_positions_are_stretched_as_transformers_does_it(tmp_path: Path) -> None:
    model = random_model("Dinov2", tmp_path, **DINO | {"image_size": 24})
    settings = '{"size": {"shortest_edge": 20}, "do_center_crop": true, "crop_size": 16}'
    (tmp_path / "preprocessor_config.json").write_text(settings)
    checkpoint = load_checkpoint(tmp_path)
    image = np.random.default_rng(0).standard_normal((3, 16, 16))
    found = differences(checkpoint, encode_images(checkpoint, [image]), model)
    assert max(found.values()) < 1e-5, found
