"""Do decoders, read from files, give what transformers gives, padding and masks included?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.models.find import load_checkpoint
from simulations.models.forward import causal_mask, run
from simulations.models.tokens import encode
from tests.test_simulations.helpers.against_transformers import agrees
from tests.test_simulations.helpers.tiny_llama import write_decoder
from tests.test_simulations.test_models.test_families.sizes import (
    BLOOM,
    GEMMA2,
    GPT2,
    LLAMA,
    NEOX,
    OPT,
    STRETCHED,
    WIDE,
)
from theory.blocks.forward import apply_block
from theory.graphs.masks import window_mask

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT2),
    "gpt2-relu": ("GPT2", GPT2 | {"n_inner": 20, "activation_function": "relu"}),
    "opt": ("OPT", OPT),
    "bloom": ("Bloom", BLOOM),
    "bloom-two-heads": ("Bloom", BLOOM | {"n_head": 2}),
    "gpt_neox": ("GPTNeoX", NEOX | {"rotary_pct": 0.5}),
    "gpt_neox-no-bias": ("GPTNeoX", NEOX | {"attention_bias": False, "rotary_pct": 1.0}),
    "phi": ("Phi", NEOX | {"num_key_value_heads": 1}),
    "llama": ("Llama", LLAMA),
    "llama-biases": ("Llama", LLAMA | {"attention_bias": True, "mlp_bias": True}),
    "llama-wide-heads": ("Llama", LLAMA | {"head_dim": 6}),
    "llama-3": ("Llama", LLAMA | {"rope_parameters": STRETCHED}),
    "llama-linear": (
        "Llama",
        LLAMA | {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0}},
    ),
    "mistral": ("Mistral", LLAMA | {"sliding_window": 3}),
    "mistral-wide": ("Mistral", LLAMA | {"sliding_window": 16}),
    "qwen2": ("Qwen2", LLAMA),
    "qwen3": ("Qwen3", LLAMA | {"head_dim": 4}),
    "gemma-old": ("Gemma", LLAMA | {"head_dim": 4, "pad_token_id": 0, "hidden_act": "gelu"}),
    "gemma": ("Gemma", LLAMA | {"head_dim": 4, "pad_token_id": 0}),
    "gemma2": ("Gemma2", GEMMA2),
    "gemma2-plain": ("Gemma2", GEMMA2 | {"attn_logit_softcapping": None, "layer_types": WIDE}),
}


SLOW = {"gpt2-relu", "bloom-two-heads", "gpt_neox-no-bias", "gemma-old"}
SLOW |= {"gemma2-plain", "llama-biases", "llama-wide-heads", "llama-linear", "mistral-wide"}


@pytest.mark.parametrize(
    "family", [f if f not in SLOW else pytest.param(f, marks=pytest.mark.slow) for f in FAMILIES]
)
def test_a_decoder_gives_what_transformers_gives(family: str, tmp_path: Path) -> None:
    kind, settings = FAMILIES[family]
    checkpoint = agrees(kind, tmp_path, **settings)
    assert checkpoint.architecture.causal
    assert checkpoint.final_norm is not None


@pytest.mark.parametrize("model_type", ["llama", "mistral", "qwen3", "gpt_neox", "phi", "bloom"])
def test_a_block_of_a_decoder_makes_its_own_attention_weights(
    model_type: str, tmp_path: Path
) -> None:
    own: dict[str, dict[str, Any]] = {"mistral": {"sliding_window": 2}, "qwen3": {"head_dim": 4}}
    own |= {"gpt_neox": {"rotary_pct": 0.5}, "bloom": {"n_layer": 2, "n_head": 2}}
    settings: dict[str, Any] = {"model_type": model_type, **own.get(model_type, {})}
    checkpoint = load_checkpoint(write_decoder(tmp_path, **settings))
    text = encode(checkpoint, ["a graph of tokens fades"])
    for ran in run(checkpoint, text):
        mask = causal_mask(checkpoint, ran.tokens.shape[-2])
        again = apply_block(ran.block, ran.tokens, mask=mask).adjacency
        assert np.array_equal(again, ran.step.adjacency)
        assert not ran.block.attention.plain
        bare = replace(ran.block.attention, positions=None, query_norm=None, key_norm=None)
        other = apply_block(replace(ran.block, attention=bare), ran.tokens, mask=mask).adjacency
        assert np.abs(other - again).max() > 1e-3


def test_a_text_may_be_longer_than_a_window(tmp_path: Path) -> None:
    folder = write_decoder(tmp_path, model_type="mistral", sliding_window=3)
    checkpoint = load_checkpoint(folder)
    assert checkpoint.architecture.longest == 16
    first = next(run(checkpoint, encode(checkpoint, ["a graph of tokens fades slowly", "of"])))
    weights = first.step.adjacency[0, 0]
    assert np.array_equal(weights > 0, window_mask(len(weights), 2, causal=True))


def test_what_older_files_call_their_settings_is_understood(tmp_path: Path) -> None:
    new = {"model_type": "bloom", "n_layer": 2, "hidden_size": 8, "n_head": 2}
    wanted = load_checkpoint(write_decoder(tmp_path, **new)).architecture
    old = {"model_type": "bloom", "n_layer": 2, "n_embed": 8, "num_attention_heads": 2}
    old |= {"hidden_size": ...}
    assert load_checkpoint(write_decoder(tmp_path, **old)).architecture == wanted


def test_no_token_of_a_decoder_hears_what_comes_after_it(tmp_path: Path) -> None:
    checkpoint = agrees("GPT2", tmp_path, **GPT2)
    long, short = (encode(checkpoint, [text]) for text in ("a graph of", "a graph fades"))
    ends = [list(run(checkpoint, each))[-1].step.output[0] for each in (long, short)]
    assert np.array_equal(ends[0][:3], ends[1][:3])
    assert not np.allclose(ends[0][3], ends[1][3])
