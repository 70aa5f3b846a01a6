"""Is whatever a config.json says read, or refused in one line, for every family?"""

import json
from pathlib import Path
from typing import Any

import pytest

from simulations.models.families.known import FAMILIES
from simulations.models.find import load_checkpoint
from simulations.models.settings import read_architecture
from tests.test_simulations.helpers.tiny_llama import write_decoder
from theory.arrays import InputError

TRANSFORMED = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
TRANSFORMED |= {"intermediate_size": 12, "max_position_embeddings": 16, "type_vocab_size": 2}
OWN: dict[str, dict[str, Any]] = {
    "gpt2": {"n_layer": 2, "n_embd": 8, "n_head": 2, "n_positions": 16, "n_inner": None},
    "bloom": {"n_layer": 2, "n_head": 2},
    "opt": {"ffn_dim": 12, "word_embed_proj_dim": 8},
    "distilbert": {"n_layers": 2, "dim": 8, "n_heads": 2, "hidden_dim": 12},
    "gpt_neox": {"rotary_pct": 0.5},
    "qwen3": {"head_dim": 4, "num_key_value_heads": 1},
    "mistral": {"sliding_window": 8, "num_key_value_heads": 1},
    "gemma2": {
        "head_dim": 4,
        "num_key_value_heads": 1,
        "query_pre_attn_scalar": 6,
        "sliding_window": 3,
        "attn_logit_softcapping": 30.0,
    },
    "llama": {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 100.0},
    "t5": {"d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2},
    "mt5": {"d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2},
    **{name: {"image_size": 8, "patch_size": 4} for name in ("vit", "deit")},
    "dinov2": {"image_size": 8, "patch_size": 4, "mlp_ratio": 2},
    "dinov2_with_registers": {"image_size": 8, "patch_size": 4, "num_register_tokens": 1},
}
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    7.5,
    2**31 - 2,
    10**40,
    "gated-",
    "x" * 500,
    [],
    {},
    [[1]],
    1e-300,
)


def config(model_type: str) -> dict[str, Any]:
    return TRANSFORMED | OWN.get(model_type, {}) | {"model_type": model_type}


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_family_reads_the_folder_that_its_own_shapes_make(
    model_type: str, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(write_decoder(tmp_path, **config(model_type)))
    assert len(checkpoint.blocks) == 2
    assert (checkpoint.tokenizer is None) == checkpoint.reads_images
    family, attention = FAMILIES[model_type], checkpoint.blocks[0].attention
    relative = bool(family.slopes or family.names.relative)
    positions = attention.positions
    assert (positions is not None and positions.turns) == bool(family.rotary)
    assert (positions is not None and positions.by_offset is not None) == relative
    assert (attention.query_norm is not None) == bool(family.names.query_norm)
    assert attention.plain == (positions is None and not family.names.query_norm)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_strange_setting_is_read_or_refused_in_one_line(model_type: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    keys = set(vars(FAMILIES[model_type].keys).values()) | set(FAMILIES[model_type].fixed)
    keys |= {*config(model_type), "rope_theta", "rope_parameters", "attention_bias", "qkv_bias"}
    said = []
    for number, key in enumerate(sorted(keys - {"", "model_type"})):
        for value in STRANGE[number % 3 :: 3]:
            path.write_text(json.dumps(config(model_type) | {key: value}))
            try:
                read_architecture(path)
            except InputError as error:
                said.append(str(error))
    assert len(said) > len(keys) / 2
    assert max(map(len, said)) < 300
    assert not any("\n" in line for line in said)
