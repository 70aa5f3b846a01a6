"""Is attention's remainder within its bound, in one direction and any, and each term needed?"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.arrays import Floats
from theory.blocks.forward import attend, attention_adjacency
from theory.blocks.weights import Attention
from theory.local.ellipsoids import attention_jacobian, ellipsoid
from theory.local.enclosed import enclosed
from theory.local.hearing import directed, scores_of, squares_of, undirected
from theory.local.listening import Moves, moves
from theory.local.passes import Forward, forward

_RADII = (1e-3, 0.02, 0.2)


@dataclass(frozen=True)
class _Case:
    attention: Attention
    at: Forward
    tokens: Floats
    directions: Floats


def _case(seed: int) -> _Case:
    block = random_block(seed, d=8, heads=2)
    tokens = random_tokens(seed, 5, 8)
    directions = random_tokens(seed + 50, 5, 8)
    return _Case(block.attention, forward(block, tokens), tokens, directions)


def _summed(attention: Attention, tokens: Floats) -> Floats:
    found: Floats = tokens + attend(attention, attention_adjacency(attention, tokens), tokens)
    return found


def _remainders(case: _Case, radius: float) -> Floats:
    """Return what the linear part leaves out, for many changes in the balls: (c, n, d)."""
    rng = np.random.default_rng(9)
    jacobian = np.stack([attention_jacobian(case.at, i).mid for i in range(len(case.tokens))])
    start, found = _summed(case.attention, case.tokens), []
    lengths = np.linalg.norm(case.tokens, axis=1, keepdims=True)
    for trial in range(120):
        change = rng.standard_normal(case.tokens.shape)
        if trial % 3 == 0:  # along what the keys of a query look for
            asked = case.at.heads.asked.mid[0, trial % 5]
            change = asked * rng.choice([-1, 1], (5, 1)) + 1e-6 * change
        change = change / np.linalg.norm(change, axis=1, keepdims=True) * radius * lengths
        linear = np.einsum("jd,ijde->ie", change, jacobian)
        found.append(_summed(case.attention, case.tokens + change) - start - linear)
    return np.stack(found)


def _moves(case: _Case, radius: float) -> Moves:
    query, key = case.attention.query, case.attention.key
    assert query is not None
    assert key is not None
    return moves(scores_of(query, key, case.at, case.attention.score_scale), radius)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", _RADII)
def test_no_change_leaves_out_more(seed: int, radius: float) -> None:
    case = _case(seed)
    left, how = _remainders(case, radius), _moves(case, radius)
    bound = directed(case.at, enclosed(case.directions)).remainder(how)
    assert (np.abs(np.sum(left * case.directions, axis=-1)).max(axis=0) <= bound + 1e-12).all()
    squares, through = squares_of(case.at), random_tokens(seed + 80, 8, 8)
    for i in range(5):
        for last in (None, through):
            some = undirected(case.at, i, squares, None if last is None else enclosed(last))
            most = some.remainder(how.bent[:, i], how.crossed[:, i], how.carried[:, i])
            seen = left[:, i] if last is None else left[:, i] @ last
            assert np.linalg.norm(seen, axis=-1).max() <= most + 1e-12


def _alone(name: str) -> _Case:
    """Return attention of which one term matters alone, so that no other covers for it."""
    query = key = 2 * np.eye(8)[None]
    value, tokens = random_tokens(0, 1, 8, 8), random_tokens(5, 5, 8)
    if name == "carried":  # all values agree, and changes of tokens tell them apart
        value[:, 1:] = 0.0
        tokens[:, 0] = 1.0
    if name == "crossed":  # scores are zero, and their linear part too
        query, key = np.zeros((2, 1, 8, 8))
        query[0, 0, 0] = key[0, 0, 0] = 3.0
        tokens[:, 0] = 0.0
    if name == "bent":  # scores that are equal and change fast, by what values do not see
        query, key = np.zeros((2, 1, 8, 8))
        query[0, 0, 0] = key[0, 0, 0] = 8.0
        value[:, 0] = 0.0
        tokens[:, 0] = 1.0
    attention = Attention(query, key, value)
    block = replace(random_block(5, d=8, plain=True), attention=attention)
    return _Case(attention, forward(block, tokens), tokens, random_tokens(6, 5, 8))


@pytest.mark.parametrize("name", ["bent", "carried", "crossed"])
def test_a_term_that_is_dropped_is_missed(name: str) -> None:
    case, radius = _alone(name), 2e-3
    how = _moves(case, radius)
    left = np.abs(np.sum(_remainders(case, radius) * case.directions, axis=-1)).max(axis=0)
    directions = directed(case.at, enclosed(case.directions))
    assert (left <= directions.remainder(how) + 1e-12).all()
    nothing: dict[str, Any] = {name: 0 * how.bent}
    dropped = how._replace(**nothing)
    assert (left > directions.remainder(dropped) + 1e-12).any()


def test_the_jacobian_is_that_of_attention_and_the_ellipsoid_holds_its_moves() -> None:
    case = _case(1)
    lengths = np.linalg.norm(case.tokens, axis=1)
    rng, step = np.random.default_rng(2), 1e-6
    for i in range(5):
        jacobian = attention_jacobian(case.at, i)
        around = ellipsoid(jacobian, lengths)
        matrix = random_tokens(i, 8, 8)
        matrix = matrix + matrix.T
        for _ in range(20):
            change = rng.standard_normal((5, 8))
            change *= (lengths / np.linalg.norm(change, axis=1))[:, None]
            move = np.einsum("jd,jde->e", change, jacobian.mid)
            ends = [_summed(case.attention, case.tokens + s * step * change)[i] for s in (1, -1)]
            assert np.allclose((ends[0] - ends[1]) / (2 * step), move, atol=1e-7)
            assert np.linalg.norm(move) <= around.length()
            assert np.linalg.norm(move @ matrix) <= around.length(enclosed(matrix))
            assert (move @ matrix <= around.along(enclosed(matrix)) + 1e-12).all()
            assert move @ matrix @ move <= around.form(enclosed(matrix))
