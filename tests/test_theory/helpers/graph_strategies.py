"""Which graphs on tokens do the tests of graphs try? Awkward ones first."""

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra.numpy import arrays

from theory.arrays import Array
from theory.graphs.conversions import random_walk

WEIGHTS = st.integers(0, 9).map(float) | st.sampled_from([5e-324, 1e-300, 1e-8, 1e8, 1.7e308])


@st.composite
def masks(draw: st.DrawFn, *, min_n: int = 1, max_n: int = 6) -> Array:
    """Draw who listens to whom; a token that would listen to nobody listens to all.

    Permutations, hubs, several components, transient tokens and single tokens all occur.
    """
    n = draw(st.integers(min_n, max_n))
    mask = draw(arrays(np.bool_, (n, n)))
    mask[~mask.any(axis=-1)] = True
    return mask


@st.composite
def weights(
    draw: st.DrawFn, *, symmetric: bool = False, elements: st.SearchStrategy[float] = WEIGHTS
) -> Array:
    """Draw non-negative weights without a zero row, of scales that do not fit together."""
    n = draw(st.integers(1, 6))
    out = draw(arrays(np.float64, (n, n), elements=elements))
    if symmetric:
        out = np.maximum(out, out.T)
    lonely = np.flatnonzero(~out.any(axis=-1))
    out[lonely, lonely] = 1.0
    return out


@st.composite
def walks(draw: st.DrawFn) -> Array:
    """Draw a row-stochastic matrix of small fractions."""
    return random_walk(draw(weights(elements=st.integers(0, 9).map(float))))
