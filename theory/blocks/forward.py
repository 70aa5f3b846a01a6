"""What does one Transformer block do to the tokens: attention, normalisation, feed-forward?"""

import array_api_compat

from theory.arrays import (
    Array,
    InputError,
    namespace,
    require_float,
    require_mask,
    require_shape,
)
from theory.blocks.activations import activation
from theory.blocks.norms import apply_norm, normalise
from theory.blocks.positions import place, turn, within
from theory.blocks.weights import (
    Attention,
    Block,
    BlockStep,
    FeedForward,
    arrays_of,
    require_fits,
)
from theory.blocks.wiring import Reading, read_through

_NO_SCORES = "this attention has no query and key: give the adjacency itself"


def attention_adjacency(attention: Attention, tokens: Array, *, mask: Array | None = None) -> Array:
    """Return the attention weights A[i, j]: how much token i listens to token j.

    Each head's A is the random-walk normalised adjacency D^-1 W of a weighted directed graph
    with W = exp(scores); `theory.blocks.positions.Positions` says what scores are made of.

    Shapes: tokens (*b, n, d), mask boolean (*b, n, n) or (*b, 1, n), True where i may listen
            to j -> (*b, h, n, n), every row sums to one
    Raises: InputError if the mask is not boolean, does not fit, or leaves a token nobody to
            listen to; if a score is not finite, or there are more tokens than positions
    Source: vaswani2017, shi2022
    """
    if attention.query is None or attention.key is None:
        raise InputError(_NO_SCORES)
    xp = namespace(tokens, mask, *arrays_of(attention))
    heads, positions = xp.expand_dims(tokens, axis=-3), attention.positions
    queries = _add_bias(heads @ attention.query, attention.query_bias)
    keys = _add_bias(heads @ attention.key, attention.key_bias)
    if attention.query_norm is not None:
        queries = apply_norm(attention.query_norm, queries)
    if attention.key_norm is not None:
        keys = apply_norm(attention.key_norm, keys)
    if positions is not None:
        queries, keys = turn(positions, queries), turn(positions, keys)
    scores = attention.score_scale * (queries @ xp.matrix_transpose(keys))
    if not bool(xp.all(xp.isfinite(scores))):
        raise InputError(
            "the scores of query and key must be finite, but some are not: "
            "are the tokens, the query or the key not finite, or too large?"
        )
    if positions is not None:
        scores = place(positions, scores)
        mask = within(positions, mask, n=scores.shape[-1], like=scores)
    return softmax(scores, mask=mask)


def consensus_walks(
    attention: Attention, token: Array, n: int, *, mask: Array | None = None
) -> Array:
    """Return the walk of each head among n tokens that all are equal to one.

    Without positions it is the same for all heads, the plain walk on the mask. Biases and windows
    give every head a walk of its own, whatever the token is: products of queries and keys are one
    number then. Where positions turn them they are not, and the walk depends on the token. That is
    the token as attention sees it: normalised, in a pre-LN block.

    Shapes: token (*b, d), mask as for `attention_adjacency` -> (*b, h, n, n)
    Raises: InputError if n is not positive, or as `attention_adjacency` does
    Source: derived; docs/exact_law.md
    """
    if attention.query is None or attention.key is None:
        raise InputError(_NO_SCORES)
    if n < 1:
        raise InputError(f"n must be at least 1, but is {n}")
    xp = namespace(token, mask, *arrays_of(attention))
    require_float("token", token)
    require_shape("token", token, attention.value.shape[-2])
    positions, batch = attention.positions, tuple(token.shape[:-1])
    if positions is not None and positions.turns:
        equal = xp.broadcast_to(token[..., None, :], (*batch, n, token.shape[-1]))
        return attention_adjacency(attention, equal, mask=mask)
    h, device = attention.value.shape[-3], array_api_compat.device(token)
    scores = xp.zeros((*batch, h, n, n), dtype=token.dtype, device=device)
    if positions is not None:
        scores = place(positions, scores)
        mask = within(positions, mask, n=n, like=token)
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
    """Return phi(X W_in + b_in) W_out + b_out, or its gated form: (*b, n, d) -> (*b, n, d)."""
    return feed_forward_parts(sublayer, tokens)[0]


def feed_forward_parts(
    sublayer: FeedForward, tokens: Array
) -> tuple[Array, Array | None, Array | None]:
    """Return what `feed_forward` does, and the two factors of a gated sublayer, else None.

    Shapes: tokens (*b, n, d) -> (*b, n, d), hidden (*b, n, f), gate (*b, n, f)
    """
    namespace(tokens, *arrays_of(sublayer))
    hidden = _add_bias(tokens @ sublayer.weight_in, sublayer.bias_in)
    phi = activation(sublayer.activation).function
    if sublayer.weight_gate is None:
        return _add_bias(phi(hidden) @ sublayer.weight_out, sublayer.bias_out), None, None
    gate = phi(_add_bias(tokens @ sublayer.weight_gate, sublayer.bias_gate))
    return _add_bias((gate * hidden) @ sublayer.weight_out, sublayer.bias_out), hidden, gate


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
    seen, found = adjacency, dict[str, Array | None]()

    def norm(name: str, stream: Array) -> Array:
        out, found[f"std_{name}"] = normalise(block.norm(name), stream)
        return out

    def listen(inner: Array) -> Array:
        nonlocal seen
        if seen is None:
            seen = attention_adjacency(block.attention, inner, mask=mask)
        return attend(block.attention, seen, inner)

    def feed(inner: Array) -> Array:
        assert block.feed_forward is not None  # otherwise nobody asks
        out, found["hidden"], found["gate"] = feed_forward_parts(block.feed_forward, inner)
        return out

    def add(number: str, stream: Array, change: Array) -> Array:
        return block.residual_scale(number) * stream + change

    def both(first: Array, second: Array) -> Array:
        return first + second

    out = read_through(block, tokens, Reading(norm, listen, feed, add, both))
    return BlockStep(out, seen, **found)


def _add_bias(tokens: Array, bias: Array | None) -> Array:
    return tokens if bias is None else tokens + namespace(tokens).expand_dims(bias, axis=-2)
