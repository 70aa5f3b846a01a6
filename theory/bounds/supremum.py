"""How large can v be on any tokens that a block still meets, if it comes again and again?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from theory.arrays import Array, Floats, to_numpy
from theory.blocks.activations import activation
from theory.blocks.forward import apply_block, attend, feed_forward
from theory.blocks.norms import Norm
from theory.blocks.weights import Block, BlockStep
from theory.bounds.balls import EPS, Ball, Change, Std, largest_gain, shortest, through_norm
from theory.bounds.block_rounding import block_rounding
from theory.bounds.coefficients import WeightNorms, compose, weight_norms
from theory.bounds.couplings import Couplings, largest_couplings
from theory.bounds.obstacles import bias_free_obstacle, refusal
from theory.bounds.rounding import (
    WeightErrors,
    after_attention,
    after_feed_forward,
    after_sum,
    exactly,
    weight_errors,
)
from theory.records import brief_repr
from theory.statements.instances import map_arrays

ROUNDS = 24  # blocks that a ball is followed through; mostly it has settled before
_STEPS = 500  # towards the token that a contraction keeps
_SETTLED = 1e-3  # a radius that shrinks by less than this part is taken as settled


@brief_repr
@dataclass(frozen=True, eq=False)
class Supremum:
    """Upper bounds on three v for all tokens that have passed ``after`` such blocks.

    On v, v sharp and v_diameter, so for every later block too. ``ball`` holds all tokens that
    leave these blocks, and none of them is shorter than ``least``. ``root`` bounds sqrt(lambda) of
    every head, ``tau`` Dobrushin's coefficient; ``sigma_1`` and ``sigma_2`` say how small a std
    may be, None where nothing is divided.
    """

    after: int
    v: float
    v_sharp: float
    v_diameter: float
    root: float
    tau: float
    sigma_1: Std | None
    sigma_2: Std | None
    ball: Ball
    least: float


@brief_repr
@dataclass(frozen=True, eq=False)
class Suprema:
    """What is known of v on all tokens that can follow.

    ``bounds`` hold after 0, 1, 2, ... blocks. ``kept`` is a lower bound on the length of the one
    token that a block keeps which brings all tokens nearer to it; 0 if there is no such block.
    ``obstacle`` says why there is no bound, or why none below 1 can exist; empty if unknown.
    """

    bounds: tuple[Supremum, ...]
    kept: float = 0.0
    obstacle: str = ""


class _Weights(NamedTuple):
    """Norms of a block's weights, rounded up, and how far any of them may have been off."""

    value: Floats
    largest: float
    ffn: float  # c |W_in| |W_out|, 0 without a feed-forward sublayer
    first: float  # c |W_in|
    errors: WeightErrors


def suprema(
    block: Block,
    n: int,
    *,
    mask: Array | None = None,
    adjacency: Array | None = None,
    norms: WeightNorms | None = None,
    most: int = ROUNDS,
) -> Suprema:
    """Bound v on all sets of n tokens that follow, whatever the first ones were, in float64.

    And v sharp and v_diameter.

    The tokens lie in a ball: at first everything. Averages of tokens stay in it, for attention
    weights are no less than 0 and sum to 1; so z = r x + attention(x) lies about what the block
    makes of the ball's centre, within |r| + sum |V_k| times the radius, and how near z comes to
    zero is a matter of convex duality (`theory.bounds.balls.shortest`). The norm makes a ball of
    that which is never larger than its range; the feed-forward sublayer goes the same way. By
    induction the k-th ball holds all that can be there after k blocks. If the balls shrink to
    a point, the bound becomes v at that point.

    Rows of a given adjacency are divided by their sums first. Weights are not changed by what is
    reported; nothing is drawn. At most ``most`` balls, each of a few products of matrix and
    vector: the spectral norms cost more, and may be given.

    Shapes: a block without batch axes, mask boolean (n, n) or (1, n), adjacency (h, n, n)
    Source: derived; docs/verdicts.md has the proof
    """
    block = map_arrays(lambda array, _: to_numpy(array).astype(np.float64), block)
    listens = np.ones((n, n), dtype=np.bool_)
    if mask is not None:
        listens = np.array(np.broadcast_to(to_numpy(mask), (n, n)))
    heads = None if adjacency is None else to_numpy(adjacency).astype(np.float64)
    if why := refusal(block, heads):
        return Suprema((), obstacle=why)
    with np.errstate(all="ignore"):  # what overflows is no bound
        weights = _upper_norms(block, norms)
        found: list[Supremum] = []
        ball = Ball(np.zeros(block.attention.value.shape[-2]), np.inf)
        for after in range(most):
            worst = largest_couplings(block.attention, ball, n, mask=listens, heads=heads)
            found.append(_one_block(block, weights, ball, worst, after))
            out = found[-1].ball
            settled = ball.bounded and not out.radius < ball.radius * (1 - _SETTLED)
            if settled or not out.bounded:
                break
            ball = out
        kept = _kept_token(block, weights)
    return Suprema(tuple(found), kept, bias_free_obstacle(block, listens, heads))


def _upper_norms(block: Block, norms: WeightNorms | None) -> _Weights:
    norms = weight_norms(block) if norms is None else _on_host(norms)
    errors = weight_errors(block.attention, block.feed_forward, norms=norms)
    error, up = float(errors.error), 1 + 8 * EPS
    value = (np.asarray(norms.value) + error) * up
    if block.feed_forward is None:
        return _Weights(value, float(value.max()), 0.0, 0.0, errors)
    assert norms.ffn_in is not None
    assert norms.ffn_out is not None
    lipschitz = activation(block.feed_forward.activation).lipschitz * up
    one, two = (float(size) + error for size in (norms.ffn_in, norms.ffn_out))
    largest = max(float(value.max()), one * up, two * up)
    return _Weights(value, largest, lipschitz * one * two * up, lipschitz * one * up, errors)


def _on_host(norms: WeightNorms) -> WeightNorms:
    def host(array: Array) -> Floats:
        return to_numpy(array).astype(np.float64)

    ffn_in, ffn_out = (None if w is None else host(w) for w in (norms.ffn_in, norms.ffn_out))
    return replace(norms, value=host(norms.value), ffn_in=ffn_in, ffn_out=ffn_out)


def _one_block(
    block: Block, weights: _Weights, ball: Ball, worst: Couplings, after: int
) -> Supremum:
    """Send a ball through a block, and bound v on the way."""
    roots = worst.roots
    middle, std_1 = _through(block, weights, ball, first=True)
    last, std_2 = middle, None
    if block.feed_forward is not None:
        last, std_2 = _through(block, weights, middle, first=False)
    stds = [None if std is None else np.asarray([std.least]) for std in (std_1, std_2)]
    step = BlockStep(ball.centre, roots, *stds)
    # A std of zero leaves no bound, not even where it multiplies nothing: 0 / 0 is none.
    lost = any(std is not None and not std.least > 0 for std in (std_1, std_2))
    paper = len(roots) * roots.max() * weights.largest
    lipschitz = 0.0
    if block.feed_forward is not None:
        lipschitz = activation(block.feed_forward.activation).lipschitz
    v, sharp, diameter = (
        np.inf if lost else float(compose(block, step, np.asarray(part), np.asarray(ffn)))
        for part, ffn in (
            (paper, lipschitz * weights.largest**2),
            ((roots * weights.value).sum(), weights.ffn),
            ((worst.taus * weights.value).sum(), weights.ffn),
        )
    )
    up = 1 + (60 + len(roots)) * EPS  # as for the ends of v on given tokens; and the heads' sum
    least = _shortest_token(block, last)
    v, sharp, diameter = (float(bound * up) for bound in (v, sharp, diameter))
    root, tau = float(roots.max()), float(worst.taus.max())
    return Supremum(after, v, sharp, diameter, root, tau, std_1, std_2, last, least)


def _through(
    block: Block, weights: _Weights, ball: Ball, *, first: bool
) -> tuple[Ball, Std | None]:
    """Send a ball through one sublayer, its residual sum and its norm."""
    norm = block.norm_1 if first else block.norm_2
    change = _attention_change(block, weights) if first else _ffn_change(block, weights)
    if not ball.bounded:
        return through_norm(norm, ball.centre, np.inf, 0.0)
    token, alone = ball.centre[None, :], np.ones((len(weights.value), 1, 1))
    start = exactly(token)
    if first:
        out = attend(block.attention, alone, token)
        lost = after_attention(block.attention, alone, start, weights.errors)
    else:
        assert block.feed_forward is not None
        out = feed_forward(block.feed_forward, token)
        lost = after_feed_forward(block.feed_forward, start, weights.errors, tokens=1)
    residual = block.residual_scale("1" if first else "2")
    centre = (residual * token + out)[0]
    error = float(after_sum(start, lost, factor=residual, like=token).error)
    spread = (ball.radius * (abs(residual) + change.lipschitz) + error) * (1 + 8 * EPS)
    length = shortest(norm, centre, error, ball.radius, residual, change)
    return through_norm(norm, centre, spread, length)


def _attention_change(block: Block, weights: _Weights) -> Change:
    value, output = block.attention.value, block.attention.output
    size = np.linalg.norm(value, axis=(-2, -1))
    inner = 0
    if output is not None:
        size, inner = size * np.linalg.norm(output, axis=(-2, -1)), value.shape[-1]

    def forth(e: Floats) -> Floats:
        return np.asarray(value @ (e if output is None else (output @ e)[..., None])).reshape(
            len(value), -1
        )

    def back(images: Floats) -> Floats:
        rows = images[:, None, :] @ value
        return np.asarray((rows if output is None else rows @ output).sum(axis=0)[0])

    steps = value.shape[-2] + inner + len(value)
    return Change(forth, back, float(weights.value.sum()) * (1 + 8 * EPS), float(size.sum()), steps)


def _ffn_change(block: Block, weights: _Weights) -> Change:
    """phi(x W_in + b) moves by at most c |W_in| R, in any direction."""
    assert block.feed_forward is not None
    out = weights.first * block.feed_forward.weight_out
    size = float(np.linalg.norm(out))
    return Change(
        lambda e: (out @ e)[None, :],
        lambda images: np.asarray(images[0] @ out),
        weights.ffn,
        size,
        out.shape[-1] + 1,
    )


def _shortest_token(block: Block, ball: Ball) -> float:
    """Return a length that no token in the ball, or that the last norm puts out, is below."""
    norm = block.norm_2 if block.feed_forward is not None else block.norm_1
    d = ball.centre.size
    centre = float(np.linalg.norm(ball.centre))
    least = centre * (1 - (d + 4) * EPS) - ball.radius if ball.bounded else 0.0
    if norm.kind != "none" and norm.fixed_std is None and norm.eps == 0:
        gain = 1.0 if norm.gain is None else float(np.abs(norm.gain).min())
        shift = 0.0 if norm.shift is None else float(np.linalg.norm(norm.shift))
        shift *= 1 + (d + 4) * EPS
        least = max(least, gain * d**0.5 / norm.tau * (1 - 8 * EPS) - shift)
    return max(0.0, least)


def _kept_token(block: Block, weights: _Weights) -> float:
    """Bound from below the length of the token that a contraction keeps, if the block is one.

    Only with norms that divide by constants, or without: the farthest token's distance to the
    kept one x changes by at most q, and |x| >= |p| - |F(p) - p| / (1 - q) for any token p.
    """
    d = block.attention.value.shape[-2]
    both: Sequence[Norm] = (block.norm_1, block.norm_2)
    q = abs(block.residual_scale("1")) + float(weights.value.sum())
    if block.feed_forward is not None:
        q *= abs(block.residual_scale("2")) + weights.ffn
    for norm in both if block.feed_forward is not None else both[:1]:
        if norm.kind != "none" and norm.fixed_std is None:
            return 0.0
        if norm.fixed_std is not None:
            q *= largest_gain(norm) / (norm.tau * norm.fixed_std)
    q *= 1 + 60 * EPS
    if not q < 1:
        return 0.0
    token, alone = np.zeros((1, d)), np.ones((len(weights.value), 1, 1))
    step = apply_block(block, token, adjacency=alone)
    for _ in range(_STEPS):
        if np.linalg.norm(step.output - token) <= EPS * np.linalg.norm(token):
            break
        token = step.output
        step = apply_block(block, token, adjacency=alone)
    lost = float(block_rounding(block, token, step, np.zeros(())))
    gap = (float(np.linalg.norm(step.output - token)) + lost) * (1 + (d + 4) * EPS)
    length = float(np.linalg.norm(token)) * (1 - (d + 4) * EPS)
    return float(max(0.0, length - gap / (1 - q) * (1 + 4 * EPS)))
