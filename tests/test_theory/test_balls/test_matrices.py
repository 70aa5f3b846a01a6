"""Eigenvalues, singular values and triangles of balls hold those of every matrix within."""

from typing import Any

import numpy as np
import pytest

from theory.arrays import UndecidedError
from theory.extended.verdicts import extended

flint = pytest.importorskip("flint")

from tests.test_theory.test_balls.test_numbers import holds  # noqa: E402  # flint is an extra
from theory.balls.library import library  # noqa: E402

RNG = np.random.default_rng(0)


def symmetric(n: int) -> Any:
    """Random and symmetric, exactly."""
    square = RNG.standard_normal((n, n))
    return square + square.T


CLOSE = np.diag([1.0, 1.0, 1 + 2.0**-50, -2.0]) + 2.0**-40 * np.ones((4, 4))
SYMMETRIC = {
    "random": symmetric(5),
    "one": np.asarray([[3.0]]),
    "twice the same": np.ones((4, 4)),
    "close": CLOSE,
    "zero": np.zeros((3, 3)),
    "huge": 2.0**600 * symmetric(4),
    "tiny": 2.0**-600 * symmetric(4),
    "diagonal": np.diag([2.0, -1.0, 5.0]),
}


@pytest.mark.parametrize("bits", [64, 256])
@pytest.mark.parametrize("kind", SYMMETRIC)
def test_eigenvalues_are_held(kind: str, bits: int) -> None:
    matrix = SYMMETRIC[kind]
    with flint.ctx.workprec(bits):
        xp = library(bits)
        found = xp.linalg.eigvalsh(xp.asarray(matrix)).data
    exact = extended(matrix, digits=120)
    wanted = exact.library.linalg.eigvalsh(exact).data
    size = float(abs(matrix).max()) + 2.0**-1000
    for ball, value in zip(found, wanted, strict=True):
        wide = flint.arb(ball) + flint.arb(0, 1) * flint.arb(size) * flint.arb(10) ** -100
        assert holds(wide, value)
        assert flint.arb(ball).rad() <= 2.0 ** (12 - bits) * size


def test_rational_eigenvalues_of_small_matrices_are_exact_with_their_multiplicities() -> None:
    xp = library(64)
    graph = (np.ones((4, 4)) + np.eye(4)) / 4
    quarter = flint.fmpq(1, 4)
    wanted = [quarter, quarter, quarter, 5 * quarter]
    assert xp.linalg.eigvalsh(xp.asarray(graph)).data.tolist() == wanted
    assert xp.linalg.svdvals(xp.asarray(np.diag([3.0, -4.0]))).data.tolist() == [4, 3]


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 4), (4, 1)])
def test_singular_values_are_held_and_those_that_vanish_are_not_negative(
    shape: tuple[int, int],
) -> None:
    xp, exact = library(128), RNG.standard_normal(shape)
    with flint.ctx.workprec(128):
        for matrix in (exact, exact[:, :1] * exact[:1, :]):
            found = xp.linalg.svdvals(xp.asarray(matrix)).data
            many = extended(matrix, digits=100)
            wanted = many.library.linalg.svdvals(many).data
            for ball, value in zip(found, wanted, strict=True):
                assert holds(flint.arb(ball) + flint.arb(0, 1e-80), value)
                assert flint.arb(ball).upper() >= 0


def test_every_matrix_within_the_balls_has_its_eigenvalues_within() -> None:
    matrix, radius = symmetric(4), 2.0**-10
    xp = library(64)
    balls = np.frompyfunc(lambda x: flint.arb(x, radius), 1, 1)(matrix)
    found = xp.linalg.eigvalsh(xp.asarray(balls)).data
    for _ in range(50):
        moved = radius * RNG.uniform(-1, 1, size=(4, 4))
        moved = np.tril(moved) + np.tril(moved, -1).T
        for ball, value in zip(found, np.linalg.eigvalsh(matrix + moved), strict=True):
            assert ball.overlaps(flint.arb(value, 1e-13))
    assert max(float(x.rad()) for x in found) < 32 * radius


def test_eigenvectors_are_held_and_of_a_cluster_only_their_norm_is_known() -> None:
    xp, matrix = library(128), symmetric(4)
    with flint.ctx.workprec(128):
        values, vectors = xp.linalg.eigh(xp.asarray(matrix))
        rest = (xp.asarray(matrix) @ vectors - vectors * values).data
        assert all(x.contains(0) and x.rad() < 1e-30 for x in rest.flat)
        same = xp.linalg.eigh(xp.asarray(np.ones((3, 3)))).eigenvectors.data
    assert all(abs(x).contains(1) for x in same[:, :2].flat), "any basis of the cluster is within"
    assert (same[:, 2] ** 2 - flint.fmpq(1, 3))[0].contains(0)
    assert same[0, 2].rad() < 1e-30


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (14, 13), (3, 3)])
def test_a_triangle_has_the_gram_matrix_of_what_it_came_from(shape: tuple[int, int]) -> None:
    xp, matrix = library(64), RNG.standard_normal(shape)
    dependent = matrix.copy()
    dependent[:, 1] = 2 * dependent[:, 0]
    dependent[:, 2] = 0
    for each in (matrix, dependent):
        r = xp.linalg.qr(xp.asarray(each)).R
        assert r.shape == (min(shape), shape[1])
        rest = (r.mT @ r - xp.asarray(each.T) @ xp.asarray(each)).data
        assert all(flint.arb(x).contains(0) for x in rest.flat)
        assert max(float(flint.arb(x).rad()) for x in rest.flat) < 1e-10
        assert all(x == 0 for x in xp.tril(r, k=-1).data.flat)


def test_of_a_matrix_of_which_nothing_is_known_nothing_is_said() -> None:
    xp = library(64)
    unknown = xp.asarray(np.full((2, 2), flint.arb.nan()))
    with pytest.raises(UndecidedError):
        xp.linalg.eigvalsh(unknown)
