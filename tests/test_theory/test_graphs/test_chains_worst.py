"""Walks whose classes, periods and spectra are known, and rates that are reversible by a hair."""

import numpy as np
import pytest

from theory.arrays import Array, InputError
from theory.graphs import chains
from theory.graphs.chains import (
    closed_classes,
    periods,
    radius,
    spectral_gap,
    spectrum,
    stationary_distributions,
)

EPS = 2.0**-52


def walk(weights: object) -> Array:
    found = np.asarray(weights, dtype=float)
    return found / found.sum(axis=-1, keepdims=True)


def ring(n: int) -> Array:
    return np.roll(np.eye(n), 1, axis=1)


TWO_ENDS = walk([[1, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 1]])


def test_closed_classes_and_those_who_leave() -> None:
    found = closed_classes(TWO_ENDS)
    assert found.closed == ((0,), (3,))
    assert found.transient == (1, 2)
    pair = walk([[0, 1, 0], [1, 0, 0], [1, 1, 1]])
    assert closed_classes(pair) == (((0, 1),), (2,))
    assert closed_classes(np.asarray([[True, False], [False, True]])).closed == ((0,), (1,))
    with pytest.raises(InputError, match="token 1 has none"):
        closed_classes(np.asarray([[True, False], [False, False]]))


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_period_of_a_ring_is_its_length(n: int) -> None:
    assert periods(ring(n)) == (n,)
    lazy = walk(ring(n) + np.eye(n))
    assert periods(lazy) == (1,)
    assert spectral_gap(ring(n)) == (1.0 if n == 1 else 0.0)


def test_the_period_is_that_of_all_loops_together() -> None:
    loops = walk([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0]])  # lengths 4 and 2
    assert periods(loops) == (2,)
    odd = walk([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1], [1, 0, 0, 0]])  # lengths 3 and 4
    assert periods(odd) == (1,)


def test_the_radius_is_taken_against_the_edges() -> None:
    assert radius(np.tril(np.ones((4, 4)))) == 1
    assert radius(np.eye(1)) == 0
    assert radius(np.eye(2)) is None
    chain = np.eye(5) + np.eye(5, k=-1)
    assert radius(chain) == 4
    assert radius(ring(5)) == 4
    middle = np.asarray([[0.0, 1, 0], [0, 1, 0], [0, 1, 0]])
    assert radius(middle) == 1
    assert radius(0 * middle) is None


def test_stationary_distributions_are_exact_to_their_last_digits() -> None:
    found = stationary_distributions(TWO_ENDS)
    np.testing.assert_array_equal(found, [[1, 0, 0, 0], [0, 0, 0, 1]])
    for size in (0.5, 1e-3, 1e-12):
        given = np.asarray([[1 - size, size, 0], [0.25, 0.5, 0.25], [0, 0.5, 0.5]])
        wanted = np.asarray([0.25, size, size / 2])
        np.testing.assert_allclose(
            stationary_distributions(given)[0], wanted / wanted.sum(), rtol=1e-14
        )
    rng = np.random.default_rng(1)
    given = walk(rng.random((6, 6)))
    pi = stationary_distributions(given)[0]
    np.testing.assert_allclose(pi @ given, pi, rtol=1e-13)
    assert pi.sum() == pytest.approx(1, rel=1e-14)
    assert (pi > 0).all()


def test_a_walk_too_small_to_divide_by_is_refused() -> None:
    least = 5e-324
    given = np.asarray([[0.5, 0.5, 0], [0, 0.5, 0.5], [least, 0, 1.0]])
    with pytest.raises(InputError, match=r"the smallest is 4\.94e-324"):
        stationary_distributions(given)


def test_the_spectrum_is_that_of_the_classes() -> None:
    np.testing.assert_allclose(spectrum(TWO_ENDS), [1, 1, 0.5, -0.5], atol=1e-15)
    causal = walk(np.tril(np.ones((4, 4))))
    np.testing.assert_array_equal(spectrum(causal), [1, 1 / 2, 1 / 3, 1 / 4])
    three = spectrum(ring(3))
    np.testing.assert_allclose(np.abs(three), 1)
    np.testing.assert_allclose(np.sort_complex(three**3), 1)
    # Of one modulus, the larger real part comes first, then the larger imaginary one.
    both = np.zeros((4, 4))
    both[:2, :2] = both[2:, 2:] = ring(2)
    np.testing.assert_array_equal(spectrum(both), [1, 1, -1, -1])
    turning = spectrum(walk([[0, 3, 1], [1, 0, 3], [3, 1, 0]]))
    assert turning[1] == np.conj(turning[2])
    assert turning[1].imag > 0


def test_the_gap_is_one_less_the_second_modulus() -> None:
    assert spectral_gap(walk(np.tril(np.ones((4, 4))))) == 0.5
    negative = np.asarray([[0.1, 0.9], [0.9, 0.1]])
    assert spectral_gap(negative) == pytest.approx(0.2)
    assert spectral_gap(TWO_ENDS) == 0
    assert spectral_gap(np.ones((1, 1))) == 1
    assert spectral_gap(walk(np.ones((3, 3)))) == pytest.approx(1)


def cyclic(drift: float) -> Array:
    """Return a walk on three tokens that goes round by a share of ``drift`` more than back."""
    weights = np.ones((3, 3))
    for i in range(3):
        weights[i, (i + 1) % 3] += drift
    return weights / weights.sum(axis=-1, keepdims=True)


def is_reversible(given: Array, *, rounding: float = EPS, normal: float = 2.3e-308) -> bool:
    return chains._is_reversible(given, rounding=rounding, normal=normal)


def test_a_walk_is_reversible_to_rounding_and_not_beyond() -> None:
    edge = 2 * EPS * (1 + np.log(3))
    allowed = 3 * edge
    assert is_reversible(cyclic(0.0))
    assert not is_reversible(cyclic(3 * allowed))
    assert is_reversible(cyclic(0.2 * allowed))
    assert not is_reversible(cyclic(-3 * allowed))
    coarse = 2.0**-23
    assert is_reversible(cyclic(0.3 * 3 * 2 * coarse * 2.1), rounding=coarse)
    assert not is_reversible(cyclic(3 * 3 * 2 * coarse * 2.1), rounding=coarse)
    assert np.iscomplexobj(spectrum(cyclic(1e-12)))
    assert not np.iscomplexobj(spectrum(cyclic(0.0)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("steep", [1.0, 40.0])
def test_symmetric_weights_give_real_spectra_however_steep(seed: int, steep: float) -> None:
    rng = np.random.default_rng(seed)
    n = 4 + 5 * seed
    weights = np.exp(steep * rng.standard_normal((n, n)))
    given = walk(weights + weights.T)
    assert is_reversible(given)
    values = spectrum(given)
    assert not np.iscomplexobj(values)
    assert values.max() == pytest.approx(1, rel=1e-12)
    path = np.eye(n, k=1) + np.eye(n, k=-1)
    assert is_reversible(walk(path * np.maximum(weights, weights.T)))
    single = walk(weights + weights.T).astype(np.float32)
    assert is_reversible(single.astype(float), rounding=2.0**-23) or steep > 1


def test_each_part_of_the_allowance_counts() -> None:
    """A steep walk: logarithms up to 200 round by 200 eps, and so may its entries."""
    steep = 1e-80
    base = np.asarray([[1.0, steep, steep], [steep, 1.0, steep], [steep, steep, 1.0]])
    logs = abs(np.log(steep))
    for share, wanted in ((0.3, True), (4.0, False)):
        given = base.copy()
        given[0, 1] *= 1 + share * 3 * 2 * EPS * (1 + logs)
        assert is_reversible(given) == wanted
    n = 60
    ladder = np.exp(-10.0 * np.arange(n - 1))
    up, down = np.diag(ladder, 1) * 0.3, np.diag(np.full(n - 1, 0.3), -1)
    chain = up + down
    chain += np.diag(1 - chain.sum(axis=-1))
    chain[chain < 1e-300] = 0
    assert is_reversible(walk(chain)) == bool((chain > 0).sum() == (chain.T > 0).sum())


def test_the_sums_along_a_long_path_round_by_their_own_size() -> None:
    """Along a path the potential reaches 400 logarithms, with steps of 1e-3 only."""
    n = 400
    up = np.full(n - 1, 0.45)
    down = np.full(n - 1, 0.45 * np.exp(-1.5))
    chain = np.diag(up, 1) + np.diag(down, -1)
    chain[0, 0] = 0.55
    loops = chain.copy()
    far = 3 * EPS * n * 1.5  # what summing the potential of one way round may have lost
    loops[0, 2] = loops[2, 0] = 0.01
    loops[2, 0] *= np.exp(-3.0)
    loops[0, 2] *= 1 + far
    assert is_reversible(loops)


def test_subnormal_entries_or_one_way_edges_are_not_called_reversible() -> None:
    small = np.asarray([[1.0, 1e-310], [1e-310, 1.0]])
    assert not is_reversible(small)
    assert is_reversible(small, normal=1e-311)
    assert not is_reversible(walk([[1, 1, 0], [0, 1, 1], [1, 0, 1]]))
