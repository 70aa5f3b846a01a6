"""What is the first thing that the linear law leaves out: of which order in the distance is it?

Pure attention among all tokens has no linear part transverse to consensus, and shrinks the
distance to its third power. Curvature of norms or activations leaves out squares, and so does a
mask: tokens that listen to different others then hear different squares.
"""

from typing import NamedTuple

import numpy as np

from theory.arrays import Array, InputError, to_numpy
from theory.blocks.forward import apply_block, attention_adjacency
from theory.blocks.weights import Block
from theory.law.cocycle import apply_step, equal_weights
from theory.law.orbits import Matrix, host_array, host_block, host_token
from theory.law.synchronised import linearise
from theory.records import brief_repr


@brief_repr
class NextOrder(NamedTuple):
    """The order p of what the linear law leaves out, |true - linear| ~ spread^p, and its error.

    ``remainders`` are those distances between true and linear deviations at the ``spreads``, in
    units of the spread, and ``linear`` is the size of the linear part in that unit: 0 where
    nothing is linear, as in pure attention. ``error`` is by how much p differs between the two
    pairs of neighbouring spreads.
    """

    order: float
    error: float
    spreads: tuple[float, ...]
    remainders: tuple[float, ...]
    linear: float


def next_order(
    block: Block,
    token: Array,
    deviations: Array,
    *,
    mask: Array | None = None,
    spreads: tuple[float, float, float] = (4e-3, 2e-3, 1e-3),
) -> NextOrder:
    """Measure the order of what a block does beyond the linear law, near equal tokens.

    The tokens are x + t D for three spreads t, and differences from their mean are compared.
    Rounding leaves a remainder of 1e-16 of the token: a third order is measured down to spreads
    of about 1e-4.

    Shapes: token (d,), deviations (n, d), mask boolean (n, n)
    Raises: InputError if the remainder vanishes, so that it has no order (a linear block), if
            positions give the heads walks of their own, or as
            `theory.blocks.forward.apply_block` does
    """
    _require_no_positions(block)
    block, here = host_block(block), host_token(token)
    shape: Matrix = host_array("deviations", deviations).astype(np.float64)
    n = len(shape)
    walk = equal_weights(block.attention, here, n, mask=mask)
    linear = _centre(apply_step(linearise(block, here), walk, shape))
    remainders = []
    for spread in spreads:
        out = apply_block(block, here + spread * shape, mask=mask).output
        remainders.append(float(np.linalg.norm(_centre(to_numpy(out)) / spread - linear)))
    noise = [64 * np.finfo(np.float64).eps * (1 + np.abs(here).max()) / t for t in spreads]
    if any(r <= low for r, low in zip(remainders, noise, strict=True)):
        raise InputError(
            f"the remainder must be above rounding to have an order, but is {remainders[-1]:.2g}; "
            "is the block linear, or are the spreads too small?"
        )
    logs, steps = np.log(remainders), np.log(spreads)
    orders = 1 + np.diff(logs) / np.diff(steps)
    return NextOrder(
        order=float(orders[-1]),
        error=float(abs(orders[-1] - orders[0])),
        spreads=spreads,
        remainders=tuple(remainders),
        linear=float(np.linalg.norm(linear)),
    )


def weight_change(
    block: Block, token: Array, deviations: Array, *, mask: Array | None = None, spread: float
) -> float:
    """Return how much one unit of spread changes the attention weights: first order, not zero.

    That they change at all, and still nothing of it is in the law, is the point.

    Shapes: token (d,), deviations (n, d), mask boolean (n, n)
    """
    _require_no_positions(block)
    block, here = host_block(block), host_token(token)
    seen = here + spread * to_numpy(deviations)
    weights = to_numpy(attention_adjacency(block.attention, seen, mask=mask))
    walk = equal_weights(block.attention, here, len(seen), mask=mask)
    return float(np.linalg.norm(weights - walk) / spread)


def _require_no_positions(block: Block) -> None:
    if block.attention.positions is not None:
        raise InputError(
            "block must have scores without positions here, but its attention has some"
        )


def _centre(tokens: Matrix) -> Matrix:
    out: Matrix = tokens - tokens.mean(axis=0)
    return out
