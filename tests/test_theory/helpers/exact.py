"""What are the measures to 60 digits? Definitions spelled out pair by pair, and awkward tokens."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeAlias

import hypothesis.strategies as st
import mpmath as mp
import numpy as np

from theory.arrays import Array, to_numpy

mp.mp.dps = 60

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
EPS = float(np.finfo(np.float64).eps)
GRAIN = 5e-324  # the smallest float64: what rounding can do to a result below the normal numbers
SCALES = (1.0, 1e300, 1e-160, 1e-300, 2.0**-1060)
DTYPES = ("float32", "float64")


@st.composite
def sentences(draw: st.DrawFn, *, least: int = 1, scaled: bool = True) -> Floats:
    """Draw tokens (n, d): whole numbers, any floats, or nearly equal ones; at any scale.

    Whole numbers bring equal tokens, zero tokens, opposite tokens and tokens that sum to zero.
    """
    n, d = draw(st.integers(least, 5)), draw(st.integers(1, 4))
    small = st.integers(-3, 3)
    kind = draw(st.sampled_from(["whole", "float", "near"]))
    entry = st.floats(-100, 100) if kind == "float" else small
    tokens = np.asarray(draw(st.lists(entry, min_size=n * d, max_size=n * d)), dtype=float)
    tokens = tokens.reshape(n, d)
    if kind == "near":
        spread = 10.0 ** -draw(st.integers(0, 16))
        tokens = np.asarray(draw(st.lists(small, min_size=d, max_size=d))) + spread * tokens
    result: Floats = tokens * (draw(st.sampled_from(SCALES)) if scaled else 1.0)
    return result


@st.composite
def lopsided(draw: st.DrawFn) -> Floats:
    """Draw tokens whose features are of very different sizes, some equal in all tokens."""
    tokens = draw(sentences(least=2, scaled=False))
    for j in range(tokens.shape[1]):
        tokens[:, j] = tokens[0, j] if draw(st.booleans()) else tokens[:, j]
        tokens[:, j] *= draw(st.sampled_from((1.0, 1e300, 1e150, 1e-150, 1e-300)))
    return tokens


def to(xp: ModuleType, array: Any, dtype: str = "float64", device: Any = None) -> Array:
    """Bring numbers or truth values to a library, dtype and device."""
    return xp.asarray(np.asarray(array), dtype=getattr(xp, dtype), device=device)


def same_place(result: Array, like: Array) -> bool:
    """Tell whether library, dtype and device were kept."""
    kept = type(result) is type(like) and result.dtype == like.dtype
    return bool(kept and result.device == like.device)


def numbers(array: Array) -> Floats:
    """Return float64 numbers on the host."""
    found: Floats = np.asarray(to_numpy(array), dtype=np.float64)
    return found


def rows_of(tokens: Floats) -> list[list[mp.mpf]]:
    return [[mp.mpf(float(x)) for x in row] for row in tokens]


def dot(x: Sequence[mp.mpf], y: Sequence[mp.mpf]) -> mp.mpf:
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))


def mean(rows: list[list[mp.mpf]]) -> list[mp.mpf]:
    return [mp.fsum(column) / len(rows) for column in zip(*rows, strict=True)]


def residual(rows: list[list[mp.mpf]]) -> list[list[mp.mpf]]:
    centre = mean(rows)
    return [[x - c for x, c in zip(row, centre, strict=True)] for row in rows]


def norm(rows: list[list[mp.mpf]]) -> mp.mpf:
    return mp.sqrt(mp.fsum(x * x for row in rows for x in row))


def distance(tokens: Floats) -> mp.mpf:
    return norm(residual(rows_of(tokens)))


def cosine(tokens: Floats) -> mp.mpf:
    """Return the mean cosine over ordered pairs, 0 for pairs with a zero token."""
    rows = rows_of(tokens)
    lengths = [mp.sqrt(dot(row, row)) for row in rows]
    total = mp.mpf(0)
    for i, x in enumerate(rows):
        for j, y in enumerate(rows):
            if i != j and lengths[i] and lengths[j]:
                total += dot(x, y) / (lengths[i] * lengths[j])
    return total / (len(rows) * (len(rows) - 1))


def singular_values(matrix: Floats) -> list[mp.mpf]:
    """Return the singular values, largest first, of a matrix with p >= q or not."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    return sorted(mp.svd_r(mp.matrix(tall.tolist()), compute_uv=False), reverse=True)
