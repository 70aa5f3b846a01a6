"""Do the parts behind attention bound what they are to bound, each one needed?"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import Floats
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.local.ellipsoids import attention_jacobian, ellipsoid
from theory.local.enclosed import enclosed
from theory.local.hearing import directed, scores_of, squares_of
from theory.local.listening import moves
from theory.local.passes import backward, forward
from theory.local.token import Left, left_out, stages

_N, _D = 4, 10


@dataclass(frozen=True)
class _Case:
    """A block, what was left out in a direction and as a length, and what was allowed."""

    along: Floats
    lengths: Floats
    heard: float
    left: list[Left]

    @property
    def allowed(self) -> float:
        parts = sum(each.second + each.mixed + each.third for each in self.left)
        return self.heard + parts


def _case(block: Block, seed: int, radius: float, *, samples: int) -> _Case:
    """Look behind a random direction, not that of the deviation, which bends one way mostly."""
    tokens, direction = random_tokens(seed, _N, _D), random_tokens(seed + 9, _N, _D)
    ffn, attention = block.feed_forward, block.attention
    assert ffn is not None
    assert attention.query is not None
    assert attention.key is not None
    at = forward(block, tokens)
    back = backward(block, at, enclosed(direction))
    lengths, squares = np.linalg.norm(tokens, axis=1), squares_of(at)
    prepared = [
        stages(ffn, at, back, ellipsoid(attention_jacobian(at, i), lengths), squares, i)
        for i in range(_N)
    ]
    how = moves(scores_of(attention.query, attention.key, at, attention.score_scale), radius)
    left = [left_out(ffn, at, back, each, how) for each in prepared]
    heard = float(directed(at, back.after_attention).remainder(how).sum())
    start, step = apply_block(block, tokens).output, 1e-5
    rng, along, sizes = np.random.default_rng(1), [], []
    for _ in range(samples):
        change = rng.standard_normal(tokens.shape)
        change *= radius * lengths[:, None] / np.linalg.norm(change, axis=1, keepdims=True)
        rest = apply_block(block, tokens + change).output - start
        along.append(float(np.sum(rest * direction) - np.sum(change * back.tokens.mid)))
        ends = [apply_block(block, tokens + s * step / radius * change).output for s in (1, -1)]
        sizes.append(np.linalg.norm(rest - (ends[0] - ends[1]) * radius / (2 * step), axis=1))
    return _Case(np.array(along), np.array(sizes), heard, left)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", [1e-3, 5e-3])
def test_what_is_left_out_is_within_its_bounds(seed: int, radius: float) -> None:
    block = random_block(seed, d=_D, f=12, eps=1e-5, kind="rms" if seed == 2 else "layer")
    case = _case(block, seed, radius, samples=60)
    assert (case.along <= case.allowed + 1e-11).all()
    assert (case.lengths <= np.array([each.length for each in case.left]) + 1e-8).all()
    assert case.along.max() > 0, "no sample has anything to be bounded"


def test_behind_idle_attention_the_second_order_is_needed_and_nearly_reached() -> None:
    """Without values only norms and GELU bend; nothing else could cover for their form."""
    shares, needed = [], False
    for seed in range(3):
        block = random_block(seed, d=_D, f=12, eps=1e-5)
        idle = replace(block.attention, value=0 * block.attention.value)
        case = _case(replace(block, attention=idle), seed, 1e-3, samples=150)
        assert (case.along <= case.allowed + 1e-11).all()
        assert case.heard < 1e-9
        second = sum(each.second for each in case.left)
        shares.append(float(case.along.max()) / second)
        needed |= bool(case.along.max() > case.allowed - second)
    assert needed, "the second order could be dropped"
    assert max(shares) > 0.1
