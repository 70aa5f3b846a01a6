"""From how far away does consensus attract in a network that repeats one block?

The law is about ever smaller differences. Here a norm is sought in which the slope at consensus
contracts, and then the largest ball in which what the slope changes by cannot undo that.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from theory.arrays import Array, InputError, require_mask
from theory.blocks.weights import Block
from theory.graphs.conversions import random_walk
from theory.law.orbits import Matrix, find_attractor, host_array, host_block, host_token
from theory.law.synchronised import linearise
from theory.proofs.certificates import seal
from theory.proofs.layers import dyadic, layer_program, rounded
from theory.records import brief_repr

_FACTORS = (0.15, 0.3, 0.5, 0.7)
"""Where between the spectral radius and 1 the norm's own factor is aimed at: the best is kept."""
_SMALLEST, _STEPS = -40.0, 12
"""The exponent of the smallest reach that is tried, and how often the largest is halved towards."""
_WIDEST = 512  # tokens times features


@brief_repr
@dataclass(frozen=True, eq=False)
class Basin:
    """A ball around consensus at a token, all of which ends in consensus: proved.

    Inputs X of n tokens with |X - (point, ..., point)| at most ``radius`` (Frobenius) converge to
    equal tokens. ``radius`` is 0, and ``certificate`` None, where ``reason`` says why nothing is
    proved.

    Shapes: point (d,)
    """

    point: Matrix | None
    radius: float
    certificate: dict[str, Any] | None
    reason: str = ""


def prove_basin(block: Block, mask: Array, token: Array) -> Basin:
    """Prove that all inputs within a radius of consensus end in it, one block being repeated.

    Attention has its own queries and keys here, since they count away from consensus. The radius
    is rigorous, and far smaller than what really converges: it is made of norms of products.

    Shapes: mask boolean (n, n), token (d,)
    Raises: InputError if python-flint or the scores are missing, the mask is none, or n times d is
            above 512
    Source: derived: Banach's theorem in a norm from Lyapunov's equation, docs/proved_law.md
    """
    block, token = host_block(block), host_token(token)
    plain = host_array("mask", mask)
    require_mask("mask", plain, "n", "n")
    n, d = len(plain), token.size
    if not 2 <= n <= 64 or n * d > _WIDEST:
        raise InputError(
            f"a basin needs 2 to 64 tokens and at most {_WIDEST} numbers, but {n} tokens of {d} "
            f"features are {n * d}"
        )
    program, checker = layer_program(block, scores=True), _checker()
    attractor = find_attractor(block, token)
    if attractor is None or attractor.period > 1:
        return Basin(None, 0.0, None, "the token settles at no fixed point")
    point = attractor.points[0]
    graph = plain.astype(int).tolist()
    slope = _slope(block, point, random_walk(plain))
    radius = float(np.abs(np.linalg.eigvals(slope)).max())
    if radius >= 1:
        return Basin(point, 0.0, None, f"a difference grows by {radius:.6g} a layer")
    from flint import ctx

    with ctx.workprec(checker.BITS):
        norms = [_norm(slope, radius + part * (1 - radius)) for part in _FACTORS]
        norms.append(np.eye(len(slope)))
        tried = [_try(checker, program, point, graph, norm) for norm in norms]
    return max(tried, key=lambda each: each.radius)


def _checker() -> ModuleType:
    try:
        from theory.proofs.checkers import law_basin
    except ModuleNotFoundError as error:
        raise InputError(
            f"proofs of a basin need the package {error.name}: pip install 'oversmooth[proof]'"
        ) from error
    return law_basin


def _slope(block: Block, point: Matrix, walk: Matrix) -> Matrix:
    """Return the derivative of one layer at n equal tokens, a row vector's matrix (n d, n d)."""
    here = linearise(block, point)
    kept = here.past_attention(np.eye(point.size)) @ here.after
    heard = here.mixed @ here.after
    slope: Matrix = np.kron(np.eye(len(walk)), kept) + np.kron(walk.T, heard)
    return slope


def _norm(slope: Matrix, aim: float) -> Matrix:
    """Return T of a norm |x T| in which the slope contracts by the aim at least: Lyapunov."""
    energy = solve_discrete_lyapunov(slope / aim, np.eye(len(slope)))
    norm: Matrix = np.linalg.cholesky((energy + energy.T) / 2)
    return norm


def _try(
    checker: ModuleType,
    program: list[Any],
    point: Matrix,
    graph: list[list[int]],
    matrix: Matrix,
) -> Basin:
    """Return the largest ball that one norm proves to converge."""
    norm, centre, size = rounded(matrix, 40), dyadic(point), len(matrix)
    within = checker.contraction(
        program, checker.exact(centre, None), graph, checker.exact(norm, size, size)
    )

    def proved(exponent: float) -> float:
        try:
            factor, basin, stays = within(checker.exact(dyadic(2.0**exponent)))
        except ValueError:
            return 0.0
        return float(basin.lower()) if factor < 1 and stays else 0.0

    low, high = _SMALLEST, 4.0
    if not proved(low):
        return Basin(point, 0.0, None, "no ball is proved to converge")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if proved(middle) else (low, middle)
    radius = proved(low) * (1 - 2.0**-40)
    claim = {"layer": program, "graph": graph, "centre": centre, "radius": dyadic(radius)}
    proof = {"norm": norm, "reach": dyadic(2.0**low)}
    return Basin(point, radius, seal("law-basin", claim, proof))
