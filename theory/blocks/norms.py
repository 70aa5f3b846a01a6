"""What does a normalisation do to single tokens, and what does it divide them by?"""

from dataclasses import dataclass
from typing import Literal

from theory.arrays import Array, InputError, eps, namespace
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Norm:
    """A normalisation of single tokens: gain * (x - mean) / (tau * std) + shift.

    kind "layer" centres the features and divides by std = sqrt(variance + eps); "rms" does not
    centre and divides by sqrt(mean square + eps); "none" changes nothing.
    ``tau`` is the LN std scale. ``fixed_std`` replaces the token's own std by a constant: the
    map whose contraction the proofs use, and no longer a normalisation.

    Shapes: gain, shift (*b, d) or None for ones and zeros
    Raises: InputError for an unknown kind, a negative eps, a tau or fixed_std that is not positive
    Source: ba2016, zhang2019rmsnorm
    """

    kind: Literal["layer", "rms", "none"] = "layer"
    gain: Array | None = None
    shift: Array | None = None
    eps: float = 0.0
    tau: float = 1.0
    fixed_std: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("layer", "rms", "none"):
            raise InputError(f"kind must be 'layer', 'rms' or 'none', but is {self.kind!r}")
        if not 0 <= self.eps < float("inf"):
            raise InputError(f"eps must be finite and not negative, but is {self.eps}")
        for name, value in (("tau", self.tau), ("fixed_std", self.fixed_std)):
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} must be finite and positive, but is {value}")


@brief_repr
@dataclass(frozen=True, eq=False)
class HeadNorm(Norm):
    """A normalisation of each head's queries or keys.

    Shapes: gain, shift (*b, h, k) or None for ones and zeros
    Source: henry2020qknorm
    """


def norm_std(norm: Norm, tokens: Array) -> Array:
    """Return what each token is divided by, without tau: tokens (*b, n, d) -> (*b, n)."""
    return _centred_and_std(norm, tokens)[1][..., 0]


def apply_norm(norm: Norm, tokens: Array) -> Array:
    """Normalise every token.

    Shapes: tokens (*b, n, d) -> (*b, n, d)
    Raises: InputError if a token's std is zero, so that its direction is undefined
    Source: ba2016
    """
    return normalise(norm, tokens)[0]


def normalise(norm: Norm, tokens: Array) -> tuple[Array, Array | None]:
    """Normalise every token and return what each was divided by, as `norm_std` does.

    Shapes: tokens (*b, n, d) -> (*b, n, d), (*b, n); the latter None for a norm of kind "none"
    Raises: InputError if a token's std is zero, so that its direction is undefined
    """
    if norm.kind == "none":
        return tokens, None
    centred, std = _centred_and_std(norm, tokens)
    xp = namespace(tokens)
    if bool(xp.any(std == 0)):
        raise InputError(
            f"tokens must not have zero {'variance' if norm.kind == 'layer' else 'norm'} where "
            f"they are normalised with eps = 0, but {int(xp.sum(xp.astype(std == 0, xp.int64)))} "
            "of them have"
        )
    out = centred / (norm.tau * std)
    if norm.gain is not None:
        out = out * xp.expand_dims(norm.gain, axis=-2)
    if norm.shift is not None:
        out = out + xp.expand_dims(norm.shift, axis=-2)
    return out, std[..., 0]


def _centred_and_std(norm: Norm, tokens: Array) -> tuple[Array, Array]:
    """Return what is divided, (*b, n, d), and what divides it, (*b, n, 1)."""
    xp = namespace(tokens, norm.gain, norm.shift)
    if norm.kind == "none":
        return tokens, xp.ones_like(tokens[..., :1])
    centred = tokens
    if norm.kind == "layer":
        centred = tokens - xp.mean(tokens, axis=-1, keepdims=True)
    if norm.fixed_std is not None:
        return centred, xp.full_like(tokens[..., :1], norm.fixed_std)
    # Squares of entries beyond 1e154 overflow and below 1e-162 vanish: scale them first.
    peak = xp.max(xp.abs(centred), axis=-1, keepdims=True)
    # What centring leaves of a constant token is rounding, not a direction.
    noise = 8 * eps(tokens) * xp.max(xp.abs(tokens), axis=-1, keepdims=True)
    centred = xp.where(peak > noise, centred, xp.zeros_like(centred))
    peak = xp.where(peak > noise, peak, xp.ones_like(peak))
    mean_square = xp.mean((centred / peak) ** 2, axis=-1, keepdims=True)
    std = peak * xp.sqrt(mean_square)
    if norm.eps > 0:
        std = xp.hypot(std, xp.full_like(std, norm.eps**0.5))
    return centred, std
