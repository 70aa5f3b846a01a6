"""Is every family read as it is, to the model's own numbers?"""

from typing import Any

import numpy as np
import pytest

from simulations.capture.known import FAMILIES, OTHER_NAMES
from simulations.capture.trace import read_model, trace_model
from tests.test_simulations.test_capture.helpers.tiny import (
    CONFIGS,
    RELATIVES,
    encoder,
    tiny_model,
    tokens,
)

# What the authors of each family say of its blocks, read in their code and not in ours.
KNOWN = {
    "torch": "post layer relu",
    "bert": "post layer gelu",
    "roberta": "post layer gelu",
    "electra": "post layer gelu",
    "albert": "post layer gelu_tanh",
    "distilbert": "post layer gelu",
    "mpnet": "post layer gelu",
    "deberta-v2": "post layer gelu",
    "modernbert": "pre layer gelu gated",
    "gpt2": "pre layer gelu_tanh",
    "gptj": "parallel layer gelu_tanh",
    "gpt_neox": "parallel layer gelu",
    "bloom": "pre layer gelu_tanh",
    "falcon": "parallel layer gelu",
    "opt": "pre layer relu",
    "whisper": "pre layer gelu",
    "llama": "pre rms silu gated",
    "mistral": "pre rms silu gated",
    "qwen2": "pre rms silu gated",
    "qwen3": "pre rms silu gated",
    "gemma": "pre rms gelu_tanh gated",
    "gemma2": "sandwich rms gelu_tanh gated",
    "gemma3": "sandwich rms gelu_tanh gated",
    "olmo2": "sandwich none silu gated",
    "phi": "parallel layer gelu_tanh",
    "phi3": "pre rms silu gated",
    "vit": "pre layer gelu",
    "deit": "pre layer gelu",
    "dinov2": "pre layer gelu",
    "clip": "pre layer quick_gelu",
    "siglip": "pre layer gelu_tanh",
    "swin": "pre layer gelu",
    "t5": "pre rms relu",
    "t5-gated": "pre rms gelu_tanh gated",
    "mixtral": "pre rms",
    "gpt_oss": "pre rms",
}


def model_of(name: str) -> tuple[Any, Any, int | None]:
    """Return a model, inputs, and the stage that is looked at."""
    if name == "torch":
        return encoder(batch_first=True), tokens(2, 7, 16), None
    return *tiny_model(name), 0 if name == "swin" else None


def told(name: str, reading: Any) -> str:
    block = reading.block
    norm = block.norm_2 if name == "modernbert" else block.norm_1  # the first block has no first
    words = [block.placement, norm.kind]
    if block.feed_forward is not None:
        words += [block.feed_forward.activation, *["gated"] * block.feed_forward.gated]
    return " ".join(words)


def test_every_family_is_tested() -> None:
    assert KNOWN.keys() == {"torch", *CONFIGS}
    assert KNOWN.keys() | RELATIVES.keys() >= FAMILIES.keys()
    inside = {"clip_vision_model", "siglip_vision_model", "gemma3_text"}  # above, by the first name
    assert OTHER_NAMES.keys() - inside <= RELATIVES.keys()


@pytest.mark.parametrize("name", KNOWN)
def test_a_family_is_read_as_it_is(name: str) -> None:
    model, inputs, stage = model_of(name)
    trace = trace_model(model, inputs, stage=stage)
    readings = read_model(model, inputs, stage=stage)
    assert {told(name, reading) for reading in readings[-1:]} == {KNOWN[name]}
    assert trace.depth == len(readings) == 2
    blocks = trace.blocks
    assert (blocks["reconstruction_error"] <= 1e-6).all()
    assert np.isfinite(blocks["measured_ratio"]).all()
    assert np.isfinite(blocks["lambda"]).all()
    if name in ("mixtral", "gpt_oss"):
        return
    assert set(trace.inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    assert not any(trace.reasons)
    assert (blocks["measured_ratio"] <= blocks["v_stacked"] + blocks["rounding"]).all()
    for name in ("s", "v", "v_upper", "v_sharp"):
        assert np.isfinite(blocks[name]).all()


# A few with what no other has: two norms beside each other, a factor on sublayers, no parameters
# in a norm, another residual order.
OFTEN = ("falcon-two-norms", "granite", "olmo", "openai-gpt")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in RELATIVES],
)
def test_a_relative_is_found_by_what_it_calls_itself(name: str) -> None:
    model, inputs = tiny_model(name)
    trace = trace_model(model, inputs, stage=0)
    assert (trace.blocks["reconstruction_error"] <= 2e-6).all()
    measured = "moe" in name or name == "nemotron"
    words = {"does not apply"} if measured else {"holds"}
    assert set(trace.inequality.ravel()) == words  # type: ignore[union-attr]
    bound = trace.blocks["v_secant" if measured else "v_sharp"]
    assert (trace.blocks["measured_ratio"] <= bound * (1 + 1e-9)).all()


def test_what_is_added_to_in_place_is_kept_as_it_was() -> None:
    model, inputs = tiny_model("falcon")  # float64 needs no conversion, which would copy
    trace = trace_model(model.double(), inputs)
    assert set(trace.inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    assert (trace.blocks["reconstruction_error"] < 1e-6).all()


def test_factors_on_sublayers_are_found() -> None:
    block = read_model(*tiny_model("granite"))[0].block
    plain = read_model(*tiny_model("granite", residual_multiplier=1.0))[0].block
    assert block is not None
    assert plain is not None
    assert block.residual_scales == (1.0, 1.0)
    found, whole = (np.asarray(each.attention.output) for each in (block, plain))
    np.testing.assert_allclose(found, 0.3 * whole, rtol=1e-5)


def test_experts_are_measured_and_the_theorem_does_not_apply() -> None:
    trace = trace_model(*tiny_model("mixtral"))
    assert set(trace.inequality.ravel()) == {"does not apply"}  # type: ignore[union-attr]
    assert all("layers" in reason and "only measured" in reason for reason in trace.reasons)
    blocks = trace.blocks
    assert np.isnan(blocks["v"]).all()
    assert np.isnan(blocks["s"]).all(), "the experts' weights were not read"
    assert (blocks["measured_ratio"] <= blocks["v_secant"]).all()
    assert (blocks["ffn_secant"] > 0).all()


def test_attention_sinks_leave_no_v_of_any_kind() -> None:
    trace = trace_model(*tiny_model("gpt_oss"))
    assert set(trace.inequality.ravel()) == {"does not apply"}  # type: ignore[union-attr]
    assert all("rows of A sum to" in reason for reason in trace.reasons)
    assert "v_secant" not in trace.blocks
    reading = read_model(*tiny_model("gpt_oss"))[0]
    assert (reading.adjacency.sum(axis=-1) < 0.999).any()  # type: ignore[union-attr]
