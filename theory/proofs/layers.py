"""How is a block written down exactly: as a program of a few kinds of steps, numbers as dyadics?

A checker then needs to know neither placements nor gates: it follows the steps. Each step makes one
more token from those before it, number 0 being the one that comes in.
"""

from typing import Any

import numpy as np

from theory.arrays import InputError
from theory.blocks.weights import Block
from theory.blocks.wiring import Reading, read_through
from theory.law.orbits import Matrix


def dyadic(values: Any) -> list[Any]:
    """Return floats as [m, e], m 2^e: m is a whole number, or nested lists of them."""
    plain = np.asarray(values, dtype=np.float64)
    ratios = [value.as_integer_ratio() for value in plain.ravel().tolist()]
    bits = max(below.bit_length() for _, below in ratios) - 1
    whole = np.asarray([above << bits - below.bit_length() + 1 for above, below in ratios], object)
    return [whole.reshape(plain.shape).tolist(), -bits]


def rounded(values: Any, bits: int) -> list[Any]:
    """Return floats as [m, e], the largest mantissa having so many bits."""
    plain = np.asarray(values, dtype=np.float64)
    _, top = np.frexp(np.abs(plain).max())
    return [np.rint(np.ldexp(plain, bits - int(top))).astype(np.int64).tolist(), int(top) - bits]


def layer_program(block: Block, *, scores: bool = False) -> list[list[Any]]:
    """Return what a block does to one token that stands for equal ones, as a checker reads it.

    ["linear", a, W, b]: a W + b. ["walk", a]: the mean by the attention weights.
    ["norm", a, centred, tau, eps or None, fixed std or None, gain, shift].
    ["activate", a, name]. ["times", a, b]: entry by entry. ["sum", a, b, factor]: factor a + b.
    a and b are numbers of tokens; all other numbers are dyadics. With ``scores`` attention is one
    step, ["attend", a, scale, heads, bias], and each head has q, q_bias, k, v, o.

    Raises: InputError if positions decide who listens to whom, or scores are asked for that are
            not products of queries and keys alone
    """
    if block.attention.positions is not None or (scores and not block.attention.plain):
        raise InputError(
            "attention must have scores of queries and keys alone to be proved something of, but "
            "has positions, or norms in its heads"
        )
    steps: list[list[Any]] = []

    def put(*step: Any) -> int:
        steps.append(list(step))
        return len(steps)

    def linear(at: int, weight: Matrix, bias: Matrix | None) -> int:
        bias = np.zeros(weight.shape[1]) if bias is None else bias
        return put("linear", at, dyadic(weight), dyadic(bias))

    def norm(name: str, at: int) -> int:
        which = block.norm(name)
        if which.kind == "none":
            return at
        gain = np.ones(width) if which.gain is None else which.gain
        shift = np.zeros(width) if which.shift is None else which.shift
        fixed = which.fixed_std
        std = (dyadic(which.eps), None) if fixed is None else (None, dyadic(fixed))
        centred = which.kind == "layer"
        return put("norm", at, centred, dyadic(which.tau), *std, dyadic(gain), dyadic(shift))

    def attend(at: int) -> int:
        attention = block.attention
        query, key = attention.query, attention.key
        if query is None or key is None:
            raise InputError("attention must have queries and keys, but a basin's has none")
        start = np.zeros(query.shape[::2]) if attention.query_bias is None else attention.query_bias
        value, output = attention.value, attention.output
        if output is None:
            output = np.eye(width)[None].repeat(len(value), 0)
        parts = zip(query, start, key, value, output, strict=True)
        heads = [
            dict(zip(("q", "q_bias", "k", "v", "o"), map(dyadic, head), strict=True))
            for head in parts
        ]
        bias = np.zeros(width) if attention.bias is None else attention.bias
        return put("attend", at, dyadic(attention.score_scale), heads, dyadic(bias))

    def listen(at: int) -> int:
        if scores:
            return attend(at)
        attention = block.attention
        heads, _, inner = attention.value.shape
        value = np.concatenate(
            list(attention.value), axis=1
        )  # the sum over heads, without rounding
        heard = put("walk", at)
        if attention.output is None and heads == 1:
            return linear(heard, value, attention.bias)
        output = (
            np.eye(inner)[None].repeat(heads, 0) if attention.output is None else attention.output
        )
        return linear(linear(heard, value, None), np.concatenate(list(output)), attention.bias)

    def feed(at: int) -> int:
        ffn = block.feed_forward
        assert ffn is not None  # otherwise nobody asks
        hidden = linear(at, ffn.weight_in, ffn.bias_in)
        if ffn.weight_gate is None:
            hidden = put("activate", hidden, ffn.activation)
        else:
            gate = put("activate", linear(at, ffn.weight_gate, ffn.bias_gate), ffn.activation)
            hidden = put("times", gate, hidden)
        return linear(hidden, ffn.weight_out, ffn.bias_out)

    def add(number: str, stream: int, change: int) -> int:
        return put("sum", stream, change, dyadic(block.residual_scale(number)))

    def both(first: int, second: int) -> int:
        return put("sum", first, second, dyadic(1.0))

    width = block.attention.value.shape[-2]
    read_through(block, 0, Reading[int](norm, listen, feed, add, both))
    return steps
