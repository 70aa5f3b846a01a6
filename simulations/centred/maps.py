"""How do attention and feed-forward act on tokens whose differences are far below round-off?

Tokens are carried as centre + exp(log_scale) * deviations. Every map sends the centre as one
more token, and computes the deviations from differences that never cancel, so that the
distance to consensus keeps its leading digits down to any scale, and for centres of any size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scipy.special import roots_legendre

from theory.arrays import Array, InputError, namespace, tiny
from theory.blocks.activations import activation
from theory.blocks.forward import softmax
from theory.blocks.weights import Attention, FeedForward
from theory.magnitude import frobenius_norm
from theory.records import brief_repr

_NODES = [(float(0.5 + 0.5 * x), float(0.5 * w)) for x, w in zip(*roots_legendre(12), strict=True)]


@brief_repr
@dataclass(frozen=True)
class Centred:
    """Tokens as centre + exp(log_scale) * deviations.

    Between blocks the deviations have mean zero over the tokens and Frobenius norm one, so
    that ``log_scale`` is the logarithm of the distance to consensus; at consensus itself the
    deviations are zero and log_scale is -inf.

    Shapes: centre (*b, 1, d), deviations (*b, n, d), log_scale (*b,)
    """

    centre: Array
    deviations: Array
    log_scale: Array

    @property
    def scale(self) -> Array:
        """Return exp(log_scale), which may underflow to zero or overflow to inf: (*b, 1, 1)."""
        xp = namespace(self.log_scale)
        most = math.log(float(xp.finfo(self.log_scale.dtype).max)) - 1
        scale = xp.exp(xp.clip(self.log_scale, max=most))  # overflow would warn
        return xp.where(self.log_scale > most, xp.inf, scale)[..., None, None]

    @property
    def tokens(self) -> Array:
        """Return the tokens in plain coordinates, where the deviations may be lost."""
        return self.centre + self.scale * self.deviations

    @property
    def log_norm(self) -> Array:
        """Return log |H|, the Frobenius norm of settled tokens; -inf where all are zero: (*b,)."""
        xp = namespace(self.centre)
        centre = frobenius_norm(self.centre)
        log = xp.log(xp.where(centre > 0, centre, 1.0)) + 0.5 * math.log(self.deviations.shape[-2])
        log = xp.where(centre > 0, log, -xp.inf)
        return 0.5 * xp.logaddexp(2 * log, 2 * self.log_scale)  # the two parts are orthogonal


def from_tokens(tokens: Array) -> Centred:
    """Return plain tokens (*b, n, d) in centred coordinates."""
    xp = namespace(tokens)
    zero = xp.zeros_like(tokens[..., 0, 0])
    return settle(Centred(xp.zeros_like(tokens[..., :1, :]), tokens, zero))


def settle(state: Centred) -> Centred:
    """Move the mean deviation into the centre and the size of the rest into log_scale."""
    xp = namespace(state.deviations)
    # From the first token, since equal tokens differ from their own rounded mean.
    first = state.deviations[..., :1, :]
    rest = state.deviations - first
    mean = xp.mean(rest, axis=-2, keepdims=True)
    rest = rest - mean
    peak = xp.max(xp.abs(rest), axis=(-2, -1), keepdims=True)
    rest = rest / xp.where(peak > 0, peak, 1.0)  # squares of what is left neither vanish nor grow
    size = xp.linalg.vector_norm(rest, axis=(-2, -1), keepdims=True)
    nonzero = size > 0
    log = xp.log(xp.where(nonzero, size, 1.0)) + xp.log(xp.where(nonzero, peak, 1.0))
    log = xp.where(nonzero, log, -xp.inf)[..., 0, 0]
    return Centred(
        centre=state.centre + state.scale * (first + mean),
        deviations=rest / xp.where(nonzero, size, 1.0),
        log_scale=state.log_scale + log,
    )


def add_centred(residual: float, state: Centred, change: Centred) -> Centred:
    """Return residual * state + change on the larger of the two scales."""
    if residual == 0:
        return change
    xp = namespace(state.centre)
    log = xp.maximum(state.log_scale, change.log_scale)
    safe = xp.where(xp.isfinite(log), log, 0.0)
    left, right = (xp.exp(part.log_scale - safe)[..., None, None] for part in (state, change))
    return Centred(
        centre=residual * state.centre + change.centre,
        deviations=residual * left * state.deviations + right * change.deviations,
        log_scale=log,
    )


def _linear(state: Centred, weight: Array, bias: Array | None) -> Centred:
    centre = state.centre @ weight
    if bias is not None:
        centre = centre + bias[..., None, :]
    return replace(state, centre=centre, deviations=state.deviations @ weight)


def feed_forward_centred(
    sublayer: FeedForward, state: Centred
) -> tuple[Centred, Array | None, Array | None]:
    """Apply a feed-forward sublayer to centred tokens; with the plain factors of a gated one.

    A product moves by phi(g + t p) e + u (phi(g + t p) - phi(g)) / t: nothing cancels.
    """
    hidden = _linear(state, sublayer.weight_in, sublayer.bias_in)
    if sublayer.weight_gate is None:
        active = _activate(sublayer.activation, hidden)
        return _linear(active, sublayer.weight_out, sublayer.bias_out), None, None
    gate = _linear(state, sublayer.weight_gate, sublayer.bias_gate)
    active, opened = _activate(sublayer.activation, gate), gate.tokens
    opened = activation(sublayer.activation).function(opened)
    product = replace(
        hidden,
        centre=active.centre * hidden.centre,
        deviations=opened * hidden.deviations + hidden.centre * active.deviations,
    )
    out = _linear(product, sublayer.weight_out, sublayer.bias_out)
    return out, hidden.tokens, opened


def _activate(name: str, state: Centred) -> Centred:
    """Apply phi; the deviations become (phi(c + t e) - phi(c)) / t without cancellation."""
    phi = activation(name)
    if phi.kind == "line":
        quotient = state.deviations
    elif phi.kind == "hinge":
        quotient = _relu_quotient(state)
    elif phi.kind == "tanh":
        quotient = _tanh_quotient(state)
    else:
        quotient = _gated_quotient(phi.function, phi.derivative, state)
    return replace(state, centre=phi.function(state.centre), deviations=quotient)


def _relu_quotient(state: Centred) -> Array:
    """Return (max(c + t e, 0) - max(c, 0)) / t; c / t from logarithms, as both may vanish."""
    xp = namespace(state.centre)
    c, e = state.centre, state.deviations
    log = xp.log(xp.where(c == 0, 1.0, xp.abs(c))) - state.log_scale[..., None, None]
    kink = xp.sign(c) * xp.exp(xp.clip(log, max=-math.log(tiny(c))))
    return xp.where(c > 0, xp.maximum(e, -kink), xp.clip(e + kink, min=0))


def _tanh_quotient(state: Centred) -> Array:
    """Return sinh(t e) / (t cosh(c) cosh(c + t e)), with only exponentials that cannot overflow."""
    xp = namespace(state.centre)
    c, delta = state.centre, state.scale * state.deviations
    moved = c + delta
    least = xp.minimum(xp.abs(c), xp.abs(moved))
    # |delta| - |c| - |c + delta|, without the difference
    exponent = xp.where(xp.sign(c) * xp.sign(moved) > 0, -2 * least, xp.zeros_like(least))
    flat = xp.abs(delta) < tiny(c)
    slope = xp.where(flat, 1.0, xp.tanh(delta) / xp.where(flat, 1.0, delta))
    near_one = (1 + xp.exp(-2 * xp.abs(c))) * (1 + xp.exp(-2 * xp.abs(moved)))
    cosh = 1 + xp.exp(-2 * xp.abs(delta))
    return state.deviations * (slope * cosh * 2 * xp.exp(exponent) / near_one)


def _gated_quotient(
    function: Callable[[Array], Array], derivative: Callable[[Array], Array], state: Centred
) -> Array:
    """Return the quotient for phi(x) = x g(x) with g(x) + g(-x) = 1: GELU, its tanh form, SiLU.

    Short steps integrate the slope. For long ones phi(x) = max(x, 0) + phi(-|x|), and the second
    part is small everywhere: its difference loses nothing however large the centre is.
    """
    xp = namespace(state.centre)
    c, e, t = state.centre, state.deviations, state.scale
    delta = t * e
    near = xp.abs(delta) <= 0.5
    shift = xp.where(near, delta, 0.0)
    mean_slope = sum(weight * derivative(c + node * shift) for node, weight in _NODES)
    rest = function(-xp.abs(c + delta)) - function(-xp.abs(c))
    far = _relu_quotient(state) + rest / xp.where(near, 1.0, t)
    return xp.where(near, e * mean_slope, far)


def attend_centred(
    attention: Attention, state: Centred, mask: Array | None
) -> tuple[Centred, Array]:
    """Apply attention to centred tokens.

    The second result stands for the adjacency, as `simulations.centred.rollout.rollout` describes
    it.

    Raises: InputError unless scores are products of queries and keys alone
    """
    if not attention.plain:
        raise InputError(
            "a centred rollout knows scores of queries and keys alone, but this attention has "
            "positions, or norms of queries and keys: use apply_block"
        )
    xp = namespace(state.centre)
    heads = Centred(state.centre[..., None, :, :], state.deviations[..., None, :, :], 0)
    t = state.scale[..., None, :, :]
    query = _linear(heads, attention.query, attention.query_bias)
    key = _linear(heads, attention.key, attention.key_bias)
    # Of the scores, what is the same along a row does nothing; what is left of the rest is
    # t * shared, the same for all rows, and t^2 * own.
    keys = xp.matrix_transpose(key.deviations)
    shared = attention.score_scale * (query.centre @ keys)
    own = attention.score_scale * (query.deviations @ keys)
    value = state.deviations[..., None, :, :] @ attention.value
    if mask is not None:
        adjacency = softmax(t * (shared + t * own), mask=mask)
        centre = _merge(attention, state.centre[..., None, :, :] @ attention.value)
        out = Centred(
            _biased(attention, centre), _merge(attention, adjacency @ value), state.log_scale
        )
        return out, adjacency
    common = softmax(t * shared)
    difference = _row_differences(common, t * shared, own, t)
    # sum_j A_ij h_j = c + t sum_j p_j e_j + t^3 sum_j D_ij e_j: the cubic order of attention.
    centre = state.centre[..., None, :, :] @ attention.value + t * (common @ value)
    out = Centred(
        _biased(attention, _merge(attention, centre)),
        _merge(attention, difference @ value),
        3 * state.log_scale,
    )
    return out, t * t * difference


def _row_differences(common: Array, shared: Array, own: Array, t: Array) -> Array:
    """Return (A - 1 p) / t^2 for A = softmax(shared + t^2 own) and p = softmax(shared)."""
    xp = namespace(common)
    delta = t * (t * own)
    far = xp.max(xp.abs(delta), axis=(-2, -1), keepdims=True) > 0.5
    flat = far | (xp.abs(delta) < tiny(own))  # then expm1(delta) / delta is 1, or not wanted
    growth = own * xp.where(
        flat, 1.0, xp.expm1(xp.where(flat, 0.0, delta)) / xp.where(flat, 1.0, delta)
    )
    mean = xp.sum(common * growth, axis=-1, keepdims=True)
    near_rows = common * (growth - mean) / (1 + xp.where(far, 0.0, t * (t * mean)))
    if not bool(xp.any(far)):
        return near_rows
    plain = (softmax(shared + delta) - common) / xp.where(far, t * t, 1.0)
    return xp.where(far, plain, near_rows)


def _merge(attention: Attention, values: Array) -> Array:
    """Send every head's values through its output matrix and add them up."""
    if attention.output is not None:
        values = values @ attention.output
    return namespace(values).sum(values, axis=-3)


def _biased(attention: Attention, centre: Array) -> Array:
    return centre if attention.bias is None else centre + attention.bias[..., None, :]
