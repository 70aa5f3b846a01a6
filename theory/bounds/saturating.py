"""How far from consensus can a block put its tokens, whatever comes in?"""

from theory.arrays import Array, constant, eps, namespace
from theory.blocks.norms import Norm
from theory.blocks.weights import Block, arrays_of
from theory.blocks.wiring import Reading, read_through
from theory.bounds.rounding import distance_rounding
from theory.magnitude import count_tokens, frobenius_norm
from theory.measures.subspace import consensus_distance


def last_norm(block: Block) -> Norm | None:
    """Return the norm that all of a block's output has just passed; None if there is none.

    One that divides by a constant, or does nothing, lets tokens of any size through: none.
    """

    def nothing(*_: object) -> None:
        return None

    reading = Reading[str | None](lambda name, _: name, nothing, nothing, nothing, nothing)
    name = read_through(block, None, reading)
    norm = None if name is None else block.norm(name)
    true = norm is not None and norm.kind != "none" and norm.fixed_std is None
    return norm if true else None


def saturation(block: Block, tokens: Array, *, token_mask: Array | None = None) -> Array | None:
    """Return the largest d_M that a block which ends with a norm can put out: G sqrt(n d) / tau.

    Only the number of tokens and of features is used, and no token may move this number: the
    norm puts out gain * x + shift with |x| <= sqrt(d) / tau, with eps or without. The shift is
    the same for all tokens, so d_M^2 <= sum |gain * x_i|^2 <= n G^2 d / tau^2, G = max |gain|.
    None for a block that does not end with a norm, or whose last norm divides by a constant.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n) -> (*b,)
    Source: derived
    """
    xp = namespace(tokens, token_mask, *arrays_of(block))
    counted = count_tokens(tokens, token_mask=token_mask)
    norm = last_norm(block)
    if norm is None:
        return None
    gain = constant(1.0, like=tokens)
    if norm.gain is not None:
        gain = xp.max(xp.abs(norm.gain), axis=-1)
    return gain / norm.tau * xp.sqrt(counted.number[..., 0, 0] * tokens.shape[-1])


def saturation_factor(
    block: Block,
    tokens: Array,
    *,
    radius: float = 0.0,
    token_mask: Array | None = None,
    distance: Array | None = None,
) -> Array | None:
    """Bound d_M(output) / d_M(input) by `saturation`, for all inputs within ``radius`` |tokens|.

    S / (d_M(H) - radius |H|), for d_M moves by no more than the tokens do; infinite where
    consensus is as near as that, and None where `saturation` is. An upper end: rounding is
    counted. It is a bound and no rate: it knows nothing of what the block does. ``distance`` is
    d_M of the tokens, if it is known.

    Shapes: tokens (*b, n, d), token_mask boolean (*b, n) -> (*b,)
    Source: derived
    """
    limit = saturation(block, tokens, token_mask=token_mask)
    if limit is None:
        return None
    counted = count_tokens(tokens, token_mask=token_mask)
    xp, unit = namespace(tokens), eps(tokens)
    n, d = tokens.shape[-2:]
    size = frobenius_norm(counted.tokens) * (1 + (n * d + 8) * unit)
    apart = consensus_distance(tokens, token_mask=token_mask) if distance is None else distance
    apart = apart - distance_rounding(counted.tokens) - radius * size
    some = apart > 0
    return xp.where(some, limit / xp.where(some, apart, 1.0) * (1 + 16 * unit), xp.inf)
