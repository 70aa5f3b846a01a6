"""Does v on the first tokens say what later blocks do? It does not. (derived here)"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from theory.arrays import Array, constant, eps, namespace
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, BlockStep
from theory.bounds.block_rounding import block_rounding, coefficient_error
from theory.bounds.coefficients import Coefficients, block_coefficients, norm_stretch
from theory.bounds.rounding import distance_rounding
from theory.graphs.masks import block_mask
from theory.magnitude import frobenius_norm
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.statements.domains import Chosen, Domain, Free, Params, adjacency
from theory.statements.sizes import Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem

_TINY = 1e-100  # an eps below all that matters, so that no std is zero


@brief_repr
@dataclass(frozen=True, eq=False)
class Repeated:
    """A block without feed-forward that comes ``times`` times, and the first tokens (*b, n, d).

    Its attention weights (*b, h, n, n) are given, and the same every time.
    """

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "adjacency": "h n n"}

    block: Block
    tokens: Array
    adjacency: Array
    times: int = 2

    @cached_property
    def steps(self) -> list[BlockStep]:
        """What the block does, time after time."""
        found, tokens = [], self.tokens
        for _ in range(self.times):
            found.append(apply_block(self.block, tokens, adjacency=self.adjacency))
            tokens = found[-1].output
        return found

    @cached_property
    def coefficients(self) -> Coefficients:
        """The coefficient v and its parts on the first tokens."""
        return block_coefficients(self.block, self.steps[0])


def _claimed(at: Repeated) -> Array:
    return at.coefficients.v**at.times * consensus_distance(at.tokens)


def _rounding(at: Repeated) -> Array:
    """The error of each block, stretched by all later ones; the two distances; v^times."""
    xp, block, tokens = namespace(at.tokens), at.block, at.tokens
    listening = frobenius_norm(at.adjacency) * frobenius_norm(block.attention.value)
    error = 0 * at.coefficients.v
    for step in at.steps:
        stretch = norm_stretch(block.norm_1, step.std_1, like=error)
        error = stretch * (abs(block.residual_scale("1")) + xp.sum(listening, axis=-1)) * error
        error = error + block_rounding(block, tokens, step, 0 * error)
        tokens = step.output
    off = coefficient_error(block, at.tokens, at.steps[0], at.coefficients)
    claim = _claimed(at) * at.times * (off / at.coefficients.v + 4 * eps(tokens))
    power = at.coefficients.v**at.times
    return error + distance_rounding(tokens) + claim + power * distance_rounding(at.tokens)


def _build(sizes: Chosen, params: Params) -> Repeated:
    """Tokens so large that v is 1/2; where a std vanishes, tokens on a line and no attention."""
    xp, tokens = namespace(params["tokens"]), params["tokens"]
    d = sizes["features"]
    weights = adjacency(params["weights"])[..., None, :, :]
    value = params["value"][..., None, :, :]
    block = Block(Attention(None, None, value), norm_1=Norm(eps=_TINY))
    step = apply_block(block, tokens, adjacency=weights)
    assert step.std_1 is not None
    size = frobenius_norm(tokens)
    works = xp.min(step.std_1, axis=-1) > 1e-6 * size * (1 + frobenius_norm(value)[..., 0])
    works = (works & (size > _TINY**0.25))[..., None, None]
    line = constant([[float(j - (d - 1) / 2) for j in range(d)]], like=tokens)
    tokens = xp.where(works, tokens, line)
    value = xp.where(works[..., None], value, 0.0)
    block = Block(Attention(None, None, value), norm_1=Norm(eps=_TINY))
    first = Repeated(block, tokens, weights, 1)
    tokens = tokens * (2 * first.coefficients.v)[..., None, None]
    return Repeated(block, tokens, weights, sizes["times"])


def _witness() -> Repeated:
    """Large tokens in two groups that do not hear each other, opposite to each other."""
    mask = block_mask([2, 2])
    line = np.asarray([100.0, 0.0, -100.0])
    tokens = np.stack([line, line, -line, -line])
    block = Block(Attention(None, None, 0.5 * np.eye(3)[None]))
    return Repeated(block, tokens, (mask / 2.0)[None], 3)


FIRST_V_FOREVER = Theorem[Repeated](
    key="first-v-forever",
    claim=r"d_M(F^\ell(H)) \le v(H)^\ell\, d_M(H) \quad\text{if } v(H) < 1",
    source="derived",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(2, 5),
            "times": Length(2, 5, typical=4),
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weights": Free("graph", ("tokens", "tokens")),
            "value": Free("matrix", ("features", "features")),
        },
        make=_build,
    ),
    hypotheses=(
        Hypothesis("v is below 1 on the first tokens", lambda at: at.coefficients.v - 1 + 1e-9),
    ),
    lhs=lambda at: consensus_distance(at.steps[-1].output),
    rhs=_claimed,
    rounding=_rounding,
    expected="refuted",
    witness=_witness,
    correction="supremum-of-v: v on all tokens that have passed",
    note="A norm forgets how large its input was: large tokens make sigma_1 large once, and after "
    "the first block never again. In the witness d_M stays where the first block left it.",
)
