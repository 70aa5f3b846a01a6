"""At which rate do small differences go, by the exact law, where one given block is repeated?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulations.numbers import Numbers
from theory.arrays import Array, InputError, to_numpy
from theory.blocks.weights import Block
from theory.graphs.stochastic import require_row_stochastic
from theory.law.cocycle import constant_walks, equal_weights, operator_rate
from theory.law.orbits import find_attractor, host_block
from theory.law.rates import mode_rates
from theory.law.transverse import (
    transverse_eigenvalues,
    transverse_rates,
    weak_components,
)
from theory.records import brief_repr

_LAYERS = 100  # that the law is averaged over where the token never settles
_WORK = 1e8  # modes times width cubed: above, one sparse operator costs less than all modes


NO_MODE = "no transverse mode: every token is a component"


@brief_repr
class BlockLaw(NamedTuple):
    """The rate of the slowest mode transverse to M, its error, and how it was found.

    M is the span of the indicators of the graph's ``components``: its rank is their number, and
    ``modes`` that of the modes transverse to it. ``consensus`` is the rate of the distance to all
    tokens being equal, which those of several components are only if differences between
    components vanish too; None for one component, where it is ``rate``. ``rate`` is None where
    there is no law, and ``method`` then says why.
    """

    rate: float | None
    error: float | None
    method: str
    components: tuple[tuple[int, ...], ...] = ()
    consensus: float | None = None

    @property
    def rank(self) -> int:
        """The rank of M: 1 for consensus, 0 where the graph is not known."""
        return len(self.components)

    @property
    def modes(self) -> int:
        """How many modes are transverse to M."""
        return sum(map(len, self.components)) - self.rank


def block_law(
    block: Block, tokens: Array, *, adjacency: Array | None = None, mask: Array | None = None
) -> BlockLaw:
    """Return the law of a block that stands for all layers, on its mask's graph.

    The synchronised orbit is the one that the block itself makes, again and again, of the mean
    of the ``tokens``: the rate is that of the fixed point or cycle it settles at, if any. Given
    attention weights stand in the place of those on equal tokens, which they are if no score
    depends on the tokens. Positions give every head a walk of its own.

    Shapes: tokens (n, d), adjacency (h, n, n), mask (n, n)
    """
    state = to_numpy(tokens).astype(np.float64)
    n = len(state)
    token = state.mean(axis=0)
    components: tuple[tuple[int, ...], ...] = ()
    try:
        if adjacency is not None:
            heads = to_numpy(adjacency).astype(np.float64)
            require_row_stochastic("adjacency", heads)
        else:
            block = host_block(block)
            mask = None if mask is None else to_numpy(mask)
            heads = equal_weights(block.attention, token, n, mask=mask)
        components = weak_components(heads.mean(axis=0))
        turned = block.attention.positions is not None and block.attention.positions.turns
        if adjacency is None and turned and len(components) < n:
            return _turned_law(block, token, components, mask)
        if len(components) == n:
            consensus = None if n == 1 else _along(block, token)
            return BlockLaw(None, None, NO_MODE, components, consensus)
        return _rates(block, token, heads, components)
    except InputError as error:
        return BlockLaw(None, None, str(error), components)


def _turned_law(
    block: Block,
    token: Numbers,
    components: tuple[tuple[int, ...], ...],
    mask: NDArray[np.bool_] | None,
) -> BlockLaw:
    """Return the law where positions turn keys, so that the walks depend on the equal tokens."""
    if len(components) > 1:
        why = "no law is worked out for several components whose walks depend on the token"
        return BlockLaw(None, None, why, components)
    n = len(components[0])
    rate, method = operator_rate(
        block, lambda step: equal_weights(block.attention, step.listening, n, mask=mask), token
    )
    return BlockLaw(rate, None, f"{method}, heads whose walks depend on the token", components)


def _rates(
    block: Block, token: Numbers, heads: Numbers, components: tuple[tuple[int, ...], ...]
) -> BlockLaw:
    """Return the law of all modes, or of the slowest alone where that is far less work."""
    walk = heads[0]
    several, why = len(components) > 1, ""
    if not np.array_equal(heads, np.broadcast_to(heads[:1], heads.shape)):
        why = "heads with weights of their own"
    else:
        modes = len(np.unique(np.round(transverse_eigenvalues(walk), 13)))
        if modes * token.size**3 > _WORK and find_attractor(block, token) is not None:
            why = "by ARPACK"
    if not why:
        law = transverse_rates(block, walk, token, layers=_LAYERS)
        consensus = max(law.rate, law.along) if several else None
        return BlockLaw(law.rate, law.error, law.methods[0], components, consensus)
    parts = [heads[:, part, :][:, :, part] for part in components if len(part) > 1]
    found = [operator_rate(block, constant_walks(part), token) for part in parts]
    rate, method = max(found)
    consensus = max(rate, _along(block, token)) if several else None
    return BlockLaw(rate, None, f"{method}, {why}", components, consensus)


def _along(block: Block, token: Numbers) -> float:
    """Return the rate of differences between components: that of eigenvalue 1."""
    return float(mode_rates(block, [1.0], token, layers=_LAYERS).rates[0])
