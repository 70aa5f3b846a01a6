"""Which attention weights did a block use, and do they keep the subspace of equal tokens?"""

from typing import NamedTuple

import numpy as np

from simulations.capture.compare import Ruler
from simulations.capture.watch import Call
from theory.arrays import Floats, InputError

_SUBNORMAL = 2.0**-25  # half the spacing of float16 near zero


class Listening(NamedTuple):
    """Attention weights in float64, and why M is not kept, if it is not.

    ``sums`` is what the rows of each head sum to, where they all sum to the same.

    Shapes: adjacency (b, h, n, n), sums (h,)
    """

    adjacency: Floats
    sums: Floats
    reason: str


def read_attention(call: Call, ruler: Ruler) -> list[Listening]:
    """Return what may be the weights of a call, that of the model's own softmax first.

    Rows are divided by what a softmax in fewer bits misses of one. Rows and columns of padding are
    those of a token that counts, and zeros.

    Raises: InputError if none were found, their shape is odd, or tokens listen to padding
    """
    batch, n = call.tokens.shape[:2]
    if not call.weights:
        raise HiddenWeightsError(
            f"{ruler.where}: no attention weights were seen: they are neither returned by the "
            "attention module nor the result of a softmax or of torch's "
            "scaled_dot_product_attention inside it. Load a transformers model with "
            'attn_implementation="eager"; for a module of your own name the right one as '
            "attention, and let it return its weights"
        )
    fitting = [a for a in call.weights if a.shape[:1] + a.shape[2:] == (batch, n, n)]
    if not fitting:
        raise InputError(
            f"{ruler.where}: attention weights must have shape ({batch}, heads, {n}, {n}), but "
            f"have {call.weights[-1].shape}: are they of the block's own tokens?"
        )
    return [_one(adjacency, ruler) for adjacency in fitting]


def _one(adjacency: Floats, ruler: Ruler) -> Listening:
    n = adjacency.shape[-1]
    adjacency = without_padding(adjacency, ruler)
    if not np.isfinite(adjacency).all():
        raise InputError(f"{ruler.where}: attention weights must be finite, but some are not")
    sums = adjacency.sum(axis=-1)  # (b, h, n)
    means = sums.mean(axis=(0, 2))
    missed = np.abs(sums - means[:, None]).max()
    allowed = ruler.limit + n * _SUBNORMAL
    if missed > allowed:
        low, high = float(sums.min()), float(sums.max())
        reason = (
            f"rows of A sum to {low:.3g} to {high:.3g}, not all to the same (an attention sink?), "
            "so that equal tokens do not stay equal"
        )
        return Listening(adjacency, means, reason)
    means = np.where(np.abs(means - 1) <= allowed, 1.0, means)
    wanted = means[:, None, None]
    if (np.abs(means) > allowed).all():
        adjacency = adjacency * (wanted / sums[..., None])
    else:  # rows that sum to zero are moved, not scaled
        adjacency = adjacency + (wanted - sums[..., None]) / n
    return Listening(adjacency, means, "")


class HiddenWeightsError(InputError):
    """Attention weights are computed where nobody sees them."""


def without_padding(adjacency: Floats, ruler: Ruler) -> Floats:
    """Give rows of padding the weights of a token that counts, and nobody's attention.

    Raises: InputError if tokens that count listen to padding
    """
    if ruler.present is None:
        return adjacency
    present = ruler.present
    adjacency = np.nan_to_num(adjacency)
    leaked = np.where(present[:, None, None, :], 0.0, np.abs(adjacency)).sum(axis=-1)
    leak = float(leaked[np.broadcast_to(present[:, None, :], leaked.shape)].max())
    if leak > ruler.limit:
        raise InputError(
            f"{ruler.where}: tokens that count must not listen to padding, but put up to "
            f"{leak:.2g} of their attention there: does the model get the mask as well?"
        )
    adjacency = np.where(present[:, None, None, :], adjacency, 0.0)
    first = present.argmax(axis=-1)
    row = np.take_along_axis(adjacency, first[:, None, None, None], axis=2)
    return np.where(present[:, None, :, None], adjacency, row)


def tokens_without_padding(tokens: Floats, ruler: Ruler) -> Floats:
    """Put a token that counts in the place of each that does not: padding may hold anything."""
    if ruler.present is None:
        return tokens
    first = ruler.present.argmax(axis=-1)
    row = np.take_along_axis(tokens, first[:, None, None], axis=1)
    return np.where(ruler.present[..., None], tokens, row)
