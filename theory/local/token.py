"""What leaves one token's way through norms and feed-forward out, beyond its linearisation?

The way is z -> norm_1 -> x + ffn(x) -> norm_2, and behind it stands the direction of the outputs'
deviation. Attention moves z by a linear part, within an ellipsoid, and by a remainder. Each stage
adds its own; the second derivatives of all three stages are put together into one form, so that
what they cancel is cancelled. Proofs: `docs/local_bound.md`, Lemmas 3 to 5.
"""

import math
from dataclasses import dataclass

import numpy as np

from theory.arrays import Floats
from theory.blocks.weights import FeedForward
from theory.local.certified import norm_above, top_eigenvalue
from theory.local.curvature import gelu_curvature
from theory.local.ellipsoids import Ellipsoid
from theory.local.enclosed import Enclosed, enclosed
from theory.local.hearing import Undirected, undirected
from theory.local.listening import Moves
from theory.local.passes import Backward, Forward, Normed
from theory.local.radial import RadialForm, radial_form, radial_remainder, radial_third
from theory.records import brief_repr

_MORE = 1 + 1e-12  # sums and products of a few numbers that are not negative


@brief_repr
@dataclass(frozen=True, eq=False)
class Stages:
    """One token's slopes, each (d, d), and what is known behind each of them.

    ``slope_1`` of norm_1, ``slope_ffn`` of x + ffn(x), ``slope_2`` of norm_2; ``hearing`` behind
    nothing, norm_1, x + ffn(x), norm_2. ``lengths`` are those of the linear parts at r = 1 before
    norm_1, behind it, and before norm_2; ``neurons`` of what GELU gets.
    """

    index: int
    slope_1: Enclosed
    slope_ffn: Enclosed
    slope_2: Enclosed
    ellipsoid: Ellipsoid
    hearing: tuple[Undirected, Undirected, Undirected, Undirected]
    lengths: tuple[float, float, float]
    neurons: Floats
    form_1: RadialForm
    form_2: RadialForm
    gains: tuple[float, float]
    bends: tuple[float, float]


def stages(
    ffn: FeedForward,
    at: Forward,
    back: Backward,
    ellipsoid: Ellipsoid,
    squares: Enclosed,
    i: int,
) -> Stages:
    """Prepare token i; ``bends`` are norms of gain_1 times what follows norm_1."""
    d = at.tokens.shape[-1]
    slope_1, slope_2 = at.norm_1.slope(i), at.norm_2.slope(i)
    slope_ffn = np.eye(d) + (ffn.weight_in * at.bend[i][None, :]) @ ffn.weight_out
    before_2 = slope_1 @ slope_ffn
    whole = before_2 @ slope_2
    hearing = (
        undirected(at, i, squares, None),
        undirected(at, i, squares, slope_1),
        undirected(at, i, squares, before_2),
        undirected(at, i, squares, whole),
    )
    lengths = (ellipsoid.length(), ellipsoid.length(slope_1), ellipsoid.length(before_2))
    gained = at.norm_1.gain[:, None] * slope_ffn
    return Stages(
        i,
        slope_1,
        slope_ffn,
        slope_2,
        ellipsoid,
        hearing,
        lengths,
        ellipsoid.along(slope_1 @ ffn.weight_in),
        _form(at.norm_1, back.after_1, i),
        _form(at.norm_2, back.after_2, i),
        (float(np.abs(at.norm_1.gain).max()), float(np.abs(at.norm_2.gain).max())),
        (norm_above(gained), norm_above(gained @ slope_2)),
    )


def _form(norm: Normed, covectors: Enclosed, i: int) -> RadialForm:
    return radial_form(norm.unit[i], covectors[i] * norm.gain, norm.std[i], layer=norm.layer)


@brief_repr
@dataclass(frozen=True)
class Left:
    """What is left out for one token: in the direction, and as a length of the output.

    ``second`` is the form's largest value, ``mixed`` what its cross terms with remainders make,
    ``third`` the third order of both norms.
    """

    second: float
    mixed: float
    third: float
    length: float


MOST = 1e30  # no factor of a bound is larger, or nothing is said: see docs/local_bound.md
NOTHING_KNOWN = Left(math.inf, math.inf, math.inf, math.inf)


def left_out(ffn: FeedForward, at: Forward, back: Backward, token: Stages, how: Moves) -> Left:
    """Bound what is left out for one token at the radius that ``how`` stands for.

    Attention's own remainder in the direction is not in it: see `theory.local.hearing.Directed`.
    """
    i, radius, d = token.index, how.radius, at.tokens.shape[-1]
    if not max(float(part[:, i].max()) for part in (how.bent, how.crossed, how.carried)) < MOST:
        return NOTHING_KNOWN
    root = math.sqrt(d)
    heard = [
        each.remainder(how.bent[:, i], how.crossed[:, i], how.carried[:, i])
        for each in token.hearing
    ]
    linear = [radius * length for length in token.lengths]
    e_1 = (linear[0] + heard[0]) / (float(at.norm_1.std[i].bottom) * root) * _MORE
    if not e_1 < 1:
        return NOTHING_KNOWN
    bent = root * radial_remainder(e_1)
    rest_1 = heard[1] + token.gains[0] * bent
    columns = enclosed(ffn.weight_in).lengths(0)
    moved = (radius * token.neurons + columns * rest_1) * _MORE
    curves = gelu_curvature(at.hidden[i], moved)
    pulls = (back.after_ffn[i][None, :] @ ffn.weight_out.T)[0]
    ends = [x * y for x in (pulls.top, pulls.bottom) for y in (curves.top, curves.bottom)]
    signed = np.max(ends, axis=0)
    signed = signed + 2.0**-50 * np.abs(signed)
    form = (ffn.weight_in * enclosed(signed)[None, :]) @ ffn.weight_in.T
    share = np.sqrt(np.maximum(curves.top, -curves.bottom) * moved / 2) * _MORE
    into = norm_above(ffn.weight_in * enclosed(share)[None, :])
    onto = enclosed(share)[:, None] * ffn.weight_out
    out_of = (norm_above(onto), norm_above(onto @ token.slope_2))
    bend = [into * (linear[1] + rest_1) * each for each in out_of]
    rest_2 = heard[2] + token.bends[0] * bent + bend[0]
    e_2 = (linear[2] + rest_2) / (float(at.norm_2.std[i].bottom) * root) * _MORE
    if not e_2 < 1:
        return NOTHING_KNOWN
    last = token.gains[1] * root * radial_remainder(e_2)
    length = heard[3] + token.bends[1] * bent + bend[1] + last
    before_2 = token.slope_1 @ token.slope_ffn
    whole = token.form_1.matrix + token.slope_1 @ form @ token.slope_1.T
    whole = whole + before_2 @ token.form_2.matrix @ before_2.T
    second = radius * radius * token.ellipsoid.form(whole) / 2
    curved = max(top_eigenvalue(form), top_eigenvalue(-form))
    sizes = (token.form_1.size, curved, token.form_2.size)
    rests = (heard[0], rest_1, rest_2)
    if not max(*sizes, *rests, *heard, into, *out_of) < MOST:
        return NOTHING_KNOWN
    mixed = sum(
        size * rest * (line + rest / 2)
        for size, rest, line in zip(sizes, rests, linear, strict=True)
    )
    third = token.form_1.weight * radial_third(e_1)
    third += token.form_2.weight * radial_third(e_2)
    return Left(second * _MORE, mixed * _MORE, third * _MORE, length * _MORE)
