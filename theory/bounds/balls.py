"""Into which ball does a part of a block send a ball of tokens?

All tokens that can follow lie in one ball. Averages stay in it, a sublayer's Lipschitz constant
says how far it may grow, and a norm turns it into a cap of its sphere. Every number here errs to
the safe side: a radius is an upper end, a length a lower one. The centre is what the block makes
of one token, in float64; what that loses, bounded by `theory.bounds.rounding`, is in the radius.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from theory.arrays import Floats
from theory.blocks.norms import Norm, apply_norm, norm_std
from theory.bounds.rounding import Running, after_norm
from theory.records import brief_repr

EPS = float(np.finfo(np.float64).eps)
_STEPS = 12  # of the search for the best direction; each one is a bound


@brief_repr
@dataclass(frozen=True, eq=False)
class Ball:
    """All tokens within ``radius`` of ``centre``; an infinite radius stands for all there are.

    Shapes: centre (d,)
    """

    centre: Floats
    radius: float

    @property
    def bounded(self) -> bool:
        """Whether the radius says anything."""
        return bool(np.isfinite(self.radius))


class Change(NamedTuple):
    """What a sublayer adds to r x, as far as it depends on x: sum_k M_k^T w_k for |w_k| <= R.

    ``forth`` maps e to the M_k e, one a row, ``back`` their gradients to sum_k M_k^T y_k.
    ``lipschitz`` bounds the sum of the norms of the M_k, ``size`` that of their factors'
    Frobenius norms, and ``steps`` is the longest sum of products in them.
    """

    forth: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]
    lipschitz: float
    size: float
    steps: int


@dataclass(frozen=True)
class Std:
    """How small a std may be in a ball of tokens, and why.

    ``least`` bounds it from below. ``carried`` is that of the ball's centre, which constants
    make; tokens may take off it at most ``taken``.
    """

    least: float
    carried: float
    taken: float


class Normed(NamedTuple):
    """A ball after a norm: where it is, and what the norm divides by (None: nothing)."""

    ball: Ball
    std: Std | None


def shortest(
    norm: Norm, centre: Floats, error: float, radius: float, residual: float, change: Change
) -> float:
    """Bound from below |P z| over z = centre + r w_0 + sum_k M_k^T w_k, all |w| <= radius.

    P is the norm's centring. For every direction e = P e, <z, e> is at least
    <centre, e> - radius (|r| |e| + sum_k |M_k e|), and |P z| |e| at least that, so no search for
    a good e can go wrong; the best makes an equality of it. ``error`` is how far the centre may
    be from the true one.

    Rounding, in eps |e| (|centre| + radius (|r| + size)): d for <centre, e>, d + 2 for what is
    known of the part of e along ones (which is counted as it is), d + 4 for |e|, steps + d + 2
    for the M_k e and their norms, one for each sum over k <= steps.
    """
    toward = _centred(norm, centre)
    if not np.isfinite(radius) or not np.isfinite(centre).all() or not toward.any():
        return 0.0
    noise = (4 * centre.size + 2 * change.steps + 16) * EPS
    most = float(np.linalg.norm(centre)) + radius * (abs(residual) + change.size)
    best = 0.0
    direction = toward / np.linalg.norm(toward)
    for _ in range(_STEPS):
        images = change.forth(direction)
        sizes = np.linalg.norm(images, axis=-1)
        taken = radius * (abs(residual) + float(sizes.sum()))
        tilt = abs(float(direction.mean())) * centre.size**0.5 if norm.kind == "layer" else 0.0
        found = float(centre @ direction) - taken - error - (noise + tilt) * most
        if found <= best * (1 + 1e-3) and best > 0:
            break
        best = max(best, found)
        # toward the shortest point of the set of all z: the one that this direction finds
        pulls = change.back(images / np.where(sizes > 0, sizes, 1.0)[:, None])
        toward = _centred(norm, centre - radius * (abs(residual) * direction + pulls))
        if not np.isfinite(toward).all() or not toward.any():
            break
        direction = toward / np.linalg.norm(toward)
    return best


def largest_gain(norm: Norm) -> float:
    """Return max |gain|, which is 1 where a norm has none."""
    return 1.0 if norm.gain is None else float(np.abs(norm.gain).max())


def through_norm(norm: Norm, centre: Floats, spread: float, length: float) -> Normed:
    """Return where a norm sends all z with |z - centre| <= spread and |P z| >= length.

    A norm is the radial projection of (P z, sqrt(d eps)) onto a sphere of radius sqrt(d) / tau.
    Seen from zero a ball of radius ``spread`` < |C| about C has the half-angle
    arcsin(spread / |C|), and the chord of that angle bounds how far its points are from the
    centre's afterwards. Without such a centre, all of the range: sqrt(d) / tau about the shift.
    """
    d = centre.size
    gain = largest_gain(norm)
    if norm.kind == "none":
        return Normed(Ball(centre, spread), None)
    if norm.fixed_std is not None:
        stretch = gain / (norm.tau * norm.fixed_std) * (1 + 4 * EPS)
        std = Std(norm.fixed_std, norm.fixed_std, 0.0)
        if not np.isfinite(spread):
            return Normed(Ball(centre, np.inf), std)
        at, error = _of_centre(norm, centre)
        return Normed(Ball(at, (stretch * spread + error) * (1 + 4 * EPS)), std)
    longest = gain * d**0.5 / norm.tau * (1 + 8 * EPS)
    shift = np.zeros(d) if norm.shift is None else np.asarray(norm.shift)
    whole = Ball(shift, longest)
    least = float(np.hypot(length / d**0.5, norm.eps**0.5)) * (1 - 8 * EPS)
    if not np.isfinite(spread) or not np.isfinite(centre).all():
        return Normed(whole, Std(least, 0.0, np.inf))
    mid = _centred(norm, centre)
    carried, taken = float(np.linalg.norm(mid)) / d**0.5, spread / d**0.5
    std = Std(least, carried, taken)
    # |C| is known to (d + 8) eps of the centre: what centring and the norm lose
    size = float(np.hypot(np.linalg.norm(mid), (d * norm.eps) ** 0.5))
    size -= (d + 8) * EPS * float(np.linalg.norm(centre))
    if not spread < size:
        return Normed(whole, std)
    sine = min(1.0, spread / size * (1 + 4 * EPS))
    # 2 sin(arcsin(s) / 2) = s sqrt(2 / (1 + sqrt(1 - s^2)))
    chord = sine * (2 / (1 + ((1 - sine) * (1 + sine)) ** 0.5)) ** 0.5
    at, error = _of_centre(norm, centre)
    cap = Ball(at, (longest * chord + error) * (1 + 32 * EPS))
    return Normed(cap if cap.radius < whole.radius else whole, std)


def _of_centre(norm: Norm, centre: Floats) -> tuple[Floats, float]:
    """Return the normalised centre and how far rounding may have moved it."""
    token = centre[None, :]
    start = Running(np.zeros(()), np.asarray(np.linalg.norm(centre)))
    std = norm_std(norm, token)
    if not (std > 0).all():
        return centre, np.inf  # no direction is left; whatever asks gets the whole range
    moved = after_norm(norm, std, start, shape=(1, centre.size))
    return apply_norm(norm, token)[0], float(moved.error)


def _centred(norm: Norm, token: Floats) -> Floats:
    return token - token.mean() if norm.kind == "layer" else token
