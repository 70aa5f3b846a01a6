"""Is what cannot be read refused in one line that names block and piece?"""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from simulations.capture.family import Family
from simulations.capture.run import batches, make_watched, read_batch
from simulations.capture.trace import read_model, trace_model
from tests.test_simulations.test_capture.helpers.own import OWN, Block, network
from tests.test_simulations.test_capture.helpers.tiny import (
    Linear,
    Module,
    encoder,
    tiny_model,
    token_ids,
    tokens,
)
from theory.arrays import InputError

torch = pytest.importorskip("torch")

X = tokens(2, 7, 16)

# What a row may get wrong, and the words that tell.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a norm is not named": ({"norms": ("first",)}, r"block 0 \(blocks\.0\): placement: .* no sum"),
    "no norm is named": ({"norms": ()}, r"block 0 .*: placement: attention listens neither"),
    "up and down are swapped": ({"up": "down", "down": "up"}, r"block 0 .*: feed-forward: none of"),
    "the output is another map": ({"output": "down"}, r"block 0 .*: qkv gives 48 features"),
    "the value is another map": ({"value": "up"}, r"block 0 .*: attention: what was read"),
    "a linear map is called a norm": ({"norms": ("first", "up")}, r"block 0 .*: up: no LayerNorm"),
    "a gate that is none": ({"gate": "up"}, r"block 0 .*: feed-forward: none of"),
    "a name is not there": (
        {"output": "proj"},
        r"no module 'proj', .* as output; it has .*out",
    ),
    "a list is not there": ({"blocks": "layers"}, r"a list 'layers'.* blocks \(2 x Block\)"),
    "a norm is called a matrix": ({"up": "first"}, r"first is a LayerNorm with a weight .* matrix"),
    "no feed-forward is named": ({"up": None, "down": None}, r"block 0 .*: placement: "),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_row_is_refused_with_block_and_piece(mistake: str) -> None:
    changes, words = WRONG[mistake]
    family = dataclasses.replace(OWN, **changes)
    with pytest.raises(InputError, match=words) as told:
        trace_model(network(), X, family=family)
    assert "\n" not in str(told.value)


class Louder(Block):
    """The same modules, and a little more than they do at the end."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + 0.001 * x**2


class Changed(Linear):  # type: ignore[misc]
    """No linear map, though it has a matrix."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + 1e-4 * x.sum(-1, keepdim=True) ** 2


def test_a_block_that_does_more_than_was_read_is_refused() -> None:
    with pytest.raises(InputError, match=r"block 1 \(blocks\.1\): placement: .* do no more"):
        trace_model(network(blocks=[Block(), Louder()]), X, family=OWN)
    model = network()
    changed = Changed(16, 16)
    changed.load_state_dict(model.blocks[1].out.state_dict())
    model.blocks[1].out = changed.eval()
    with pytest.raises(
        InputError, match=r"block 1 .*: out as a linear map: what was read .* differ"
    ):
        trace_model(model, X, family=OWN)


def test_a_family_may_be_called_by_the_name_of_a_relative() -> None:
    model, inputs = tiny_model("t5-gated")
    found = [trace_model(model, inputs, family=name) for name in ("t5", "mt5", "t5-gated")]
    assert len({float(each.blocks["v"][0, 0]) for each in found}) == 1


@pytest.mark.parametrize("wrong", ["bert", "gpt2", "olmo2", "phi", "mixtral", "phi3", "t5"])
def test_the_row_of_another_family_is_refused(wrong: str) -> None:
    model, inputs = tiny_model("llama")
    if wrong == "mixtral":  # the same names but for the sublayer, which may be only measured
        assert "only measured" in trace_model(model, inputs, family=wrong).reasons[0]
        return
    with pytest.raises(InputError, match="family"):
        trace_model(model, inputs, family=wrong)


def test_an_unknown_family_says_which_are_known_and_how_to_name_ones_own() -> None:
    words = r"'Network': known are albert, .*whisper.*family=Family\(.*blocks \(2 x Block\)"
    with pytest.raises(InputError, match=words):
        trace_model(network(), X)
    with pytest.raises(InputError, match=r"family must be one of albert, .* but is 'gpt5'"):
        trace_model(network(), X, family="gpt5")
    both = torch.nn.ModuleList([encoder(batch_first=True), tiny_model("bert")[0]]).eval()
    with pytest.raises(InputError, match="parts of several: torch, bert"):
        trace_model(both, X)


@pytest.mark.parametrize(
    "changes",
    [
        {"up": None},
        {"gate": "gate", "up": None, "down": None},
        {"measured": "mlp"},
        {"scales": "a"},
    ],
)
def test_names_that_do_not_go_together_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        dataclasses.replace(OWN, **changes)
    assert Family(blocks="", attention="", value="v", output="o").up is None


def test_a_model_in_training_mode_is_refused_and_stays_so() -> None:
    model = network().train()
    with pytest.raises(InputError, match=r"eval mode, but \d+ .* call model\.eval\(\)"):
        trace_model(model, X, family=OWN)
    assert model.training


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a text", "another"], "text: give what the tokenizer makes of it"),
        ("a text", "text"),
        ([[1, 2, 3], [4, 5]], "different lengths need padding"),
        ([[7], [8]], r"two tokens or more, .* input 0 has 1"),
    ],
)
def test_inputs_that_are_no_tokens_are_refused(given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        trace_model(tiny_model("bert")[0], given)


def test_masks_that_do_not_fit_are_refused() -> None:
    model, inputs = tiny_model("bert")
    lonely = np.ones((2, 9), dtype=int)
    lonely[1, 1:] = 0
    with pytest.raises(InputError, match="input 1 has 1"):
        trace_model(model, inputs | {"attention_mask": lonely})
    with pytest.raises(InputError, match=r"present has shape \(2, 8\), but the blocks have 2 x 9"):
        trace_model(model, inputs, present=np.ones((2, 8), dtype=bool))
    there = np.ones((2, 9), dtype=bool)
    there[0, 7:] = False
    with pytest.raises(InputError, match=r"block 0 .* must not listen to padding"):
        trace_model(model, inputs, present=there)  # the model does not know


def test_inputs_that_cannot_be_cut_are_refused() -> None:
    model = encoder()  # the batch is its second axis
    with pytest.raises(InputError, match=r"at_once must be positive, of inputs .* \[2, 7\]"):
        trace_model(
            model, {"src": X.transpose(0, 1), "src_key_padding_mask": X[..., 0] > 9}, at_once=1
        )
    with pytest.raises(InputError, match="at_once must be positive"):
        trace_model(network(), X, family=OWN, at_once=0)


def test_a_quantised_model_is_refused() -> None:
    model = network()
    model.blocks[0].up.weight = torch.nn.Parameter(
        model.blocks[0].up.weight.to(torch.int8), requires_grad=False
    )
    with pytest.raises(InputError, match=r"blocks\.0\.up is a Linear of quantised weights"):
        trace_model(model, X, family=OWN)


def test_a_model_without_numbers_and_no_model_at_all_are_refused() -> None:
    with pytest.raises(InputError, match="meta"):
        trace_model(network().to("meta"), X, family=OWN)
    with pytest.raises(InputError, match=r"model must be a torch\.nn\.Module, but is a str"):
        trace_model("bert", X)


def test_runs_of_blocks_have_to_be_chosen() -> None:
    model, inputs = tiny_model("swin")
    with pytest.raises(InputError, match=r"stage must be given: .* in 2 runs .* 1: 1 from"):
        trace_model(model, inputs)
    with pytest.raises(InputError, match="not 2"):
        trace_model(model, inputs, stage=2)
    assert trace_model(model, inputs, stage=1).depth == 1


def test_tokens_that_are_moved_between_blocks_end_a_run() -> None:
    class Moving(Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.blocks = torch.nn.ModuleList([Block(), Block()])

        def forward(self, x: Any) -> Any:
            return self.blocks[1](self.blocks[0](x) + 0.1)

    with pytest.raises(InputError, match=r"2 runs of blocks \(0: 1 from blocks\.0, 1: 1 from"):
        trace_model(Moving().eval(), X, family=OWN)


class Mish(Block):
    """The same block with another activation."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.inner = nn.Sequential(self.up, nn.Mish(), self.down)

    def forward(self, x: Any) -> Any:
        b, n, d = x.shape
        joint = self.qkv(self.first(x)).view(b, n, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        heard = torch.nn.functional.scaled_dot_product_attention(*joint)
        x = x + self.out(heard.transpose(1, 2).reshape(b, n, d))
        return x + 0.5 * self.inner(self.second(x))


def test_another_activation_is_refused_unless_it_is_only_measured() -> None:
    model = network(blocks=[Mish(), Mish()])
    with pytest.raises(InputError, match="name it as measured, without up and down"):
        trace_model(model, X, family=OWN)
    family = dataclasses.replace(OWN, up=None, down=None, measured="inner")
    trace = trace_model(model, X, family=family)
    assert (trace.blocks["measured_ratio"] <= trace.blocks["v_secant"]).all()
    assert np.isnan(trace.blocks["v"]).all()
    found = read_model(model, X, family=family)[0].measured
    assert found is not None
    with torch.no_grad():
        inner = model.blocks[0].inner(torch.as_tensor(found.given, dtype=torch.float32))
    np.testing.assert_allclose(found.gave, 0.5 * inner.numpy(), rtol=1e-4, atol=1e-6)


def test_numbers_that_are_not_finite_are_refused() -> None:
    model = network()
    with torch.no_grad():
        model.blocks[0].up.weight.fill_(torch.inf)
    with pytest.raises(InputError, match=r"block 0 .*: the tokens that leave it must be finite"):
        trace_model(model, X, family=OWN)


def test_a_model_with_cross_attention_is_told_so() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=41, d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4
    )
    model = transformers.T5Model(config).eval()
    inputs = {"input_ids": token_ids(2, 9), "decoder_input_ids": token_ids(2, 6)}
    with pytest.raises(InputError, match=r"0: 2 from encoder\.block\.0, 1: 2 from decoder"):
        trace_model(model, inputs)
    assert set(trace_model(model, inputs, stage=0).inequality.ravel()) == {"holds"}  # type: ignore[union-attr]
    trace = trace_model(model, inputs, stage=1)
    assert set(trace.inequality.ravel()) == {"does not apply"}  # type: ignore[union-attr]
    assert "another text" in trace.reasons[0]
    assert np.isfinite(trace.blocks["measured_ratio"]).all()
    assert np.isfinite(trace.blocks["lambda"]).all()
    assert read_model(model, inputs, stage=1)[0].block is None


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"input_ids": (2, 0)}, r"'input_ids': \(2, 0\)"),
        ({"inputs": (2, 7)}, "You must specify"),
    ],
)
def test_what_the_model_cannot_be_run_on_is_one_line_with_shapes(
    inputs: dict[str, tuple[int, ...]], message: str
) -> None:
    model, _ = tiny_model("bert")
    given = {name: torch.ones(shape, dtype=torch.long) for name, shape in inputs.items()}
    with pytest.raises(InputError, match="the model cannot be run on what it is given") as caught:
        trace_model(model, given)
    assert re.search(message, str(caught.value))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None, "what the model said is kept"


def test_a_mistake_of_our_own_is_not_the_models() -> None:
    model, inputs = tiny_model("bert")
    watched = make_watched(model, None, present=None, stage=None)
    ((args, kwargs, there),) = batches(watched, inputs, None)
    with pytest.raises(ZeroDivisionError):
        read_batch(watched, args, kwargs, there, lambda reading: 1 // 0)


def test_inputs_without_numbers_are_refused() -> None:
    model, inputs = tiny_model("bert")
    with pytest.raises(InputError, match="input_ids must have numbers, but is on the device meta"):
        trace_model(model, {"input_ids": inputs["input_ids"].to("meta")})
