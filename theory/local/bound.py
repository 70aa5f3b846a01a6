"""By how much can a trained block stretch the distance to consensus, on all tokens of a ball?

For all H' with |h'_i - h_i| <= r |h_i|: an upper bound on d_M(F(H')) / d_M(H'), F a post-norm block
with softmax attention, GELU and LayerNorm or RMSNorm. With a = P F(H), a^ its direction, D^
that of P H, J the derivative of F at H, Delta = H' - H and R what the linearisation leaves out,

    |a + b| <= |a| + <a^, b> + |b|^2 / (2 |a|),   d_M(H') >= d + <D^, Delta>,
    ratio <= m + (sup <J^T a^ - m D^, Delta> + <a^, R> + (|P J Delta| + |R|)^2 / (2 m d))
                 / (d - sup <-D^, Delta>).

`docs/local_bound.md` proves every part. All numbers are enclosed (`theory.local.enclosed`); what is
only added and multiplied, and not negative, is in plain float64 and enlarged at the end.
"""

import math
from dataclasses import dataclass

import numpy as np

from theory.arrays import Array, InputError
from theory.blocks.weights import Block, FeedForward
from theory.local.ellipsoids import attention_jacobian, ellipsoid, whole_norm
from theory.local.enclosed import Enclosed, enclosed
from theory.local.hearing import Directed, directed, scores_of, squares_of
from theory.local.listening import Scores, moves
from theory.local.passes import Backward, Forward, backward, forward
from theory.local.supported import require_supported
from theory.local.token import MOST, Stages, left_out, stages
from theory.records import brief_repr

_MORE = 1 + 1e-9
"""Covers 2^22 roundings in a row of sums, products, quotients and roots without a minus."""
_WHOLE = 6144
"""Up to so many rows |P J| is taken from the whole matrix; beyond, from one token at a time."""


@brief_repr
@dataclass(frozen=True)
class LocalBound:
    """What is certain of all tokens within a relative radius of the given ones.

    ``ratio`` is the measured d_M(F(H)) / d_M(H), rounded up; ``bound`` is at least that of every H'
    in the ball, infinite where the ball may hold consensus. ``saturation`` is the part of it that
    knows only how long a norm's outputs are: max |gain| sqrt(n d) / (d_M(H) - r |H|) or less.
    ``first``, ``attention``, ``second``, ``mixed``, ``third``, ``square`` are the parts of the
    bound on what is added to the ratio.
    """

    radius: float
    ratio: float
    bound: float
    saturation: float
    first: float
    attention: float
    second: float
    mixed: float
    third: float
    square: float

    @property
    def factor(self) -> float:
        """The bound over the measured ratio."""
        return self.bound / self.ratio

    @property
    def contracts(self) -> bool:
        """Whether it is proved that every H' in the ball comes nearer to consensus."""
        return self.bound < 1

    @property
    def applies(self) -> bool:
        """Whether there is a bound at all."""
        return math.isfinite(self.bound)


@brief_repr
@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """All about a block at given tokens that does not depend on the radius.

    ``distance`` encloses d_M(H), ``after`` d_M(F(H)); ``slope`` and ``shrink`` are at least the
    largest <J^T a^ - m D^, Delta> and <D^, Delta> at r = 1, ``whole`` the largest |P J Delta|.
    """

    feed_forward: FeedForward
    at: Forward
    back: Backward
    scores: Scores
    adjoint: Directed
    tokens: tuple[Stages, ...]
    distance: Enclosed
    after: Enclosed
    slope: float
    shrink: float
    whole: float
    longest: float

    def bound(self, radius: float) -> LocalBound:
        """Return the bound at a relative radius.

        Raises: InputError unless the radius is a positive number, from 1e-12 on
        """
        if not 1e-12 <= radius < math.inf:
            raise InputError(
                f"radius must be a positive number, at least 1e-12, but is {radius}; it is "
                "relative to each token's length"
            )
        before, after = float(self.distance.bottom), float(self.after.bottom)
        ratio = float((self.after / self.distance).top)
        room = (before - radius * self.shrink * _MORE) * (1 - 1e-15)
        if not (room > 0 and after > 0):
            return LocalBound(radius, ratio, math.inf, math.inf, *(math.inf,) * 6)
        how = moves(self.scores, radius)
        left = [
            left_out(self.feed_forward, self.at, self.back, token, how) for token in self.tokens
        ]
        length = math.sqrt(sum(each.length**2 for each in left))
        parts = (
            radius * self.slope,
            float(self.adjoint.remainder(how).sum()),
            sum(each.second for each in left),
            sum(each.mixed for each in left),
            sum(each.third for each in left),
            (radius * self.whole + length) ** 2 / (2 * after),
        )
        shares = tuple(part / room * _MORE for part in parts)
        found = (ratio + sum(shares)) * _MORE + 1e-100
        saturation = self.longest / room * _MORE
        found = found if math.isfinite(found) else math.inf
        return LocalBound(radius, ratio, min(found, saturation), saturation, *shares)


def neighbourhood(block: Block, tokens: Array) -> Neighbourhood:
    """Do what does not depend on the radius: seconds to minutes for a trained block.

    Shapes: tokens (n, d), one text without padding
    Raises: InputError for what is not supported: see `theory.local.supported`
    """
    block, held = require_supported(block, tokens)
    ffn = block.feed_forward
    assert ffn is not None, "require_supported asks for one"
    assert block.attention.query is not None, "require_supported asks for one"
    assert block.attention.key is not None, "require_supported asks for one"
    n, d = held.shape
    at = forward(block, held)
    deviation, out = enclosed(held).centred(0), at.norm_2.out.centred(0)
    distance, after = (rows.moved(np.ravel).length() for rows in (deviation, out))
    for name, length in (("tokens", distance), ("outputs", after)):
        if not float(length.bottom) > 0:
            raise InputError(f"{name} must not be all alike up to rounding, or no ratio is defined")
    back = backward(block, at, out / after)
    slope = back.tokens - (after / distance) * (deviation / distance)
    lengths = enclosed(held).lengths()
    scores = scores_of(block.attention.query, block.attention.key, at, block.attention.score_scale)
    squares, whole = squares_of(at), n * d <= _WHOLE
    prepared: list[Stages] = []
    jacobians: list[Enclosed] = []
    last: list[Enclosed] = []
    each_alone = 0.0
    for i in range(n):
        jacobian = attention_jacobian(at, i)
        token = stages(ffn, at, back, ellipsoid(jacobian, lengths), squares, i)
        prepared.append(token)
        follow = token.slope_1 @ token.slope_ffn @ token.slope_2
        if whole:
            jacobians.append(jacobian)
            last.append(follow)
        else:
            each_alone += token.ellipsoid.length(follow) ** 2
    reach = whole_norm(jacobians, last, lengths) if whole else math.sqrt(each_alone)
    _require_moderate(prepared, scores)
    return Neighbourhood(
        ffn,
        at,
        back,
        scores,
        directed(at, back.after_attention),
        tuple(prepared),
        distance,
        after,
        float(lengths @ slope.lengths()) * _MORE,
        float(lengths @ (deviation / distance).lengths()) * _MORE,
        reach * _MORE,
        _saturated(at),
    )


def local_bound(block: Block, tokens: Array, radius: float) -> LocalBound:
    """Bound d_M(F(H')) / d_M(H') for all H' with |h'_i - h_i| <= radius |h_i|.

    Shapes: tokens (n, d), one text without padding
    Raises: InputError as `neighbourhood` and `Neighbourhood.bound` do
    Source: derived, `docs/local_bound.md`
    """
    return neighbourhood(block, tokens).bound(radius)


def _require_moderate(tokens: list[Stages], scores: Scores) -> None:
    numbers = [float(np.max(field)) for field in scores]
    for token in tokens:
        numbers += [*token.lengths, float(np.max(token.neurons)), *token.gains, *token.bends]
        for form in (token.form_1, token.form_2):
            numbers += [form.size, form.weight]
    if not max(numbers) < MOST:
        raise InputError(
            f"block and tokens must be of moderate size, but a number of the bound is "
            f"{max(numbers):.1g}: is a token of almost no variance among them?"
        )


def _saturated(at: Forward) -> float:
    """Return at least d_M of any output: each is gain * s + shift with |s|^2 <= d."""
    n, d = at.tokens.shape
    return float(np.abs(at.norm_2.gain).max()) * math.sqrt(n * d) * _MORE
