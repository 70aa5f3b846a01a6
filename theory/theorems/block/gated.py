"""By how much can a gated feed-forward sublayer, or a parallel block, stretch the distance?"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from theory.arrays import Array, eps, namespace
from theory.blocks.activations import ACTIVATIONS, activation
from theory.blocks.forward import feed_forward_parts
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.gates import gate_lipschitz
from theory.bounds.rounding import after_feed_forward, distance_rounding, exactly, weight_errors
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.spectra.norms import spectral_norm
from theory.statements.domains import Chosen, Domain, Free, Params
from theory.statements.sizes import FLAG, Choice, Exponent, Length, few_features, few_tokens
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.block.input import GATED_DOMAIN, PARALLEL_DOMAIN, SAME_SUMS, STDS, BlockInput
from theory.theorems.block.shi2022_block import outside, rounding
from theory.theorems.block.shi2022_lemmas import scaled
from theory.theorems.common import flag

_CLOSE = 1.5e-7
"""So near, phi(g) u moves as fast as its bound says but for a share of 2e-7, below rounding."""
_PROOF = (
    "Proof: phi(g) u - phi(g') u' = phi(g) (u - u') + (phi(g) - phi(g')) u' for the factors of two "
    "tokens, entry by entry; the first part is at most max|phi(g)| |u - u'|, the second "
    "c max|u| |g - g'|. u and g are linear images of the tokens, and n d_M^2 sums the squares of "
    "the differences of all pairs of tokens."
)


@brief_repr
@dataclass(frozen=True, eq=False)
class GatedTokens:
    """Tokens (*b, n, d), a gated sublayer, and what bounds |phi(gate)| and |hidden|, (*b,) each."""

    AXES: ClassVar[dict[str, str]] = {"tokens": "n d", "gate_peak": "", "hidden_peak": ""}

    tokens: Array
    sublayer: FeedForward
    gate_peak: Array
    hidden_peak: Array


def _largest(sublayer: FeedForward, tokens: Array) -> tuple[Array, Array]:
    """Return max |phi(gate)| and max |hidden| over all tokens and features."""
    _, hidden, gate = feed_forward_parts(sublayer, tokens)
    xp = namespace(tokens)
    return xp.max(xp.abs(gate), axis=(-2, -1)), xp.max(xp.abs(hidden), axis=(-2, -1))


def _above_peaks(at: GatedTokens) -> Array:
    gate, hidden = _largest(at.sublayer, at.tokens)
    return namespace(at.tokens).maximum(gate - at.gate_peak, hidden - at.hidden_peak)


def _norm(sublayer: FeedForward) -> Array:
    """Return s, the largest singular value of the three matrices."""
    xp = namespace(sublayer.weight_in)
    largest = xp.maximum(spectral_norm(sublayer.weight_in), spectral_norm(sublayer.weight_out))
    return xp.maximum(largest, spectral_norm(sublayer.weight_gate))


def _factor(at: GatedTokens) -> Array:
    peaks = (at.gate_peak[..., None], at.hidden_peak[..., None])
    return gate_lipschitz(at.sublayer, *peaks) * _norm(at.sublayer) ** 2


def _lemma_rounding(at: GatedTokens) -> Array:
    """The sublayer and its coefficient (both in `after_feed_forward`), and the two distances."""
    xp, n = namespace(at.tokens), at.tokens.shape[-2]
    nothing = Attention(None, None, 0 * at.tokens[..., None, :1, :1])
    peaks = (at.gate_peak[..., None], at.hidden_peak[..., None])
    errors = weight_errors(nothing, at.sublayer)
    run = after_feed_forward(at.sublayer, exactly(at.tokens), errors, tokens=n, peaks=peaks)
    right = 2 * distance_rounding(at.tokens) + 8 * eps(at.tokens) * consensus_distance(at.tokens)
    right = _factor(at) * right
    return run.error + distance_rounding(_output(at)) + xp.where(right > 0, right, 0.0)


def _output(at: GatedTokens) -> Array:
    return feed_forward_parts(at.sublayer, at.tokens)[0]


def _build(sizes: Chosen, params: Params) -> GatedTokens:
    biased = sizes["biased"]
    sublayer = FeedForward(
        params["weight_in"],
        params["weight_out"],
        params["bias_in"] if biased else None,
        params["bias_out"] if biased else None,
        activation=sizes["activation"],
        weight_gate=params["weight_gate"],
        bias_gate=params["bias_gate"] if biased else None,
    )
    tokens = scaled(params["tokens"], sizes)
    slack = 1 + params["slack"] ** 2 * float(sizes["loose"])
    gate, hidden = _largest(sublayer, tokens)
    return GatedTokens(tokens, sublayer, slack * gate, slack * hidden)


def _squares() -> FeedForward:
    """Return a sublayer of one feature x that makes 27 x^2 of it."""
    three = np.full((1, 1), 3.0)
    return FeedForward(three, three, activation="identity", weight_gate=three)


def _near_one() -> Array:
    """Two tokens of one feature near one, where 27 x^2 moves 54 max|x| times as fast as x."""
    return np.asarray([[1.0], [1.0 - _CLOSE]])


GATED_FEED_FORWARD = Theorem[GatedTokens](
    key="gated-feed-forward",
    claim=r"d_M((\phi(H W_g) \odot H W_u) W_o) \le (\max|\phi(g)| + c \max|u|)\, s^2\, d_M(H),"
    r"\quad g = H W_g,\ u = H W_u",
    source="derived",
    domain=Domain(
        sizes={
            "tokens": few_tokens(2, 6),
            "features": few_features(1, 5),
            "hidden": Length(1, 5, typical=16),
            "activation": Choice(tuple(ACTIVATIONS), typical="silu"),
            "scale": Exponent(-300, 200),
            "biased": FLAG,
            "loose": FLAG,
        },
        free={
            "tokens": Free("tokens", ("tokens", "features")),
            "weight_in": Free("matrix", ("features", "hidden")),
            "weight_gate": Free("matrix", ("features", "hidden")),
            "weight_out": Free("matrix", ("hidden", "features")),
            "bias_in": Free("vector", ("hidden",), typical="zeros"),
            "bias_gate": Free("vector", ("hidden",), typical="zeros"),
            "bias_out": Free("vector", ("features",), typical="zeros"),
            "slack": Free("scalar", typical="zeros"),
        },
        make=_build,
    ),
    hypotheses=(
        Hypothesis("no |phi(gate)| and no |hidden| is above what bounds it", _above_peaks),
    ),
    lhs=lambda at: consensus_distance(_output(at)),
    rhs=lambda at: _factor(at) * consensus_distance(at.tokens),
    rounding=_lemma_rounding,
    tight=True,
    witness=lambda: GatedTokens(_near_one(), _squares(), np.float64(3), np.float64(3)),
    outside=lambda: GatedTokens(_near_one(), _squares(), np.float64(2.7), np.float64(3)),
    note=f"With biases g and u are those of the sublayer. {_PROOF} The bound is approached, not "
    "reached: the witness is two tokens that nearly agree.",
)


def _gated_witness() -> BlockInput:
    """Two nearly equal tokens of one feature x: out = 4 x + 27 (4 x)^2, without any norm."""
    three, none = np.full((1, 1, 1), 3.0), Norm(kind="none")
    block = Block(Attention(None, None, three), _squares(), norm_1=none, norm_2=none)
    return BlockInput(block, _near_one(), adjacency=np.eye(2)[None])


BLOCK_V_GATED = Theorem[BlockInput](
    key="block-v-gated",
    claim=r"d_M(H') \le v\,d_M(H),\quad v = \frac{(\alpha_2 + c_g s^2)(\alpha_1 + \sqrt\lambda\, "
    r"h s)}{\sigma_1 \sigma_2},\ c_g = \max|\phi(g)| + c \max|u|"
    r"\quad\text{(post-LN, no gains; other blocks: see the note)}",
    source="derived",
    domain=GATED_DOMAIN,
    hypotheses=(SAME_SUMS, STDS),
    lhs=lambda at: consensus_distance(at.step.output),
    rhs=lambda at: at.coefficients.v * consensus_distance(at.tokens),
    rounding=rounding,
    tight=True,
    witness=_gated_witness,
    outside=outside,
    note="The block theorem with gated-feed-forward in the place of the lemmas on the feed-forward "
    "sublayer: c_g is of the very tokens that enter it, so that nothing is claimed of others. "
    "Every placement (post, pre, sandwich, parallel), gain and tau is tried, with a residual "
    "scale of its own in each sum. The bound is approached, not reached.",
)


def _parallel_witness() -> BlockInput:
    """Opposite tokens of std one, of which norms and attention to oneself make themselves."""
    unit, thrice = np.eye(2), 3 * np.eye(2)
    block = Block(
        Attention(None, None, thrice[None]),
        FeedForward(thrice, thrice, activation="identity"),
        placement="parallel",
        residual=0.5,
    )
    return BlockInput(block, np.asarray([[1.0, -1.0], [-1.0, 1.0]]), adjacency=unit[None])


def _no_parallel(at: BlockInput) -> Array:
    ffn = at.block.feed_forward
    spoken_of = at.block.placement == "parallel" and ffn is not None and not ffn.gated
    return flag(not spoken_of, like=at.tokens[..., 0, 0])


def _parallel_v(at: BlockInput) -> Array:
    """Return |r| + N_1 sqrt(lambda) h s + N_2 c s^2, put together here and not by `compose`."""
    block, found = at.block, at.coefficients
    xp, total = namespace(at.tokens), abs(block.residual_scale("1")) + 0 * found.v
    name = "relu" if block.feed_forward is None else block.feed_forward.activation
    attention = xp.sqrt(found.lambda_) * block.attention.value.shape[-3] * found.s
    for norm, sigma, factor in (
        (block.norm_1, found.sigma_1, attention),
        (block.norm_2, found.sigma_2, activation(name).lipschitz * found.s**2),
    ):
        own = factor if norm.kind == "none" or sigma is None else factor / (norm.tau * sigma)
        if norm.kind != "none" and norm.gain is not None:
            own = own * xp.max(xp.abs(norm.gain), axis=-1)
        total = total + own
    return total


BLOCK_V_PARALLEL = Theorem[BlockInput](
    key="block-v-parallel",
    claim=r"d_M(H') \le v\,d_M(H),\quad v = \alpha + \frac{\sqrt\lambda\, h s}{\sigma_1} + "
    r"\frac{c s^2}{\sigma_2}\quad\text{(parallel, no gains)}",
    source="derived",
    domain=PARALLEL_DOMAIN,
    hypotheses=(
        Hypothesis("the block is parallel, with a feed-forward sublayer and no gate", _no_parallel),
        SAME_SUMS,
        STDS,
    ),
    lhs=lambda at: consensus_distance(at.step.output),
    rhs=lambda at: _parallel_v(at) * consensus_distance(at.tokens),
    rounding=rounding,
    tight=True,
    witness=_parallel_witness,
    outside=lambda: _in_parallel(outside()),
    note="The lemmas of the block theorem in another order: both sublayers read one stream, each "
    "through its own norm or both through one, and one sum adds three terms. Gains and tau enter "
    "as max|g_i| / (tau_i sigma_i). With residual scale one v is never below 1.",
)


def _in_parallel(at: BlockInput) -> BlockInput:
    """The same without a norm, and with a feed-forward sublayer that gives nothing."""
    none, nothing = Norm(kind="none"), np.zeros((2, 2))
    ffn = FeedForward(nothing, nothing)
    block = replace(at.block, feed_forward=ffn, norm_1=none, norm_2=none, placement="parallel")
    return replace(at, block=block)
