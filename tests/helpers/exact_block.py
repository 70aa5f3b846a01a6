"""What does one block do to the tokens, written in plain loops and to any number of digits?"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import mpmath as mp

from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import Positions
from theory.blocks.weights import Attention, Block, FeedForward

Row: TypeAlias = list[mp.mpf]
Rows: TypeAlias = list[Row]

FUNCTIONS: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, mp.mpf(0)),
    "tanh": mp.tanh,
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    # (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)), which cancels nowhere
    "gelu_tanh": lambda x: (
        x / (1 + mp.exp(-2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)))
    ),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "quick_gelu": lambda x: x / (1 + mp.exp(-mp.mpf(1.702) * x)),
}


class ExactStep(NamedTuple):
    """As `theory.blocks.weights.BlockStep`, in lists: adjacency[head][i][j], std[i]."""

    output: Rows
    adjacency: list[Rows]
    std_1: Row | None
    std_2: Row | None = None
    std_1_out: Row | None = None
    std_2_out: Row | None = None
    hidden: Rows | None = None
    gate: Rows | None = None


def rows_of(matrix: Any) -> Rows:
    return [[mp.mpf(float(entry)) for entry in row] for row in matrix]


def block_step(block: Block, tokens: Rows, mask: Any = None) -> ExactStep:
    """Send tokens through a block without batch axes, as its docstring spells it out."""
    first, second = block.norm_1, block.norm_2
    r_1, r_2 = block.residual_attention, block.residual_ffn
    r_1 = block.residual if r_1 is None else r_1
    r_2 = block.residual if r_2 is None else r_2
    if block.placement == "post":
        change, adjacency = _attention(block.attention, tokens, mask)
        middle, std_1 = _norm(first, _residual(r_1, tokens, change))
        if block.feed_forward is None:
            return ExactStep(middle, adjacency, std_1)
        change, *factors = _feed_forward(block.feed_forward, middle)
        output, std_2 = _norm(second, _residual(r_2, middle, change))
        return ExactStep(output, adjacency, std_1, std_2, None, None, *factors)
    inner, std_1 = _norm(first, tokens)
    change, adjacency = _attention(block.attention, inner, mask)
    std_1_out = std_2_out = None
    if block.placement == "sandwich":
        change, std_1_out = _norm(block.norm_1_out, change)
    middle = _residual(r_1, tokens, change)
    if block.feed_forward is None:
        return ExactStep(middle, adjacency, std_1, None, std_1_out)
    inner, std_2 = _norm(second, tokens if block.placement == "parallel" else middle)
    change, *factors = _feed_forward(block.feed_forward, inner)
    if block.placement == "sandwich":
        change, std_2_out = _norm(block.norm_2_out, change)
    output = _residual(1.0 if block.placement == "parallel" else r_2, middle, change)
    return ExactStep(output, adjacency, std_1, std_2, std_1_out, std_2_out, *factors)


def _residual(factor: float, tokens: Rows, change: Rows) -> Rows:
    scale = mp.mpf(factor)
    return [
        [scale * x + y for x, y in zip(a, b, strict=True)]
        for a, b in zip(tokens, change, strict=True)
    ]


def _linear(row: Row, weight: Any, bias: Any = None) -> Row:
    out = []
    for j in range(len(weight[0])):
        total = mp.fsum(x * mp.mpf(float(weight[i][j])) for i, x in enumerate(row))
        out.append(total if bias is None else total + mp.mpf(float(bias[j])))
    return out


def _feed_forward(sublayer: FeedForward, tokens: Rows) -> tuple[Rows, Rows | None, Rows | None]:
    """Return the output and, of a gated sublayer, its two factors."""
    phi = FUNCTIONS[sublayer.activation]
    hidden = [_linear(row, sublayer.weight_in, sublayer.bias_in) for row in tokens]
    gate = None
    if sublayer.weight_gate is None:
        active = [[phi(x) for x in row] for row in hidden]
    else:
        gates = [_linear(row, sublayer.weight_gate, sublayer.bias_gate) for row in tokens]
        gate = [[phi(x) for x in row] for row in gates]
        active = [
            [x * y for x, y in zip(*rows, strict=True)] for rows in zip(gate, hidden, strict=True)
        ]
    out = [_linear(row, sublayer.weight_out, sublayer.bias_out) for row in active]
    return out, None if gate is None else hidden, gate


def _norm(norm: Norm, tokens: Rows) -> tuple[Rows, Row | None]:
    if norm.kind == "none":
        return tokens, None
    out, stds = [], []
    for row in tokens:
        mean = mp.fsum(row) / len(row) if norm.kind == "layer" else mp.mpf(0)
        centred = [x - mean for x in row]
        std = mp.sqrt(mp.fsum(x * x for x in centred) / len(row) + mp.mpf(norm.eps))
        if norm.fixed_std is not None:
            std = mp.mpf(norm.fixed_std)
        gain = [1.0] * len(row) if norm.gain is None else norm.gain
        shift = [0.0] * len(row) if norm.shift is None else norm.shift
        out.append(
            [
                mp.mpf(float(g)) * x / (mp.mpf(norm.tau) * std) + mp.mpf(float(s))
                for x, g, s in zip(centred, gain, shift, strict=True)
            ]
        )
        stds.append(std)
    return out, stds


def _attention(attention: Attention, tokens: Rows, mask: Any) -> tuple[Rows, list[Rows]]:
    assert attention.query is not None
    assert attention.key is not None
    width = len(tokens[0])
    bias = [0.0] * width if attention.bias is None else attention.bias
    out = [[mp.mpf(float(b)) for b in bias] for _ in tokens]
    adjacency = []
    for head in range(len(attention.query)):
        queries = _head(tokens, attention.query, attention.query_bias, head)
        keys = _head(tokens, attention.key, attention.key_bias, head)
        queries = _head_norm(attention.query_norm, queries, head)
        keys = _head_norm(attention.key_norm, keys, head)
        values = _head(tokens, attention.value, None, head)
        if attention.output is not None:
            values = [_linear(row, attention.output[head]) for row in values]
        weights = [
            _softmax([_score(attention, head, (i, q), at) for at in enumerate(keys)], i, mask)
            for i, q in enumerate(queries)
        ]
        adjacency.append(weights)
        for i, row in enumerate(weights):
            for j, value in enumerate(values):
                out[i] = [x + row[j] * v for x, v in zip(out[i], value, strict=True)]
    return out, adjacency


def _head(tokens: Rows, weights: Any, biases: Any, head: int) -> Rows:
    return [_linear(row, weights[head], None if biases is None else biases[head]) for row in tokens]


def _head_norm(norm: HeadNorm | None, vectors: Rows, head: int) -> Rows:
    if norm is None:
        return vectors
    gain, shift = (None if part is None else part[head] for part in (norm.gain, norm.shift))
    return _norm(replace(norm, gain=gain, shift=shift), vectors)[0]


def _score(
    attention: Attention, head: int, listener: tuple[int, Row], other: tuple[int, Row]
) -> mp.mpf:
    """Return how much a token hears another, minus infinity out of its window."""
    (i, query), (j, key) = listener, other
    scale, positions = mp.mpf(attention.score_scale), attention.positions
    if positions is None:
        return scale * mp.fdot(query, key)
    if positions.window is not None and not -positions.window < i - j < positions.window:
        return mp.ninf
    score = scale * mp.fdot(_turned(positions, i, query), _turned(positions, j, key))
    if positions.soft_cap is not None:
        score = positions.soft_cap * mp.tanh(score / positions.soft_cap)
    if positions.bias is not None:
        score += mp.mpf(float(positions.bias[min(head, len(positions.bias) - 1)][i][j]))
    if positions.by_offset is not None:
        row = positions.by_offset[min(head, len(positions.by_offset) - 1)]
        score += mp.mpf(float(row[(len(row) - 1) // 2 + i - j]))
    return score


def _turned(positions: Positions, i: int, vector: Row) -> Row:
    """Multiply each pair of features, as a complex number, by that of its angle."""
    if positions.angles is not None:
        angles = [mp.mpf(float(angle)) for angle in positions.angles[i]]
    elif positions.frequencies is not None:
        angles = [i * mp.mpf(float(frequency)) for frequency in positions.frequencies]
    else:
        return vector
    out, r = list(vector), len(angles)
    for pair, angle in enumerate(angles):
        a, b = (pair, pair + r) if positions.layout == "half" else (2 * pair, 2 * pair + 1)
        number = mp.mpc(vector[a], vector[b]) * mp.expj(angle)
        out[a], out[b] = number.real, number.imag
    return out


def _softmax(scores: Sequence[mp.mpf], i: int, mask: Any) -> Row:
    top = max(scores)
    weights = [
        mp.exp(score - top) if mask is None or mask[i][j] else mp.mpf(0)
        for j, score in enumerate(scores)
    ]
    total = mp.fsum(weights)
    return [weight / total for weight in weights]
