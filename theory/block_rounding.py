"""How far can rounding move both sides of the block theorem, and v itself, on given tokens?"""

from theory.activations import activation
from theory.arrays import Array, eps, namespace
from theory.coefficients import Coefficients, WeightNorms, compose
from theory.layers import Block, BlockStep
from theory.normalisation import Norm
from theory.roundoff import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    distance_rounding,
    exactly,
    std_error,
    weight_errors,
)
from theory.spectra import coupling_error
from theory.subspace import consensus_distance


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

    v once more, from the largest sqrt(lambda) and s and the smallest std values that rounding
    leaves possible, the attention weights taken as given. For `theory.statements.convergence`.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n) -> (*b,)
    """
    xp = namespace(tokens)
    lowest: dict[str, Array] = {}
    possible = xp.ones_like(found.v) > 0
    for name, error in _follow(block, tokens, step, norms)[1].items():
        std = getattr(step, name) - error[..., None]
        possible = possible & xp.all(std > 0, axis=-1)
        lowest[name] = xp.where(std > 0, std, 1.0)
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)
    root = xp.sqrt(found.lambda_)
    root = root + xp.max(coupling_error(step.adjacency, token_mask=token_mask), axis=-1)
    s, phi = weights.s + weights.error, block.feed_forward
    highest = compose(
        block,
        step._replace(**lowest),
        step.adjacency.shape[-3] * root * s,
        (0.0 if phi is None else activation(phi.activation).lipschitz) * s**2,
        token_mask=token_mask,
    )
    # Assembling v, here and there: as in `block_rounding`, products and maxima, fewer than 30.
    return xp.where(possible, highest * (1 + 60 * eps(tokens)) - found.v, xp.inf)


def _follow(
    block: Block, tokens: Array, step: BlockStep, norms: WeightNorms | None
) -> tuple[Array, dict[str, Array]]:
    """Follow the rounding of output and coefficient through the block, stage by stage.

    Returns the error of the output, and of the std values by their names in the step, all (*b,).
    """
    shape = tuple(tokens.shape)
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    weights = weight_errors(block.attention, block.feed_forward, norms=norms)
    errors: dict[str, Array] = {}

    def norm(number: str, run: Running, *, wanted: bool) -> Running:
        which: Norm = getattr(block, f"norm_{number}")
        std: Array | None = getattr(step, f"std_{number}")
        if not wanted or std is None:
            return run
        errors[f"std_{number}"] = std_error(which, std, run, d=shape[-1])
        return after_norm(which, std, run, shape=shape)

    def add(stream: Running, change: Running) -> Running:
        return after_sum(stream, change, factor=block.residual, like=tokens)

    stream = exactly(tokens)
    change = norm("1", stream, wanted=not post)
    change = after_attention(block.attention, step.adjacency, change, weights)
    change = norm("1_out", change, wanted=sandwich)
    stream = norm("1", add(stream, change), wanted=post)
    if block.feed_forward is None:
        return stream.error, errors
    change = norm("2", stream, wanted=not post)
    change = after_feed_forward(block.feed_forward, change, weights, tokens=shape[-2])
    change = norm("2_out", change, wanted=sandwich)
    return norm("2", add(stream, change), wanted=post).error, errors
