"""How much one block can stretch the distance to consensus: v and its sharper forms."""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from theory.arrays import Array, constant, eps, namespace
from theory.blocks.activations import activation
from theory.blocks.norms import Norm
from theory.blocks.weights import Block, BlockStep, arrays_of
from theory.blocks.wiring import Reading, read_through
from theory.bounds.gates import gate_lipschitz, gate_peaks, gated_factor
from theory.bounds.stacked import gram_of_heads, stacked_factor
from theory.graphs.stochastic import dobrushin_coefficient
from theory.records import brief_repr
from theory.spectra.brackets import Bracket, spectral_bracket
from theory.spectra.norms import coupling, product_norm, spectral_norm

_WIDE = 256  # below, LAPACK is as fast
_KEPT = 1024  # Gram matrices of more columns would fill the memory that a large model leaves


@brief_repr
@dataclass(frozen=True, eq=False)
class WeightNorms:
    """Spectral norms of the weights of one block; they do not depend on the tokens.

    ``excess`` is how far above the true norm any of them may be, relative to it, beside the
    rounding of LAPACK: 0 unless a tolerance was given. ``heads`` is what
    `theory.bounds.stacked.gram_of_heads` gives, where that is worth its memory.

    Shapes: value (*b, h), one for each head's value times output matrix; ffn_in, ffn_out (*b,)
            or None without a feed-forward sublayer, ffn_gate (*b,) or None where nothing is gated
    """

    value: Array
    ffn_in: Array | None
    ffn_out: Array | None
    excess: float = 0.0
    ffn_gate: Array | None = None
    heads: Array | None = None

    @property
    def largest(self) -> Array:
        """The coefficient s, the largest singular value of all the weights: (*b,)."""
        xp = namespace(self.value)
        largest = xp.max(self.value, axis=-1)
        for norm in (self.ffn_in, self.ffn_out, self.ffn_gate):
            if norm is not None:
                largest = xp.maximum(largest, norm)
        return largest


@brief_repr
@dataclass(frozen=True, eq=False)
class Coefficients:
    """The numbers of the block theorem d_M(output) <= v d_M(input), on given tokens.

    And of the same theorem about diameters, diam(output) <= v_diameter diam(input).

    ``lambda_`` is the largest over the heads of the top eigenvalue of A^T (I - e e^T) A, ``s``
    the largest singular value of all weights, ``sigma_1`` and ``sigma_2`` the smallest std over
    the tokens that the norms divide by (without tau; None where nothing is divided).
    ``v_stacked <= v_sharp <= v``: v as published, with every head's own norms, and with the
    norms of the heads stacked side by side. ``attention_diameter`` is sum_k tau(A_k) |V_k| with
    Dobrushin's tau, by how much attention alone can stretch the diameter; ``v_diameter`` has it
    where v_sharp has sum_k sqrt(lambda_k) |V_k|. Either may be the larger of v_diameter and v.

    Shapes: all (*b,)
    Source: shi2022, theorem 2; the sharper forms and that about diameters are this project's
    """

    lambda_: Array
    s: Array
    sigma_1: Array | None
    sigma_2: Array | None
    v: Array
    v_sharp: Array
    v_stacked: Array
    attention_diameter: Array
    v_diameter: Array

    def items(self) -> list[tuple[str, Array | None]]:
        """Return (name, value) pairs, the names as reports and JSON spell them."""
        return [(field.name.rstrip("_"), getattr(self, field.name)) for field in fields(self)]


def weight_norms(block: Block, *, tolerance: float | None = None) -> WeightNorms:
    """Return the spectral norms of a block's weights, each from a full LAPACK SVD.

    With a tolerance, the feed-forward matrices of `_WIDE` features or more get the upper end of
    a certified bracket of that relative width: for 384 x 1536 at 1e-6 in about half the time.
    """
    namespace(*arrays_of(block))
    attention, ffn = block.attention, block.feed_forward
    value = (
        spectral_norm(attention.value)
        if attention.output is None
        else product_norm(attention.value, attention.output)
    )
    (h, k), heads = (attention.value.shape[i] for i in (-3, -1)), None
    if h * k <= _KEPT:
        heads = gram_of_heads(attention, value)
    if ffn is None:
        return WeightNorms(value, None, None, heads=heads)
    one, two = ffn.weight_in, ffn.weight_out
    weights = [one, two] if ffn.weight_gate is None else [one, two, ffn.weight_gate]
    if tolerance is None or min(one.shape[-2:]) < _WIDE:
        first, second, *gate = map(spectral_norm, weights)
        return WeightNorms(value, first, second, 0.0, gate[0] if gate else None, heads)
    tolerance = max(tolerance, 64 * eps(one))  # float32 does not allow much narrower brackets
    found = [spectral_bracket(weight, tolerance=tolerance) for weight in weights]
    first, second, *gate = (bracket.upper for bracket in found)
    excess = max(map(_width, found))
    return WeightNorms(value, first, second, excess, gate[0] if gate else None, heads)


def _width(found: Bracket) -> float:
    """Return the largest upper / lower - 1 of a batch, rounded up; that of 0 / 0 is 0."""
    xp, low = namespace(found.lower), found.lower
    ratio = xp.where(low > 0, found.upper / xp.where(low > 0, low, 1.0), xp.inf)
    ratio = xp.where(found.upper > 0, ratio, 1.0)
    return float(xp.max(ratio)) * (1 + 4 * eps(low)) - 1


def block_coefficients(
    block: Block,
    step: BlockStep,
    *,
    norms: WeightNorms | None = None,
    token_mask: Array | None = None,
) -> Coefficients:
    """Return the coefficients of the block theorem for what `apply_block` saw.

    The theorem covers every placement: with the residual scale r, the activation's Lipschitz
    constant c and N_i = max |gain_i| / (tau_i sigma_i), a post-LN block has
    v = N_1 (|r| + sqrt(lambda) h s) N_2 (|r| + c s^2); a pre-LN block
    (|r| + N_1 sqrt(lambda) h s)(|r| + N_2 c s^2), which is at least 1 for r = 1; a parallel one
    |r| + N_1 sqrt(lambda) h s + N_2 c s^2. With two residual scales each sum has its own r. In
    a gated feed-forward sublayer `gate_lipschitz` of these tokens takes the place of c.

    Every factor but attention's holds for the difference of any two tokens, so the same chain
    bounds the diameter once attention's is that of a difference of two of its rows.

    Shapes: token_mask boolean (*b, n), True where a token counts -> all (*b,)
    Dtype:  as the step's; verdicts want float64
    Source: shi2022, theorem 2
    """
    norms = weight_norms(block) if norms is None else norms
    sizes = (norms.value, norms.ffn_in, norms.ffn_out, norms.ffn_gate)
    xp = namespace(*step, token_mask, *sizes, *arrays_of(block))
    root = coupling(step.adjacency, token_mask=token_mask)  # sqrt(lambda), one for each head
    lipschitz: Array | float = 0.0
    peaks: tuple[Array, Array] | None = None
    if block.feed_forward is not None:
        lipschitz = activation(block.feed_forward.activation).lipschitz
        if block.feed_forward.gated:
            peaks = gate_peaks(step, token_mask=token_mask)
            lipschitz = gate_lipschitz(block.feed_forward, *peaks)

    worst, s = xp.max(root, axis=-1), norms.largest
    attention_paper = worst * block.attention.value.shape[-3] * s
    attention_sharp = xp.sum(root * norms.value, axis=-1)
    tau = dobrushin_coefficient(
        step.adjacency, token_mask=None if token_mask is None else token_mask[..., None, :]
    )
    attention_diameter = xp.sum(tau * norms.value, axis=-1)
    attention_stacked = stacked_factor(
        block.attention, step.adjacency, root, norms.value, token_mask=token_mask, heads=norms.heads
    )
    ffn_paper, ffn_sharp = lipschitz * s**2, xp.zeros_like(s)
    if norms.ffn_in is not None and norms.ffn_out is not None:
        ffn_sharp = lipschitz * norms.ffn_in * norms.ffn_out
        if peaks is not None:
            assert block.feed_forward is not None
            three = norms.ffn_in, norms.ffn_gate, norms.ffn_out
            ffn_sharp = gated_factor(block.feed_forward, three, *peaks)

    def v(attention: Array, ffn: Array) -> Array:
        return compose(block, step, attention, ffn, token_mask=token_mask)

    return Coefficients(
        lambda_=worst**2,
        s=s + xp.zeros_like(worst),
        sigma_1=_smallest(step.std_1, token_mask),
        sigma_2=_smallest(step.std_2, token_mask),
        v=v(attention_paper, ffn_paper),
        v_sharp=v(attention_sharp, ffn_sharp),
        v_stacked=v(xp.minimum(attention_stacked, attention_sharp), ffn_sharp),
        attention_diameter=attention_diameter,
        v_diameter=v(attention_diameter, ffn_sharp),
    )


def compose(
    block: Block,
    step: BlockStep,
    attention: Array,
    ffn: Array,
    *,
    token_mask: Array | None = None,
) -> Array:
    """Chain the sublayers' factors on differences in the order of the block's placement.

    Shapes: attention, ffn (*b,) without the residual stream -> (*b,)
    """

    def norm(name: str, at: _Stretch) -> _Stretch:
        std = getattr(step, f"std_{name}")
        found = norm_stretch(block.norm(name), std, like=attention, token_mask=token_mask)
        return at._replace(norms=at.norms * found)

    def add(number: str, stream: _Stretch, change: _Stretch) -> _Stretch:
        return _Stretch(stream.whole, abs(block.residual_scale(number)) + change.whole)

    def both(first: _Stretch, second: _Stretch) -> _Stretch:
        return _Stretch(1.0, first.whole + second.whole)

    return read_through(
        block,
        _UNSTRETCHED,
        Reading(
            norm,
            attend=lambda at: at._replace(sublayer=at.sublayer * attention),
            feed_forward=lambda at: at._replace(sublayer=at.sublayer * ffn),
            add=add,
            both=both,
            branch=lambda _: _UNSTRETCHED,
        ),
    ).whole


class _Stretch(NamedTuple):
    """By how much differences have grown: from the norms, and from the last sublayer."""

    norms: Any
    sublayer: Any

    @property
    def whole(self) -> Array:
        return self.norms * self.sublayer


_UNSTRETCHED = _Stretch(1.0, 1.0)


def norm_stretch(
    norm: Norm, std: Array | None, *, like: Array, token_mask: Array | None = None
) -> Array:
    """Return max |gain| / (tau sigma): how much a norm can stretch differences of tokens.

    It holds with eps too: (x, sqrt(d eps)) is projected onto a sphere in one more dimension.

    Shapes: std (*b, n), or None for a norm that divides nothing -> broadcastable to (*b,)
    """
    if norm.kind == "none":
        return constant(1.0, like=like)
    gain = constant(1.0, like=like)
    if norm.gain is not None:
        xp = namespace(norm.gain)
        gain = xp.max(xp.abs(norm.gain), axis=-1)
    sigma = _smallest(std, token_mask)
    return gain if sigma is None else gain / (norm.tau * sigma)


def _smallest(std: Array | None, token_mask: Array | None) -> Array | None:
    if std is None:
        return None
    xp = namespace(std)
    if token_mask is not None:
        std = xp.where(token_mask, std, xp.inf)
    return xp.min(std, axis=-1)
