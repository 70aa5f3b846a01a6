"""Can this model be watched, and how is it left as it was?"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from theory.arrays import InputError


def unwrapped(model: Any) -> Any:
    """Return the module that torch.compile has wrapped, or the model itself.

    Raises: InputError if it is no torch module
    """
    model = getattr(model, "_orig_mod", model)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, but is a {type(model).__name__}: a name or a folder "
            "is for analyze, or load it with transformers first"
        )
    return model


def require_ready(model: Any) -> None:
    """Raise InputError for a model that trains, has no numbers, or numbers of a few bits."""
    for name, each in model.named_modules():
        weight = getattr(each, "weight", None)
        odd = isinstance(weight, torch.Tensor) and not weight.is_floating_point()
        if odd or (callable(weight) and not isinstance(weight, nn.Module)):
            raise InputError(
                f"model must hold floating numbers, but {name} is a {type(each).__name__} of "
                "quantised weights: load it without quantisation, or dequantise it first"
            )
    training = [
        name or "the model itself"
        for name, each in model.named_modules()
        if each.training and not isinstance(each, nn.ModuleList | nn.ModuleDict)
    ]
    if training:
        raise InputError(
            f"model must be in eval mode, but {len(training)} of its modules are in training mode "
            f"({training[0]} for one), where dropout changes the attention weights: call "
            "model.eval() first, and model.train() afterwards"
        )
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise InputError(f"model must have numbers, but {name} is on the device meta")


@contextlib.contextmanager
def in_eval_mode(model: Any) -> Iterator[None]:
    """Let a model that trains compute without dropout, then set each module back as it was."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextlib.contextmanager
def plain_torch() -> Iterator[None]:
    """Let every module compute step by step, so that hooks see it: nothing fused or compiled."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        stance = getattr(torch.compiler, "set_stance", None)
        if stance is not None:
            stack.enter_context(stance("force_eager"))
        stack.enter_context(torch.no_grad())
        yield


def can_be_eager(model: Any) -> bool:
    """Whether some transformers model inside computes its attention in another way."""
    return any(each.config._attn_implementation != "eager" for each in _settable(model))


@contextlib.contextmanager
def eager_attention(model: Any) -> Iterator[None]:
    """Let the transformers models inside compute attention plainly, and put back what was set."""
    settable = _settable(model)
    before = [each.config._attn_implementation for each in settable]
    try:
        for each in settable:
            each.set_attn_implementation("eager")
        yield
    finally:
        for each, name in zip(settable, before, strict=True):  # the outermost first
            if each.config._attn_implementation != name:
                each.set_attn_implementation(name)


def _settable(model: Any) -> list[Any]:
    return [
        each
        for each in model.modules()
        if hasattr(each, "set_attn_implementation")
        and hasattr(getattr(each, "config", None), "_attn_implementation")
    ]


def arguments(model: Any, inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what the model is called with: tensors where the model is, floating ones in its dtype.

    Raises: InputError for texts, for nothing, or for what makes no tensor
    """
    if isinstance(inputs, Mapping):
        return (), {str(name): _tensor(str(name), each, model) for name, each in inputs.items()}
    main = getattr(model, "main_input_name", None)
    tensor = _tensor("inputs", inputs, model)
    return ((), {main: tensor}) if isinstance(main, str) else ((tensor,), {})


def _tensor(name: str, given: Any, model: Any) -> Any:
    several = given if isinstance(given, list | tuple) else (given,)
    if any(isinstance(each, str) for each in several):
        raise InputError(
            f"{name} must be numbers, but is text: give what the tokenizer makes of it, as in "
            'tokenizer(texts, return_tensors="pt", padding=True)'
        )
    if given is None or isinstance(given, bool):
        return given
    try:
        tensor = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{name} must be a tensor, or numbers that make one; texts of different lengths need "
            f"padding ({error})"
        ) from error
    if tensor.device.type == "meta":
        raise InputError(f"{name} must have numbers, but is on the device meta")
    first = next(model.parameters(), None)
    if first is None:
        return tensor
    floating = tensor.is_floating_point() and first.is_floating_point()
    return tensor.to(first.device, first.dtype if floating else None)
