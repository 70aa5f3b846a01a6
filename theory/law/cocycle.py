"""What becomes of small differences at finite depth, whatever the graph and its attention weights?

All n d numbers at once, D' = (r D + sum_k P_k D T_k) K: no eigenbasis of P is needed. So it is
right where P has Jordan blocks or is far from normal, and where heads have walks of their own
because scores depend on position (ALiBi, relative or rotary positions).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs

from theory.arrays import Array, InputError
from theory.blocks.forward import consensus_walks
from theory.blocks.weights import Attention, Block
from theory.graphs.stochastic import require_row_stochastic
from theory.law.orbits import Matrix, find_attractor, host_array, host_block, host_token
from theory.law.rates import tied_orbit
from theory.law.synchronised import Linearised, linearise
from theory.law.transverse import mask_walk

Walks: TypeAlias = Callable[[Linearised], Matrix]
"""The attention weights at equal tokens: (h, n, n) or (1, n, n) from what a layer's token is."""
_LARGEST_DENSE = 2048
_VANISHES = "the differences of the tokens fall below float64's range within the layers"
_RESTARTS = 50
_DENSE = 64  # numbers below which a dense matrix is faster, and ARPACK may fail


def constant_walks(walk: Array) -> Walks:
    """Return the same weights for every layer: a mask, one walk, or one for each head.

    Shapes: walk boolean (n, n), row-stochastic (n, n) or (h, n, n)
    Raises: InputError if it is none of these
    """
    plain = host_array("walk", walk)
    if plain.ndim == 2:
        plain = mask_walk(plain)[None]
    if plain.ndim != 3 or plain.dtype == np.bool_:
        raise InputError(
            f"walk must be a mask (n, n) or weights (n, n) or (h, n, n), but has shape "
            f"{plain.shape} and dtype {plain.dtype}"
        )
    require_row_stochastic("walk", plain)
    weights = plain.astype(np.float64)
    return lambda _: weights


def equal_weights(
    attention: Attention, listening: Array, n: int, *, mask: Array | None = None
) -> Matrix:
    """Return the attention weights of n tokens that are all ``listening`` to attention.

    The walk on the mask, one for all heads, or, where scores depend on positions, one for each.

    Shapes: listening (d,), mask boolean (n, n) or None for all -> (1, n, n) or (h, n, n)
    """
    if attention.positions is None:
        walk: Matrix = np.full((n, n), 1 / n) if mask is None else mask_walk(mask)
        return walk[None]
    return np.asarray(consensus_walks(attention, listening, n, mask=mask))


def weights_of(steps: Sequence[Linearised], walk: Array | Walks | list[Matrix]) -> list[Matrix]:
    """Return the attention weights at equal tokens of each layer: a list of them as it is."""
    if isinstance(walk, list) and all(isinstance(each, np.ndarray) for each in walk):
        return walk
    walks = walk if callable(walk) else constant_walks(walk)
    return [walks(step) for step in steps]


def apply_step(step: Linearised, walks: Matrix, deviations: Matrix) -> Matrix:
    """Return (r D + D B + sum_k P_k D T_k) K: deviations (n, d) -> (n, d)."""
    mixed = walks @ (deviations @ step.reads)
    if step.writes is not None:
        mixed = mixed @ step.writes
    out: Matrix = (step.past_attention(deviations) + mixed.sum(axis=0)) @ step.after
    return out


def apply_adjoint(step: Linearised, walks: Matrix, deviations: Matrix) -> Matrix:
    """Return the adjoint of `apply_step` for the sum of the products of all entries."""
    back = deviations @ step.after.T
    mixed = back if step.writes is None else back @ np.swapaxes(step.writes, -2, -1)
    mixed = (np.swapaxes(walks, -2, -1) @ mixed) @ np.swapaxes(step.reads, -2, -1)
    out: Matrix = step.residual * back + mixed.sum(axis=0)
    if step.beside is not None:
        out = out + back @ step.beside.T
    return out


def linear_distances(
    blocks: Block | Iterable[Block],
    walk: Array | Walks,
    token: Array,
    deviations: Array,
    *,
    depth: int = 24,
) -> Matrix:
    """Return log d_M before the first and after each layer, to first order in the deviations.

    What a simulation shows while the tokens are close, at equal depth, transients included.
    Deviations from consensus are renormalised on the way, so that no depth is too large.

    Shapes: token (d,), deviations (n, d), which may have a mean -> (depth + 1,), -inf where all
            tokens are equal
    """
    walks = walk if callable(walk) else constant_walks(walk)
    state = host_array("deviations", deviations).astype(np.float64)
    state = _centre(state)
    logs = [0.0]
    size = float(np.linalg.norm(state))
    logs[0] = np.log(size) if size > 0 else -np.inf
    for step, _ in islice(tied_orbit(blocks, host_token(token)), depth):
        state = state / (size or 1.0)
        # The mean of the deviations moves the token, which at first order changes no difference.
        state = _centre(apply_step(step, walks(step), state))
        size = float(np.linalg.norm(state))
        logs.append(logs[-1] + np.log(size) if size > 0 else -np.inf)
    return np.asarray(logs)


def cocycle(
    steps: Sequence[Linearised],
    walk: Array | Walks | list[Matrix],
    *,
    labels: Sequence[int] | None = None,
) -> LinearOperator[Any]:
    """Return what several layers do to deviations from M: an operator on n d numbers, row-major.

    A list has the weights of each layer. The deviations are projected on both ends, onto those
    without mean; with ``labels`` onto those without mean in each class.

    Raises: InputError if there is no step
    """
    if not steps:
        raise InputError("steps must hold at least one layer, but is empty")
    weights = weights_of(steps, walk)
    n, d = weights[0].shape[-1], steps[0].after.shape[-1]
    classes = np.zeros(n, dtype=int) if labels is None else np.asarray(labels)

    def forward(vector: Matrix) -> Matrix:
        state = _centre(np.reshape(vector, (n, d)), classes)
        for step, part in zip(steps, weights, strict=True):
            state = apply_step(step, part, state)
        return _centre(state, classes).reshape(-1)

    def backward(vector: Matrix) -> Matrix:
        state = _centre(np.reshape(vector, (n, d)), classes)
        for step, part in zip(reversed(steps), reversed(weights), strict=True):
            state = apply_adjoint(step, part, state)
        return _centre(state, classes).reshape(-1)

    return LinearOperator((n * d, n * d), matvec=forward, rmatvec=backward, dtype=np.float64)


def transverse_radius(operator: LinearOperator[Any], *, tolerance: float = 0.0) -> float:
    """Return the largest modulus of an eigenvalue, by ARPACK; small operators as a matrix.

    With a ``tolerance`` only the first eigenvalue is asked for: where tokens hear almost the same
    share of themselves, many are nearly as large. NaN where ARPACK does not find it, and the
    operator is too large for a matrix.
    """
    size = operator.shape[0]
    if size > _DENSE:
        start = np.cos(np.arange(1.0, size + 1) ** 2)  # any start that no symmetry singles out
        few, restarts = (1, _RESTARTS) if tolerance else (min(6, size - 2), None)
        try:
            values = eigs(
                operator,
                k=few,
                which="LM",
                v0=start,
                tol=tolerance,
                maxiter=restarts,
                return_eigenvectors=False,
            )
            return float(np.abs(values).max())
        except ArpackNoConvergence as error:
            if len(error.eigenvalues):
                return float(np.abs(error.eigenvalues).max())
            if size > _LARGEST_DENSE:
                return math.nan
        except ArpackError:  # it makes nothing of an operator that sends its start to zero
            if size > _LARGEST_DENSE:
                raise InputError(_VANISHES) from None
    return float(np.abs(np.linalg.eigvals(operator @ np.eye(size))).max())


def operator_rate(block: Block, walk: Array | Walks, token: Array) -> tuple[float, str]:
    """Return the law's largest rate for tied weights and heads with walks of their own.

    The spectral radius of the operator on all n d numbers, once around the cycle that the token
    ends on, and how it was found.

    Raises: InputError if the token settles on no cycle: `linear_distances` has no such need
    """
    attractor = find_attractor(block, token)
    if attractor is None:
        raise InputError("token must settle at a fixed point or cycle, but it does not")
    steps = [linearise(host_block(block), point) for point in attractor.points]
    radius = transverse_radius(cocycle(steps, walk))
    period = attractor.period
    method = "fixed point" if period == 1 else f"cycle of {period}"
    return radius ** (1 / period), method


def _centre(deviations: Matrix, classes: Matrix | None = None) -> Matrix:
    if classes is None or not classes.any():
        centred: Matrix = deviations - deviations.mean(axis=0)
        return centred
    out = deviations.copy()
    for label in np.unique(classes):
        out[classes == label] -= out[classes == label].mean(axis=0)
    return out
