"""How fast does masked attention make tokens alike if one token can reach all? (wu2024role)"""

import numpy as np
from array_api_compat import device

from theory.arrays import Array, constant, namespace
from theory.bounds.rounding import diameter_rounding
from theory.measures.diameters import token_diameter
from theory.statements.domains import Chosen, Domain, Params
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.attention.steps import (
    IS_ATTENTION,
    Steps,
    after_steps,
    factor_rounding,
    power,
    steps_rounding,
)
from theory.theorems.attention.wu2023 import (
    MASK_FREE,
    MASK_SCALES,
    MASK_SIZES,
    ON_MASK,
    on_full_graph,
    steps_on,
)


def mask_radius(mask: Array) -> Array:
    """Return `theory.graphs.chains.radius` of every mask, and 2 n where it has no centre.

    With loops: a column of the r-th power that has no zero is that of a centre.

    Shapes: mask boolean (*b, n, n) -> float64 (*b,), at least one
    """
    xp = namespace(mask)
    n = mask.shape[-1]
    place = xp.arange(n, device=device(mask))
    heard = xp.astype(mask | (place[:, None] == place[None, :]), xp.float64)
    reach = heard
    found = xp.full_like(heard[..., 0, 0], 2.0 * n)
    for r in range(1, max(n, 2)):
        central = xp.any(xp.all(reach > 0, axis=-2), axis=-1)
        found = xp.where(central, xp.minimum(found, constant(r, like=found)), found)
        reach = xp.astype((reach @ heard) > 0, xp.float64)
    return found


def _no_centre(at: Steps) -> Array:
    return mask_radius(at.allowed) - at.tokens.shape[-2]


def _no_loops(at: Steps) -> Array:
    xp, mask = namespace(at.adjacency), at.allowed
    loops = xp.astype(xp.linalg.diagonal(xp.astype(mask, xp.float64)), at.bound.dtype)
    return 1 - xp.min(loops, axis=-1)


def _rounds(at: Steps) -> Array:
    return at.count / mask_radius(at.allowed)


def _bound(at: Steps, rounds: Array) -> Array:
    base = 1 - at.bound ** mask_radius(at.allowed)
    return power(base, rounds) * token_diameter(at.tokens)


def _rounding(at: Steps) -> Array:
    """The steps, twice for two tokens, both diameters, and the factor."""
    lost = factor_rounding(at, at.tokens.shape[-2]) * token_diameter(at.tokens)
    after = diameter_rounding(after_steps(at))
    return 2 * steps_rounding(at) + after + lost + diameter_rounding(at.tokens)


def _build(sizes: Chosen, params: Params) -> Steps:
    """Loops, a path that the first token's word can take, and edges the free graph has."""
    xp, drawn = namespace(params["graph"]), params["graph"]
    n = drawn.shape[-1]
    place = xp.arange(n, device=device(drawn))
    back = place[:, None] - place[None, :]
    edges = xp.abs(drawn) > sizes["sparse"]
    if sizes["bare"]:
        edges = edges & (drawn != drawn)
    return steps_on(edges | (back == 0) | (back == 1), sizes, params)


_DOMAIN = Domain(sizes=MASK_SIZES | MASK_SCALES, free=MASK_FREE, make=_build)
_HYPOTHESES = (
    IS_ATTENTION,
    ON_MASK,
    Hypothesis("every token listens to itself", _no_loops),
    Hypothesis("the mask is quasi-strongly connected", _no_centre),
)
_CHAIN = np.asarray([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])

MASKED = Theorem[Steps](
    key="masked-attention",
    claim=r"\max_{i,j} |h_i^{(t)} - h_j^{(t)}| \le (1 - \epsilon^r)^{\lfloor t/r \rfloor}"
    r" \max_{i,j} |h_i - h_j|,\quad H^{(t)} = A_t \cdots A_1 H,\ r \text{ the mask's radius}",
    source="wu2024role",
    domain=_DOMAIN,
    hypotheses=_HYPOTHESES,
    lhs=lambda at: token_diameter(after_steps(at)),
    rhs=lambda at: _bound(at, namespace(at.bound).floor(_rounds(at))),
    from_layers=on_full_graph,
    rounding=_rounding,
    tight=True,
    witness=lambda: Steps(
        np.asarray([[0.0], [1.0]]),
        np.stack([np.asarray([[1.0, 0.0], [0.25, 0.75]])] * 4),
        np.float64(0.25),
        np.asarray([[True, False], [True, True]]),
    ),
    outside=lambda: Steps(
        np.asarray([[1.0], [-1.0]]),
        np.asarray([[[0.0, 1.0], [1.0, 0.0]]]),
        np.float64(1.0),
        np.asarray([[False, True], [True, False]]),
    ),
    note="The source has C (1 - eps^r)^(t/r) with some C, and weight matrices that stay bounded; "
    "this is its step with C = 1 for whole multiples of r. Proof: with loops, r steps give every "
    "token at least eps^r of a centre, so that tau <= 1 - eps^r (dobrushin-contraction). "
    "For d_M: times sqrt(n / 2), as in dobrushin-coupling. A causal mask has r = 1 and "
    "reaches it with two tokens. Where no token can reach all, a distance may stay for ever.",
)
WITHOUT_FLOOR = Theorem[Steps](
    key="masked-attention-without-floor",
    claim=r"\max_{i,j} |h_i^{(t)} - h_j^{(t)}| \le (1 - \epsilon^r)^{t/r}"
    r" \max_{i,j} |h_i - h_j|,\quad H^{(t)} = A_t \cdots A_1 H,\ r \text{ the mask's radius}",
    source="derived",
    domain=_DOMAIN,
    hypotheses=_HYPOTHESES,
    lhs=MASKED.lhs,
    rhs=lambda at: _bound(at, _rounds(at)),
    from_layers=on_full_graph,
    rounding=_rounding,
    expected="refuted",
    witness=lambda: Steps(
        np.asarray([[0.0], [1.0], [1.0]]), _CHAIN[None], np.float64(0.5), _CHAIN > 0
    ),
    correction="masked-attention: whole rounds of r steps count, or C = 1 / (1 - eps^r) in front",
    note="With C = 1 the exponent t / r is too much: the word of the first of three tokens in a "
    "chain needs two steps to the third, and after one step the diameter is what it was.",
)
