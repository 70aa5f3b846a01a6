"""How far apart are the two farthest tokens, and the two rows of attention that differ most?"""

import math

from theory.arrays import Array, namespace, require_finite, require_float
from theory.graphs.conversions import require_square, require_weights
from theory.magnitude import count_tokens, deviations, root
from theory.widest import widest


def token_diameter(tokens: Array, *, token_mask: Array | None = None) -> Array:
    """Return max over i, j of |h_i - h_j|: for one feature, its range over the tokens.

    Accurate relative to itself, as `consensus_distance` is: the tokens are centred first.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n), True where a token counts -> (*b,)
    Raises: InputError if tokens that count are not finite, or none counts
    Source: seneta2006, for one feature
    """
    counted = count_tokens(tokens, token_mask=token_mask)
    rest, unit = deviations(counted)
    # What does not count was set to zero, which is some place.
    counts = None if counted.mask is None else counted.mask[..., 0]
    return root(widest(rest, squared=True, counts=counts)) * unit[..., 0, 0]


def projective_diameter(adjacency: Array) -> Array:
    """Return Delta(A) = max over i, j, k, l of log(A_ik A_jl / (A_jk A_il)).

    It is how far two rows can be apart in Hilbert's projective metric, and depends on the ratios
    of the weights only: for a softmax, on how the differences of scores differ between tokens.
    Infinite where one token hears what another does not; zero where all rows are proportional.

    Shapes: adjacency (*b, n, n), no entry negative -> (*b,)
    Raises: InputError if adjacency is not square or has an entry that is negative or not finite
    Source: birkhoff1957; seneta2006
    """
    require_float("adjacency", adjacency)
    require_square("adjacency", adjacency)
    require_finite("adjacency", adjacency)
    require_weights("adjacency", adjacency)
    xp = namespace(adjacency)
    some = adjacency > 0
    logs = xp.log(xp.where(some, adjacency, xp.ones_like(adjacency)))
    widest = xp.zeros_like(adjacency[..., 0, 0])
    for i in range(adjacency.shape[-1]):
        both = some & some[..., i : i + 1, :]
        one = some ^ some[..., i : i + 1, :]
        ratios = logs - logs[..., i : i + 1, :]
        highest = xp.max(xp.where(both, ratios, -math.inf), axis=-1)
        lowest = xp.min(xp.where(both, ratios, math.inf), axis=-1)
        shared = xp.any(both, axis=-1)
        apart = xp.where(shared, highest, 0.0) - xp.where(shared, lowest, 0.0)
        apart = xp.where(xp.any(one, axis=-1), math.inf, apart)
        widest = xp.maximum(widest, xp.max(apart, axis=-1))
    return widest
