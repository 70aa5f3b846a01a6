"""What does one layer do to a tile of tokens: many seeds, and many cells that share their draw?

Products see the unit-gain weights once for all cells; gains multiply what comes out. The same
lines run on every array library: arithmetic in place is part of the array API standard, and
saves memory traffic on arrays that were made here.
"""

from typing import NamedTuple

import numpy as np
from array_api_compat import is_numpy_array

from simulations.engine.activation import activate
from simulations.engine.scales import Scales
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights
from theory.arrays import Array, namespace
from theory.blocks.wiring import Reading, read_placement

_BY_HAND = ("post", "pre", "sandwich")
"""The placements whose order `step` has written out; it reads that of any other."""
_SAFE_SCORE = {4: 60.0, 8: 600.0}
"""Scores this small need no shift: exp of them, and sums of those, stay in the dtype's range."""


class EngineStep(NamedTuple):
    """What a layer made of the tokens, and what the coefficients need.

    Shapes: tokens (s, c, n, d); adjacency (s, c, h, n, n); score (s, c), the largest absolute
            score; sigmas: the smallest std of each norm in the order of use, (s, c); peaks: the
            largest |phi(gate)| and |hidden| of a gated sublayer, (s, c) each, else none
    """

    tokens: Array
    adjacency: Array
    score: Array
    sigmas: tuple[Array, ...]
    peaks: tuple[Array, ...] = ()


def step_bytes(stack: Stack, itemsize: int) -> int:
    """Return the memory that a step of one seed and cell takes at its largest, beside weights."""
    n, d, h, f = stack.tokens, stack.width, stack.heads, stack.ffn_width
    f = 2 * f if stack.gated else f
    return itemsize * (3 * n * d + max(3 * n * d + 2 * h * n * n, n * f + 2 * n * d))


def step(
    stack: Stack,
    weights: Weights,
    scales: Scales,
    tokens: Array,
    mask: Array | None,
    *,
    adjacency: Array | None = None,
) -> EngineStep:
    """Send the tokens of all seeds and cells through one layer.

    NumPy writes the attention weights to ``adjacency`` where it is given.

    A token without a direction (zero std) and numbers beyond the dtype's range give NaN.

    Shapes: tokens (s, c, n, d), mask boolean (n, n), True where a token may listen
    """
    if stack.placement not in _BY_HAND:
        return read_step(stack, weights, scales, tokens, mask, adjacency=adjacency)
    post, sandwich = stack.placement == "post", stack.placement == "sandwich"
    sigmas: list[Array] = []

    def norm(x: Array) -> Array:
        out, sigma = _normalise(stack, scales, x)
        if sigma is not None:
            sigmas.append(sigma)
        return out

    inner = tokens if post else norm(tokens)
    change, adjacency, score = _attention(stack, weights, scales, inner, mask, adjacency)
    change = norm(change) if sandwich else change
    tokens = _add_stream(scales.residual, tokens, change)
    tokens = norm(tokens) if post else tokens
    peaks: tuple[Array, ...] = ()
    if stack.ffn_width:
        change, peaks = _feed_forward(stack, weights, scales, tokens if post else norm(tokens))
        change = norm(change) if sandwich else change
        tokens = _add_stream(scales.residual_ffn, tokens, change)
        tokens = norm(tokens) if post else tokens
    return EngineStep(tokens, adjacency, score, tuple(sigmas), peaks)


def read_step(
    stack: Stack,
    weights: Weights,
    scales: Scales,
    tokens: Array,
    mask: Array | None,
    *,
    adjacency: Array | None = None,
) -> EngineStep:
    """Do what `step` does in the order that `theory.blocks.wiring` tells, for any placement.

    Reading it costs some 10 microseconds, and keeps a tile of tokens for longer: 2 to 4 % of usual
    steps, a tenth of the smallest. So `step` has the order of the common placements by hand.
    """
    sigmas: list[Array] = []
    score: Array = None
    peaks: tuple[Array, ...] = ()

    def norm(_: str, at: Array) -> Array:
        out, sigma = _normalise(stack, scales, at)
        if sigma is not None:
            sigmas.append(sigma)
        return out

    def listen(at: Array) -> Array:
        nonlocal adjacency, score
        change, adjacency, score = _attention(stack, weights, scales, at, mask, adjacency)
        return change

    def feed(at: Array) -> Array:
        nonlocal peaks
        change, peaks = _feed_forward(stack, weights, scales, at)
        return change

    def add(number: str, stream: Array, change: Array) -> Array:
        return _add_stream(
            scales.residual if number == "1" else scales.residual_ffn, stream, change
        )

    def both(first: Array, second: Array) -> Array:
        return first + second

    does = Reading[Array](norm, listen, feed, add, both)
    tokens = read_placement(stack.placement, tokens, does, feed_forward=bool(stack.ffn_width))
    return EngineStep(tokens, adjacency, score, tuple(sigmas), peaks)


def _normalise(stack: Stack, scales: Scales, x: Array) -> tuple[Array, Array | None]:
    """Return the normalised tokens and the smallest std of each sentence, without tau."""
    if stack.norm == "none":
        return x, None
    xp, d = scales.xp, x.shape[-1]
    if stack.norm == "layer":
        mean = x @ scales.mean
        x = x - mean
        square = xp.vecdot(x, x) / d
        # What centring leaves of a constant token is rounding, not a direction.
        noise = (8 * scales.eps) * mean[..., 0]
        square = xp.where(square > noise * noise, square, xp.nan)
    else:
        square = xp.vecdot(x, x) / d
        x = +x
    std = xp.sqrt(square + stack.ln_eps if stack.ln_eps else square)
    if scales.std is not None:
        std = xp.where(xp.isnan(scales.std[..., 0]), std, scales.std[..., 0])
    factor = 1 / std if scales.norm is None else scales.norm[..., 0] / std
    x *= factor[..., None]
    return x, xp.min(std, axis=-1)


def _attention(
    stack: Stack,
    weights: Weights,
    scales: Scales,
    x: Array,
    mask: Array | None,
    out: Array | None,
) -> tuple[Array, Array, Array]:
    xp = scales.xp
    s, c, n, d = x.shape
    h, k = stack.heads, d // stack.heads
    mixed = xp.reshape(shared_product(x, weights.mixing), (s, c, n, 3, h, k))
    mixed = xp.permute_dims(mixed, (3, 0, 1, 4, 2, 5))
    queries, keys, values = (mixed[i, ...] for i in range(3))
    queries *= scales.score[:, None]
    keys = xp.matrix_transpose(keys)
    scores = queries @ keys if out is None else np.matmul(queries, keys, out=out)
    adjacency, score = _softmax(scales, scores, mask)
    heard = xp.empty_like(x) if scales.eager else adjacency @ values
    if scales.eager:  # NumPy puts the heads' products in their places at once
        places = heard.reshape(s, c, n, h, k).transpose(0, 1, 3, 2, 4)
        np.matmul(adjacency, values, out=places)
    else:
        heard = xp.reshape(xp.permute_dims(heard, (0, 1, 3, 2, 4)), (s, c, n, d))
    change = shared_product(heard, weights.output)
    return _scaled(change, scales.value, weights.bias, scales.bias), adjacency, score


def shared_product(x: Array, weights: Array) -> Array:
    """Multiply all cells by the weights that they share: (s, c, n, d), (s, d, e) -> (s, c, n, e).

    One tall product a seed. Only where NumPy's BLAS has quick routines for small matrices (as
    OpenBLAS has up to a million multiplications) are single ones better.
    """
    s, c, n, d = x.shape
    e = weights.shape[-1]
    if n * d * e <= 10**6 and is_numpy_array(x):
        return x @ weights[:, None]
    xp = namespace(x)
    return xp.reshape(xp.reshape(x, (s, c * n, d)) @ weights, (s, c, n, e))


def _softmax(scales: Scales, scores: Array, mask: Array | None) -> tuple[Array, Array]:
    """Return the rows' softmax, in place of the scores, and the largest absolute score of each."""
    xp = scales.xp
    s, c, h, n, _ = scores.shape
    flat = xp.reshape(scores, (s, c, h * n * n))
    largest = xp.maximum(xp.max(flat, axis=-1), -xp.min(flat, axis=-1))
    if not (scales.eager and bool(xp.all(largest < _SAFE_SCORE[4 if scales.eps > 1e-10 else 8]))):
        if mask is not None:
            scores += xp.where(mask, xp.zeros_like(scores[0, 0, 0, ...]), -xp.inf)
        scores -= xp.max(scores, axis=-1, keepdims=True)
    weights = np.exp(scores, out=scores) if scales.eager else xp.exp(scores)
    if mask is not None:
        weights *= xp.astype(mask, weights.dtype)
    weights *= 1 / (weights @ scales.ones)
    return weights, largest


def _feed_forward(
    stack: Stack, weights: Weights, scales: Scales, x: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Return what the sublayer makes of the tokens, and the peaks of a gated one's factors."""
    hidden = shared_product(x, weights.ffn_in)
    if scales.bias is not None:
        hidden += scales.bias * weights.bias_in[:, None, None, :]
    peaks: tuple[Array, ...] = ()
    if stack.gated:
        gate = shared_product(x, weights.ffn_gate)
        if scales.bias is not None:
            gate += scales.bias * weights.bias_gate[:, None, None, :]
        gate = activate(stack.activation, gate)
        peaks = (_peak(gate), _peak(hidden))
        hidden *= gate
    else:
        hidden = activate(stack.activation, hidden)
    change = shared_product(hidden, weights.ffn_out)
    return _scaled(change, scales.ffn, weights.bias_out, scales.bias), peaks


def _peak(x: Array) -> Array:
    """Return the largest absolute entry of each sentence: (s, c, n, f) -> (s, c)."""
    xp = namespace(x)
    return xp.maximum(xp.max(x, axis=(-2, -1)), -xp.min(x, axis=(-2, -1)))


def _scaled(change: Array, gain: Array | None, bias: Array, bias_std: Array | None) -> Array:
    if gain is not None:
        change *= gain
    if bias_std is not None:
        change += bias_std * bias[:, None, None, :]
    return change


def _add_stream(residual: Array | None, tokens: Array, change: Array) -> Array:
    """Add the residual stream to a sublayer's output, which was made here."""
    change += tokens if residual is None else residual * tokens
    return change
