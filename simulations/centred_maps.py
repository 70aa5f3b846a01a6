"""How single maps act on tokens whose differences are far below round-off.

Tokens are carried as centre + exp(log_scale) * deviations. Every map sends the centre as one
more token, and computes the deviations from differences that never cancel, so that the
distance to consensus keeps its leading digits down to any scale. Where the deviations are as
large as the centre, plain arithmetic is as good and is used.
"""

import math
from dataclasses import dataclass, replace

from scipy.special import roots_legendre

from theory.activations import activation
from theory.arrays import Array, InputError, constant, eps, namespace
from theory.layers import Attention, FeedForward, softmax
from theory.magnitude import frobenius_norm, rescale
from theory.normalisation import Norm, normalise

_FAR = 0.1  # relative deviations above which plain differences lose at most one digit
_LINEAR = 1e-100  # scales below which second-order terms are below any round-off
_NODES = [(float(0.5 + 0.5 * x), float(0.5 * w)) for x, w in zip(*roots_legendre(12), strict=True)]


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
        """Return log |H|, the Frobenius norm of the tokens: (*b,)."""
        xp = namespace(self.centre)
        n = self.deviations.shape[-2]
        centre = frobenius_norm(self.centre) * n**0.5
        return xp.log(xp.hypot(centre, self.scale[..., 0, 0]))


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


def add(residual: float, state: Centred, change: Centred) -> Centred:
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


def feed_forward(sublayer: FeedForward, state: Centred) -> Centred:
    """Apply a feed-forward sublayer to centred tokens."""
    hidden = _linear(state, sublayer.weight_in, sublayer.bias_in)
    return _linear(_activate(sublayer.activation, hidden), sublayer.weight_out, sublayer.bias_out)


def _activate(name: str, state: Centred) -> Centred:
    """Apply phi; the deviations become (phi(c + t e) - phi(c)) / t without cancellation."""
    phi = activation(name)
    xp = namespace(state.centre)
    centre, e, t = state.centre, state.deviations, state.scale
    if name == "relu":
        kink = centre / xp.clip(t, min=_LINEAR**1.5)
        quotient = xp.where(
            centre > 0, xp.maximum(e, -kink), xp.maximum(e + kink, xp.zeros_like(e))
        )
    else:
        delta = t * e
        near = xp.abs(delta) <= 0.5
        shift = xp.where(near, delta, 0.0)
        mean_slope = sum(weight * phi.derivative(centre + node * shift) for node, weight in _NODES)
        plain = phi.function(centre + delta) - phi.function(centre)
        quotient = xp.where(near, e * mean_slope, plain / xp.where(t > 0, t, 1.0))
    return replace(state, centre=phi.function(centre), deviations=quotient)


def normalise_centred(norm: Norm, state: Centred) -> tuple[Centred, Array | None]:
    """Normalise centred tokens; return them and every token's std, as `apply_norm` defines it."""
    if norm.kind == "none":
        return state, None
    xp = namespace(state.centre)
    c, e, log = state.centre, state.deviations, state.log_scale
    if norm.kind == "layer":
        c = c - xp.mean(c, axis=-1, keepdims=True)
        e = e - xp.mean(e, axis=-1, keepdims=True)
    if norm.fixed_std is not None:
        std = xp.full_like(e[..., :1], norm.fixed_std)
        out = Centred(c / std[..., :1, :], e / std, log)
    else:
        # What centring leaves of a constant token is rounding, as in `theory.normalisation`.
        noise = 8 * eps(c) * xp.max(xp.abs(state.centre), axis=-1, keepdims=True)
        c = xp.where(xp.max(xp.abs(c), axis=-1, keepdims=True) > noise, c, xp.zeros_like(c))
        # In units of the largest token, squares neither vanish nor grow.
        peak = xp.max(xp.abs(c), axis=-1, keepdims=True)
        peak = xp.maximum(peak, state.scale * xp.max(xp.abs(e), axis=(-2, -1), keepdims=True))
        _, unit = rescale(xp.clip(peak, min=norm.eps**0.5), axis=(-1,))
        scaled = Centred(c / unit, e, log - xp.log(unit[..., 0, 0]))
        variance = xp.mean(scaled.centre**2, axis=-1, keepdims=True) + (norm.eps**0.5 / unit) ** 2
        size = xp.max(xp.mean(e * e, axis=-1, keepdims=True), axis=-2, keepdims=True)
        far = scaled.scale * xp.sqrt(size) > _FAR * xp.sqrt(variance)
        out, std = _norm_near(scaled, variance, far)
        std = std * unit
        if bool(xp.any(far)):
            plain, plain_std = _norm_far(norm, state.tokens, scaled, far)
            out = Centred(
                xp.where(far, plain.centre, out.centre),
                xp.where(far, plain.deviations, out.deviations),
                scaled.log_scale,
            )
            std = xp.where(far, plain_std, std)
    gain = 1 / norm.tau if norm.gain is None else norm.gain[..., None, :] / norm.tau
    shift = 0.0 if norm.shift is None else norm.shift[..., None, :]
    scaled = Centred(out.centre * gain + shift, out.deviations * gain, out.log_scale)
    return scaled, std[..., 0]


def _norm_near(state: Centred, variance: Array, far: Array) -> tuple[Centred, Array]:
    """Divide by the std, written as the centre's std times sqrt(1 + eta)."""
    xp = namespace(state.centre)
    c, e, t = state.centre, state.deviations, state.scale
    if bool(xp.any(~far & (variance == 0))):
        raise InputError("the mean token must not have zero variance where it is normalised")
    variance = xp.where(far, 1.0, variance)
    slope = xp.mean(c * e, axis=-1, keepdims=True) / variance
    curve = xp.mean(e * e, axis=-1, keepdims=True) / variance
    eta = xp.where(far, 0.0, t * (2 * slope + t * curve))
    kappa = xp.expm1(-0.5 * xp.log1p(eta))  # 1 / sqrt(1 + eta) - 1
    kappa_over_t = xp.where(t > _LINEAR, kappa / xp.where(t > _LINEAR, t, 1.0), -slope)
    root = xp.sqrt(variance)
    deviations = (e * (1 + kappa) + c * kappa_over_t) / root
    return Centred(c / root, deviations, state.log_scale), root * xp.sqrt(1 + eta)


def _norm_far(norm: Norm, tokens: Array, like: Centred, far: Array) -> tuple[Centred, Array]:
    """Normalise in plain arithmetic those batch members that are far from consensus."""
    xp = namespace(tokens)
    alternating = xp.astype(xp.arange(tokens.shape[-1]) % 2, tokens.dtype) - 0.5
    stand_in = constant(alternating, like=tokens)  # any token that can be normalised
    plain = replace(norm, gain=None, shift=None, tau=1.0)
    rows, std = normalise(plain, xp.where(far, tokens, stand_in))
    assert std is not None  # only a norm of kind "none" divides by nothing
    mean = xp.mean(rows, axis=-2, keepdims=True)
    deviations = (rows - mean) / xp.where(far, like.scale, 1.0)
    return replace(like, centre=mean, deviations=deviations), std[..., None]


def attend(attention: Attention, state: Centred, mask: Array | None) -> tuple[Centred, Array]:
    """Apply attention to centred tokens.

    The second result stands for the adjacency, as `simulations.centred.rollout` describes it.
    """
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
    difference = _row_differences(common, t * shared, own, t * t)
    # sum_j A_ij h_j = c + t sum_j p_j e_j + t^3 sum_j D_ij e_j: the cubic order of attention.
    centre = state.centre[..., None, :, :] @ attention.value + t * (common @ value)
    out = Centred(
        _biased(attention, _merge(attention, centre)),
        _merge(attention, difference @ value),
        3 * state.log_scale,
    )
    return out, t * t * difference


def _row_differences(common: Array, shared: Array, own: Array, t2: Array) -> Array:
    """Return (A - 1 p) / t^2 for A = softmax(shared + t^2 own) and p = softmax(shared)."""
    xp = namespace(common)
    delta = t2 * own
    far = xp.max(xp.abs(delta), axis=(-2, -1), keepdims=True) > 0.5
    linear = t2 <= _LINEAR**2
    safe = xp.where(linear, 1.0, t2)
    growth = xp.where(linear, own, xp.expm1(xp.where(far, 0.0, delta)) / safe)
    mean = xp.sum(common * growth, axis=-1, keepdims=True)
    near_rows = common * (growth - mean) / (1 + t2 * mean)
    if not bool(xp.any(far)):
        return near_rows
    plain = (softmax(shared + delta) - common) / safe
    return xp.where(far, plain, near_rows)


def _merge(attention: Attention, values: Array) -> Array:
    """Send every head's values through its output matrix and add them up."""
    if attention.output is not None:
        values = values @ attention.output
    return namespace(values).sum(values, axis=-3)


def _biased(attention: Attention, centre: Array) -> Array:
    return centre if attention.bias is None else centre + attention.bias[..., None, :]
