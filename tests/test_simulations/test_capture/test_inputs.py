"""Does no reading depend on padding, the kind of attention, the dtype, or how inputs come?"""

from typing import Any

import numpy as np
import pytest

from simulations.capture.trace import trace_model
from tests.test_simulations.test_capture.helpers.own import OWN, network
from tests.test_simulations.test_capture.helpers.tiny import (
    Module,
    encoder,
    tiny_model,
    token_ids,
    tokens,
)
from tests.test_simulations.test_capture.test_modules import assert_alike
from theory.arrays import InputError

torch = pytest.importorskip("torch")


def member(trace: Any, index: int) -> dict[str, Any]:
    names = ("lambda", "s", "v", "v_sharp", "measured_ratio", "attention_entropy")
    return {name: trace.blocks[name][:, index] for name in names}


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["llama", "bloom", "t5"])  # their positions are relative
def test_padding_does_not_count(name: str, side: str) -> None:
    model, _ = tiny_model(name)
    alone, longer = token_ids(1, 6), token_ids(1, 9)
    padding = torch.full((1, 3), 3)
    parts = [padding, alone] if side == "left" else [alone, padding]
    mask = torch.ones(2, 9, dtype=torch.long)
    mask[0, :3] = 0
    if side == "right":
        mask[0] = mask[0].flip(0)
    both = trace_model(
        model, {"input_ids": torch.cat([torch.cat(parts, 1), longer]), "attention_mask": mask}
    )
    for index, ids in enumerate((alone, longer)):
        single = trace_model(model, {"input_ids": ids})
        for key, values in member(single, 0).items():
            np.testing.assert_allclose(member(both, index)[key], values, rtol=1e-4, err_msg=key)
        measured = both.tokens["cosine_similarity"][:, index]
        np.testing.assert_allclose(measured, single.tokens["cosine_similarity"][:, 0], rtol=1e-4)


def test_padding_of_torchs_encoder_does_not_count() -> None:
    model, x = encoder(batch_first=True), tokens(2, 7, 16)
    silent = torch.zeros(2, 7, dtype=torch.bool)
    silent[0, 5:] = True
    both = trace_model(model, {"src": x, "src_key_padding_mask": silent})
    single = trace_model(model, x[:1, :5])
    for key, values in member(single, 0).items():
        np.testing.assert_allclose(member(both, 0)[key], values, rtol=1e-5, err_msg=key)
    floating = torch.zeros(2, 7)
    with pytest.raises(InputError, match="present must be given"):
        trace_model(model, {"src": x, "src_key_padding_mask": floating})


@pytest.mark.parametrize("name", ["bert", "llama", "vit"])
def test_fused_attention_reads_as_the_plain_one(name: str) -> None:
    plain, inputs = tiny_model(name, attn_implementation="eager")
    fused, _ = tiny_model(name, attn_implementation="sdpa")
    assert fused.config._attn_implementation == "sdpa"
    assert_alike(trace_model(fused, inputs), trace_model(plain, inputs), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ["bert", "llama", "gpt2"])
def test_other_dtypes_read_nearly_the_same(name: str, dtype: str) -> None:
    model, inputs = tiny_model(name)
    wanted = trace_model(model, inputs)
    kind = getattr(torch, dtype)
    found = trace_model(model.to(kind), inputs)
    near = 64 * max(torch.finfo(kind).eps, torch.finfo(torch.float32).eps)
    for key, values in member(found, 0).items():
        np.testing.assert_allclose(values, member(wanted, 0)[key], rtol=near, err_msg=key)
    assert set(found.inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    assert found.blocks["v"].dtype == np.float64
    assert (found.blocks["reconstruction_error"] < 4 * torch.finfo(kind).eps + 1e-6).all()


def test_a_wrong_norm_is_refused_in_half_precision_too() -> None:
    model = network().to(torch.bfloat16)
    model.blocks[1].second = torch.nn.LayerNorm(16, dtype=torch.bfloat16).eval()
    bad = torch.nn.Linear(16, 16, dtype=torch.bfloat16).eval()
    trace_model(model, tokens(2, 7, 16), family=OWN)  # another kind of norm is found
    model.blocks[1].second = bad
    with pytest.raises(InputError, match=r"block 1 .*: second: no LayerNorm"):
        trace_model(model, tokens(2, 7, 16), family=OWN)


def test_inputs_come_as_tensors_arrays_lists_or_by_name() -> None:
    model, inputs = tiny_model("bert")
    wanted = trace_model(model, inputs)
    ids = inputs["input_ids"]
    for given in (ids, ids.numpy(), ids.tolist(), {"input_ids": ids.numpy(), "labels": None}):
        if isinstance(given, dict):
            given = {"input_ids": given["input_ids"]}
        assert_alike(trace_model(model, given), wanted, rtol=1e-9)
    image, pixels = tiny_model("vit")
    doubled = pixels["pixel_values"].double().numpy()
    assert_alike(trace_model(image, doubled), trace_model(image, pixels), rtol=1e-9)


def test_a_model_inside_another_is_found() -> None:
    body, inputs = tiny_model("bert")

    class Classifier(Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = body, torch.nn.Linear(32, 2)

        def forward(self, ids: Any) -> Any:
            return self.head(self.body(ids).last_hidden_state[:, 0])

    found = trace_model(Classifier().eval(), inputs["input_ids"])
    assert_alike(found, trace_model(body, inputs), rtol=1e-9)


def test_tokens_that_are_masked_out_count_in_the_theorem_and_not_in_the_similarity() -> None:
    model, inputs = tiny_model("bert")
    mask = np.ones((2, 9), dtype=int)
    mask[:, 0] = 0
    found, whole = trace_model(model, inputs, token_mask=mask), trace_model(model, inputs)
    np.testing.assert_array_equal(found.blocks["v"], whole.blocks["v"])
    assert (found.tokens["cosine_similarity"] != whole.tokens["cosine_similarity"]).all()
    parts = trace_model(model, inputs, token_mask=mask, at_once=1)
    assert_alike(parts, found)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_model_on_a_gpu_reads_as_on_the_processor() -> None:
    model, inputs = tiny_model("llama")
    wanted = trace_model(model, inputs)
    found = trace_model(model.to("cuda"), inputs)
    assert {each.device.type for each in model.parameters()} == {"cuda"}
    assert_alike(found, wanted, rtol=1e-3)
