"""By how much do layers stretch small differences: a random one, and the worst?

The operator on all n d numbers is never written out. That of one layer is a sum of Kronecker
products, so that its Frobenius norm follows from those of its factors; the worst difference is
found by Lanczos steps.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator

from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.law.cocycle import Walks, cocycle, weights_of
from theory.law.orbits import Matrix, host_token
from theory.law.rates import tied_orbit
from theory.law.synchronised import Linearised

_MOST = 300  # Lanczos steps


def typical_growth(step: Linearised, walks: Matrix) -> float:
    """Return by which factor a layer stretches a random deviation, in the root mean square.

    It is |C L C|_F / sqrt((n - 1) d), for the layer's operator L and C, which takes the mean
    away. L is the sum over k >= 0 of P_k (x) A_k, with P_0 = 1, A_0 = (r + B) K and
    A_k = T_k K, so that its square is that of all <C P_j, C P_k> <A_j, A_k>.

    Shapes: walks (h, n, n) or (1, n, n), n >= 2
    """
    n, d = walks.shape[-1], step.after.shape[-1]
    rest = step.past_attention(np.eye(d)) @ step.after
    centred = walks - walks.mean(axis=-2, keepdims=True)
    reads = step.reads
    writes = step.after[None] if step.writes is None else step.writes @ step.after
    writes = np.broadcast_to(writes, (len(reads), *writes.shape[1:]))
    if len(walks) == 1:  # one walk for all heads: their sum is one head
        reads = np.moveaxis(reads, 0, 1).reshape(1, d, -1)
        writes = writes.reshape(1, -1, d)
    across = np.sum((np.swapaxes(reads, -2, -1) @ rest) * writes, axis=(-2, -1))
    square = (n - 1) * np.sum(rest**2)
    square += 2 * np.trace(centred, axis1=-2, axis2=-1) @ across
    for one in range(len(centred)):
        for two in range(one + 1):
            inner = (reads[one].T @ reads[two]) * (writes[one] @ writes[two].T)
            square += (1 + (one != two)) * np.sum(centred[one] * centred[two]) * np.sum(inner)
    return float(np.sqrt(max(square, 0.0) / ((n - 1) * d)))


def leading_growth(
    operator: LinearOperator[Any], start: Matrix | None = None, *, tolerance: float = 1e-6
) -> tuple[float, Matrix]:
    """Return the largest factor by which an operator stretches a vector, and that vector.

    Lanczos steps on its square, until what is left of an image is no longer than ``tolerance``
    of it; the square of that is about what the factor lacks. A ``start`` that is nearly right
    spares most of them.

    Shapes: start (n d,) -> (n d,)
    """
    chirp = np.cos(np.arange(1.0, operator.shape[1] + 1) ** 2)  # no symmetry singles it out
    chirp /= np.linalg.norm(chirp)
    first = chirp if start is None else start + 0.01 * chirp
    basis = (first / np.linalg.norm(first))[None]
    diagonal, beside = list[float](), list[float]()
    value, vector = 0.0, basis[0]
    for _ in range(min(_MOST, operator.shape[1])):
        image = operator.rmatvec(operator.matvec(basis[-1]))
        diagonal.append(float(basis[-1] @ image))
        for _ in range(2):
            image = image - (basis @ image) @ basis
        rest = float(np.linalg.norm(image))
        values, vectors = eigh_tridiagonal(diagonal, beside)
        value, vector = float(values[-1]), vectors[:, -1] @ basis
        if rest * abs(vectors[-1, -1]) <= tolerance * value:
            break
        beside.append(rest)
        basis = np.concatenate([basis, image[None] / rest])
    return float(np.sqrt(max(value, 0.0))), vector


def product_growth(
    steps: Sequence[Linearised],
    walk: Array | Walks | list[Matrix],
    *,
    depths: Sequence[int],
    tolerance: float = 1e-6,
) -> Matrix:
    """Return the logarithm of the largest growth of any deviation over each number of layers.

    Depths are best in increasing order: the worst difference of one is nearly that of the next.

    Shapes: -> (len(depths),), -inf where all deviations vanish
    """
    weights = weights_of(steps, walk)
    sizes = [typical_growth(step, part) or 1.0 for step, part in zip(steps, weights, strict=True)]
    # So many layers may leave float64's range; each by itself does not.
    scaled = [step._replace(after=step.after / s) for step, s in zip(steps, sizes, strict=True)]
    worst: Matrix | None = None
    logs = []
    for depth in depths:
        operator = cocycle(scaled[:depth], weights[:depth])
        growth, worst = leading_growth(operator, worst, tolerance=tolerance)
        log = float(np.log(growth)) if growth > 0 else -np.inf
        logs.append(log + float(np.sum(np.log(sizes[:depth]))))
    return np.asarray(logs)


def transient_growth(
    blocks: Block | Iterable[Block],
    walk: Array | Walks,
    token: Array,
    *,
    depths: Sequence[int] = (1, 2, 4, 8, 16, 32),
) -> Matrix:
    """Return the largest growth of any deviation from consensus over each number of layers.

    Its 1/depth-th powers tend to the law; what is above law^depth is the transient of modes that
    are not normal to each other.

    Shapes: -> (len(depths),)
    """
    if not len(depths) or min(depths) < 1:
        raise InputError(f"depths must be positive whole numbers, but are {tuple(depths)}")
    steps = [step for step, _ in islice(tied_orbit(blocks, host_token(token)), max(depths))]
    growth: Matrix = np.exp(product_growth(steps, walk, depths=depths))
    return growth
