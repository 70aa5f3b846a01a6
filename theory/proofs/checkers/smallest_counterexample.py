"""Is it proved which graphs are the smallest that refute a published claim?

The claim (Cai and Wang 2020): E(P X) <= (1 - l)^2 E(X) for P = D^-1/2 (W + I) D^-1/2, W a graph,
E(X) = tr(X^T (I - P) X), l the smallest non-zero eigenvalue of I - P. In eigenvectors of P: of its
eigenvalues but 1 none has a larger square than the largest. All graphs with up to so many nodes are
looked at: each is one with a node less, and a new node with some of those as neighbours. P and
D^-1 (W + I) have one characteristic polynomial, of real roots: as many are above r as coefficients
of p(x + r) change sign (Descartes). Bisection tells its largest from minus its smallest root, or
p(x) and p(-x) share that: a tie. Standard library only.
"""

from fractions import Fraction
from functools import cache
from itertools import accumulate, dropwhile, pairwise, permutations, product, zip_longest
from math import lcm

from .envelope import fields, read, require, written

LONGEST, MOST_NODES, MOST_STEPS = 2**12, 7, 200


Graph = frozenset[tuple[int, int]]
Polynomial = tuple[Fraction, ...]  # its coefficients, that of the highest power first


def characteristic(nodes: int, edges: Graph) -> Polynomial:
    """Return the polynomial whose roots are the eigenvalues of P, as Faddeev and LeVerrier do."""
    near = [[i == j or (min(i, j), max(i, j)) in edges for j in range(nodes)] for i in range(nodes)]
    unit = lcm(*range(1, nodes + 1))
    walk = [[unit // sum(row) * listens for listens in row] for row in near]
    columns, power, found = list(zip(*walk, strict=True)), walk, [1]
    for k in range(1, nodes + 1):
        found.append(-sum(power[i][i] for i in range(nodes)) // k)
        shifted = [[x + found[k] * (i == j) for j, x in enumerate(r)] for i, r in enumerate(power)]
        power = [[sum(map(int.__mul__, row, column)) for column in columns] for row in shifted]
    return tuple(Fraction(value, unit**k) for k, value in enumerate(found))


def common(p: Polynomial, q: Polynomial) -> Polynomial:
    """Return the greatest common divisor, by Euclid."""
    while len(p) >= len(q) > 0:
        p = tuple(a - p[0] / q[0] * b for a, b in zip_longest(p, q, fillvalue=Fraction(0)))[1:]
    return common(q, tuple(dropwhile(lambda x: x == 0, p))) if q else p


def above(p: Polynomial, r: Fraction) -> int:
    """Count the roots above r of a polynomial all of whose roots are real."""
    shifted = list(p)
    for end in range(len(p), 1, -1):  # p(x + r) by Horner, again and again
        for k in range(1, end):
            shifted[k] += r * shifted[k - 1]
    return sum(a != b for a, b in pairwise([x > 0 for x in shifted if x]))


def distinct(p: Polynomial, low: Fraction, high: Fraction) -> int:
    """Count the roots above low, but not above high, each once."""
    again = common(p, tuple(c * (len(p) - 1 - k) for k, c in enumerate(p[:-1])))  # p and p'
    return above(p, low) - above(p, high) - above(again, low) + above(again, high)


@cache
def refutes(p: Polynomial) -> bool:
    """Whether some root but 1 has a larger square than the largest root but 1."""
    while sum(p) == 0:
        p = tuple(accumulate(p))[:-1]  # p / (x - 1)
    low, high, mirrored = Fraction(-1), Fraction(1), tuple(c * (-1) ** k for k, c in enumerate(p))
    if distinct(p, low, high) < 2:
        return False
    three = (p, mirrored, common(p, mirrored))
    for _ in range(MOST_STEPS):
        if all(distinct(q, low, high) == 1 for q in three):
            return False  # the largest and the smallest root differ in sign only
        middle = (low + high) / 2
        own, other = (above(q, middle) > 0 for q in three[:2])
        if own != other:
            return other
        low, high = (middle, high) if own else (low, middle)
    raise ValueError("two roots could not be told apart")


def one_of_each(nodes: int, graphs: set[Graph]) -> list[Graph]:
    seen, kept = set[Graph](), list[Graph]()
    for graph in sorted(graphs, key=sorted):
        if graph not in seen:
            kept.append(graph)
            for p in permutations(range(nodes)):
                seen.add(Graph((min(p[i], p[j]), max(p[i], p[j])) for i, j in graph))
    return kept


def census(most: int) -> list[list[Graph]]:
    """Return the graphs that refute the claim, one of each orbit, for 1, 2, ... nodes."""
    before, found = [Graph()], list[list[Graph]]([[]])
    for nodes in range(2, most + 1):
        chosen = product((False, True), repeat=nodes - 1)
        sets = [Graph((k, nodes - 1) for k, near in enumerate(c) if near) for c in chosen]
        graphs = {graph | more for graph in before for more in sets}
        refuting = {graph for graph in graphs if refutes(characteristic(nodes, graph))}
        found.append(one_of_each(nodes, refuting))
        before = one_of_each(nodes, graphs) if nodes < most else []
    return found


def check(data: bytes) -> str:
    """Return what a certificate proves, in a sentence; a ValueError says why it is no proof."""
    claim, proof = read(data, "smallest-counterexample", longest=LONGEST)
    counts, smallest = fields(claim, "refuting", "smallest")
    fields(proof)
    right = isinstance(counts, list) and 2 <= len(counts) <= MOST_NODES
    require(right, f"refuting must be counts for 1 to 2, 3, ... or {MOST_NODES} nodes")
    found = census(len(counts))
    true, first = [len(graphs) for graphs in found], next(filter(None, found), [])
    edges = [sorted(map(list, graph)) for graph in first]
    right = written([true, edges]) == written([counts, smallest])
    require(right, f"{true} graphs refute the claim, the smallest with the edges {edges}")
    return (
        f"Of all graphs with 1 to {len(true)} nodes {true} refute E(P X) <= (1 - l)^2 E(X), up to "
        f"relabelling; the smallest have the edges {edges}."
    )
