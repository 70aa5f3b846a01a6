"""Is it proved by how much residual attention stretches the distance to M at worst?

Claim: |P (H + sum_k A_k H V_k)| <= G |P H|, P = I - 1 1^T / n, for all tokens H (n rows, any
width), all row-stochastic A_k and all V_k whose spectral norms sum to at most t. The left side is
convex in A_k and V_k, so that A may be a map f (token i hears token f(i)) and V a number t w,
|w| = 1 (in the complex planes of an orthogonal V): it is enough that |P (u + t w A u)| <= G |u| for
all f, w and complex u with P u = u. Proof of that, for one f of each orbit under relabelling: a
symmetric X for which this form of u and v is positive (put v = u / w, and both X cancel):
    (G^2 - 1) |u|^2 - t^2 |P A u|^2 - u* X u - 2 t Re(v* A u) + v* X v.
All is written in the basis e_i - e_n, exactly. That all n^n maps f are covered is counted: those of
another `kind` are of another orbit, and an orbit has n! / (maps of f to itself) members.
Standard library only.
"""

from fractions import Fraction
from math import factorial, isqrt, lcm
from typing import Any

from .envelope import fields, rational, read, require

LONGEST, MOST_TOKENS = 2**19, 8


def numbers(values: Any, count: int) -> list[int]:
    right = isinstance(values, list) and len(values) == count
    require(right and all(type(v) is int for v in values), f"{count} whole numbers must be here")
    return list(values)


def kind(f: tuple[int, ...], known: dict[Any, int]) -> tuple[int, ...]:
    """Return what no relabelling changes: into which cycles things go, and what goes into them."""
    nodes = range(len(f))
    ends = list(nodes)
    for _ in nodes:
        ends = [f[i] for i in ends]  # where a thing is after n steps, on a cycle
    colours, places = [0] * len(f), list(ends)
    for k in nodes:
        places = [f[i] for i in places]
        colours = [c or (k + 1) * (a == b) for c, a, b in zip(colours, places, ends, strict=True)]
    for _ in nodes:
        before = [sorted(colours[j] for j in nodes if f[j] == i) for i in nodes]
        seen = [(colours[i], colours[f[i]], *before[i]) for i in nodes]
        colours = [known.setdefault(each, -len(known) - 1) for each in seen]
    return tuple(sorted(colours))


def symmetries(f: tuple[int, ...], to: tuple[int, ...] = ()) -> int:
    """Count the relabellings p that leave f what it is, p f = f p, which begin like this."""
    n, i = len(f), len(to)
    if any(max(j, f[j]) < i and to[f[j]] != f[to[j]] for j in range(i)):
        return 0
    return i == n or sum(symmetries(f, (*to, j)) for j in range(n) if j not in to)


def form(f: list[int], t: Fraction, square: Fraction, x: list[list[Fraction]]) -> list[list[Any]]:
    """Return the matrix of the form above."""
    n, m = len(f), len(f) - 1
    heard = [[(k == j) - (k == m) for k in f] for j in range(m)]  # A (e_j - e_n)
    rows = [[Fraction(0)] * (2 * m) for _ in range(2 * m)]
    for i in range(m):
        for j in range(m):
            both = sum(a * b for a, b in zip(heard[i], heard[j], strict=True))
            projected = both - Fraction(sum(heard[i]) * sum(heard[j]), n)
            rows[i][j] = (square - 1) * (1 + (i == j)) - t * t * projected - x[i][j]
            rows[m + i][m + j] = x[i][j]
            rows[m + i][j] = rows[j][m + i] = -t * (heard[j][i] - heard[j][m])
    return rows


def positive(matrix: list[list[Any]]) -> bool:
    """Whether a symmetric matrix is positive: all its leading minors are."""
    common = lcm(*(value.denominator for row in matrix for value in row))
    rows, before = [[int(value * common) for value in row] for row in matrix], 1
    for k, pivot in enumerate(rows):
        if pivot[k] <= 0:
            return False
        for row in rows[k + 1 :]:  # each quotient is a minor, hence whole (Bareiss)
            for j in range(len(rows) - 1, k - 1, -1):
                row[j] = (row[j] * pivot[k] - pivot[j] * row[k]) // before
        before = pivot[k]
    return True


def spread(x: list[Any]) -> Fraction:  # |P x|^2
    return Fraction(sum(a * a for a in x)) - Fraction(sum(x)) ** 2 / len(x)


def check(data: bytes) -> str:
    """Return what a certificate proves, in a sentence; a ValueError says why it is no proof."""
    claim, proof = read(data, "residual-attention", longest=LONGEST)
    n, *fractions = fields(claim, "tokens", "t", "at_most_squared", "reached_squared")
    t, square, reached = map(rational, fractions)
    require(type(n) is int and 2 <= n <= MOST_TOKENS, f"tokens must be 2 to {MOST_TOKENS}")
    unit, cases, worst = fields(proof, "denominator", "cases", "worst")
    require(type(unit) is int and unit > 0, "denominator must be a positive whole number")
    require(isinstance(cases, list), "cases must be a list of maps")
    known: dict[Any, int] = {}
    proved: set[tuple[int, ...]] = set()
    left = n**n
    for case in cases:
        values = numbers(case, n + n * (n - 1) // 2)
        f, lower = values[:n], iter(values[n:])
        require(all(0 <= j < n for j in f), "a token hears one that is not there")
        require(kind(tuple(f), known) not in proved, f"{f} is proved twice")
        half = [[Fraction(next(lower), unit) for _ in range(i + 1)] for i in range(n - 1)]
        x = [[half[max(i, j)][min(i, j)] for j in range(n - 1)] for i in range(n - 1)]
        require(positive(form(f, t, square, x)), f"nothing is proved where {f} are heard")
        proved.add(kind(tuple(f), known))
        left -= factorial(n) // symmetries(tuple(f))
    require(left == 0, f"{left} maps are not looked at")
    f, tokens = (numbers(values, n) for values in fields(worst, "listens", "tokens"))
    require(all(0 <= j < n for j in f) and len(set(tokens)) > 1, "worst is no instance")
    after = [own + t * tokens[heard] for own, heard in zip(tokens, f, strict=True)]
    require(spread(after) / spread(tokens) == reached, "reached_squared is not reached")
    low, high = (isqrt(10**16 * x.numerator // x.denominator) for x in (reached, square))
    return (
        f"Of {n} tokens, residual attention with sum |V_k| <= {t} stretches d_M by at most "
        f"{(high + 1) / 10**8:.8f}, and by at least {low / 10**8:.8f} where {f} are heard."
    )
