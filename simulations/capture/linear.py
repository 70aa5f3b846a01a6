"""Which matrix and bias does a module multiply its tokens by, and which are the heads'?"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from simulations.capture.compare import Ruler
from simulations.capture.watch import Call, to_host
from theory.arrays import Floats, InputError


class Linear(NamedTuple):
    """x W + b, as rows: weight (d, p), bias (p,), zeros if there is none."""

    weight: Floats
    bias: Floats


class Heads(NamedTuple):
    """Value and output matrices of every head; a value that several heads share is repeated.

    Shapes: value (h, d, m), value_bias (h, m), output (h, m, d), output_bias (d,)
    """

    value: Floats
    value_bias: Floats
    output: Floats
    output_bias: Floats


def read_linear(call: Call, name: str, ruler: Ruler, errors: dict[str, float]) -> Linear:
    """Return what a module multiplies by; which way round is found by what it gave.

    Raises: InputError if the module has no matrix of floating numbers, or gave something else
    """
    found, (given, gave) = _own(call.part.inside[name], name, ruler), seen(call, name, ruler)
    shapes = (given.shape[-1], gave.shape[-1])
    turned = (found, found._replace(weight=found.weight.T))
    fitting = [
        Linear(weight, np.broadcast_to(bias, shapes[1:]))
        for weight, bias in turned
        if weight.shape == shapes and bias.shape in ((1,), shapes[1:])
    ]
    if not fitting:
        raise InputError(
            f"{ruler.where}: {name} turns {shapes[0]} features into {shapes[1]}, which its weight "
            f"of shape {found.weight.shape[::-1]} does not"
        )
    missed = [ruler.error(given @ each.weight + each.bias, gave) for each in fitting]
    best = int(np.argmin(missed))
    errors[name] = ruler.require(f"{name} as a linear map", missed[best])
    return fitting[best]


def seen(call: Call, name: str, ruler: Ruler) -> tuple[Floats, Floats]:
    """Return what a module was given and what it gave.

    Raises: InputError if it was not called
    """
    if name not in call.seen:
        raise InputError(
            f"{ruler.where}: {name} is there but was not called, so nothing can be read of it"
        )
    return call.seen[name]


def read_heads(
    call: Call,
    names: tuple[str, str],
    adjacency: Floats,
    inner: Floats,
    given: Floats,
    ruler: Ruler,
    errors: dict[str, float],
) -> Heads:
    """Return the heads' matrices; how values lie in a joint projection is found by the result.

    ``names`` are those of the value and the output projection, ``inner`` is what the sublayer
    listens to and ``given`` what it gives, before any scale.

    Shapes: adjacency (b, h, n, n), inner and given (b, n, d)
    Raises: InputError if no reading gives what the model computed
    """
    value_name, output_name = names
    joint = call.part.inside[value_name]
    if isinstance(joint, nn.MultiheadAttention):
        value, output = _torch_value(joint), _own(joint.out_proj, output_name, ruler)
        output = output._replace(bias=np.broadcast_to(output.bias, output.weight.shape[1:]))
    else:
        value = read_linear(call, value_name, ruler, errors)
        output = read_linear(call, output_name, ruler, errors)
    h, (inside, d) = adjacency.shape[1], output.weight.shape
    m = inside // h
    if m * h != inside:
        raise InputError(
            f"{ruler.where}: {output_name} takes {inside} features, which {h} heads cannot share"
        )
    tried = [
        Heads(*_repeated(part, h, m), output.weight.reshape(h, m, d), output.bias)
        for part in _parts_with_values(value, h, m)
    ]
    missed = [ruler.error(listen(heads, adjacency, inner), given) for heads in tried]
    if not tried:
        raise InputError(
            f"{ruler.where}: {value_name} gives {len(value.bias)} features, which are no values of "
            f"{h} heads of {m} features, alone or beside queries and keys"
        )
    best = int(np.argmin(missed))
    errors["attention"] = ruler.require("attention", missed[best])
    return tried[best]


def listen(heads: Heads, adjacency: Floats, inner: Floats) -> Floats:
    """Return what attention makes of its tokens, whether the rows of A sum to one or not."""
    values = inner[:, None] @ heads.value + heads.value_bias[:, None]
    found: Floats = np.sum(adjacency @ values @ heads.output, axis=1) + heads.output_bias
    return found


def _parts_with_values(joint: Linear, h: int, m: int) -> Iterator[Linear]:
    """Yield the columns that may be the values: all, the last ones, or the last of each group."""
    width = len(joint.bias)
    if width <= h * m:
        if width % m == 0 and h % max(width // m, 1) == 0:
            yield joint
        return
    groups, left = divmod(width // m - h, 2)
    if left or width % m or groups < 1 or h % groups:
        return
    yield Linear(joint.weight[:, -groups * m :], joint.bias[-groups * m :])
    if groups > 1:
        columns = np.arange(width).reshape(groups, h // groups + 2, m)[:, -1].ravel()
        yield Linear(joint.weight[:, columns], joint.bias[columns])


def _repeated(value: Linear, h: int, m: int) -> tuple[Floats, Floats]:
    groups = len(value.bias) // m
    weight = value.weight.reshape(-1, groups, m).transpose(1, 0, 2)
    each = h // groups
    return np.repeat(weight, each, axis=0), np.repeat(value.bias.reshape(groups, m), each, axis=0)


def _torch_value(attention: Any) -> Linear:
    """Return the value projection of torch's own attention, a part of its joint one."""
    width = attention.embed_dim
    joint = attention.in_proj_weight
    weight = attention.v_proj_weight if joint is None else joint[2 * width :]
    bias = attention.in_proj_bias
    host = np.zeros(width) if bias is None else to_host(bias[2 * width :])
    return Linear(to_host(weight).T, host)


def _own(module: Any, name: str, ruler: Ruler) -> Linear:
    """Return a module's weight, transposed, and bias, in float64."""
    weight: Any = getattr(module, "weight", None)
    tensor = isinstance(weight, torch.Tensor)
    if not tensor or not weight.is_floating_point() or weight.ndim != 2:
        what = f"a weight of dtype {weight.dtype}" if tensor else "no weight"
        raise InputError(
            f"{ruler.where}: {name} is a {type(module).__name__} with {what}, but a matrix of "
            "floating numbers was wanted; a quantised model has to be dequantised first, adapters "
            "have to be merged"
        )
    bias = getattr(module, "bias", None)
    if not isinstance(bias, torch.Tensor):
        return Linear(to_host(weight).T, np.zeros(1))
    return Linear(to_host(weight).T, to_host(bias))
