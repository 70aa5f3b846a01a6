"""Do attention steps on one graph, all different, make the tokens alike? (wu2023demystifying)"""

from collections.abc import Iterator, Sequence

import numpy as np
from array_api_compat import device

from theory.arrays import Array, constant, eps, namespace, tiny
from theory.bounds.rounding import distance_rounding
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.real_layer import RealLayer
from theory.statements.sizes import FLAG, Choice, Exponent, Length, Size, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.attention.steps import (
    IS_ATTENTION,
    Steps,
    after_steps,
    factor_rounding,
    power,
    steps_rounding,
    steps_through,
)
from theory.theorems.block.shi2022_lemmas import scaled
from theory.theorems.common import bounded_scores


def off_the_mask(at: Steps) -> Array:
    """By how much a weight is above zero off the mask, or below the bound on it."""
    xp, weights = namespace(at.adjacency), at.adjacency
    on = at.allowed[..., None, :, :]
    above = xp.max(xp.where(on, xp.zeros_like(weights), weights), axis=(-3, -2, -1))
    least = xp.min(xp.where(on, weights, xp.ones_like(weights)), axis=(-3, -2, -1))
    forgiven = 8 * eps(weights) * xp.abs(at.bound)
    low = xp.where(at.bound > 0, at.bound - least - forgiven, xp.ones_like(least))
    return xp.maximum(above, low)


ON_MASK = Hypothesis("the weights are at least eps > 0 on the mask, zero off it", off_the_mask)


def exponent(mask: Array) -> Array:
    """Return the least r >= 1 for which every walk can be r steps long: (*b, n, n) -> (*b,).

    For a mask without such an r, which is not connected or bipartite (or has another period), it
    is 2 n^2. For one connected component of symmetric listening, r <= 2 (n - 1).
    """
    xp = namespace(mask)
    n = mask.shape[-1]
    steps = xp.astype(mask, xp.float64)
    reach = steps
    found = xp.full_like(steps[..., 0, 0], 2.0 * n * n)
    for r in range(1, (n - 1) ** 2 + 2):  # Wielandt: no primitive matrix needs more
        everywhere = xp.all(reach > 0, axis=(-2, -1))
        found = xp.where(everywhere, xp.minimum(found, constant(r, like=found)), found)
        if bool(xp.all(found < 2.0 * n * n)):
            break
        reach = xp.astype((reach @ steps) > 0, xp.float64)
    return found


def _not_mixing(at: Steps) -> Array:
    """Positive where listening is not mutual, not connected, or bipartite."""
    xp, mask = namespace(at.adjacency), at.allowed
    n = mask.shape[-1]
    one_way = xp.any(mask ^ xp.matrix_transpose(mask), axis=(-2, -1))
    bad = one_way | (exponent(mask) > 2 * n)
    return xp.where(bad, xp.ones_like(at.bound), xp.zeros_like(at.bound))


def _factor(at: Steps) -> Array:
    """Return sqrt(n / 2) (1 - n eps^r)^floor(t / r)."""
    xp, r = namespace(at.bound), exponent(at.allowed)
    n = at.tokens.shape[-2]
    rounds = xp.floor(at.count / r)
    return constant(n / 2, like=at.bound) ** 0.5 * power(1 - n * at.bound**r, rounds)


def _rounding(at: Steps) -> Array:
    """The steps, both distances, and the factor: n eps^r is at most one for an admissible eps."""
    n = at.tokens.shape[-2]
    lost = n**0.5 * factor_rounding(at, 2 * n * n)
    right = lost * consensus_distance(at.tokens) + n**0.5 * distance_rounding(at.tokens)
    return steps_rounding(at) + distance_rounding(after_steps(at)) + right + tiny(at.tokens)


def weights_on(mask: Array, free: Array, most: float) -> Array:
    """Return a softmax over the mask of scores between plus and minus ``most``: (*b, t, n, n)."""
    xp = namespace(free)
    scores = bounded_scores(free, most)
    on = xp.astype(mask, free.dtype)[..., None, :, :]
    weights = xp.exp(scores) * on
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def steps_on(mask: Array, sizes: Chosen, params: Params) -> Steps:
    """Return steps on a mask, with a bound that is the smallest weight or less."""
    xp = namespace(params["scores"])
    weights = weights_on(mask, params["scores"], 2.0 ** sizes["size"])
    on = mask[..., None, :, :]
    least = xp.min(xp.where(on, weights, xp.ones_like(weights)), axis=(-3, -2, -1))
    bound = least / (1 + params["slack"] ** 2 / 100)
    return Steps(scaled(params["tokens"], sizes), weights, bound, mask)


def _build(sizes: Chosen, params: Params) -> Steps:
    """A path, so that the graph is connected, one loop, and edges where the free graph has any."""
    xp, drawn = namespace(params["graph"]), params["graph"]
    n = drawn.shape[-1]
    place = xp.arange(n, device=device(drawn))
    near = xp.abs(place[:, None] - place[None, :]) == 1
    loop = (place[:, None] == 0) & (place[None, :] == 0)
    edges = xp.abs(drawn) > sizes["sparse"]
    edges = edges | xp.matrix_transpose(edges)
    if sizes["bare"]:
        edges = edges & (drawn != drawn)
    return steps_on(edges | near | loop, sizes, params)


def on_full_graph(layers: Sequence[RealLayer]) -> Iterator[Steps]:
    """Yield each head's weights in all layers, with a full mask and the least of them as bound."""
    tokens, weights = steps_through(layers)
    n = tokens.shape[-2]
    mask = np.ones((*tokens.shape[:2], n, n), dtype=np.bool_)
    yield Steps(tokens, weights, weights.min(axis=(-3, -2, -1)), mask)


MASK_SIZES: dict[str, Size] = {
    "tokens": few_tokens(2, 5),
    "features": few_features(1, 3),
    "steps": Length(1, 8, typical=4),
    "size": Exponent(-5, 1, typical=1),
}
MASK_FREE = {
    "tokens": Free("tokens", ("tokens", "features")),
    "graph": Free("graph", ("tokens", "tokens")),
    "scores": Free("graph", ("steps", "tokens", "tokens"), typical="scores"),
    "slack": Free("scalar", typical="zeros"),
}
MASK_SCALES: dict[str, Size] = {
    "scale": Exponent(-1070, 900),
    "sparse": Choice((0.0, 0.5, 1.0)),
    "bare": FLAG,
}

PRODUCTS = Theorem[Steps](
    key="attention-on-a-connected-graph",
    claim=r"d_M(A_t \cdots A_1 H) \le \sqrt{n/2}\, (1 - n \epsilon^r)^{\lfloor t/r \rfloor}"
    r" \, d_M(H),\quad r = \min\{r : G^r > 0\}",
    source="wu2023demystifying",
    domain=Domain(sizes=MASK_SIZES | MASK_SCALES, free=MASK_FREE, make=_build),
    hypotheses=(
        IS_ATTENTION,
        ON_MASK,
        Hypothesis("the graph is undirected, connected and not bipartite", _not_mixing),
    ),
    lhs=lambda at: consensus_distance(after_steps(at)),
    rhs=lambda at: _factor(at) * consensus_distance(at.tokens),
    from_layers=on_full_graph,
    rounding=_rounding,
    tight=True,
    witness=lambda: Steps(
        np.asarray([[1.0], [-1.0]]),
        np.stack([np.asarray([[0.75, 0.25], [0.25, 0.75]])] * 4),
        np.float64(0.25),
        np.ones((2, 2), dtype=np.bool_),
    ),
    outside=lambda: Steps(  # bipartite: the two tokens change places for ever
        np.asarray([[1.0], [-1.0]]),
        np.stack([np.asarray([[0.0, 1.0], [1.0, 0.0]])] * 8),
        np.float64(1.0),
        np.asarray([[False, True], [True, False]]),
    ),
    note="The source has C q^t for some C and q < 1, with weight matrices whose products stay "
    "bounded and an activation between the steps; these are the steps alone, with a C and a q: "
    "q = (1 - n eps^r)^(1/r), and C = sqrt(n / 2) / q^(r-1) where t / r is no whole number. "
    "Proof: r steps have all weights at least eps^r, so that tau <= 1 - n eps^r; "
    "then dobrushin-contraction for every r steps and dobrushin-coupling. r <= 2 (n - 1). One "
    "step between two tokens reaches it; longer walks do not.",
)
