"""Residual attention: do two hubs reach the bound for every n, and nothing more, turns included?"""

from dataclasses import replace

import numpy as np
import pytest

from theory.statements.evaluation import check
from theory.theorems.attention.residual import EXACT, ResidualAttention, worst_factor


def _bound(n: int, t: float) -> float:
    return float(worst_factor((2 * (n**2 // 4) / n) ** 0.5, np.float64(t)))


def _worst(hears: np.ndarray, turn: complex) -> float:
    """The norm of P (I + turn A) P, P without consensus: what V = turn does to some tokens."""
    n = len(hears)
    centred = np.eye(n) - 1 / n
    return float(np.linalg.norm(centred @ (np.eye(n) + turn * np.eye(n)[hears]) @ centred, 2))


@pytest.mark.parametrize("n", [2, 3, 4, 7, 10, 33])
@pytest.mark.parametrize("t", [0.01, 0.5, 3.0])
def test_two_hubs_reach_it_for_every_number_of_tokens(n: int, t: float) -> None:
    hubs = np.where(np.arange(n) < n // 2, 0, n - 1)
    assert _worst(hubs, t) == pytest.approx(_bound(n, t), rel=1e-12)


@pytest.mark.parametrize("n", [8, 9, 11])
def test_no_hard_attention_with_any_turn_is_worse(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(200):
        hears = rng.integers(0, rng.integers(2, n + 1), size=n)
        turn = 0.7 * np.exp(1j * rng.choice([0, np.pi, rng.uniform(0, np.pi)]))
        assert _worst(hears, turn) <= _bound(n, 0.7) * (1 + 1e-12)


def test_a_bound_that_is_a_little_smaller_is_refuted() -> None:
    smaller = replace(
        EXACT, tight=False, rhs=lambda at: EXACT.rhs(at) * (1 - 1e-6), key="a little smaller"
    )
    assert EXACT.witness is not None
    assert check(smaller, EXACT.witness()).status == "refuted"


def test_several_heads_share_one_bound() -> None:
    hears = np.eye(4)[[0, 0, 3, 3]]
    one = EXACT.witness() if EXACT.witness else None
    assert one is not None
    halves = ResidualAttention(one.tokens, np.stack([hears, hears]), np.full((2, 1, 1), 0.5))
    np.testing.assert_allclose(halves.output, one.output)
    np.testing.assert_allclose(EXACT.rhs(halves), EXACT.rhs(one))


@pytest.mark.parametrize("n", [4, 5, 64])
def test_it_is_below_the_published_coefficient(n: int) -> None:
    for t in (0.1, 1.0, 10.0):
        kappa = (2 * (n**2 // 4) / n) ** 0.5
        assert _bound(n, t) < 1 + t * kappa


def _last_step(n: int, w: float) -> float:
    """By how much the last inequality of the proof for odd n holds: see docs/proofs.md."""
    kappa = ((n - 1 / n) / 2) ** 0.5
    beta = (1 - 1 / n + (n - 1 / n) * w**2) ** 0.5 - w
    room = 4 * n / (1 + kappa) ** 2 - 2 - 2 * w**2 - beta**2
    mu = (max(room, 0.0) / (n - 3)) ** 0.5
    assert beta > mu
    return float(2 * w**2 + (beta - mu) ** 2 * (n - 3) / (n - 2) - 2 / (n**2 - 1))


def test_the_last_step_of_the_proof_for_odd_n_has_room() -> None:
    for n in range(5, 400, 2):
        for w in np.linspace(0, 1 / (n**2 - 1) ** 0.5, 50):
            assert _last_step(n, float(w)) > 0


def test_a_third_token_that_is_heard_makes_no_turn_worse() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        n, t = int(rng.integers(3, 12)), float(rng.choice([0.1, 0.5, 2.0]))
        images = rng.choice(n, 3, replace=False)
        counts = rng.multinomial(n - 3, [0.48, 0.48, 0.04]) + 1
        hears = rng.permutation(np.repeat(images, counts))
        for angle in (0.0, np.pi, rng.uniform(0, np.pi)):
            assert _worst(hears, t * np.exp(1j * angle)) < _bound(n, t)
