"""How fast does attention without residual streams lose rank? (dong2021, theorems 2.1 to 2.3)"""

import math
from itertools import product

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.magnitude import frobenius_norm
from theory.measures.tokens import dong_residual
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import (
    TYPICAL_FEATURES,
    TYPICAL_TOKENS,
    Choice,
    Exponent,
    Length,
    Size,
    few_features,
    few_tokens,
)
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import root_of, to_norm_one, varies
from theory.theorems.rank_collapse.dong2021_norms import (
    column_norm,
    composite_norm,
    largest_spread,
    spread_ratio,
)
from theory.theorems.rank_collapse.layers import (
    PureAttention,
    centred,
    residual_part,
    state_errors,
)


def _bound(at: PureAttention) -> Array:
    """Return (4 gamma beta H / sqrt k)^((3^L - 1)/2) res^(3^L), gamma and beta the largest."""
    xp = namespace(at.tokens)
    beta = column_norm(at.weight) * composite_norm(at.value)
    gamma = [xp.max(spread_ratio(residual_part(at, i)), axis=-1) for i in range(at.depth)]
    worst = xp.max(xp.stack(gamma, axis=-1), axis=-1) * xp.max(beta, axis=(-2, -1))
    factor = 4 * worst * at.heads / root_of(at.width, like=worst)
    power = 3**at.depth
    return factor ** ((power - 1) // 2) * dong_residual(at.tokens) ** power


def _spread_doubt(at: PureAttention, errors: list[Array]) -> Array:
    """Return by how much, relative to itself, the largest gamma may be larger.

    ``errors`` are those of the tokens before every layer.

    An entry of E is off by at most delta, so both sums of gamma^2 by 2 n delta; the sum below is
    not smaller than the one above over n, or over the number of pairs. Behind layers that leave
    hardly more than rounding between the tokens, nothing more is known of gamma.
    """
    xp, (n, d), unit = namespace(at.tokens), at.tokens.shape[-2:], eps(at.tokens)
    most = math.sqrt(min(n, n * (n - 1) / 2))
    found, highest = [], []
    for i, error in enumerate(errors):
        size = frobenius_norm(centred(at.states[i]))
        lost = (2 * size * error + error**2 + (2 * d + 4) * unit * size**2)[..., None]
        weight = frobenius_norm(at.weight[..., i, :, :, :]) / math.sqrt(at.width)
        delta = lost * weight + tiny(lost)
        scores = residual_part(at, i)
        shared, gamma = largest_spread(scores), spread_ratio(scores)
        known = shared > 4 * n * delta
        doubt = 2 * (n + 1) * n * delta / xp.where(known, shared - 2 * n * delta, 1.0)
        high = xp.clip(gamma * (1 + doubt), max=max(most, 1.0))
        found.append(xp.max(gamma, axis=-1))
        highest.append(xp.max(xp.where(known, high, max(most, 1.0)), axis=-1))
    largest, above = (xp.max(xp.stack(x, axis=-1), axis=-1) for x in (found, highest))
    return xp.clip(above / largest - 1, min=0.0)


def residual_rounding(at: PureAttention) -> Array:
    """The composite norm is at most sqrt(n d) Frobenius; the powers on the right."""
    n, d = at.tokens.shape[-2:]
    power = 3**at.depth
    unit = eps(at.tokens)
    # The mean token comes off exactly, but for its own rounding.
    relative = unit * power * (n * d + n + 4 * d + 30)
    *before, last = state_errors(at)
    left = (n * d) ** 0.25 * 2 * (last + unit * frobenius_norm(at.states[-1]))
    right = (1 + _spread_doubt(at, before)) ** ((power - 1) // 2) * (1 + relative) - 1
    return left + right * _bound(at) + relative * dong_residual(at.states[-1])


def bias_varies(at: PureAttention) -> Array:
    """Return how much a layer's bias differs from token to token."""
    return namespace(at.bias).max(varies(at.bias), axis=-1)


SAME_BIAS = Hypothesis[PureAttention]("a layer's bias is the same for every token", bias_varies)


def build_stack(sizes: Chosen, params: Params) -> PureAttention:
    """Tokens of norm 2^amplitude, and weights of norm one times what the sizes say."""
    tokens = to_norm_one(params["tokens"]) * 2.0 ** sizes["amplitude"]
    like = 0 * tokens[..., None, :, :]
    bias = like + params["bias"][..., None, :] * sizes["biased"]
    weight = to_norm_one(params["weight"]) * 2.0 ** sizes["strength"]
    return PureAttention(tokens, weight, to_norm_one(params["value"]), bias, sizes["width"])


_SIZES: dict[str, Size] = {
    "tokens": few_tokens(2, 5),
    "features": few_features(1, 4),
    "layers": Length(1, 3, typical=2),
    "heads": Length(1, 3, typical=3),
    "width": few_features(1, 4),
    "amplitude": Exponent(-1, 3, typical=math.log2(TYPICAL_TOKENS * TYPICAL_FEATURES) / 2),
    "strength": Exponent(-3, 3, typical=3),
    "biased": Choice((0.0, 0.25)),
}
_FREE = {
    "tokens": Free("tokens", ("tokens", "features")),
    "weight": Free("matrix", ("layers", "heads", "features", "features")),
    "value": Free("matrix", ("layers", "heads", "features", "features")),
    "bias": Free("matrix", ("layers", "features"), typical="zeros"),
}


def stack_domain(**sizes: Size) -> Domain[PureAttention]:
    """Return the domain of stacks with some sizes changed."""
    return Domain(sizes={**_SIZES, **sizes}, free=_FREE, make=build_stack)


_APART = np.asarray([[0.5], [-0.5]])


def pair_stack(*, bias: float = 0.0, layers: int = 1, weight: float = 1.0) -> PureAttention:
    """Two opposite tokens, one head, and a bias that is added to the first of them only."""
    one = np.ones((layers, 1, 1, 1))
    varying = np.zeros((layers, 2, 1))
    varying[:, 0] = bias
    return PureAttention(_APART, weight * one, one, varying)


def _sum_of_paths(at: PureAttention) -> Array:
    """Return the sum over head paths of P_path X W_path, plus 1 b^T with b of the first token."""
    xp = namespace(at.tokens)
    adjacency = [at.adjacency(i, at.states[i]) for i in range(at.depth)]
    total = 0 * at.tokens @ at.value[..., 0, 0, :, :]
    for path in product(range(at.heads), repeat=at.depth):
        left, right = adjacency[0][..., path[0], :, :], at.value[..., 0, path[0], :, :]
        for i, h in enumerate(path[1:], start=1):
            left, right = adjacency[i][..., h, :, :] @ left, right @ at.value[..., i, h, :, :]
        total = total + left @ at.tokens @ right
    shift = 0 * at.bias[..., 0, :1, :]
    for i in range(at.depth):
        shift = shift @ xp.sum(at.value[..., i, :, :, :], axis=-3) + at.bias[..., i, :1, :]
    return total + shift


def _path_rounding(at: PureAttention) -> Array:
    """Both sides multiply the same factors in another order, and sum at most H^L paths.

    A layer, or a factor of a path, loses (2 n + 2 d + H) eps of the product of the Frobenius
    norms, and so does a bias that runs through all layers after its own.
    """
    xp, (n, d), unit = namespace(at.tokens), at.tokens.shape[-2:], eps(at.tokens)
    size = frobenius_norm(at.tokens)
    for i in range(at.depth):
        adjacency = frobenius_norm(at.adjacency(i, at.states[i]))
        value = frobenius_norm(at.value[..., i, :, :, :])
        size = xp.sum((adjacency + n**0.5) * value, axis=-1) * size
        size = size + frobenius_norm(at.bias[..., i, :, :])
    steps = at.depth * (2 * n + 2 * d + at.heads + 4) + at.heads**at.depth
    return 2 * steps * unit * (size + frobenius_norm(at.tokens)) + n * d * tiny(size)


def _difference(at: PureAttention) -> Array:
    return frobenius_norm(at.states[-1] - _sum_of_paths(at))


PATHS = Theorem[PureAttention](
    key="path-decomposition",
    claim=r"\mathrm{SAN}(X) = \sum_{h_1, \ldots, h_L} P_{h_L} \cdots P_{h_1} X"
    r" W_{h_1} \cdots W_{h_L} + \mathbf{1} b^\top",
    source="dong2021",
    domain=stack_domain(),
    hypotheses=(SAME_BIAS,),
    lhs=_difference,
    rhs=lambda at: 0 * _difference(at),
    rounding=_path_rounding,
    scale=lambda at: frobenius_norm(at.states[-1]),
    tight=True,
    witness=lambda: pair_stack(layers=2),
    outside=lambda: pair_stack(layers=2, bias=1.0),
    note="An equality: the norm of the difference is at most rounding. b is the sum over the "
    "layers of b_l times all later sums of W_h; rows of attention that sum to one let it pass.",
)
RANK_COLLAPSE = Theorem[PureAttention](
    key="rank-collapse",
    claim=r"\mathrm{res}(\mathrm{SAN}(X)) \le"
    r" (4 \gamma \beta H / \sqrt{k})^{(3^L - 1)/2} \, \mathrm{res}(X)^{3^L},\quad"
    r" \beta = \max \|W_{QK}\|_1 (\|W_V\|_1 \|W_V\|_\infty)^{1/2}",
    source="dong2021",
    domain=stack_domain(),
    hypotheses=(SAME_BIAS,),
    lhs=lambda at: dong_residual(at.states[-1]),
    rhs=_bound,
    rounding=residual_rounding,
    outside=lambda: pair_stack(bias=30.0),
    note="res is the root of norm_1 norm_inf of the tokens less their mean. Read so: gamma^2 is "
    "sum_i max_jj' |E_ij - E_ij'| over max_jj' sum_i |E_ij - E_ij'|, E = R W R^T / sqrt(k) with R "
    "the residual, largest over heads and layers. For one head "
    "rank-collapse-tanh implies it, with (1 - 1/n) in the place of 4 and for scores of any size. "
    "For several heads a proof cannot add up single ones, as this is no norm "
    "(rank-collapse-heads-add). Uneven W_V can cost a factor that grows with d; the worst family "
    "known (two tokens, two heads) needs d > 64,000 before it uses up the 4. No counterexample "
    "was found.",
)
