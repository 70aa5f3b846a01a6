"""How far from consensus can a block put its tokens, whatever enters it? (derived here)"""

import numpy as np

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.bounds.rounding import distance_rounding
from theory.bounds.saturating import last_norm, saturation
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.statements.domains import Domain
from theory.statements.real_layer import each_layer
from theory.statements.sizes import FLAG, Choice
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.diameters import build_maybe_gated
from theory.theorems.block.input import GATED_DOMAIN, STDS, BlockInput
from theory.theorems.common import flag


def _no_norm_at_the_end(at: BlockInput) -> Array:
    return flag(last_norm(at.block) is None, like=at.tokens[..., 0, 0])


def _limit(at: BlockInput) -> Array:
    """Return the limit; for a block without one, that of a plain norm at its end."""
    found = saturation(at.block, at.tokens)
    plain = Block(at.block.attention) if found is None else at.block
    limit = saturation(plain, at.tokens)
    assert limit is not None
    return limit


def _rounding(at: BlockInput) -> Array:
    """What the last norm loses: d + 8 eps of a normalised row, gain and shift; and d_M itself."""
    xp, norm, (n, d) = namespace(at.tokens), last_norm(at.block), at.tokens.shape[-2:]
    limit = _limit(at)
    shift = 0 * limit
    if norm is not None and norm.shift is not None:
        shift = n**0.5 * frobenius_norm(xp.expand_dims(norm.shift, axis=-2))
    lost = (d + 16) * eps(at.tokens) * limit + 2 * eps(at.tokens) * shift
    return lost + (n * d) ** 0.5 * tiny(at.tokens) + distance_rounding(at.step.output)


def _opposite(norm: Norm) -> BlockInput:
    """Opposite tokens, which attention to oneself and the norm leave opposite."""
    block = Block(Attention(None, None, np.eye(2)[None]), norm_1=norm)
    tokens = np.asarray([[2.0, -2.0], [-2.0, 2.0]])
    return BlockInput(block, tokens, adjacency=np.eye(2)[None])


SATURATION = Theorem[BlockInput](
    key="block-saturation",
    claim=r"d_M(H') \le \frac{\max|\gamma|}{\tau} \sqrt{n d}"
    r"\quad\text{for any } H\text{, where a block ends with a norm of gain } \gamma",
    source="derived",
    domain=Domain(
        sizes={
            **GATED_DOMAIN.sizes,
            **dict.fromkeys(("ffn", "gated"), FLAG),
            "placement": Choice(("post",)),
            "kind": Choice(("layer", "rms")),
            "fixed_std": Choice((0,)),
        },
        free=GATED_DOMAIN.free,
        make=build_maybe_gated,
    ),
    hypotheses=(
        Hypothesis("the block ends with a norm that divides by each std", _no_norm_at_the_end),
        STDS,
    ),
    lhs=lambda at: consensus_distance(at.step.output),
    rhs=_limit,
    rounding=_rounding,
    tight=True,
    from_layers=each_layer(lambda layer: BlockInput(layer.block, layer.tokens)),
    witness=lambda: _opposite(Norm()),
    outside=lambda: _opposite(Norm(kind="none")),
    note="A norm puts out gain * x + shift with |x| <= sqrt d / tau; the shift is the same for all "
    "tokens, and d_M^2 is at most the sum of |gain * x_i|^2. Nothing of what comes before is used, "
    "so the ratio d_M(F(H')) / d_M(H') is at most S / (d_M(H) - r |H|) for all H' within r |H| of "
    "H, and d_M(H_L) / d_M(H_0) <= S_L / d_M(H_0) for a stack of any depth: no product over "
    "layers. It is true of every block that ends so and says nothing of its dynamics; a bound "
    "above it says less than that.",
)
