"""What is in the folder of a small Llama?"""

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from simulations.models.families.known import FAMILIES
from simulations.models.settings import read_architecture
from simulations.models.shapes import expected_shapes
from tests.test_simulations.helpers.tiny import WORDS, random_tensors, write_tokenizer

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "rms_norm_eps": 1e-5,
    "vocab_size": len(WORDS),
}


def write_decoder(folder: Path, **settings: Any) -> Path:
    """Write a decoder with random weights; settings may make it one of another family."""
    config = {key: value for key, value in (CONFIG | settings).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(config))
    model, _ = read_architecture(folder / "config.json")
    shapes = expected_shapes(FAMILIES[config["model_type"]], model)
    save_file(random_tensors(shapes), folder / "model.safetensors")
    write_tokenizer(folder)
    return folder
