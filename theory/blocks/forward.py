"""What does one Transformer block do to the tokens: attention, normalisation, feed-forward?"""

from theory.arrays import Array, InputError, namespace, require_mask
from theory.blocks.activations import activation
from theory.blocks.norms import Norm, normalise
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward, require_fits


def attention_adjacency(attention: Attention, tokens: Array, *, mask: Array | None = None) -> Array:
    """Return the attention weights A[i, j]: how much token i listens to token j.

    Each head's A is the random-walk normalised adjacency D^-1 W of a weighted directed graph
    with W = exp(scores).

    Shapes: tokens (*b, n, d), mask boolean (*b, n, n) or (*b, 1, n), True where i may listen
            to j -> (*b, h, n, n), every row sums to one
    Raises: InputError if the mask is not boolean, does not fit, or leaves a token nobody to
            listen to
    Source: vaswani2017, shi2022
    """
    if attention.query is None or attention.key is None:
        raise InputError("this attention has no query and key: give the adjacency itself")
    xp = namespace(tokens)
    heads = xp.expand_dims(tokens, axis=-3)
    queries = _add_bias(heads @ attention.query, attention.query_bias)
    keys = _add_bias(heads @ attention.key, attention.key_bias)
    scores = attention.score_scale * (queries @ xp.matrix_transpose(keys))
    if not bool(xp.all(xp.isfinite(scores))):
        raise InputError(
            "the scores of query and key must be finite, but some are not: "
            "are the tokens, the query or the key not finite, or too large?"
        )
    return softmax(scores, mask=mask)


def softmax(scores: Array, *, mask: Array | None = None) -> Array:
    """Return the row-stochastic softmax of scores (*b, h, n, n), zero where the mask is False.

    Raises: InputError if the mask is not boolean, does not fit, or a row of it has no True
    """
    xp = namespace(scores)
    if mask is not None:
        n = scores.shape[-1]
        require_mask("mask", mask, 1 if mask.shape[-2:-1] == (1,) else n, n)
        if not bool(xp.all(xp.any(mask, axis=-1))):
            raise InputError("mask must leave every token at least one token to listen to")
        scores = xp.where(xp.expand_dims(mask, axis=-3), scores, -xp.inf)
    weights = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def attend(attention: Attention, adjacency: Array, tokens: Array) -> Array:
    """Return sum_k A_k X V_k + bias for given attention weights.

    Shapes: adjacency (*b, h, n, n), tokens (*b, n, d) -> (*b, n, d)
    """
    xp = namespace(tokens)
    mixed = adjacency @ (xp.expand_dims(tokens, axis=-3) @ attention.value)
    if attention.output is not None:
        mixed = mixed @ attention.output
    return _add_bias(xp.sum(mixed, axis=-3), attention.bias)


def feed_forward(sublayer: FeedForward, tokens: Array) -> Array:
    """Return phi(X W_in + b_in) W_out + b_out: tokens (*b, n, d) -> (*b, n, d)."""
    hidden = _add_bias(tokens @ sublayer.weight_in, sublayer.bias_in)
    active = activation(sublayer.activation).function(hidden)
    return _add_bias(active @ sublayer.weight_out, sublayer.bias_out)


def apply_block(
    block: Block, tokens: Array, *, mask: Array | None = None, adjacency: Array | None = None
) -> BlockStep:
    """Send the tokens through one block.

    A given ``adjacency`` takes the place of the one that queries, keys and mask make.

    Shapes: tokens (*b, n, d), mask as for `attention_adjacency`, adjacency (*b, h, n, n)
    Raises: InputError as `require_fits`, `attention_adjacency` and `apply_norm` do
    """
    require_fits(block, tokens, adjacency=adjacency)
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    none = Norm(kind="none")
    norm_1_in, norm_2_in = (none, none) if post else (block.norm_1, block.norm_2)
    norm_1_out, norm_2_out = (block.norm_1_out, block.norm_2_out) if sandwich else (none, none)

    sublayer_in, std_1 = normalise(norm_1_in, tokens)
    if adjacency is None:
        adjacency = attention_adjacency(block.attention, sublayer_in, mask=mask)
    change = attend(block.attention, adjacency, sublayer_in)
    change, std_1_out = normalise(norm_1_out, change)
    middle = block.residual * tokens + change
    if post:
        middle, std_1 = normalise(block.norm_1, middle)
    if block.feed_forward is None:
        return BlockStep(middle, adjacency, std_1, None, std_1_out)

    sublayer_in, std_2 = normalise(norm_2_in, middle)
    change, std_2_out = normalise(norm_2_out, feed_forward(block.feed_forward, sublayer_in))
    out = block.residual * middle + change
    if post:
        out, std_2 = normalise(block.norm_2, out)
    return BlockStep(out, adjacency, std_1, std_2, std_1_out, std_2_out)


def _add_bias(tokens: Array, bias: Array | None) -> Array:
    return tokens if bias is None else tokens + namespace(tokens).expand_dims(bias, axis=-2)
