"""How far can rounding move both sides of the block theorem, and v itself, on given tokens?

Of the theorem about d_M and of that about diameters.
"""

from dataclasses import dataclass, fields

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.activations import activation
from theory.blocks.weights import Block, BlockStep, arrays_of
from theory.bounds.coefficients import Coefficients, WeightNorms, compose, weight_norms
from theory.bounds.followed import Followed, follow_rounding
from theory.bounds.gates import gate_lipschitz, gate_peaks, gated_factor
from theory.bounds.rounding import diameter_rounding, distance_rounding, weight_errors
from theory.measures.diameters import token_diameter
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.spectra.norms import coupling_error


def block_rounding(
    block: Block,
    tokens: Array,
    step: BlockStep,
    v: Array,
    *,
    norms: WeightNorms | None = None,
    followed: Followed | None = None,
) -> Array:
    """Bound by how much rounding alone can lift d_M(output) above v d_M(tokens).

    The block's own error, the two distances, and the assembly of v. v_stacked takes norms from
    Gram matrices of p rows: 4 p^1.5 eps for the eigenvalue and h p^2 / 2 for the sums, for p = n
    and p = d. Products and maxima add fewer than 30. ``followed`` is what `follow_rounding` found.

    Shapes: tokens (*b, n, d), v (*b,) -> (*b,)
    """
    n, d = tokens.shape[-2:]
    steps = 30 + 4 * (n**1.5 + d**1.5) + step.adjacency.shape[-3] * (n**2 + d**2)
    right = v * (2 * distance_rounding(tokens) + steps * eps(v) * consensus_distance(tokens))
    followed = follow_rounding(block, tokens, step, norms) if followed is None else followed
    left = followed.output + distance_rounding(step.output)
    return left + right


def block_diameter_rounding(
    block: Block,
    tokens: Array,
    step: BlockStep,
    v_diameter: Array,
    *,
    norms: WeightNorms | None = None,
) -> Array:
    """Bound by how much rounding alone can lift diam(output) above v_diameter diam(tokens).

    `block_rounding` follows Frobenius norms; those of two rows are together at most sqrt 2 of
    that. Rows of A whose sums differ move a difference of tokens by sqrt 2 |A 1 - r 1| times
    (diam + |mean|), at most 2 sqrt n + sqrt 2 of what is counted there; and tau is at most
    sqrt(n / 2) |A|_F, for the error of s in sum_k tau_k |V_k|: 4 sqrt n of it cover all. tau
    errs by n + 2 eps of itself, norms by those of Gram matrices as for v.

    Shapes: tokens (*b, n, d), v_diameter (*b,) -> (*b,)
    """
    n = tokens.shape[-2]
    steps = 40 + n + step.adjacency.shape[-3] + _gram_steps(block)
    right = diameter_rounding(tokens) + steps * eps(tokens) * token_diameter(tokens)
    left = 4 * n**0.5 * follow_rounding(block, tokens, step, norms).output
    return left + diameter_rounding(step.output) + v_diameter * right


def _gram_steps(block: Block) -> float:
    """Return by how many eps the norms of a gated sublayer err that come from a Gram matrix."""
    if block.feed_forward is None or not block.feed_forward.gated:
        return 0.0
    p, q = sorted(block.feed_forward.weight_in.shape[-2:])
    return float(4 * p**1.5 + p * q + 8)


@brief_repr
@dataclass(frozen=True, eq=False)
class CoefficientBounds:
    """Between which two numbers the true lambda, s, v and v_diameter lie, rounding included.

    Verdicts use the side that is safe for what they claim: "refuted" is said of a ratio above
    ``v_upper``, and convergence is only implied by ``v_upper`` below 1. An upper end is infinite
    if rounding leaves a std of zero possible.

    Shapes: all (*b,)
    """

    lambda_lower: Array
    lambda_upper: Array
    s_lower: Array
    s_upper: Array
    v_lower: Array
    v_upper: Array
    v_diameter_lower: Array
    v_diameter_upper: Array

    def items(self) -> list[tuple[str, Array]]:
        """Return (name, value) pairs, as reports and JSON spell them."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def coefficient_bounds(
    block: Block,
    tokens: Array,
    step: BlockStep,
    found: Coefficients,
    *,
    norms: WeightNorms | None = None,
    token_mask: Array | None = None,
    followed: Followed | None = None,
) -> CoefficientBounds:
    """Enclose lambda, s, v and v_diameter: what was computed plus or minus a bound on its error.

    Each v once more, from the sqrt(lambda), s and std values that rounding leaves possible, all
    on the side that makes it smaller, then larger. The attention weights are taken as given.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n) -> all (*b,)
    """
    norms = weight_norms(block) if norms is None else norms
    sizes = (norms.value, norms.ffn_in, norms.ffn_out, norms.ffn_gate)
    own = (array for _, array in found.items())
    xp = namespace(tokens, token_mask, *step, *sizes, *own, *arrays_of(block))
    unit, least = eps(tokens), tiny(tokens)
    low: dict[str, Array] = {}
    high: dict[str, Array] = {}
    possible = xp.ones_like(found.v) > 0
    followed = follow_rounding(block, tokens, step, norms) if followed is None else followed
    for name, error in followed.stds.items():
        std = getattr(step, name)
        smallest = std - error[..., None]
        counts = smallest > 0 if token_mask is None else (smallest > 0) | ~token_mask
        possible = possible & xp.all(counts, axis=-1)
        low[name] = xp.where(smallest > 0, smallest, 1.0)
        high[name] = std + error[..., None]
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)
    s_lower = weights.s / (1 + norms.excess) * (1 - 8 * unit) - weights.error
    s_lower = xp.clip(s_lower, min=0.0)
    s_upper = weights.s * (1 + 4 * unit) + weights.error
    # lambda is a square that may have underflowed: then its root is somewhere below sqrt(least).
    error = xp.max(coupling_error(step.adjacency, token_mask=token_mask), axis=-1)
    root_lower = xp.clip(xp.sqrt(xp.clip(found.lambda_ - least, min=0.0)) - error, min=0.0)
    root_upper = xp.sqrt(found.lambda_ + least) + error
    heads, ffn = step.adjacency.shape[-3], block.feed_forward
    lipschitz: Array | float = 0.0 if ffn is None else activation(ffn.activation).lipschitz
    gate_error: Array | float = 0.0
    if ffn is not None and ffn.gated:
        gate_error = followed.gate + lipschitz * followed.hidden
        lipschitz = gate_lipschitz(ffn, *gate_peaks(step, token_mask=token_mask))

    def v(std: dict[str, Array], root: Array, s: Array, off: Array | float) -> Array:
        at, c = step._replace(**std), lipschitz + off
        if ffn is not None and ffn.gated:
            c = xp.clip(c, min=0.0)
        return compose(block, at, heads * root * s, c * s**2, token_mask=token_mask)

    def v_diameter(std: dict[str, Array], side: int) -> Array:
        attention = _attention_end(step.adjacency, found, weights.error, side=side)
        factor = _feed_forward_end(
            block, step, norms, weights.error, followed, side=side, token_mask=token_mask
        )
        at = step._replace(**std)
        return compose(block, at, attention, factor, token_mask=token_mask)

    # Assembling v, here and there: as in `block_rounding`, products and maxima, fewer than 30.
    return CoefficientBounds(
        lambda_lower=root_lower**2 * (1 - 8 * unit),
        lambda_upper=root_upper**2 * (1 + 8 * unit),
        s_lower=s_lower + 0 * found.v,
        s_upper=s_upper + 0 * found.v,
        v_lower=v(high, root_lower, s_lower, -gate_error) * (1 - 60 * unit),
        v_upper=xp.where(
            possible, v(low, root_upper, s_upper, gate_error) * (1 + 60 * unit), xp.inf
        ),
        v_diameter_lower=v_diameter(high, -1) * (1 - 60 * unit),
        v_diameter_upper=xp.where(possible, v_diameter(low, 1) * (1 + 60 * unit), xp.inf),
    )


def _attention_end(adjacency: Array, found: Coefficients, error: Array, *, side: int) -> Array:
    """Return an end of sum_k tau(A_k) |V_k|: +1 the upper, -1 the lower.

    tau errs by n + 2 eps of itself and is at most the largest sum of absolute values in a row,
    by which the error of a norm counts.
    """
    xp, (h, n) = namespace(adjacency), adjacency.shape[-3:-1]
    longest = xp.max(xp.sum(xp.abs(adjacency), axis=-1), axis=(-2, -1))
    relative = 1 + side * (n + h + 4) * eps(adjacency)
    end = found.attention_diameter * relative + side * h * longest * error
    return xp.clip(end, min=0.0)


def _feed_forward_end(
    block: Block,
    step: BlockStep,
    norms: WeightNorms,
    error: Array,
    followed: Followed,
    *,
    side: int,
    token_mask: Array | None,
) -> Array:
    """Return an end of the feed-forward sublayer's sharper factor, as `_attention_end` does."""
    xp, ffn = namespace(norms.value), block.feed_forward
    if ffn is None or norms.ffn_in is None or norms.ffn_out is None:
        return 0 * error

    def end(norm: Array) -> Array:
        least = norm if side > 0 else norm / (1 + norms.excess)
        return xp.clip(least + side * error, min=0.0)

    w_in, w_out = end(norms.ffn_in), end(norms.ffn_out)
    if norms.ffn_gate is None:
        return activation(ffn.activation).lipschitz * w_in * w_out
    peaks = (
        xp.clip(peak + side * off[..., None], min=0.0)
        for peak, off in zip(
            gate_peaks(step, token_mask=token_mask), (followed.gate, followed.hidden), strict=True
        )
    )
    factor = gated_factor(ffn, (w_in, end(norms.ffn_gate), w_out), *peaks)
    return factor * (1 + side * _gram_steps(block) * eps(factor))


def coefficient_error(
    block: Block,
    tokens: Array,
    step: BlockStep,
    found: Coefficients,
    *,
    norms: WeightNorms | None = None,
    token_mask: Array | None = None,
) -> Array:
    """Bound how far below the true v the computed ``found.v`` may be; infinite if by anything.

    Shapes: as for `coefficient_bounds` -> (*b,)
    """
    ends = coefficient_bounds(block, tokens, step, found, norms=norms, token_mask=token_mask)
    return ends.v_upper - found.v
