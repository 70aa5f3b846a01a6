"""What is in the folder of a small ViT, and which pictures is it shown?"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from simulations.models.architecture import ImageShape
from simulations.models.families.vit import VIT
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import random_tensors
from tests.test_simulations.helpers.tiny_folder import architecture

MODEL = architecture(
    positions=5,
    token_types=0,
    placement="pre",
    image=ImageShape(size=8, patch=4, channels=3),
)
CONFIG = {"model_type": "vit", "num_hidden_layers": 2, "hidden_size": 8, "image_size": 8}
CONFIG |= {"num_attention_heads": 2, "intermediate_size": 12, "patch_size": 4}
SQUARE = {"size": {"height": 8, "width": 8}, "image_mean": [0, 0.5, 1], "image_std": [1, 2, 4]}


def write_images_model(folder: Path, said: dict[str, Any] | None = None, **changes: Any) -> Path:
    save_file(random_tensors(expected_shapes(VIT, MODEL)), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    if said is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def picture(path: Path, width: int = 8, height: int = 8) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path
