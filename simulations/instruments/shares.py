"""Do captured attention weights share out all of a token's attention, up to half precision?"""

from theory.arrays import Array, InputError
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
