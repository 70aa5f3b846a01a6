"""How far can rounding move both sides of the block theorem, and v itself, on given tokens?"""

from dataclasses import dataclass, fields

from theory.arrays import Array, eps, namespace, tiny
from theory.blocks.activations import activation
from theory.blocks.weights import Block, BlockStep, arrays_of
from theory.blocks.wiring import Reading, read_through
from theory.bounds.coefficients import Coefficients, WeightNorms, compose
from theory.bounds.gates import gate_lipschitz, gate_peaks
from theory.bounds.rounding import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    distance_rounding,
    exactly,
    factor_errors,
    std_error,
    weight_errors,
)
from theory.measures.subspace import consensus_distance
from theory.records import brief_repr
from theory.spectra.norms import coupling_error


def block_rounding(
    block: Block, tokens: Array, step: BlockStep, v: Array, *, norms: WeightNorms | None = None
) -> Array:
    """Bound by how much rounding alone can lift d_M(output) above v d_M(tokens).

    The block's own error, the two distances, and the assembly of v. v_stacked takes norms from
    Gram matrices of p rows: 4 p^1.5 eps for the eigenvalue and h p^2 / 2 for the sums, for p = n
    and p = d. Products and maxima add fewer than 30.

    Shapes: tokens (*b, n, d), v (*b,) -> (*b,)
    """
    n, d = tokens.shape[-2:]
    steps = 30 + 4 * (n**1.5 + d**1.5) + step.adjacency.shape[-3] * (n**2 + d**2)
    right = v * (2 * distance_rounding(tokens) + steps * eps(v) * consensus_distance(tokens))
    left = _follow(block, tokens, step, norms)[0] + distance_rounding(step.output)
    return left + right


@brief_repr
@dataclass(frozen=True, eq=False)
class CoefficientBounds:
    """Between which two numbers the true lambda, s and v of a block lie, rounding included.

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
) -> CoefficientBounds:
    """Enclose lambda, s and v: what was computed plus or minus a bound on its error.

    v once more, from the sqrt(lambda), s and std values that rounding leaves possible, all on
    the side that makes it smaller, then larger. The attention weights are taken as given.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n) -> all (*b,)
    """
    sizes = () if norms is None else (norms.value, norms.ffn_in, norms.ffn_out, norms.ffn_gate)
    own = (array for _, array in found.items())
    xp = namespace(tokens, token_mask, *step, *sizes, *own, *arrays_of(block))
    unit, least = eps(tokens), tiny(tokens)
    low: dict[str, Array] = {}
    high: dict[str, Array] = {}
    possible = xp.ones_like(found.v) > 0
    _, errors, gate_error = _follow(block, tokens, step, norms)
    for name, error in errors.items():
        std = getattr(step, name)
        smallest = std - error[..., None]
        counts = smallest > 0 if token_mask is None else (smallest > 0) | ~token_mask
        possible = possible & xp.all(counts, axis=-1)
        low[name] = xp.where(smallest > 0, smallest, 1.0)
        high[name] = std + error[..., None]
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)
    excess = 0.0 if norms is None else norms.excess
    s_lower = weights.s / (1 + excess) * (1 - 8 * unit) - weights.error
    s_lower = xp.clip(s_lower, min=0.0)
    s_upper = weights.s * (1 + 4 * unit) + weights.error
    # lambda is a square that may have underflowed: then its root is somewhere below sqrt(least).
    error = xp.max(coupling_error(step.adjacency, token_mask=token_mask), axis=-1)
    root_lower = xp.clip(xp.sqrt(xp.clip(found.lambda_ - least, min=0.0)) - error, min=0.0)
    root_upper = xp.sqrt(found.lambda_ + least) + error
    heads, ffn = step.adjacency.shape[-3], block.feed_forward
    lipschitz: Array | float = 0.0 if ffn is None else activation(ffn.activation).lipschitz
    if ffn is not None and ffn.gated:
        lipschitz = gate_lipschitz(ffn, *gate_peaks(step, token_mask=token_mask))

    def v(std: dict[str, Array], root: Array, s: Array, off: Array | float) -> Array:
        at, c = step._replace(**std), lipschitz + off
        if ffn is not None and ffn.gated:
            c = xp.clip(c, min=0.0)
        return compose(block, at, heads * root * s, c * s**2, token_mask=token_mask)

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
    )


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


def _follow(
    block: Block, tokens: Array, step: BlockStep, norms: WeightNorms | None
) -> tuple[Array, dict[str, Array], Array | float]:
    """Follow the rounding of output and coefficient through the block, stage by stage.

    Returns the error of the output, of the std values by their names in the step, and of
    `gate_lipschitz`, 0 where nothing is gated, all (*b,).
    """
    shape = tuple(tokens.shape)
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)
    errors: dict[str, Array] = {}
    gate_error: Array | float = 0.0

    def norm(name: str, run: Running) -> Running:
        which, std = block.norm(name), step.stds.get(f"std_{name}")
        if std is None:
            return run
        errors[f"std_{name}"] = std_error(which, std, run, d=shape[-1])
        return after_norm(which, std, run, shape=shape)

    def listen(run: Running) -> Running:
        return after_attention(block.attention, step.adjacency, run, weights)

    def feed(run: Running) -> Running:
        nonlocal gate_error
        ffn, n = block.feed_forward, shape[-2]
        assert ffn is not None  # otherwise nobody asks
        if not ffn.gated:
            return after_feed_forward(ffn, run, weights, tokens=n)
        gate, hidden = factor_errors(ffn, run, tokens=n)
        gate_error = gate + activation(ffn.activation).lipschitz * hidden
        return after_feed_forward(ffn, run, weights, tokens=n, peaks=gate_peaks(step))

    def add(number: str, stream: Running, change: Running) -> Running:
        return after_sum(stream, change, factor=block.residual_scale(number), like=tokens)

    def both(first: Running, second: Running) -> Running:
        return after_sum(first, second, factor=1.0, like=tokens)

    out = read_through(block, exactly(tokens), Reading(norm, listen, feed, add, both))
    return out.error, errors, gate_error
