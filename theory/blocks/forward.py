"""What does one Transformer block do to the tokens: attention, normalisation, feed-forward?"""

from theory.arrays import Array, InputError, namespace, require_mask
from theory.blocks.activations import activation
from theory.blocks.norms import normalise
from theory.blocks.weights import (
    Attention,
    Block,
    BlockStep,
    FeedForward,
    arrays_of,
    require_fits,
)
from theory.blocks.wiring import Reading, read_through


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
    xp = namespace(tokens, mask, *arrays_of(attention))
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
    xp = namespace(scores, mask)
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
    xp = namespace(tokens, adjacency, *arrays_of(attention))
    mixed = adjacency @ (xp.expand_dims(tokens, axis=-3) @ attention.value)
    if attention.output is not None:
        mixed = mixed @ attention.output
    return _add_bias(xp.sum(mixed, axis=-3), attention.bias)


def feed_forward(sublayer: FeedForward, tokens: Array) -> Array:
    """Return phi(X W_in + b_in) W_out + b_out: tokens (*b, n, d) -> (*b, n, d)."""
    namespace(tokens, *arrays_of(sublayer))
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
    namespace(tokens, mask)
    seen, stds = adjacency, dict[str, Array | None]()

    def norm(name: str, stream: Array) -> Array:
        out, stds[f"std_{name}"] = normalise(block.norm(name), stream)
        return out

    def listen(inner: Array) -> Array:
        nonlocal seen
        if seen is None:
            seen = attention_adjacency(block.attention, inner, mask=mask)
        return attend(block.attention, seen, inner)

    def feed(inner: Array) -> Array:
        assert block.feed_forward is not None  # otherwise nobody asks
        return feed_forward(block.feed_forward, inner)

    def add(stream: Array, change: Array) -> Array:
        return block.residual * stream + change

    out = read_through(block, tokens, Reading(norm, listen, feed, add))
    return BlockStep(out, seen, **stds)


def _add_bias(tokens: Array, bias: Array | None) -> Array:
    return tokens if bias is None else tokens + namespace(tokens).expand_dims(bias, axis=-2)
