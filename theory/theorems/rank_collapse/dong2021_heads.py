"""What does one layer of attention do to Dong's residual, and do heads add up? (dong2021)"""

import math

import numpy as np

from theory.arrays import Array, constant, eps, namespace
from theory.magnitude import frobenius_norm
from theory.measures.tokens import dong_residual
from theory.statements.sizes import Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.common import flag, root_of
from theory.theorems.rank_collapse.dong2021 import SAME_BIAS, pair_stack, stack_domain
from theory.theorems.rank_collapse.dong2021_norms import composite_norm
from theory.theorems.rank_collapse.layers import PureAttention, residual_part, stack_error


def _tanh_bound(at: PureAttention) -> Array:
    """Return 2 sqrt 2 (1 - 1/n) sqrt(max_i T_i sum_i T_i) |W_V| res(X), T_i = tanh(D_i / 4)."""
    xp, scores = namespace(at.tokens), residual_part(at, 0)[..., 0, :, :]
    n = scores.shape[-1]
    spread = xp.max(scores, axis=-1) - xp.min(scores, axis=-1)
    change = xp.tanh(spread / 4)
    both = xp.sqrt(xp.max(change, axis=-1)) * xp.sqrt(xp.sum(change, axis=-1))
    value = composite_norm(at.value[..., 0, 0, :, :])
    mean = 1 - constant(1.0, like=both) / n
    return 2 * root_of(2, like=both) * mean * both * value * dong_residual(at.tokens)


def _rounding(at: PureAttention) -> Array:
    """The layer, the residuals, and what the spread of the scores may miss: twice its error.

    The composite norm is at most (n d)^1/4 times 2 Frobenius norms.
    """
    (n, d), unit = at.tokens.shape[-2:], eps(at.tokens)
    outputs = at.head_outputs(0, at.tokens)
    size = namespace(outputs).sum(frobenius_norm(outputs), axis=-1)
    left = 2 * (n * d) ** 0.25 * (1 + at.heads) * (stack_error(at) + (n + at.heads) * unit * size)
    residual = dong_residual(at.tokens)
    weight = frobenius_norm(at.weight[..., 0, 0, :, :]) / math.sqrt(at.width)
    value = frobenius_norm(at.value[..., 0, 0, :, :])
    spread = 4 * (2 * d + n + 8) * unit * residual**2 * weight * (n * d)
    right = 2 * n**0.5 * spread * value * (n * d) ** 0.25 * residual
    return left + right + (n * d + n + 40) * unit * _tanh_bound(at)


def _added(at: PureAttention) -> Array:
    xp = namespace(at.tokens)
    return xp.sum(dong_residual(at.head_outputs(0, at.tokens)), axis=-1)


def _added_rounding(at: PureAttention) -> Array:
    """The sum of the heads, and the residuals of both sides: as for one head."""
    (n, d), unit = at.tokens.shape[-2:], eps(at.tokens)
    outputs = at.head_outputs(0, at.tokens)
    size = namespace(outputs).sum(frobenius_norm(outputs), axis=-1)
    bias = frobenius_norm(at.bias[..., 0, :, :])
    lost = (n * d + n + 30 + at.heads) * unit * (size + bias)
    return 4 * (n * d) ** 0.25 * lost + 2 * (n * d) ** 0.25 * stack_error(at)


def _uneven_heads() -> PureAttention:
    """Two heads alike but for W_V: one fills a column of the output, the other the rows."""
    value = np.asarray([[[[2.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]]])
    weight = np.zeros((1, 2, 2, 2))
    weight[..., 0, 0] = 1.0
    return PureAttention(np.asarray([[1.0, 0.0], [-1.0, 0.0]]), weight, value, np.zeros((1, 2, 2)))


_ONE_LAYER = Hypothesis[PureAttention](
    "there is one layer", lambda at: flag(at.depth != 1, like=at.tokens[..., 0, 0])
)
_ONE_HEAD = Hypothesis[PureAttention](
    "there is one head", lambda at: flag(at.heads != 1, like=at.tokens[..., 0, 0])
)
_DOMAIN = stack_domain(layers=Length(1, 1), heads=Length(1, 1), tokens=few_tokens(2, 5))
HEAD_THEOREMS: tuple[Theorem[PureAttention], ...] = (
    Theorem[PureAttention](
        key="rank-collapse-tanh",
        claim=r"\mathrm{res}(P X W_V + \mathbf{1} b^\top) \le 2 \sqrt{2} (1 - \tfrac{1}{n})"
        r" (\max_i T_i \sum_i T_i)^{1/2} \|W_V\|_{1,\infty} \, \mathrm{res}(X),\quad"
        r" T_i = \tanh(\tfrac{1}{4} \max_{jj'} |E_{ij} - E_{ij'}|)",
        source="derived",
        domain=_DOMAIN,
        hypotheses=(_ONE_LAYER, _ONE_HEAD, SAME_BIAS),
        lhs=lambda at: dong_residual(at.states[-1]),
        rhs=_tanh_bound,
        rounding=_rounding,
        tight=True,
        witness=lambda: pair_stack(weight=1e-6),
        outside=lambda: pair_stack(bias=30.0),
        note="Less what all rows share, the scores are E = R W R^T / sqrt(k). Two softmax rows "
        "whose scores differ by D at most, up to a constant, are 2 tanh(D/4) apart in l1, so row i "
        "of P R is within 2 T_i max_j |r_j| of the row that E = 0 gives: 2 max T norm_inf(R) in "
        "norm_inf, sum_i 2 T_i max |R| <= sum T norm_1(R) in norm_1 (columns of R sum to zero, so "
        "no entry is above half of norm_1). Taking the mean off costs 2 (1 - 1/n). With T <= D/4, "
        "D <= norm_1(W) res^2 / sqrt(k) and sum D <= gamma^2 2 norm_1(E), this is "
        "(1 - 1/n) gamma beta res^3 / sqrt(k). Two opposite tokens reach it as scores vanish.",
    ),
    Theorem[PureAttention](
        key="rank-collapse-heads-add",
        claim=r"\mathrm{res}(\sum_h P_h X W_h + \mathbf{1} b^\top)"
        r" \le \sum_h \mathrm{res}(P_h X W_h)",
        source="dong2021",
        domain=stack_domain(
            layers=Length(1, 1),
            heads=Length(2, 3, typical=3),
            tokens=few_tokens(2, 5),
            features=few_features(2, 4),
        ),
        hypotheses=(_ONE_LAYER, SAME_BIAS),
        lhs=lambda at: dong_residual(at.states[-1]),
        rhs=_added,
        rounding=_added_rounding,
        expected="refuted",
        witness=_uneven_heads,
        correction="rank-collapse-tanh: one head at a time; for several, norm_1 and norm_inf must "
        "be added up apart before the root of their product is taken",
        note="sqrt(norm_1 norm_inf) is no norm: by Cauchy and Schwarz it is at least additive "
        "where the two norms add up. In the witness, 2 tokens, 2 features and 2 heads, "
        "sqrt(24) stands against sqrt(8) + 2. Any proof that adds up the bounds of single heads "
        "needs this step.",
    ),
)
