"""What does each map do to a size: the distance to consensus, or the largest norm of a row?

A bound on the size before the map -> a bound on it after the map.
"""

from typing import TypeAlias

import sympy as sp

Expr: TypeAlias = sp.Expr


def linear_size(size: Expr, norm: Expr) -> Expr:
    """X -> X W (+ bias, for the distance): multiplies by the spectral norm of W."""
    return norm * size


def activation_size(size: Expr, factor: Expr) -> Expr:
    """X -> phi(X): multiplies by the Lipschitz constant (distance) or growth (row norm)."""
    return factor * size


def mixing_size(size: Expr, factor: Expr) -> Expr:
    """X -> A X: multiplies by sqrt(lambda) (distance), or by 1 (row norm: convex combinations)."""
    return factor * size


def sum_size(*terms: tuple[Expr | int, Expr]) -> Expr:
    """Sum of ``weight * X`` over (weight, size of X): the triangle inequality."""
    return sp.Add(*(sp.Abs(weight) * size for weight, size in terms))


def norm_size(size: Expr, gain: Expr, tau: Expr, sigma: Expr) -> Expr:
    """X -> LN(X): multiplies the distance by max|gamma| / (tau sigma), sigma the least std."""
    return gain * size / (tau * sigma)


def product_size(gate: Expr, hidden: Expr, *, peaks: tuple[Expr, Expr]) -> Expr:
    """(G, U) -> G * U entry by entry: the peak of either times the distance of the other."""
    return peaks[0] * hidden + peaks[1] * gate


def product_identity() -> tuple[Expr, Expr]:
    """Return both sides of what `product_size` rests on, for the factors of two tokens.

    phi(g) u - phi(g') u' = phi(g) (u - u') + (phi(g) - phi(g')) u', whatever phi is.
    """
    phi = sp.Function("phi")
    g, u, other_g, other_u = sp.symbols("g u g' u'", real=True)
    moved = phi(g) * (u - other_u) + (phi(g) - phi(other_g)) * other_u
    return phi(g) * u - phi(other_g) * other_u, moved
