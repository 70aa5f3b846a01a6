"""Does consensus attract in a network that repeats one block: can that be proved?

The token that all tokens settle at, and the bases in which the slopes are nearly diagonal, are
found with floats; the checker's own arithmetic then gives the bounds that the certificate claims.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np

from theory.arrays import Array, InputError
from theory.blocks.weights import Block
from theory.law.orbits import (
    Matrix,
    find_attractor,
    host_array,
    host_block,
    host_token,
    is_homogeneous,
)
from theory.proofs.certificates import seal
from theory.proofs.layers import dyadic, layer_program, rounded
from theory.records import brief_repr

_RADII = (-80, -60, -40)
"""Exponents of the boxes that are tried; a smaller one makes thinner enclosures."""
_POLISHED = -115  # the last bit of the centre: past it the checker's own rounding begins
_NEWTON_STEPS = 4  # each gains the 40 bits of the inverse


@brief_repr
@dataclass(frozen=True)
class ModeBounds:
    """The factor a layer of the modes of one eigenvalue mu of the walk lies between two numbers.

    ``times`` is how often the eigenvalue comes. ``low`` and ``high`` are floats, rounded outwards.
    """

    mu: complex
    times: int
    low: float
    high: float


@brief_repr
@dataclass(frozen=True, eq=False)
class LawProof:
    """What is proved of small differences near the token that a tied network settles at.

    ``transverse`` bounds the factor a layer of all but equal changes of all tokens, ``along``
    that of the equal ones: of M itself. Both are floats, rounded outwards, and None, as is the
    ``certificate``, where ``reason`` says why nothing is proved. M is consensus, all tokens equal;
    where the graph has several components, differences between them have the eigenvalue 1, and
    count as transverse.

    Shapes: point (d,), the token, or one of its cycle
    """

    period: int
    point: Matrix | None
    along: tuple[float, float] | None
    transverse: tuple[float, float] | None
    modes: tuple[ModeBounds, ...]
    certificate: dict[str, Any] | None
    reason: str = ""

    @property
    def verdict(self) -> Literal["attracts", "repels", "undecided"]:
        """Whether M attracts from nearby: proved, disproved, or neither."""
        if self.transverse is None:
            return "undecided"
        low, high = self.transverse
        return "attracts" if high < 1 else "repels" if low > 1 else "undecided"

    @property
    def stable(self) -> bool | None:
        """Whether equal tokens come back to the token after a small change; None: not proved."""
        if self.along is None:
            return None
        low, high = self.along
        return True if high < 1 else False if low > 1 else None


def prove_law(block: Block, graph: Array, token: Array) -> LawProof:
    """Prove at which rates small differences vanish or grow near where a token settles.

    One block is repeated for ever, and n tokens listen by the walk on the graph, whatever the
    queries and keys. The arrays are taken as the exact numbers that they hold.

    Shapes: graph boolean mask (n, n) or weights (n, n), of which each row is divided by its sum;
            token (d,)
    Raises: InputError if python-flint is missing, the block has no scale, so that it settles at
            directions only, or as `find_attractor` does
    """
    block, token = host_block(block), host_token(token)
    weights, checker = whole_weights(graph), _checker()
    if is_homogeneous(block):
        raise InputError(
            "the block must have a scale, from a norm, a bias or an activation that bends: "
            "without one a token settles at a direction, which nothing is proved of"
        )
    attractor = find_attractor(block, token)
    if attractor is None:
        return _nothing(1, None, "the token settles at no point and on no short cycle")
    layer, period = layer_program(block), attractor.period
    from flint import ctx

    with ctx.workprec(checker.BITS):
        try:
            return _prove(checker, layer, period, attractor.points[0], weights)
        except ValueError as error:
            return _nothing(period, attractor.points[0], str(error))


def whole_weights(graph: Array) -> list[list[int]]:
    """Return a graph's weights as whole numbers, each row times a power of two.

    Raises: InputError if it is no square matrix of finite weights that are not negative
    """
    plain = host_array("graph", graph)
    if plain.ndim != 2 or plain.shape[0] != plain.shape[1] or len(plain) < 2:
        raise InputError(
            f"graph must be a matrix (n, n), n at least 2, but has shape {plain.shape}"
        )
    plain = plain.astype(np.float64)
    if not np.isfinite(plain).all() or (plain < 0).any() or not plain.any(axis=1).all():
        raise InputError(
            "graph must have finite weights, none negative, and in each row one that is not zero"
        )
    return [dyadic(row)[0] for row in plain]


def _checker() -> ModuleType:
    try:
        from theory.proofs.checkers import law
    except ModuleNotFoundError as error:
        raise InputError(
            f"proofs of the law need the package {error.name}: pip install 'oversmooth[proof]'"
        ) from error
    return law


def _nothing(period: int, point: Matrix | None, reason: str) -> LawProof:
    return LawProof(period, point, None, None, (), None, reason)


def _prove(
    checker: ModuleType, layer: list[Any], period: int, point: Matrix, graph: list[list[int]]
) -> LawProof:
    """Return what the checker's arithmetic shows, and the certificate that it will accept."""
    from flint import arb_mat

    from theory.proofs.checkers.law_slopes import layers

    unit = arb_mat(len(point), len(point)) + 1
    near = arb_mat([point.tolist()])
    _, slopes = layers(layer, period, near, unit)
    slope = _floats(checker.at_eigenvalue(slopes, 1)).real
    inverse = rounded(np.linalg.inv(np.eye(len(point)) - slope), 40)
    exact_inverse = checker.exact(inverse, len(point), None)
    for _ in range(_NEWTON_STEPS):
        end, _ = layers(layer, period, near)
        near = (near - (near - end) * exact_inverse).mid()
    centre = [_grid(near.entries(), _POLISHED), _POLISHED]
    slopes, radius = _boxed(checker, layer, period, centre, exact_inverse)
    bases = []
    for mu, _ in checker.eigenvalues(graph):
        _, vectors = np.linalg.eig(_floats(checker.at_eigenvalue(slopes, mu)))
        bases.append({"re": rounded(vectors.real, 53), "im": rounded(vectors.imag, 53)})
    claim = {"layer": layer, "period": period, "centre": centre, "radius": radius, "graph": graph}
    proof = {"inverse": inverse, "bases": bases}
    modes = checker.mode_bounds({**claim, "along": None, "transverse": None}, proof)
    along, transverse = (_outwards(*bounds) for bounds in checker.largest(modes))
    claim |= {"along": [*map(dyadic, along)], "transverse": [*map(dyadic, transverse)]}
    return LawProof(
        period=period,
        point=point,
        along=along,
        transverse=transverse,
        modes=tuple(
            ModeBounds(complex(mu), times, *_outwards(low, high)) for mu, times, low, high in modes
        ),
        certificate=seal("law", claim, proof),
    )


def _boxed(
    checker: ModuleType, layer: list[Any], period: int, centre: list[Any], inverse: Any
) -> tuple[Any, list[int]]:
    """Return the slopes in the smallest box that holds a token that comes back, and its radius."""
    at = checker.exact(centre, None)
    for exponent in _RADII:
        radius = [1, exponent]
        try:
            found = checker.slopes_near(layer, period, at, checker.exact(radius), inverse)
        except ValueError:
            if exponent == _RADII[-1]:
                raise
        else:
            return found, radius
    raise AssertionError  # the last radius returns or raises


def _grid(numbers: list[Any], exponent: int) -> list[int]:
    """Return real numbers as whole multiples of a power of two."""
    return [int((number * 2**-exponent).mid().floor().unique_fmpz()) for number in numbers]


def _floats(matrix: Any) -> Matrix:
    """Return the midpoints of balls."""
    return np.asarray([[complex(entry) for entry in row] for row in matrix.tolist()])


def _outwards(low: Any, high: Any) -> tuple[float, float]:
    """Return floats that two numbers lie between."""
    return (
        float(np.nextafter(float(low), -np.inf)) if low > 0 else 0.0,
        float(np.nextafter(float(high), np.inf)),
    )
