"""How does a normalisation act on tokens whose differences are far below round-off?

Near consensus the deviations follow from those of the std, without cancellation. Where they
are as large as the centre without its mean feature, plain arithmetic is as good and is used.
"""

from dataclasses import replace

from simulations.centred.maps import Centred
from theory.arrays import Array, InputError, constant, eps, namespace
from theory.blocks.norms import Norm, normalise
from theory.magnitude import rescale

_FAR = 0.1  # relative deviations above which plain differences lose at most one digit


def normalise_centred(norm: Norm, state: Centred) -> tuple[Centred, Array | None]:
    """Normalise centred tokens; return them and every token's std, as `apply_norm` defines it."""
    if norm.kind == "none":
        return state, None
    xp = namespace(state.centre)
    c, e, log = state.centre, state.deviations, state.log_scale
    if norm.kind == "layer":
        for _ in range(2):  # the first mean of a large offset is off by its rounding
            c = c - xp.mean(c, axis=-1, keepdims=True)
            e = e - xp.mean(e, axis=-1, keepdims=True)
    if norm.fixed_std is not None:
        std = xp.full_like(e[..., :1], norm.fixed_std)
        out = Centred(c / std[..., :1, :], e / std, log)
    else:
        # What centring leaves of a constant token is rounding, as in `theory.blocks.norms`.
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
            rows = c + state.scale * e  # centred first: an offset of all features cancels here
            size = xp.abs(state.centre) + state.scale * xp.abs(state.deviations)
            noise = 8 * eps(c) * xp.max(size, axis=-1, keepdims=True)
            flat = xp.max(xp.abs(rows), axis=-1, keepdims=True) <= noise
            rows = xp.where(flat, xp.zeros_like(rows), rows)
            plain, plain_std = _norm_far(norm, rows, scaled, far)
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
    flat = xp.abs(eta) <= eps(c) ** 2
    steepness = xp.where(flat, -0.5, kappa / xp.where(flat, 1.0, eta))
    kappa_over_t = steepness * (2 * slope + xp.where(far, 0.0, t * curve))
    root = xp.sqrt(variance)
    deviations = (e * (1 + kappa) + c * kappa_over_t) / root
    return Centred(c / root, deviations, state.log_scale), root * xp.sqrt(1 + eta)


def _norm_far(norm: Norm, rows: Array, like: Centred, far: Array) -> tuple[Centred, Array]:
    """Normalise in plain arithmetic those batch members that are far from consensus."""
    xp = namespace(rows)
    alternating = xp.astype(xp.arange(rows.shape[-1]) % 2, rows.dtype) - 0.5
    stand_in = constant(alternating, like=rows)  # any token that can be normalised
    plain = replace(norm, gain=None, shift=None, tau=1.0)
    rows, std = normalise(plain, xp.where(far, rows, stand_in))
    assert std is not None  # only a norm of kind "none" divides by nothing
    mean = xp.mean(rows, axis=-2, keepdims=True)
    deviations = (rows - mean) / xp.where(far, like.scale, 1.0)
    return replace(like, centre=mean, deviations=deviations), std[..., None]
