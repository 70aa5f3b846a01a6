"""Which feed-forward sublayer gave these numbers: its matrices, its gate, its activation?"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from simulations.capture.compare import Ruler
from simulations.capture.family import Family
from simulations.capture.linear import Linear, read_linear, seen
from simulations.capture.watch import Call
from theory.arrays import Floats, InputError
from theory.blocks.activations import ACTIVATIONS
from theory.blocks.weights import FeedForward

_HINTS: Final = {
    "quickgelu": "quick_gelu",
    "newgelu": "gelu_tanh",
    "fastgelu": "gelu_tanh",
    "bloomgelu": "gelu_tanh",
    "gelutanh": "gelu_tanh",
    "gelu": "gelu",
    "silu": "silu",
    "relu": "relu",
    "tanh": "tanh",
}
"""What modules of activations are called: it decides only where the numbers fit two alike."""


def read_feed_forward(
    call: Call, family: Family, ruler: Ruler, errors: dict[str, float]
) -> FeedForward:
    """Return a feed-forward sublayer; its activation, and which half is the gate, are found.

    Raises: InputError if a projection is none, or no known activation gives the numbers
    """
    assert family.up is not None
    assert family.down is not None
    up, down = (read_linear(call, name, ruler, errors) for name in (family.up, family.down))
    raised, lowered = seen(call, family.up, ruler)[1], seen(call, family.down, ruler)[0]
    tried: list[tuple[float, FeedForward]] = []
    for gate, inner, before, beside in _forms(call, family, up, raised, lowered, ruler, errors):
        for name, phi in ACTIVATIONS.items():
            found = phi.function(before) * (1.0 if beside is None else beside)
            sublayer = FeedForward(
                weight_in=inner.weight,
                bias_in=inner.bias,
                weight_out=down.weight,
                bias_out=down.bias,
                activation=name,
                weight_gate=None if gate is None else gate.weight,
                bias_gate=None if gate is None else gate.bias,
            )
            tried.append((ruler.error(found, lowered), sublayer))
    return _best(tried, call, family, ruler, errors)


def _best(
    tried: list[tuple[float, FeedForward]],
    call: Call,
    family: Family,
    ruler: Ruler,
    errors: dict[str, float],
) -> FeedForward:
    least, best = min(tried, key=lambda each: each[0]) if tried else (float("inf"), None)
    if best is None or not least <= ruler.limit:
        raise InputError(
            f"{ruler.where}: feed-forward: none of {', '.join(ACTIVATIONS)} makes what "
            f"{family.down} was given of what {family.up} gave (the nearest misses by "
            f"{least:.2g}, relative; allowed: {ruler.limit:.2g}). Does the Family lack a gate? A "
            "sublayer with another activation can be measured only: name it as measured, without "
            "up and down"
        )
    hint = _hint(call)
    alike = [(e, each) for e, each in tried if e <= ruler.limit and each.activation == hint]
    error, best = min(alike, key=lambda each: each[0]) if alike else (least, best)
    errors["activation"] = error
    return best


def _forms(
    call: Call,
    family: Family,
    up: Linear,
    raised: Floats,
    lowered: Floats,
    ruler: Ruler,
    errors: dict[str, float],
) -> Iterator[tuple[Linear | None, Linear, Floats, Floats | None]]:
    """Yield gate, inner map, what the activation may get, and what may multiply what it gives."""
    f = lowered.shape[-1]
    if family.gate is not None:
        gate = read_linear(call, family.gate, ruler, errors)
        gated = seen(call, family.gate, ruler)[1]
        yield gate, up, gated, raised
        yield up, gate, raised, gated  # named the wrong way round: that can be mended
    elif raised.shape[-1] == 2 * f:
        first, second = (slice(0, f), slice(f, 2 * f))
        for one, other in ((first, second), (second, first)):
            gate, inner = (Linear(up.weight[:, part], up.bias[part]) for part in (one, other))
            yield gate, inner, raised[..., one], raised[..., other]
    elif raised.shape[-1] == f:
        yield None, up, raised, None


def _hint(call: Call) -> str | None:
    kinds = [type(module).__name__.lower() for module in call.part.inside.values()]
    for word, name in _HINTS.items():
        if any(word in kind for kind in kinds):
            return name
    return None


def secant(given: Floats, gave: Floats, present: Floats | None) -> Floats:
    """Return the largest |f(x) - f(y)| / |x - y| over the pairs of tokens that count.

    Shapes: given, gave (b, n, *), present boolean (b, n) -> (b,)
    """
    found = np.zeros(len(given))
    for text, (x, y) in enumerate(zip(given, gave, strict=True)):
        rows = slice(None) if present is None else present[text]
        x, y = x[rows], y[rows]
        for i in range(len(x) - 1):
            before = np.linalg.norm(x[i + 1 :] - x[i], axis=-1)
            after = np.linalg.norm(y[i + 1 :] - y[i], axis=-1)
            apart = before > 1e-9 * np.abs(x).max()
            if apart.any():
                found[text] = max(found[text], float((after[apart] / before[apart]).max()))
    return found
