"""Each term of Lanczos' bounds against the error that needs it, as large as may be."""

import numpy as np
import pytest

from tests.test_theory.helpers.exact import Floats
from theory.spectra.enclosures import Enclosure, Sums, enclose, gamma, sums
from theory.spectra.lanczos import Krylov, lanczos, refine

ONE = np.ones(1)
UNIT = 2.0**-53


def known_of(matrix: Floats, *, skew: float = 0.0) -> Enclosure:
    values = np.linalg.eigvalsh(matrix)
    square = np.linalg.norm(matrix) ** 2 + skew**2
    defect = max(0.0, -float(values[0])) * ONE
    found = Sums(square * ONE, np.trace(matrix) * ONE)
    return enclose(found, skew * ONE, defect, n=len(matrix), unit=0.0)


def krylov_of(matrix: Floats, k: int, *, loss: float = 0.0) -> Krylov:
    """Return what Lanczos says of a matrix given in the basis that it would find.

    Its leading k x k part is taken as T with what stands beside the three diagonals; the next
    entry couples it to the rest.
    """
    parts = np.tril(matrix[:k, :k])
    lengths = np.asarray([matrix[j + 1, j] for j in range(k)])
    return Krylov(parts[None], lengths[None], np.zeros((1, k)), loss * ONE, k * ONE)


def coupled(k: int, n: int, *, seed: int = 0, rest: float = 1.0) -> Floats:
    """Return a semidefinite matrix (n, n), tridiagonal in its first k + 1 rows."""
    rng = np.random.default_rng(seed)
    matrix = np.zeros((n, n))
    for j in range(k):
        matrix[j, j + 1] = matrix[j + 1, j] = rng.uniform(0.3, 1)
    matrix[np.arange(n), np.arange(n)] = np.where(np.arange(n) < k, 3.0, rest)
    block = rng.standard_normal((n - k, n - k))
    matrix[k:, k:] = rest * block @ block.T / (n - k)
    least = np.linalg.eigvalsh(matrix)[0]
    found: Floats = matrix + max(0.0, -least) * np.eye(n)
    return found


def assert_inside(found: Enclosure, wanted: float) -> None:
    few = 1e-9 * (1 + abs(wanted))
    assert found.lower[0] - few <= wanted <= found.upper[0] + few


@pytest.mark.parametrize("rest", [0.3, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_without_errors_the_ends_are_those_of_the_two_small_problems(k: int, rest: float) -> None:
    for seed in range(4):
        matrix = coupled(k, 7, seed=seed, rest=rest)
        known, found = known_of(matrix), krylov_of(matrix, k)
        narrowed = refine(known, found, n=7, unit=0.0)
        assert_inside(narrowed, float(np.linalg.eigvalsh(matrix)[-1]))
        inner = matrix[:k, :k]
        least = float(np.linalg.eigvalsh(inner)[-1])
        assert narrowed.lower[0] == pytest.approx(max(least, float(known.lower[0])), rel=1e-9)
        left = (matrix**2).sum() - (inner**2).sum() - 2 * matrix[k, k - 1] ** 2
        trace, m = np.trace(matrix[k:, k:]), 7 - k
        beyond = trace / m + np.sqrt((m - 1) / m * max(left - trace**2 / m, 0))
        beyond = min(beyond, trace)
        bordered = np.pad(inner, (0, 1))
        bordered[k, k - 1] = bordered[k - 1, k] = matrix[k, k - 1]
        bordered[k, k] = beyond
        most = float(np.linalg.eigvalsh(bordered)[-1])
        assert narrowed.upper[0] == pytest.approx(min(most, float(known.upper[0])), rel=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("n", [5, 9])
def test_rounding_as_large_as_the_products_allow_is_inside(n: int, sign: int) -> None:
    k, unit = 2, 1e-4
    matrix = coupled(k, n, rest=0.2)
    known = known_of(matrix)
    most = k**0.5 * (gamma(n, unit) + 4 * (k + 5) ** 1.5 * unit) * float(known.size[0])
    values, vectors = np.linalg.eigh(matrix[:k, :k])
    told = matrix.copy()
    told[:k, :k] += sign * most * np.outer(vectors[:, -1], vectors[:, -1])
    narrowed = refine(known, krylov_of(told, k), n=n, unit=unit)
    assert_inside(narrowed, float(np.linalg.eigvalsh(matrix)[-1]))
    assert_inside(narrowed, float(values[-1]))
    plain = refine(known, krylov_of(matrix, k), n=n, unit=0.0)
    coarse = refine(known, krylov_of(matrix, k), n=n, unit=unit)
    assert plain.lower[0] - coarse.lower[0] == pytest.approx(1.01 * most, rel=1e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_coefficients_beside_the_three_diagonals_are_counted(k: int) -> None:
    n = k + 2
    matrix = np.zeros((n, n))
    matrix[:k, :k] = 1  # its tridiagonal part has a norm below 3
    matrix += 1e-3 * np.eye(n)
    known, found = known_of(matrix), krylov_of(matrix, k)
    narrowed = refine(known._replace(upper=9 * ONE), found, n=n, unit=0.0)
    assert_inside(narrowed, float(np.linalg.eigvalsh(matrix)[-1]))
    beside = np.tril(matrix[:k, :k], -2)
    off = 1.01 * np.linalg.norm(beside)
    three = matrix[:k, :k] - beside - beside.T
    least = float(np.linalg.eigvalsh(three)[-1]) - off
    alone = refine(known._replace(lower=-9 * ONE), found, n=n, unit=0.0)
    assert alone.lower[0] == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("which", ["unequal", "dropped", "skew"])
@pytest.mark.parametrize("size", [0.05, 0.5])
def test_whatever_lanczos_missed_lowers_the_lower_end_by_as_much(which: str, size: float) -> None:
    matrix = coupled(3, 6)
    known = known_of(matrix, skew=size if which == "skew" else 0.0)._replace(lower=-9 * ONE)
    exact = refine(known_of(matrix)._replace(lower=-9 * ONE), krylov_of(matrix, 3), n=6, unit=0.0)
    found = krylov_of(matrix, 3)
    if which == "unequal":
        found.parts[0, 1, 0] += size
    if which == "dropped":
        found.dropped[0, 1] = size
    narrowed = refine(known, found, n=6, unit=0.0)
    assert exact.lower[0] - narrowed.lower[0] == pytest.approx(1.01 * size, rel=1e-6)
    assert narrowed.upper[0] >= exact.upper[0] + 2**0.5 * 1.01 * size - 1e-9 or (
        narrowed.upper[0] == known.upper[0]
    )


def test_vectors_that_are_not_orthonormal_cost_their_loss_times_the_norms() -> None:
    k, n = 2, 6
    matrix = coupled(k, n)
    known = known_of(matrix)._replace(lower=-9 * ONE)
    plain = refine(known, krylov_of(matrix, k), n=n, unit=0.0)
    for loss in (0.01, 0.1):
        found = refine(known, krylov_of(matrix, k, loss=loss), n=n, unit=0.0)
        inner = (matrix[:k, :k] ** 2).sum() + matrix[k, k - 1] ** 2
        off = 1.01 * loss * (np.sqrt(inner) + float(known.upper[0]))
        assert plain.lower[0] - found.lower[0] == pytest.approx(off, rel=1e-6)
        skewed = known._replace(skew=0.1 * ONE)
        both = refine(skewed, krylov_of(matrix, k, loss=loss), n=n, unit=0.0)
        assert found.lower[0] - both.lower[0] == pytest.approx(1.01 * 0.1 * (1 + loss), rel=1e-5)
    hopeless = refine(known, krylov_of(matrix, k, loss=0.6), n=n, unit=0.0)
    assert hopeless.upper == known.upper
    assert hopeless.lower == -known.defect


@pytest.mark.parametrize("size", [0.02, 0.2])
def test_the_rest_may_be_larger_by_what_is_not_known_of_it(size: float) -> None:
    """The rest is one number, known by trace and squares only: both are off by as much as told."""
    k, n = 1, 3
    matrix = np.diag([3.0, 2.0, 2.0])
    matrix[0, 1] = matrix[1, 0] = 0.5
    told = matrix.copy()
    told[0, 0] = 3.0 + size  # then trace and squares of the rest seem smaller
    found = krylov_of(told, k)
    found.dropped[0, 0] = size
    wide = known_of(matrix)._replace(upper=99 * ONE)
    narrowed = refine(wide, found, n=n, unit=0.0)
    assert_inside(narrowed, float(np.linalg.eigvalsh(matrix)[-1]))
    off = 1.01 * (size + 0.0)
    whole = told[0, 0] ** 2 + 2 * 0.25
    left = (matrix**2).sum() - whole + 2 * (2 * whole) ** 0.5 * off
    least, most = (np.trace(matrix) - told[0, 0] + s * off for s in (-1, 1))
    trace = min(max(left**0.5, least), most)
    beyond = trace / 2 + np.sqrt(max(left - trace**2 / 2, 0) / 2)
    border = np.asarray([[told[0, 0], 0.5], [0.5, min(beyond, most)]])
    wanted = float(np.linalg.eigvalsh(border)[-1]) + 2**0.5 * off
    assert narrowed.upper[0] == pytest.approx(wanted, rel=1e-6)


def test_a_defect_lets_one_eigenvalue_exceed_the_trace_of_the_rest() -> None:
    matrix = np.diag([0.5, 3.0, -1.0, -1.0])
    matrix[0, 1] = matrix[1, 0] = 0.1
    known = known_of(matrix)._replace(upper=99 * ONE)
    narrowed = refine(known, krylov_of(matrix, 1), n=4, unit=0.0)
    assert_inside(narrowed, float(np.linalg.eigvalsh(matrix)[-1]))
    assert narrowed.upper[0] <= 3.3


def test_no_steps_change_nothing() -> None:
    known = known_of(np.eye(3))
    nothing = Krylov(np.zeros((1, 0, 0)), *(np.zeros((1, 0)),) * 2, 0 * ONE, 0 * ONE)
    assert refine(known, nothing, n=3, unit=0.0) is known


def by_definition(matrix: Floats, k: int) -> tuple[list[float], list[float]]:
    """Return Lanczos' diagonal and lengths from the same start, in extended precision."""
    n = len(matrix)
    golden = (5**0.5 - 1) / 2
    start = np.cos(2 * np.pi * np.fmod((np.arange(n) + 0.5) ** 2 * golden, 1.0))
    basis, wide = [start.astype(np.longdouble)], matrix.astype(np.longdouble)
    basis[0] /= np.sqrt(basis[0] @ basis[0])
    diagonal, lengths = [], []
    for _ in range(k):
        image = wide @ basis[-1]
        diagonal.append(float(image @ basis[-1]))
        for _ in range(2):
            for vector in basis:
                image = image - (image @ vector) * vector
        lengths.append(float(np.sqrt(image @ image)))
        basis.append(image / np.sqrt(image @ image))
    return diagonal, lengths


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "k"), [(6, 1), (6, 4), (30, 5)])
def test_lanczos_finds_the_tridiagonal_form_from_its_start(n: int, k: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    root = rng.standard_normal((n, n))
    matrix = (root @ root.T).astype(dtype)
    found = lanczos(matrix[None], sums(matrix[None]), k)
    diagonal, lengths = by_definition(matrix, k)
    few, unit = {"float32": (3e-5, 2.0**-24), "float64": (1e-13, UNIT)}[dtype]
    size = np.linalg.norm(matrix)
    assert np.abs(np.diagonal(found.parts[0]) - diagonal).max() <= few * size
    assert np.abs(found.lengths[0] - lengths).max() <= few * size
    beside = np.diagonal(found.parts[0], -1)
    assert np.abs(beside - found.lengths[0, :-1]).max(initial=0) <= few * size
    assert (found.dropped == 0).all()
    assert found.used == k
    least = (k + 1) * n * unit
    assert least <= found.loss[0] <= 3 * least + 40 * (k + 1) * unit


def test_a_space_that_is_complete_ends_with_vectors_of_zeros() -> None:
    rng = np.random.default_rng(3)
    root = rng.standard_normal((8, 2))
    matrix = root @ root.T
    found = lanczos(matrix[None], sums(matrix[None]), 5)
    used = int(found.used[0])
    assert used == 3
    assert (found.lengths[0, used - 1 :] == 0).all()
    assert 0 < found.dropped[0, used - 1] <= 4 * 8 * UNIT * np.linalg.norm(matrix)
    assert found.loss[0] <= 1e-13
    narrowed = refine(known_of(matrix), found, n=8, unit=UNIT)
    wanted = float(np.linalg.eigvalsh(matrix)[-1])
    assert narrowed.lower[0] <= wanted <= narrowed.upper[0]
    assert narrowed.upper[0] - narrowed.lower[0] <= 1e-5 * wanted


def test_no_more_steps_than_dimensions_less_one() -> None:
    found = lanczos(np.eye(3)[None] + 1, sums(np.eye(3)[None] + 1), 7)
    assert found.lengths.shape == (1, 2)


def test_a_loss_of_orthogonality_is_measured() -> None:
    """Where the image is dropped or not by a hair, the vector after is rounding only."""
    matrix = np.diag(np.concatenate([np.ones(4), 1 + 1e-13 * np.arange(4)]))
    found = lanczos(matrix[None], sums(matrix[None]), 4)
    narrowed = refine(known_of(matrix), found, n=8, unit=UNIT)
    assert narrowed.lower[0] <= 1 + 3e-13 <= narrowed.upper[0]
