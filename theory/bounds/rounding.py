"""How far can rounding move what a chain of maps computes?

First-order running error bounds: every map multiplies the error that it is given by its own
Lipschitz constant and adds what its arithmetic loses. Dot products of length k lose at most
k eps of the product of the norms. The unit round-off is half of eps; the other half covers the
terms of second order and the errors of the bounds themselves.
"""

import math
from typing import NamedTuple

import numpy as np

from theory.arrays import Array, eps, namespace, rounds, tiny
from theory.blocks.activations import activation
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.coefficients import WeightNorms, norm_stretch, weight_norms
from theory.magnitude import frobenius_norm
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance
from theory.spectra.norms import coupling_error, product_norm_error, spectral_norm_error


class Running(NamedTuple):
    """The Frobenius norm of the error so far, and a bound on that of the values; both (*b,)."""

    error: Array
    size: Array


class WeightErrors(NamedTuple):
    """s, and how far the computed s may be from the true one; both (*b,)."""

    s: Array
    error: Array


def exactly(tokens: Array) -> Running:
    """Return the start of a chain: tokens without error."""
    size = frobenius_norm(tokens)
    return Running(0 * size, size)


def distance_rounding(tokens: Array) -> Array:
    """Bound the error of `consensus_distance`: the relative one it states, and underflow."""
    size = consensus_distance(tokens)  # first: it refuses what is no plain array of tokens
    n, d = tokens.shape[-2:]
    return (n * d + n + 8) * eps(tokens) * size + tiny(tokens)


def diameter_rounding(tokens: Array) -> Array:
    """Centring, a difference, and a root of d squares: all relative to the diameter itself.

    A centred token is no longer than the diameter, and off by (2 n + 4) eps of it at most.
    """
    n, d = tokens.shape[-2:]
    return (4 * n + 2 * d + 16) * eps(tokens) * token_diameter(tokens) + tiny(tokens)


def product_rounding(left: Array, right: Array) -> Array:
    """Bound the Frobenius error of left @ right: k eps |left| |right|, and underflow."""
    namespace(left, right)
    k = left.shape[-1]
    return k * eps(left) * frobenius_norm(left) * frobenius_norm(right) + tiny(left)


def after_sum(left: Running, right: Running, *, factor: float, like: Array) -> Running:
    """Follow factor * left + right: one product and one sum."""
    size = abs(factor) * left.size + right.size
    return Running(abs(factor) * left.error + right.error + 2 * eps(like) * size + tiny(like), size)


def after_norm(norm: Norm, std: Array | None, at: Running, *, shape: tuple[int, ...]) -> Running:
    """Follow a normalisation with the std values that it divided by.

    Centring moves an entry by (d + 2) eps of the largest of its row, and rows that are constant
    up to 8 eps become so: (d + 10) sqrt(d) eps of the row's norm. Whatever remains is the centred
    row of the theorem; its std, the quotient, gain and shift lose (d + 8) eps, on both sides.
    RMSNorm does not centre, so that it loses the second part alone: the same bound holds for it.
    """
    if norm.kind == "none" or std is None:
        return at
    d = shape[-1]
    stretch = norm_stretch(norm, std, like=at.size)
    lost = _norm_steps(d) * eps(std) * at.size + tiny(std)
    size, shift = stretch * at.size, _on_all_tokens(norm.shift, shape)
    if norm.fixed_std is None:  # then no normalised row is longer than sqrt(d) max |gain| / tau
        xp = namespace(std)
        longest = stretch * xp.min(std, axis=-1) * (shape[-2] * d) ** 0.5
        size = xp.minimum(size, longest)
    error = stretch * (at.error + lost) + eps(std) * (size + shift) + tiny(std)
    return Running(error, size + shift)


def _norm_steps(d: int) -> float:
    return (d + 10) * math.sqrt(d) + 2 * (d + 8)


def std_error(norm: Norm, std: Array, at: Running, *, d: int) -> Array:
    """Bound how far any std may be: a std moves by at most the norm of its row's error / sqrt d.

    What centring and the std itself lose is in the steps of `after_norm`.
    """
    if norm.fixed_std is not None:
        return 0 * at.size
    return (at.error + _norm_steps(d) * eps(std) * at.size + tiny(std)) / d**0.5


def after_attention(
    attention: Attention, adjacency: Array, at: Running, weights: WeightErrors
) -> Running:
    """Follow sum_k A_k X V_k + bias for a given adjacency.

    Four terms: arithmetic; what is lost below ``tiny`` in X V_k and goes on through A_k and an
    output matrix O_k, which may be huge; the rows of A whose sums are not quite one number r,
    which send the mean token to (A 1 - r 1) mean beside M; and the errors of sqrt(lambda) and s
    in the coefficient.
    """
    xp = namespace(adjacency)
    h, n = adjacency.shape[-3:-1]
    d, m = attention.value.shape[-2:]
    unit = eps(adjacency)
    value, listening = frobenius_norm(attention.value), frobenius_norm(adjacency)
    small = 1 + xp.sum(listening, axis=-1)
    if attention.output is not None:
        output = frobenius_norm(attention.output)
        value = value * output
        small = 1 + xp.sum((1 + listening) * output, axis=-1)
    gain = xp.sum(listening * value, axis=-1)
    lost = (d + m + n + h + 2) * unit * gain * at.size + tiny(adjacency) * (small + gain)
    defect = xp.sum(uneven_rows(adjacency) * value, axis=-1) * at.size / n**0.5
    root_error = xp.max(coupling_error(adjacency), axis=-1)
    root = xp.max(listening, axis=-1)
    factor = h * (root_error * weights.s + root * weights.error)
    size, bias = gain * at.size, _on_all_tokens(attention.bias, (n, d))
    error = gain * at.error + lost + defect + factor * at.size + unit * (size + bias)
    return Running(error, size + bias)


def after_feed_forward(
    sublayer: FeedForward,
    at: Running,
    weights: WeightErrors,
    *,
    tokens: int,
    peaks: tuple[Array, Array] | None = None,
) -> Running:
    """Follow phi(X W_in + b_in) W_out + b_out, and the error of c s^2 in the coefficient.

    A gated sublayer comes with the ``peaks`` of `theory.bounds.gates.gate_peaks`.
    """
    if sublayer.weight_gate is not None:
        assert peaks is not None, "a gated sublayer needs the peaks of its two factors"
        return _after_gated(sublayer, at, weights, peaks, tokens=tokens)
    d, f = sublayer.weight_in.shape[-2:]
    unit, small = eps(sublayer.weight_in), tiny(sublayer.weight_in)
    lipschitz = activation(sublayer.activation).lipschitz
    w_in, w_out = frobenius_norm(sublayer.weight_in), frobenius_norm(sublayer.weight_out)
    inner = w_in * at.size + _on_all_tokens(sublayer.bias_in, (tokens, f))
    outer = lipschitz * w_out * inner
    bias = _on_all_tokens(sublayer.bias_out, (tokens, d))
    # A gate that is subnormal may be given as zero; that of SiLU belongs to an x above -750.
    flushed = small * (1 + 750 * (tokens * f) ** 0.5 * w_out)
    lost = (d + f + 2 + ACTIVATION_STEPS) * unit * outer + flushed
    factor = lipschitz * (2 * weights.s + weights.error) * weights.error
    error = lipschitz * w_in * w_out * at.error + lost + factor * at.size + unit * (outer + bias)
    return Running(error, outer + bias)


def factor_errors(sublayer: FeedForward, at: Running, *, tokens: int) -> tuple[Array, Array]:
    """Bound the errors of phi(X W_gate + b_gate) and X W_in + b_in, in the Frobenius norm."""
    (d, f), unit = sublayer.weight_in.shape[-2:], eps(sublayer.weight_in)
    small = tiny(sublayer.weight_in) * (tokens * f) ** 0.5
    lipschitz = activation(sublayer.activation).lipschitz
    found = []
    for weight, bias in (
        (sublayer.weight_gate, sublayer.bias_gate),
        (sublayer.weight_in, sublayer.bias_in),
    ):
        w = frobenius_norm(weight)
        size = w * at.size + _on_all_tokens(bias, (tokens, f))
        found.append((w * at.error + (d + 1) * unit * size + small, size))
    (gate, gate_size), (hidden, _) = found
    # A gate that is subnormal may be given as zero; that of SiLU belongs to an x above -750.
    gate = lipschitz * (gate + ACTIVATION_STEPS * unit * gate_size) + 750 * small
    return gate, hidden


def _after_gated(
    sublayer: FeedForward,
    at: Running,
    weights: WeightErrors,
    peaks: tuple[Array, Array],
    *,
    tokens: int,
) -> Running:
    """Follow (phi(G) U) W_out + b_out: a product errs by either factor times the other's peak.

    And the error of (max |phi(G)| + c max |U|) s^2 in the coefficient. A product of two errors is
    of second order.
    """
    d, f = sublayer.weight_in.shape[-2:]
    xp, unit, small = namespace(at.size), eps(sublayer.weight_in), tiny(sublayer.weight_in)
    lipschitz = activation(sublayer.activation).lipschitz
    gate_error, hidden_error = factor_errors(sublayer, at, tokens=tokens)
    gate, hidden = (xp.max(peak, axis=-1) for peak in peaks)
    w_out = frobenius_norm(sublayer.weight_out)
    size = frobenius_norm(sublayer.weight_in) * at.size
    size = gate * (size + _on_all_tokens(sublayer.bias_in, (tokens, f)))
    product = gate * hidden_error + hidden * gate_error + unit * size + small
    outer, bias = w_out * size, _on_all_tokens(sublayer.bias_out, (tokens, d))
    lost = f * unit * outer + small * (1 + (tokens * f) ** 0.5 * w_out)
    constant = gate + lipschitz * hidden
    factor = constant * (2 * weights.s + weights.error) * weights.error
    factor = factor + (gate_error + lipschitz * hidden_error) * (weights.s + weights.error) ** 2
    error = w_out * product + lost + factor * at.size + unit * (outer + bias)
    return Running(error, outer + bias)


ACTIVATION_STEPS = 16
"""An activation errs by at most this many eps of its argument.

The library functions inside are good to 2 eps. In x g(x), an argument of g that is off by a
relative q costs x (x g'(x)) q, and |x g'(x)| < 1/4 for the gates of GELU and SiLU; the cubic of
the tanh form has five roundings, trebled by the power.
"""


def weight_errors(
    attention: Attention, sublayer: FeedForward | None, *, norms: WeightNorms | None = None
) -> WeightErrors:
    """Return s and its error: the largest of the errors of all the norms that it may be."""
    if norms is None:
        norms = weight_norms(Block(attention, sublayer))
    xp = namespace(attention.value)
    if attention.output is None:
        errors = spectral_norm_error(attention.value)
    else:
        errors = product_norm_error(attention.value, attention.output)
    error = xp.max(errors, axis=-1)
    if sublayer is not None:
        three = (sublayer.weight_in, sublayer.weight_out, sublayer.weight_gate)
        for weight in three if sublayer.gated else three[:2]:
            error = xp.maximum(error, spectral_norm_error(weight))
    return WeightErrors(norms.largest, error)


def row_sum_allowance(adjacency: Array) -> float:
    """Return how far rows of n may sum from one to count as rows of attention: n eps of float32.

    Attention weights often were in single precision once, where they were shares of one; large
    entries of either sign earn no more. What the rows really miss is no rounding of the check,
    and enters it through `row_defect`. Where nothing is rounded, nothing is allowed.

    Shapes: adjacency (*b, n, n)
    """
    return float(adjacency.shape[-1] * np.finfo(np.float32).eps) if rounds(adjacency) else 0.0


def row_defect(adjacency: Array) -> Array:
    """Bound the Euclidean norm of A 1 - 1, its own rounding included, where that is allowed.

    Shapes: (*b, n, n) -> (*b,)
    """
    xp = namespace(adjacency)
    n = adjacency.shape[-1]
    defect = frobenius_norm(xp.sum(adjacency, axis=-1, keepdims=True) - 1)
    defect = xp.clip(defect, max=n**0.5 * row_sum_allowance(adjacency))
    return defect + n * eps(adjacency) * (frobenius_norm(adjacency) * n**0.5 + n**0.5)


def uneven_rows(adjacency: Array) -> Array:
    """Bound the Euclidean norm of A 1 - r 1, r the mean row sum, as `row_defect` does for r = 1.

    Shapes: (*b, n, n) -> (*b,)
    """
    xp = namespace(adjacency)
    n = adjacency.shape[-1]
    sums = xp.sum(adjacency, axis=-1, keepdims=True)
    defect = frobenius_norm(sums - xp.mean(sums, axis=-2, keepdims=True))
    defect = xp.clip(defect, max=n**0.5 * row_sum_allowance(adjacency))
    return defect + 2 * n * eps(adjacency) * frobenius_norm(adjacency) * n**0.5


def _on_all_tokens(bias: Array | None, shape: tuple[int, ...]) -> Array | float:
    """Return the Frobenius norm of a bias that is added to every one of shape[-2] tokens."""
    if bias is None:
        return 0.0
    xp = namespace(bias)
    return shape[-2] ** 0.5 * frobenius_norm(xp.expand_dims(bias, axis=-2))
