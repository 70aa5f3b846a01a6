"""How far from consensus can tokens be after each of some blocks, by all bounds together?

The factor v is about d_M, v_diameter about the diameter, and the two are within constants of each
other. A product of v pays the price of d_M in every block, up to sqrt(n / 2); one of v_diameter
pays the constants once.
"""

import numpy as np

from theory.arrays import Array, Floats, constant, namespace, require_plain, to_numpy


def distance_per_diameter(number: Array | int, d: int, *, like: Array) -> Array:
    """Return the largest d_M of tokens of diameter one: sqrt(n k / (2 (k + 1))), k = min(d, n - 1).

    d_M^2 is the least sum of squared distances from one point, at most n times the squared radius
    of the smallest ball about the tokens, which is at most k / (2 (k + 1)) of the squared diameter
    (Jung). Reached where the tokens stand in equal numbers on the corners of a regular simplex of
    k + 1 points. At most sqrt((n - 1) / 2). The other way round diam <= sqrt(2) d_M, for of two
    tokens |a - b|^2 <= 2 (|a - m|^2 + |b - m|^2), m the mean of all; two opposite tokens reach it
    where all others stand in the middle.

    Shapes: number of tokens, of the shape (*b,) or one -> (*b,)
    Source: jung1901; derived from it
    """
    xp = namespace(like)
    n = constant(number, like=like) if isinstance(number, int) else number
    k = xp.clip(n - 1, max=float(d))
    return xp.sqrt(n * k / (2 * (k + 1)))


DIAMETER_PER_DISTANCE = 2**0.5
"""The largest diameter of tokens with d_M = 1."""


def log_envelopes(
    log_v: Array,
    log_v_diameter: Array,
    log_saturation: Array,
    *,
    log_distance: Array,
    log_diameter: Array,
    log_constant: Array,
) -> tuple[Floats, Floats]:
    """Bound log d_M after each block: by diameters alone, and by all bounds together.

    With E and D for what d_M and the diameter may be, E_0 and D_0 those of the first tokens, C the
    constant of `distance_per_diameter`: D_l is the smaller of v_diameter D_{l-1} and sqrt(2) E_l,
    E_l the smallest of v E_{l-1}, the saturation, and C D_l. By diameters alone: C times the
    product of v_diameter times D_0. Every bound must be an upper end; NaN counts as unknown.

    Shapes: log_v, log_v_diameter, log_saturation (of d_M itself, not of a ratio) (L, *b); those of
            the first tokens, and the constant, (*b,) -> (L, *b) twice, natural logarithms
    Source: derived
    """
    every = (log_v, log_v_diameter, log_saturation, log_distance, log_diameter, log_constant)
    for part in every:
        require_plain(part)
    hosted = [np.asarray(to_numpy(part), dtype=np.float64) for part in every]
    v, v_diameter, limits, distance, diameter, spread = hosted
    alone, together = np.empty_like(v), np.empty_like(v)
    by_diameter = diameter
    for layer in range(len(v)):
        by_diameter = _product(v_diameter[layer], by_diameter)
        alone[layer] = _product(by_diameter, spread)
        distance = np.fmin(_product(v[layer], distance), limits[layer])
        diameter = _product(v_diameter[layer], diameter)
        diameter = np.fmin(diameter, np.log(DIAMETER_PER_DISTANCE) + distance)
        distance = np.fmin(distance, _product(spread, diameter))
        together[layer] = distance
    return alone, together


def _product(one: Floats, other: Floats) -> Floats:
    """Add logarithms; what is unknown, or zero times infinity, is infinite."""
    with np.errstate(invalid="ignore"):
        found = one + other
    return np.where(np.isnan(found), np.inf, found)
