"""Which matrices are hard to bracket? Batches of them, each kind by its name."""

from collections.abc import Callable

import numpy as np

from tests.test_theory.helpers.exact import Floats
from theory.arrays import Array
from theory.spectra.brackets import Bracket
from theory.spectra.norms import coupling, coupling_error, spectral_norm, spectral_norm_error

Generator = np.random.Generator


def softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result


def _permutations(rng: Generator, b: int, n: int) -> Floats:
    result: Floats = np.eye(n)[rng.permuted(np.tile(np.arange(n), (b, 1)), axis=1)]
    return result


def _near_permutation(rng: Generator, b: int, n: int) -> Floats:
    sharpness = rng.uniform(4, 30, (b, 1, 1))
    return softmax(sharpness * _permutations(rng, b, n) + rng.standard_normal((b, n, n)) / 2)


def _two_hubs(rng: Generator, b: int, n: int) -> Floats:
    scores = 0.3 * rng.standard_normal((b, n, n))
    scores[:, : n // 2, 0] += rng.uniform(2, 40, (b, 1))
    scores[:, n // 2 :, -1] += rng.uniform(2, 40, (b, 1))
    return softmax(scores)


def _sinks(rng: Generator, b: int, n: int) -> Floats:
    scores = rng.standard_normal((b, n, n))
    scores[..., 0] += rng.uniform(0, 12, (b, 1))
    return softmax(scores)


def _near_uniform(rng: Generator, b: int, n: int) -> Floats:
    return softmax(10.0 ** -rng.uniform(0, 20, (b, 1, 1)) * rng.standard_normal((b, n, n)))


def _any_temperature(rng: Generator, b: int, n: int) -> Floats:
    return softmax(10.0 ** rng.uniform(-2, 2, (b, 1, 1)) * rng.standard_normal((b, n, n)))


def _causal(rng: Generator, b: int, n: int) -> Floats:
    allowed = np.tri(n, dtype=bool)
    return softmax(np.where(allowed, rng.standard_normal((b, n, n)), -np.inf))


def _local(rng: Generator, b: int, n: int) -> Floats:
    apart = np.arange(n)[:, None] - np.arange(n)
    return softmax(-0.5 * apart**2 + 0.3 * rng.standard_normal((b, n, n)))


def _identical_rows(rng: Generator, b: int, n: int) -> Floats:
    row = softmax(rng.standard_normal((b, 1, n)))
    result: Floats = np.repeat(row, n, axis=1)
    return result


def _two_kinds_of_rows(rng: Generator, b: int, n: int) -> Floats:
    rows = softmax(3 * rng.standard_normal((b, 2, n)))
    result: Floats = rows[:, rng.integers(2, size=n)]
    return result


def _low_rank(rng: Generator, b: int, n: int) -> Floats:
    rank = int(rng.integers(1, 5))
    return rng.standard_normal((b, n, rank)) @ rng.standard_normal((b, rank, n))


def _gaussian(rng: Generator, b: int, n: int) -> Floats:
    return rng.standard_normal((b, n, n))


def _duplicates(rng: Generator, b: int, n: int) -> Floats:
    """Return matrices with few distinct singular values, each of high multiplicity."""
    left, right = (np.linalg.qr(rng.standard_normal((b, n, n)))[0] for _ in range(2))
    values = rng.choice([1.0, 0.999, 0.5], (b, 1, n))
    result: Floats = left * values @ right
    return result


def _graded(rng: Generator, b: int, n: int) -> Floats:
    scale = 10.0 ** -np.linspace(0, 12, n)
    return rng.standard_normal((b, n, n)) * scale


KINDS: dict[str, Callable[[Generator, int, int], Floats]] = {
    "permutations": _permutations,
    "near permutations": _near_permutation,
    "two hubs": _two_hubs,
    "sinks": _sinks,
    "near uniform": _near_uniform,
    "any temperature": _any_temperature,
    "causal": _causal,
    "local": _local,
    "identical rows": _identical_rows,
    "two kinds of rows": _two_kinds_of_rows,
    "low rank": _low_rank,
    "Gaussian": _gaussian,
    "duplicates": _duplicates,
    "graded": _graded,
}


def draw(kind: str, b: int, n: int, *, seed: int = 0, dtype: str = "float64") -> Array:
    return KINDS[kind](np.random.default_rng(seed), b, n).astype(dtype)


def violations(bracket: Bracket, matrices: Array, *, centred: bool) -> int:
    """Count brackets that LAPACK in float64, with its error bound, proves wrong.

    For matrices in float32 that is next to exact; in float64 it is blind to what is smaller than
    the error of LAPACK, a few 1e-12: there the tests with many digits have to see it.
    """
    wide = matrices.astype(np.float64)
    value, error = (
        (coupling(wide), coupling_error(wide))
        if centred
        else (spectral_norm(wide), spectral_norm_error(wide))
    )
    below = bracket.upper.astype(np.float64) < value - error
    above = bracket.lower.astype(np.float64) > value + error
    return int((below | above).sum())
