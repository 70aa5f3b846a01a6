"""By how much does a norm differ from its linearisation, on a whole ball of changes?

LayerNorm is sqrt(d) gain pi(u) + shift, pi(u) = u / |u|, u = (z - mean z, sqrt(d eps)) of one
dimension more, so that |u| = sqrt(d) std; RMSNorm the same without the mean. A change of z changes
u by v with |v| <= e |u|. With n = u / |u| and v / |u| = alpha n + beta m, m a unit vector across n,

    pi(u + v) = n + beta m + 1/2 (-beta^2 n - 2 alpha beta m) + (third order).

Proofs: `docs/local_bound.md`, Lemma 3.
"""

import math
from typing import NamedTuple

import numpy as np

from theory.local.enclosed import Enclosed
from theory.records import brief_repr

_MORE = 1 + 1e-12  # for the roundings; 1 - e loses u at most, relative to itself


def radial_remainder(e: float) -> float:
    """Return the bound e^2/sqrt(3) (1 + (2/3) e / (1 - e)) on |pi(u + v) - pi(u) - pi'(u) v|.

    |pi''(x)[v, v]| = |beta| sqrt(beta^2 + 4 alpha^2) / |x|^2 <= 2/sqrt(3) |v|^2 / |x|^2, and on the
    way from u to u + v no x is shorter than (1 - t e) |u|. Infinite from e = 1 on.
    """
    if not e < 1:
        return math.inf
    return e * e / math.sqrt(3) * (1 + 2 / 3 * e / (1 - e)) * _MORE


def radial_third(e: float) -> float:
    """Return the bound e^3 / (2 (1 - e)) on what second order leaves; infinite from e = 1 on.

    |pi'''(x)[v, v, v]| = 6 |beta| sqrt(alpha^4 + beta^4 / 4) / |x|^3 <= 3 |v|^3 / |x|^3.
    """
    return e**3 / (2 * (1 - e)) * _MORE if e < 1 else math.inf


@brief_repr
class RadialForm(NamedTuple):
    """The second derivative of <weight, norm(z)> at a token, a symmetric matrix and its norm.

    ``weight`` is at least the length of the covector that is left for the third order.
    """

    matrix: Enclosed
    size: float
    weight: float


def radial_form(unit: Enclosed, covector: Enclosed, std: Enclosed, *, layer: bool) -> RadialForm:
    """Return d^2/dz^2 of <covector, pi(u(z))> sqrt(d), covector = gain * (what follows).

    With q = sqrt(d) covector and n: (-q_n (1 - n n^T) - n q_m^T - q_m n^T) / |u|^2, which is
    (-q_n 1 + 3 q_n n n^T - n q^T - q n^T) / |u|^2, between two centrings for LayerNorm.
    ``unit`` is n sqrt(d), as the norm gives it before gain and shift; it is the part of the
    extended n in the token's own dimensions. Its norm is at most 2/sqrt(3) |q| / |u|^2, as that of
    the second derivative of pi.

    Shapes: unit, covector (d,), std () -> matrix (d, d)
    """
    d = unit.shape[-1]
    along = (unit * covector).sum(-1)  # sqrt(d) <n, covector> = q_n
    n_n = unit[:, None] * unit[None, :] / float(d)
    n_q = unit[:, None] * covector[None, :]  # n q^T
    matrix = along * (3.0 * n_n - np.eye(d)) - n_q - n_q.T
    matrix = matrix / (float(d) * std * std)
    if layer:
        matrix = matrix.centred(0).centred(1)
    weight = float(covector.lengths()) * math.sqrt(d) * (1 + 2.0**-50)
    least = float(std.bottom)
    size = 2 / math.sqrt(3) * weight / (d * least * least) if least > 0 else math.inf
    return RadialForm(matrix, size * (1 + 2.0**-48), weight)
