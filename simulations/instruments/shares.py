"""Do captured attention weights share out all of a token's attention, up to half precision?"""

import numpy as np

from theory.arrays import Array, InputError, to_numpy
from theory.graphs.stochastic import require_row_stochastic, stochastic_rounding

_HALF = 2.0**-7  # the eps of bfloat16; that of float16 is 2^-10
_SUBNORMAL = 2.0**-25  # half the spacing of float16 near zero


def require_shares(name: str, adjacency: Array) -> None:
    """Raise InputError unless every row is shares of one, as a softmax in half precision gives.

    A row may miss one by 2^-7 + n 2^-25, and n eps of its dtype for adding it up. Weights and the
    sum they were divided by err by half the eps of bfloat16 each, and float16 has subnormals
    2^-24 apart. What misses by more was mostly spoiled by dropout, and no division mends that.

    Shapes: adjacency (*b, n, n)
    """
    n = adjacency.shape[-1]
    tolerance = _HALF + n * _SUBNORMAL + stochastic_rounding(adjacency)
    try:
        require_row_stochastic(name, adjacency, tolerance=tolerance)
    except InputError as error:
        told, sums, _ = str(error).partition("; dividing each row by its sum would make them")
        if not sums:
            raise
        raise InputError(
            f"{told}. Was dropout at work, or are these not the weights that the model used? "
            'model.eval() stops dropout, and attn_implementation="eager" makes a transformers '
            "model return its weights"
        ) from None


def require_one_sum(name: str, adjacency: Array) -> None:
    """Raise InputError unless all rows of a head have one sum: all that keeps M where it is.

    Weights may be negative, and the sum any; it may be missed by the same share of the absolute
    weights as in `require_shares`. Rows of NaN are left out.

    Shapes: adjacency (*b, h, n, n)
    """
    n = adjacency.shape[-1]
    weights = to_numpy(adjacency).astype(np.float64)
    counts = ~np.isnan(weights).all(axis=-1)
    if not np.isfinite(weights[counts]).all():
        raise InputError(f"{name} must be finite, but holds NaN or infinities")
    sums = np.where(counts, np.nan_to_num(weights).sum(axis=-1), np.nan)
    size = np.where(counts, np.abs(np.nan_to_num(weights)).sum(axis=-1), 0.0).max(axis=-1)
    low = np.where(counts, sums, np.inf).min(axis=-1)
    high = np.where(counts, sums, -np.inf).max(axis=-1)
    apart = high - low - (_HALF + n * _SUBNORMAL + stochastic_rounding(adjacency)) * size
    worst = np.unravel_index(np.argmax(apart), apart.shape)
    if apart[worst] > 0:
        head = tuple(int(i) for i in worst)
        raise InputError(
            f"{name} must have rows of one sum in every head, but those of head {head} sum to "
            f"{float(low[worst]):.6g} up to {float(high[worst]):.6g}: does a sink take a share of "
            "its own from every token? Then equal tokens do not stay equal, and lambda says nothing"
        )
