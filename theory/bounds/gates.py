"""By what constant does a gate multiply differences, on given tokens?"""

from theory.arrays import Array, namespace
from theory.blocks.activations import activation
from theory.blocks.weights import BlockStep, FeedForward
from theory.spectra.norms import gram_norm


def gate_peaks(step: BlockStep, *, token_mask: Array | None = None) -> tuple[Array, Array]:
    """Return, of every hidden feature, the largest |phi(gate)| and the largest |hidden|.

    Shapes: token_mask boolean (*b, n) -> (*b, f), (*b, f), over the tokens that count
    """
    xp = namespace(step.hidden, step.gate, token_mask)
    found = []
    for factor in (step.gate, step.hidden):
        size = xp.abs(factor)
        if token_mask is not None:
            size = xp.where(token_mask[..., None], size, 0.0)
        found.append(xp.max(size, axis=-2))
    return found[0], found[1]


def gate_lipschitz(sublayer: FeedForward, gate: Array, hidden: Array) -> Array:
    """Return the constant of the product of a gate and its hidden features, on given tokens.

    phi(g) u - phi(g') u' = phi(g) (u - u') + (phi(g) - phi(g')) u' for two tokens, so that the
    distance of their products is at most max |phi(g)| |u - u'| + c max |u| |g - g'|. With s for
    the norms of all three weights the sublayer has the factor (max |phi(g)| + c max |u|) s^2.

    Shapes: gate, hidden (*b, f), as `gate_peaks` gives them -> (*b,)
    Source: derived; see theory.theorems.block.gated
    """
    xp = namespace(gate, hidden)
    c = activation(sublayer.activation).lipschitz
    return xp.max(gate, axis=-1) + c * xp.max(hidden, axis=-1)


def gated_factor(
    sublayer: FeedForward, norms: tuple[Array, Array, Array], gate: Array, hidden: Array
) -> Array:
    """Return the smaller of two bounds: one constant for all hidden features, or one for each.

    With a_k and b_k the peaks of feature k, and the roots of either on both sides of the product:
    |sqrt(a) W_out| |W_in sqrt(a)| + c |sqrt(b) W_out| |W_gate sqrt(b)|.

    Shapes: norms of W_in, W_gate and W_out, each (*b,); gate, hidden (*b, f), as `gate_peaks` gives
            them -> (*b,)
    """
    xp = namespace(gate, hidden)
    c = activation(sublayer.activation).lipschitz
    w_in, w_gate, w_out = norms
    flat = w_out * (xp.max(gate, axis=-1) * w_in + c * xp.max(hidden, axis=-1) * w_gate)
    by_gate, by_hidden = (
        gram_norm(root[..., :, None] * sublayer.weight_out) * gram_norm(weight * root[..., None, :])
        for root, weight in (
            (xp.sqrt(gate), sublayer.weight_in),
            (xp.sqrt(hidden), sublayer.weight_gate),
        )
    )
    return xp.minimum(flat, by_gate + c * by_hidden)
