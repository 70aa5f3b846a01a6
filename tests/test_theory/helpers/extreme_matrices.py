"""Matrices at the ends of a dtype's range: subnormal, huge, and both in one, column by column."""

import hypothesis.strategies as st
import mpmath as mp
import numpy as np

from tests.test_theory.helpers import exact
from theory.arrays import Array


@st.composite
def extremes(draw: st.DrawFn, dtype: str, *, square: bool = False) -> Array:
    """Draw (p, q) of small whole numbers times a power of two for each column.

    Rows may be equal but for few of the smallest numbers: then what is left of them is subnormal.
    """
    info = np.finfo(dtype)
    least, most = int(np.log2(float(info.smallest_subnormal))), int(info.maxexp) - 8
    p = draw(st.integers(1, 4))
    q = p if square else draw(st.integers(1, 4))
    power = st.sampled_from([least, least, least // 2, 0, most // 2, most])
    entries = draw(st.lists(st.integers(-9, 9), min_size=p * q, max_size=p * q))
    columns = draw(st.lists(power | st.integers(least, most), min_size=q, max_size=q))
    matrix = np.reshape(np.asarray(entries, dtype=float), (p, q))
    if draw(st.booleans()):
        matrix = matrix[:1] + matrix % 2 * 2.0 ** -draw(st.integers(0, 20))
    result: Array = np.ldexp(matrix, columns).astype(dtype)
    return result


def norm(matrix: Array, *, centred: bool) -> mp.mpf:
    """Return the spectral norm to 60 digits, of the rows minus their mean if ``centred``."""
    if not centred:
        return exact.singular_values(matrix)[0]
    rows = exact.residual(exact.rows_of(matrix))
    tall = mp.matrix(rows) if len(rows) >= len(rows[0]) else mp.matrix(rows).T
    return max(mp.svd_r(tall, compute_uv=False))
