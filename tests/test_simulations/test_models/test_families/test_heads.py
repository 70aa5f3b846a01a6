"""Is the model inside a task's model found, and its head set aside without a word?"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.find import load_checkpoint
from simulations.models.images import encode_images
from simulations.models.tokens import encode
from tests.test_simulations.helpers.against_transformers import TEXTS, differences
from tests.test_simulations.helpers.tiny import write_tokenizer
from tests.test_simulations.test_models.test_families.sizes import (
    DINO,
    GPT2,
    LLAMA,
    MPNET,
    NEOX,
    OPT,
    VIT,
)

HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT2LMHeadModel": ("GPT2", GPT2),
    "GPT2ForSequenceClassification": ("GPT2", GPT2 | {"pad_token_id": 0}),
    "OPTForCausalLM": ("OPT", OPT),
    "GPTNeoXForCausalLM": ("GPTNeoX", NEOX | {"rotary_pct": 0.5}),
    "PhiForCausalLM": ("Phi", NEOX),
    "LlamaForCausalLM": ("Llama", LLAMA),
    "Qwen2ForCausalLM": ("Qwen2", LLAMA | {"tie_word_embeddings": True}),
    "MPNetForMaskedLM": ("MPNet", MPNET),
    "ViTForImageClassification": ("ViT", VIT),
    "DeiTForImageClassificationWithTeacher": ("DeiT", VIT),
    "Dinov2ForImageClassification": ("Dinov2", DINO),
}


QUICK = ("GPT2LMHeadModel", "LlamaForCausalLM", "Dinov2ForImageClassification")


@pytest.mark.parametrize(
    "kind", [k if k in QUICK else pytest.param(k, marks=pytest.mark.slow) for k in HEADS]
)
def test_the_head_of_a_task_is_set_aside(kind: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
    name, settings = HEADS[kind]
    torch.manual_seed(0)
    config = getattr(transformers, name + "Config")(**settings, attn_implementation="eager")
    model = getattr(transformers, kind)(config).eval()
    model.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    checkpoint = load_checkpoint(tmp_path)  # a warning would be an error here
    if checkpoint.reads_images:
        images = list(np.random.default_rng(0).standard_normal((2, 3, 15, 15)))
        encoded = encode_images(checkpoint, images)
    else:
        encoded = encode(checkpoint, TEXTS)
    found = differences(checkpoint, encoded, model.base_model)
    assert max(found.values()) < 1e-5, found
