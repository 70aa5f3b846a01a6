"""Which blocks cannot have a bound on v below 1 for all tokens, and for which is none known?"""

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Floats
from theory.blocks.norms import Norm
from theory.blocks.weights import Block
from theory.bounds.balls import largest_gain
from theory.bounds.rounding import row_sum_allowance
from theory.graphs.chains import closed_classes

NO_CONSTANTS = "no bias carries sigma, and then no v below 1 holds for all tokens"
_PROOF = "docs/verdicts.md has the theorem"


def refusal(block: Block, heads: Floats | None) -> str:
    """Say why balls bound nothing here, or return an empty text.

    Shapes: heads (h, n, n), given attention weights, or None
    """
    if block.feed_forward is not None and block.feed_forward.gated:
        return "no bound on later v is worked out for a gated feed-forward sublayer"
    if block.placement != "post":
        parallel = block.placement == "parallel"
        where = "parallel blocks" if parallel else f"{block.placement}-LN"
        if min(map(abs, block.residual_scales)) >= 1:
            return f"v is at least 1 in {where} with residual scale 1 or more"
        return (
            f"no bound on later v is worked out for {where}; "
            "with residual scale below 1 there may be one"
        )
    if heads is None:
        return ""
    if (heads < 0).any():
        return "attention weights are negative: averages leave what holds the tokens"
    if not (np.abs(heads.sum(axis=-1) - 1) <= row_sum_allowance(heads)).all():
        return "rows of attention weights do not sum to one: averages leave what holds the tokens"
    return ""


def bias_free_obstacle(block: Block, mask: NDArray[np.bool_], heads: Floats | None) -> str:
    """Say why no v below 1 can hold for all tokens, where a theorem says so; else nothing.

    A post-LN block with true norms of one kind, without biases and shifts (those of queries and
    keys do not matter): with eps = 0 and room for directions to turn (3 features, 2 for RMSNorm)
    on full attention, a causal mask of 3 tokens or more, or several closed components; or with an
    eps so small that the zero token, which the norm can put out, has v >= 1.

    Shapes: mask boolean (n, n); heads (h, n, n) or None
    """
    ffn = block.feed_forward
    norms = [block.norm_1] if ffn is None else [block.norm_1, block.norm_2]
    kinds = {norm.kind for norm in norms}
    constants = [block.attention.bias, *(norm.shift for norm in norms)]
    constants += [] if ffn is None else [ffn.bias_in, ffn.bias_out]
    true_norms = len(kinds) == 1 and kinds != {"none"} and all(m.fixed_std is None for m in norms)
    if not true_norms or any(c is not None and np.any(c) for c in constants):
        return ""
    if all(norm.eps > 0 for norm in norms):
        roots = float(np.prod([norm.tau * norm.eps**0.5 / _gain(norm) for norm in norms]))
        if roots <= abs(float(np.prod(block.residual_scales))):
            return f"{NO_CONSTANTS}: eps is small, and zero is a token too ({_PROOF})"
        return ""
    d, n = block.attention.value.shape[-2], mask.shape[-1]
    room = d >= (3 if norms[0].kind == "layer" else 2)
    plain = heads is None and block.attention.plain  # the proof is about products alone
    if norms[-1].eps > 0 or not room or 0 in block.residual_scales or not plain:
        return ""
    causal = n >= 3 and np.array_equal(mask, np.tri(n, dtype=np.bool_))
    if mask.all() or causal or len(closed_classes(mask).closed) > 1:
        return f"{NO_CONSTANTS} ({_PROOF})"
    return ""


def _gain(norm: Norm) -> float:
    return max(largest_gain(norm), np.finfo(np.float64).tiny)
