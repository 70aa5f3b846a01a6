"""Is a model after it was watched what it was before, also if that failed?"""

import dataclasses
from typing import Any

import pytest

from simulations.capture.trace import trace_model
from tests.test_simulations.test_capture.helpers.own import OWN, network
from tests.test_simulations.test_capture.helpers.tiny import Module, encoder, tiny_model, tokens
from theory.arrays import InputError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs")


def everything(model: Any) -> dict[str, Any]:
    """Return all of a model that may be left changed."""
    modules = list(model.modules())
    configs = [getattr(each, "config", None) for each in modules]
    return {
        "hooks": [len(getattr(each, name)) for each in modules for name in HOOKS],
        "modes": [each.training for each in modules],
        "names": [(name, id(each)) for name, each in model.named_parameters()],
        "grads": [each.requires_grad for each in model.parameters()],
        "dtypes": [each.dtype for each in model.state_dict().values()],
        "numbers": [float(each.double().sum()) for each in model.state_dict().values()],
        "attributes": [sorted(vars(each)) for each in modules],
        "configs": [str(each.to_dict()) for each in configs if each is not None],
        "attention": [each._attn_implementation for each in configs if each is not None],
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "gradients": torch.is_grad_enabled(),
        "random": torch.get_rng_state().tolist(),
    }


@pytest.mark.parametrize("name", ["bert", "albert", "falcon", "gpt_oss", "swin", "t5"])
def test_a_model_of_transformers_is_left_as_it_was(name: str) -> None:
    model, inputs = tiny_model(name)
    kept = {key: each.clone() for key, each in inputs.items()}
    before = everything(model)
    trace_model(model, inputs, stage=0)
    assert everything(model) == before
    assert all(torch.equal(each, kept[key]) for key, each in inputs.items())


def test_a_model_that_could_not_be_read_is_left_as_it_was() -> None:
    for model, family in (
        (network(), dataclasses.replace(OWN, norms=("first",))),
        (encoder(batch_first=True), dataclasses.replace(OWN, blocks="layers")),
        (network(), dataclasses.replace(OWN, attention="up")),
    ):
        before = everything(model)
        with pytest.raises(InputError):
            trace_model(model, tokens(2, 7, 16), family=family)
        assert everything(model) == before


def test_an_error_of_the_model_itself_leaves_it_as_it_was() -> None:
    model = encoder(batch_first=True)
    before = everything(model)
    with pytest.raises(Exception, match="15"):
        trace_model(model, tokens(2, 7, 15))
    assert everything(model) == before


def silent_attention(
    module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float = 1.0, **_: Any
) -> tuple[Any, None]:
    """Attend under a causal mask without a softmax that anybody could see."""
    each = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
    scores = scaling * query @ key.mT
    ahead = torch.ones(scores.shape[-2:]).triu(1) > 0
    weights = torch.exp(scores.masked_fill(ahead, -torch.inf))
    weights = weights / weights.sum(-1, keepdim=True)
    return (weights @ value).transpose(1, 2).contiguous(), None


def test_hidden_attention_is_made_plain_for_the_time_of_reading() -> None:
    transformers.AttentionInterface.register("silent", silent_attention)
    model, inputs = tiny_model("llama")
    wanted = trace_model(model, inputs)
    model.set_attn_implementation("silent")
    before = everything(model)
    found = trace_model(model, inputs)
    assert everything(model) == before
    assert set(before["attention"]) == {"silent"}
    assert abs(found.blocks["lambda"] - wanted.blocks["lambda"]).max() < 1e-5


def test_attention_that_is_hidden_for_good_is_refused() -> None:
    class Hidden(Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.value, self.out = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)

        def forward(self, x: Any) -> Any:
            weights = torch.exp(x @ x.mT)
            return self.out(weights / weights.sum(-1, keepdim=True) @ self.value(x))

    family = dataclasses.replace(OWN, value="value", output="out", up=None, down=None, norms=())
    model = network(blocks=[Hidden()])
    with pytest.raises(InputError, match=r"block 0 .*: no attention weights were seen"):
        trace_model(model, tokens(2, 7, 16), family=family)
