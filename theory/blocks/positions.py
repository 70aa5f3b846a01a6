"""What do scores know of where tokens stand, and what do they do with it?"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import array_api_compat

from theory.arrays import (
    Array,
    InputError,
    namespace,
    require_finite,
    require_mask,
    require_shape,
)
from theory.records import brief_repr

Layout: TypeAlias = Literal["half", "interleaved"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""Which features rotary positions turn together: see `Positions`."""


@brief_repr
@dataclass(frozen=True, eq=False)
class Positions:
    """What scores are made of beside products of queries and keys: all that is None is left out.

    Token i gives token j the score c tanh(s <q_i, k_j> / c) + bias_ij + by_offset_(i - j) with the
    scale s of the scores and c = ``soft_cap``, where queries and keys may have been turned.

    ``frequencies`` turn the first 2 r features of every query and key in pairs: pair p of token i
    by the angle i times frequency p; ``angles`` give every token's angles themselves. In the
    ``layout`` "half" the features p and p + r are a pair, in "interleaved" 2 p and 2 p + 1.
    ``by_offset`` has a bias for each offset i - j from -(m - 1) to m - 1, for up to m tokens.
    Of ``window`` w, a token hears those that stand fewer than w places away: itself with w = 1.
    Both sides are heard; a causal mask leaves what model cards call a sliding window of w tokens.

    Shapes: bias (*b, h, n, n) and by_offset (*b, h, 2 m - 1), or 1 in the place of h;
            frequencies (*b, r), angles (*b, n, r), the same for all heads
    Raises: InputError for a window or soft_cap that is not positive, an unknown layout, or both
            frequencies and angles
    Source: su2021rope, raffel2020t5, press2022alibi, riviere2024gemma2
    """

    bias: Array | None = None
    by_offset: Array | None = None
    frequencies: Array | None = None
    angles: Array | None = None
    layout: Layout = "half"
    window: int | None = None
    soft_cap: float | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InputError(f"layout must be 'half' or 'interleaved', but is {self.layout!r}")
        whole = isinstance(self.window, int) and not isinstance(self.window, bool)
        if self.window is not None and not (whole and self.window >= 1):
            raise InputError(
                f"window must be a whole number of at least 1, but is {self.window!r}; with 1 a "
                "token hears itself alone, and None leaves the window out"
            )
        if self.soft_cap is not None and not 0 < self.soft_cap < float("inf"):
            raise InputError(
                f"soft_cap must be finite and positive, but is {self.soft_cap}; None leaves it out"
            )
        if self.frequencies is not None and self.angles is not None:
            raise InputError("positions must have frequencies or angles, but have both")

    @property
    def turns(self) -> bool:
        """Whether queries and keys are turned, so that equal tokens may hear unequally."""
        return self.frequencies is not None or self.angles is not None

    @property
    def arrays(self) -> dict[str, Array | None]:
        """The arrays by their names, None where one is left out."""
        names = ("bias", "by_offset", "frequencies", "angles")
        return {name: getattr(self, name) for name in names}


def position_shapes(
    positions: Positions, heads: int, features: int | None
) -> dict[str, tuple[Array | None, tuple[int | str, ...]]]:
    """Return every array with the axes that it must have, by its name within an attention.

    ``features`` are those of a head, None where it is not known.

    Raises: InputError unless the biases are those of pairs or offsets, and a head has the features
            that are to be turned
    """
    axes: dict[str, tuple[int | str, ...]] = {
        "bias": ("n", "n"),
        "by_offset": ("2 m - 1",),
        "frequencies": ("r",),
        "angles": ("n", "r"),
    }
    found: dict[str, tuple[Array | None, tuple[int | str, ...]]] = {}
    for name, array in positions.arrays.items():
        path, wanted = f"attention.positions.{name}", axes[name]
        found[path] = (array, wanted)
        if array is None:
            continue
        require_shape(path, array, *wanted)
        length = array.shape[-1]
        if name in ("bias", "by_offset"):
            own = array.shape[-len(wanted) - 1 : -len(wanted)]
            found[path] = (array, (1 if own == (1,) else heads, *wanted))
        if name == "bias":
            require_shape(path, array, length, length)
        if name == "by_offset" and length % 2 == 0:
            raise InputError(
                f"{path} must have a bias for each offset from -(m - 1) to m - 1, an odd number, "
                f"but has {length}"
            )
        if name in ("frequencies", "angles") and features is not None and 2 * length > features:
            raise InputError(
                f"{path} must turn at most the {features} features of a head, but turns "
                f"{2 * length}: two for each angle"
            )
    return found


def turn(positions: Positions, vectors: Array) -> Array:
    """Turn the features of every query or key by where its token stands.

    Shapes: (*b, h, n, k) -> (*b, h, n, k); features from 2 r on stay as they are
    Source: su2021rope
    """
    angles, frequencies = positions.angles, positions.frequencies
    if angles is None and frequencies is None:
        return vectors
    xp = namespace(vectors, frequencies, angles)
    if frequencies is not None:
        require_finite("attention.positions.frequencies", frequencies)
        device = array_api_compat.device(vectors)
        places = xp.arange(vectors.shape[-2], dtype=vectors.dtype, device=device)
        angles = places[:, None] * frequencies[..., None, :]
    else:
        require_shape("attention.positions.angles", angles, vectors.shape[-2], "r")
        require_finite("attention.positions.angles", angles)
    angles = xp.expand_dims(angles, axis=-3)  # the same for all heads
    half, pairs = positions.layout == "half", angles.shape[-1]
    rest = vectors[..., 2 * pairs :]
    if half:
        first, second = vectors[..., :pairs], vectors[..., pairs : 2 * pairs]
    else:
        first, second = vectors[..., 0 : 2 * pairs : 2], vectors[..., 1 : 2 * pairs : 2]
    cos, sin = xp.cos(angles), xp.sin(angles)
    turned = (first * cos - second * sin, second * cos + first * sin)
    if half:
        return xp.concat((*turned, rest), axis=-1)
    beside = xp.stack(turned, axis=-1)
    beside = xp.reshape(beside, (*beside.shape[:-2], 2 * pairs))
    return xp.concat((beside, rest), axis=-1)


def place(positions: Positions, scores: Array) -> Array:
    """Cap scores (*b, h, n, n) and add what is known of their positions to them.

    Raises: InputError if a bias is not finite, or not for so many tokens
    """
    n, cap = scores.shape[-1], positions.soft_cap
    if cap is not None:
        scores = cap * namespace(scores).tanh(scores / cap)
    bias = bias_of(positions, n)
    return scores if bias is None else scores + bias


def bias_of(positions: Positions, n: int) -> Array | None:
    """Return what is added to the scores of n tokens, (*b, h or 1, n, n); None for nothing.

    Raises: InputError as `place` does
    """
    bias, by_offset = positions.bias, positions.by_offset
    if bias is not None:
        require_shape("attention.positions.bias", bias, "h", n, n)
        require_finite("attention.positions.bias", bias)
    if by_offset is None:
        return bias
    require_finite("attention.positions.by_offset", by_offset)
    longest = (by_offset.shape[-1] + 1) // 2
    if n > longest:
        raise InputError(f"tokens must be at most {longest}, the positions there are, but are {n}")
    first = longest - 1  # of the offset 0
    heard = [by_offset[..., first - j : first - j + n] for j in range(n)]
    placed = namespace(by_offset).stack(heard, axis=-1)
    return placed if bias is None else bias + placed


def within(positions: Positions, mask: Array | None, *, n: int, like: Array) -> Array | None:
    """Return who may listen to whom by a mask and by the window, None where all listen to all.

    Shapes: mask boolean (*b, n, n) or (*b, 1, n), like any array of its library -> (*b, n, n)
    Raises: InputError if the mask is not boolean, does not fit, or leaves a token nobody to hear
    """
    if positions.window is None:
        return mask
    xp = namespace(like, mask)
    places = xp.arange(n, device=array_api_compat.device(like))
    near = xp.abs(places[:, None] - places[None, :]) < positions.window
    if mask is None:
        return near
    require_mask("mask", mask, 1 if mask.shape[-2:-1] == (1,) else n, n)
    heard = mask & near
    if not bool(xp.all(xp.any(heard, axis=-1))):
        raise InputError(
            "mask must leave every token at least one token to listen to within its window of "
            f"{positions.window}"
        )
    return heard
