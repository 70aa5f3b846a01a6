"""Which normalisation gave these numbers: kind, gain, shift and eps?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from simulations.capture.compare import Ruler
from simulations.capture.linear import seen
from simulations.capture.watch import Call, to_host
from theory.arrays import Floats, InputError
from theory.blocks.norms import Norm
from theory.records import brief_repr

_USUAL_EPS = (0.0, 1e-5, 1e-6, 1e-8, 1e-12, 2.0**-23, 2.0**-52)


@brief_repr
@dataclass(frozen=True, eq=False)
class SeenNorm:
    """A norm of a block, what it was given and what it gave: (b, n, d)."""

    name: str
    norm: Norm
    given: Floats
    gave: Floats


def read_norm(call: Call, name: str, ruler: Ruler, errors: dict[str, float]) -> SeenNorm | None:
    """Return the norm that a module computed, found among all that its numbers may mean.

    None for a module that changes nothing. Gains may be a parameter or, as in Gemma, one more
    than it.

    Raises: InputError if no LayerNorm or RMSNorm with the module's parameters gives its numbers
    """
    given, gave = seen(call, name, ruler)
    if np.array_equal(given, gave):
        return None
    rows, wanted = ruler.kept(given), ruler.kept(gave)
    module, all_rows = call.part.inside[name], replace(ruler, present=None)
    best, least = Norm(), float("inf")
    # The module's own eps first: where tokens are large any other fits as well.
    for choices in (list(_own_eps(module, call.dtype)), list(_USUAL_EPS)):
        for norm in _choices(module, rows.shape[-1], choices):
            error = all_rows.error(_apply(norm, rows), wanted)
            if error < least / 4:  # of two that fit alike, the first
                best, least = norm, error
        if least <= ruler.limit:
            break
    if not least <= ruler.limit:
        raise InputError(
            f"{ruler.where}: {name}: no LayerNorm or RMSNorm with the parameters of this "
            f"{type(module).__name__} gives what it gave (the nearest misses by {least:.2g}, "
            f"relative; allowed: {ruler.limit:.2g})"
        )
    errors[name] = least
    return SeenNorm(name, best, given, gave)


def _own_eps(module: Any, dtype: Any) -> Iterator[float]:
    for name, value in vars(module).items():
        if "eps" in name:
            if value is None:  # torch.nn.RMSNorm then takes that of the dtype
                yield float(torch.finfo(dtype).eps)
            elif isinstance(value, float | int) and 0 <= value < 1:
                yield float(value)


def _choices(module: Any, d: int, choices: list[float]) -> Iterator[Norm]:
    own = [to_host(each) for each in module.parameters() if tuple(each.shape) == (d,)]
    own += [to_host(each) for each in module.buffers() if tuple(each.shape) == (d,)]
    gains = [*own, *(1 + each for each in own), None]
    for gain in gains:
        for shift in (*own, None):
            for eps in choices:
                for kind in ("layer", "rms"):
                    yield Norm(kind=kind, gain=gain, shift=shift, eps=eps)


def _apply(norm: Norm, rows: Floats) -> Floats:
    """Return what a norm gives, also of zeros, which `theory.blocks.norms` refuses."""
    centred = rows - rows.mean(axis=-1, keepdims=True) if norm.kind == "layer" else rows
    std = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + norm.eps)
    out: Floats = centred / np.where(std > 0, std, 1.0)
    out = out if norm.gain is None else out * norm.gain
    return out if norm.shift is None else out + norm.shift
