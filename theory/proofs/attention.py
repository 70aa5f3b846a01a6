"""How is the worst case of residual attention proved, for so many tokens and so large values?

For each way f to listen, up to relabelling, one linear matrix inequality whose solution covers all
rotations at once. Clarabel solves it with floats; its X is rounded to fractions, and the checker
decides with whole numbers. That two hubs are the worst is found, not assumed: a bound that is too
small has no X for some f.
"""

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.arrays import InputError
from theory.proofs.certificates import seal
from theory.proofs.checkers.residual_attention import MOST_TOKENS, form, kind, positive, spread

_SLACK = Fraction(7, 10**7)
"""By how much the bound lies above what two hubs reach: the room in which X is rounded."""
_DENOMINATORS = (2**16, 2**20, 2**24, 2**28, 2**32)
_TOKENS = 10**5  # what the worst instance's tokens are rounded to; it costs 1e-10 of the ratio


def two_hubs(tokens: int, t: float) -> float:
    """Return the ratio of two hubs, each heard by half of the tokens: G(n, t).

    I + t A is I + t kappa u v^T on the tokens that sum to zero, <u, v> = 1 / kappa. The product of
    its two singular values that are not one is 1 + t, their difference t kappa.

    Source: derived, docs/proofs.md
    """
    kappa = (2 * (tokens**2 // 4) / tokens) ** 0.5
    return float(((4 * (1 + t) + (t * kappa) ** 2) ** 0.5 + t * kappa) / 2)


def residual_attention(*, tokens: int, t: str | Fraction) -> dict[str, Any]:
    """Return the certificate that G(n, t) is the worst case, up to 1e-6.

    Raises: InputError if tokens or t cannot be meant, Clarabel is not installed, or some f has no X
    """
    norms = _fraction(t)
    if not 2 <= tokens <= MOST_TOKENS:
        raise InputError(f"tokens must be 2 to {MOST_TOKENS}, but is {tokens}")
    bound = Fraction(two_hubs(tokens, float(norms))) + _SLACK
    square = (bound**2).limit_denominator(10**12)
    hubs = [0] * (tokens // 2) + [tokens - 1] * (tokens - tokens // 2)
    stretched = _worst(hubs, float(norms))
    reached = spread([a + norms * stretched[j] for a, j in zip(stretched, hubs, strict=True)])
    maps = representatives(tokens)
    solved = [_solve(f, norms, square) for f in maps]
    for denominator in _DENOMINATORS:
        cases = [
            _exact(f, norms, square, x, denominator) for f, x in zip(maps, solved, strict=True)
        ]
        if all(case is not None for case in cases):
            claim = {
                "tokens": tokens,
                "t": str(norms),
                "at_most_squared": str(square),
                "reached_squared": str(reached / spread(stretched)),
            }
            worst = {"listens": hubs, "tokens": stretched}
            proof = {"denominator": denominator, "cases": cases, "worst": worst}
            return seal("residual-attention", claim, proof)
    raise InputError(
        f"no X was found for {sum(case is None for case in cases)} of {len(maps)} maps"
    )


def _fraction(t: str | Fraction) -> Fraction:
    try:
        found = Fraction(t)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"t must be a fraction P/Q, but is {t!r}") from None
    if not (Fraction(1, 1000) <= found <= 1000 and found.denominator <= 1000):
        raise InputError(f"t must be 1/1000 to 1000 with a denominator up to 1000, but is {t}")
    return found


@cache
def representatives(tokens: int) -> tuple[tuple[int, ...], ...]:
    """Return one map of tokens to tokens of each orbit under relabelling.

    Somebody whom nobody hears was added to a map of one token less; or all are heard, in cycles.
    """
    if tokens == 1:
        return ((0,),)
    fewer = representatives(tokens - 1)
    found = [(*f, heard) for f in fewer for heard in range(tokens - 1)]
    found += [tuple(f) for f in map(_cycles, _parts(tokens, tokens))]
    known: dict[Any, int] = {}
    return tuple({kind(f, known): f for f in reversed(found)}.values())


def _parts(total: int, most: int) -> list[list[int]]:
    """Return the ways to write a number as a sum of numbers that do not grow."""
    if total == 0:
        return [[]]
    firsts = range(min(total, most), 0, -1)
    return [[k, *rest] for k in firsts for rest in _parts(total - k, k)]


def _cycles(lengths: list[int]) -> list[int]:
    f: list[int] = []
    for k in lengths:
        f += [len(f) + (i + 1) % k for i in range(k)]
    return f


def _worst(hubs: list[int], t: float) -> list[int]:
    """Return tokens that two hubs stretch most, as whole numbers."""
    n = len(hubs)
    centred = np.eye(n) - 1 / n
    direction = np.linalg.svd(centred @ (np.eye(n) + t * np.eye(n)[hubs]) @ centred)[2][0]
    return [round(_TOKENS * value) for value in direction]


def _solve(f: tuple[int, ...], t: Fraction, square: Fraction) -> NDArray[np.float64]:
    """Return the X that leaves the form the most room."""
    try:
        import clarabel
    except ModuleNotFoundError as error:
        raise InputError("proofs need Clarabel: pip install 'oversmooth[proof]'") from error
    from scipy import sparse

    m = len(f) - 1
    zero, units = [[Fraction(0)] * m for _ in range(m)], []
    base = np.asarray(form(list(f), t, square, zero), dtype=np.float64)
    for i in range(m):
        for j in range(i + 1):
            unit = np.zeros((2 * m, 2 * m))
            unit[i, j] = unit[j, i] = -1
            unit[m + i, m + j] = unit[m + j, m + i] = 1
            units.append(unit)
    room = np.asarray(np.kron(np.eye(2), np.eye(m) + 1), dtype=np.float64)
    columns = [-_triangle(unit) for unit in units] + [_triangle(room)]
    target = np.zeros(len(columns))
    target[-1] = -1
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    found = clarabel.DefaultSolver(
        sparse.csc_matrix((len(columns), len(columns))),
        target,
        sparse.csc_matrix(np.stack(columns, axis=1)),
        _triangle(base),
        [clarabel.PSDTriangleConeT(2 * m)],
        settings,
    ).solve()
    x = np.zeros((m, m))
    x[np.tril_indices(m)] = found.x[:-1]
    return x


def _triangle(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper triangle column by column, off the diagonal times the root of two."""
    weighted = matrix * (2**0.5 - (2**0.5 - 1) * np.eye(len(matrix)))
    return weighted.T[np.tril_indices(len(matrix))]


def _exact(
    f: tuple[int, ...], t: Fraction, square: Fraction, x: NDArray[np.float64], denominator: int
) -> list[int] | None:
    """Return a map and its X rounded, the lower triangle row by row; None if it proves nothing."""
    m = len(f) - 1
    rounded = [[round(denominator * (x[i, j])) for j in range(i + 1)] for i in range(m)]
    exact = [
        [Fraction(rounded[max(i, j)][min(i, j)], denominator) for j in range(m)] for i in range(m)
    ]
    if not positive(form(list(f), t, square, exact)):
        return None
    return [*f, *(value for row in rounded for value in row)]
