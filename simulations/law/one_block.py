"""At which rate do small differences go, by the exact law, where one given block is repeated?"""

from typing import NamedTuple

import numpy as np

from simulations.numbers import Numbers
from theory.arrays import Array, InputError, to_numpy
from theory.blocks.weights import Block
from theory.graphs.stochastic import require_row_stochastic
from theory.law.cocycle import constant_walks, operator_rate
from theory.law.orbits import find_attractor
from theory.law.transverse import mask_walk, transverse_eigenvalues, transverse_rates

_LAYERS = 100  # that the law is averaged over where the token never settles
_WORK = 1e8  # modes times width cubed: above, one sparse operator costs less than all modes


class BlockLaw(NamedTuple):
    """The rate of the slowest transverse mode, its error, and how it was found.

    ``rate`` is None where there is no law, and ``method`` then says why.
    """

    rate: float | None
    error: float | None
    method: str


def block_law(
    block: Block, tokens: Array, *, adjacency: Array | None = None, mask: Array | None = None
) -> BlockLaw:
    """Return the law of a block that stands for all layers, on its mask's graph.

    The synchronised orbit is the one that the block itself makes, again and again, of the mean
    of the ``tokens``: the rate is that of the fixed point or cycle it settles at, if any. Given
    attention weights stand in the place of those on equal tokens, which they are if no score
    depends on the tokens.

    Shapes: tokens (n, d), adjacency (h, n, n), mask (n, n)
    """
    state = to_numpy(tokens).astype(np.float64)
    n, d = state.shape
    token = state.mean(axis=0)
    try:
        if adjacency is not None:
            heads = to_numpy(adjacency).astype(np.float64)
            require_row_stochastic("adjacency", heads)
            if not np.array_equal(heads, np.broadcast_to(heads[:1], heads.shape)):
                rate, method = operator_rate(block, constant_walks(heads), token)
                return BlockLaw(rate, None, f"{method}, heads with weights of their own")
            walk: Numbers = heads[0]
        else:
            walk = np.full((n, n), 1 / n) if mask is None else mask_walk(mask)
        modes = len(np.unique(np.round(transverse_eigenvalues(walk), 13)))
        if modes * d**3 > _WORK and find_attractor(block, token) is not None:
            rate, method = operator_rate(block, walk, token)
            return BlockLaw(rate, None, f"{method}, by ARPACK")
        law = transverse_rates(block, walk, token, layers=_LAYERS)
    except InputError as error:
        return BlockLaw(None, None, str(error))
    return BlockLaw(law.rate, law.error, law.methods[0])
