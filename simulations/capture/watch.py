"""What goes through the blocks of a model during one forward pass?

Hooks see the modules that a family names. Attention weights are taken where they are: in what the
attention module returns, or from the softmax, or the fused attention, that is computed inside it.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from simulations.capture.family import Family
from simulations.capture.find import Part, listens
from theory.arrays import Floats

# The arguments of torch's fused attention, in order.
_FUSED = ["query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa"]


@dataclass
class Call:
    """One call of one block: what went in and came out, of it and of the modules inside.

    All float64 on the host, copied at once: some models add to their tokens in place.

    Shapes: tokens, output (b, n, d), seen[name] a pair of (b, n, *), weights each (b, h, n, n)
    """

    part: Part
    tokens: Floats
    dtype: Any
    swap: bool
    output: Floats | None = None
    seen: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    weights: list[Floats] = field(default_factory=list)
    listening: bool = False


def to_host(tensor: Any) -> Floats:
    """Return a float64 copy on the host."""
    return tensor.detach().to("cpu", torch.float64, copy=True).numpy()  # type: ignore[no-any-return]


@contextlib.contextmanager
def watching(
    parts: list[Part], family: Family, on_call: Callable[[Call], object]
) -> Iterator[None]:
    """Watch the blocks of a model; ``on_call`` gets each call of one when it is over."""
    handles: list[Any] = []
    open_calls: list[Call] = []
    try:
        for part in parts:
            _hook_block(part, family, open_calls, on_call, handles)
            _hook_inside(part, family, open_calls, handles)
        with _Weights(open_calls):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _hook_block(
    part: Part,
    family: Family,
    open_calls: list[Call],
    on_call: Callable[[Call], object],
    handles: list[Any],
) -> None:
    attention = part.inside.get(listens(part, family), part.module)
    swap = not getattr(attention, "batch_first", True)

    def before(_: Any, args: Any, kwargs: Any) -> None:
        tokens = _first(args, kwargs)
        call = Call(part, _tokens(tokens, swap=swap), tokens.dtype, swap)
        call.listening = attention is part.module
        open_calls.append(call)

    def after(_: Any, __: Any, output: Any) -> None:
        call = open_calls.pop()
        call.output = _tokens(_first(output), swap=swap)
        on_call(call)

    handles.append(part.module.register_forward_pre_hook(before, with_kwargs=True))
    handles.append(part.module.register_forward_hook(after))


def _hook_inside(part: Part, family: Family, open_calls: list[Call], handles: list[Any]) -> None:
    where = listens(part, family)
    for name in sorted(set(family.parts.values()) - {where}):
        if name not in part.inside:
            continue

        def see(_: Any, args: Any, kwargs: Any, output: Any, *, name: str = name) -> None:
            if open_calls:
                call = open_calls[-1]
                call.seen[name] = _pair(args, kwargs, output, call)

        handles.append(part.inside[name].register_forward_hook(see, with_kwargs=True))
    attention = part.inside.get(where)
    if attention is None:
        return

    def listen(module: Any, args: Any, kwargs: Any) -> Any:
        if open_calls:
            open_calls[-1].listening = True
        if isinstance(module, nn.MultiheadAttention):
            return args, kwargs | {"need_weights": True, "average_attn_weights": False}
        return None

    def heard(_: Any, args: Any, kwargs: Any, output: Any) -> None:
        if not open_calls:
            return
        call = open_calls[-1]
        call.listening = False
        call.seen[where] = _pair(args, kwargs, output, call)
        batch = len(call.tokens)
        beside = list(_all(output))[1:]  # the first is what the sublayer made
        returned = [found for each in beside if (found := _as_weights(each, batch)) is not None]
        new = [each for each in returned if not any(map(partial(_same, each), call.weights))]
        call.weights += new

    handles.append(attention.register_forward_pre_hook(listen, with_kwargs=True))
    handles.append(attention.register_forward_hook(heard, with_kwargs=True))


class _Weights(TorchFunctionMode):  # type: ignore[misc]
    """Keeps the attention weights that are computed while a block listens."""

    def __init__(self, open_calls: list[Call]) -> None:
        super().__init__()
        self._open = open_calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if self._open and self._open[-1].listening:
            computed = None
            if func is functional.scaled_dot_product_attention:
                computed = _fused_weights(**dict(zip(_FUSED, args, strict=False)) | kwargs)
            elif getattr(func, "__name__", "") == "softmax":
                computed = found
            weights = _as_weights(computed, len(self._open[-1].tokens))
            if weights is not None:
                self._open[-1].weights.append(weights)
        return found


def _fused_weights(
    query: Any,
    key: Any,
    value: Any,  # noqa: ARG001 - as torch has it
    attn_mask: Any = None,
    dropout_p: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return the weights that a fused attention keeps to itself, from what it was given."""
    query, key = query.detach().double(), key.detach().double()
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return torch.nan_to_num(scores.softmax(-1))  # a row of padding may hear nobody


def _as_weights(tensor: Any, batch: int) -> Floats | None:
    """Return what has the shape of attention weights, None for anything else."""
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        return None
    if tensor.ndim not in (3, 4) or tensor.shape[-1] != tensor.shape[-2]:
        return None
    if tensor.ndim == 3:  # one head, heads without a batch, or batch and heads on one axis
        tensor = (
            tensor.reshape(batch, -1, *tensor.shape[1:]) if len(tensor) % batch == 0 else tensor
        )
    return to_host(tensor)


def _pair(args: Any, kwargs: Any, output: Any, call: Call) -> tuple[Floats, Floats]:
    given, gave = _first(args, kwargs), _first(output)
    return _tokens(given, swap=call.swap), _tokens(gave, swap=call.swap)


def _same(one: Floats, other: Floats) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _tokens(tensor: Any, *, swap: bool) -> Floats:
    """Return tokens with the batch in front."""
    host = to_host(tensor)
    if host.ndim == 2:
        return host[None]
    return host.swapaxes(0, 1) if swap and host.ndim == 3 else host


def _all(tree: Any) -> Iterator[Any]:
    if isinstance(tree, tuple | list):
        for each in tree:
            yield from _all(each)
    elif isinstance(tree, dict):
        yield from _all(list(tree.values()))
    else:
        yield tree


def _first(*trees: Any) -> Any:
    return next(each for each in _all(list(trees)) if isinstance(each, torch.Tensor))
