"""Who listens to whom where queries and keys alone do not say it?

Positions that turn queries and keys, biases by relative position and norms of queries and keys
change the attention weights and nothing else of a block. `theory.blocks.weights.Attention` has no
words for them: the blocks of such a model have neither query nor key, so that nobody computes
other weights by mistake, and are handed what is computed here.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory.arrays import Array, InputError, namespace
from theory.blocks.forward import softmax
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Block
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class Scores:
    """What makes the scores of one block.

    ``frequencies`` turn the first 2 r features of every query and key by the token's position:
    feature i with feature i + r. ``by_offset`` is added to the scores, by how far the listener
    stands after the one it listens to, from -(n_max - 1) up. Norms come before turning.

    ``scale`` multiplies products of queries and keys; None stands for 1 / sqrt(k).

    Shapes: query, key (h, d, k), query_bias, key_bias (h, k), frequencies (r,),
            by_offset (h, 2 n_max - 1), the norms' gains (k,)
    Source: su2021rope, raffel2020t5, song2020mpnet, henry2020qknorm
    """

    query: Array
    key: Array
    query_bias: Array | None = None
    key_bias: Array | None = None
    frequencies: Array | None = None
    by_offset: Array | None = None
    query_norm: Norm | None = None
    key_norm: Norm | None = None
    scale: float | None = None


def adjacency(
    block: Block, scores: Scores | None, tokens: Array, *, mask: Array | None = None
) -> Array | None:
    """Return the attention weights that a block computes from the tokens that enter it.

    None where ``scores`` is None: the block has queries and keys of its own.

    Shapes: tokens (*b, n, d), mask boolean (*b, n, n) or (*b, 1, n) -> (*b, h, n, n)
    Raises: InputError if a score is not finite, or there are more tokens than positions
    """
    if scores is None:
        return None
    # Only after the sublayer does a post-norm block normalise.
    inner = tokens if block.placement == "post" else apply_norm(block.norm_1, tokens)
    return attention_weights(scores, inner, mask=mask)


def attention_weights(scores: Scores, inner: Array, *, mask: Array | None = None) -> Array:
    """Return the attention weights of tokens as attention sees them, normalised or not.

    Shapes: inner (*b, n, d), mask boolean (*b, n, n) or (*b, 1, n) -> (*b, h, n, n)
    Raises: InputError as `adjacency` does
    """
    xp, n = namespace(inner), inner.shape[-2]
    heads = xp.expand_dims(inner, axis=-3)
    queries = _vectors(heads, scores.query, scores.query_bias, scores.query_norm)
    keys = _vectors(heads, scores.key, scores.key_bias, scores.key_norm)
    if scores.frequencies is not None:
        queries, keys = (turn(each, scores.frequencies) for each in (queries, keys))
    scale = 1 / math.sqrt(scores.key.shape[-1]) if scores.scale is None else scores.scale
    found = scale * (queries @ xp.matrix_transpose(keys))
    if scores.by_offset is not None:
        found = found + _biases(scores.by_offset, n)
    if not bool(xp.all(xp.isfinite(found))):
        raise InputError(
            "the scores of query and key must be finite, but some are not: are tokens too large?"
        )
    return softmax(found, mask=mask)


def turn(vectors: Array, frequencies: Array) -> Array:
    """Turn the features of each vector by its position, pair by pair: (*b, n, k) -> (*b, n, k).

    Shapes: frequencies (r,), with 2 r <= k; features from 2 r on stay as they are
    Source: su2021rope
    """
    xp, half = namespace(vectors, frequencies), frequencies.shape[0]
    places = xp.cumulative_sum(xp.ones_like(vectors[..., :1]), axis=-2) - 1
    angles = places * frequencies
    first, second, rest = (
        vectors[..., :half],
        vectors[..., half : 2 * half],
        vectors[..., 2 * half :],
    )
    cos, sin = xp.cos(angles), xp.sin(angles)
    turned = (first * cos - second * sin, second * cos + first * sin, rest)
    return xp.concat(turned, axis=-1)


def relative_buckets(longest: int, *, buckets: int = 32, farthest: int = 128) -> NDArray[np.int64]:
    """Return the row of a table for each offset from -(longest - 1) up: (2 longest - 1,).

    Half of the rows are for each direction; near offsets have rows of their own, far ones share
    them by their logarithm. Computed in float32, as the models were trained.

    Source: raffel2020t5
    """
    offsets = np.arange(-(longest - 1), longest)
    half, far = buckets // 2, np.abs(offsets)
    near = half // 2
    ratio = np.maximum(far, 1).astype(np.float32) / np.float32(near)
    steps = np.log(ratio) / np.float32(math.log(farthest / near)) * np.float32(half - near)
    rows = np.where(far < near, far, np.minimum(near + steps.astype(np.int64), half - 1))
    return np.asarray(rows + np.where(offsets < 0, half, 0))


def falling_biases(heads: int, longest: int) -> NDArray[np.float64]:
    """Return a bias for each head and offset that falls with the distance: (h, 2 longest - 1).

    The slopes are powers of 2, from 2^(-8 / p) to 1/256 for p heads, p a power of 2; what is left
    of another number of heads gets those that lie between. Listeners are behind, so that offsets
    are positive; the other half is masked.

    Source: press2022alibi
    """
    whole = 2 ** int(math.log2(heads))
    between = [2 ** (-8 * (2 * k + 1) / (2 * whole)) for k in range(heads - whole)]
    slopes = np.array([2 ** (-8 * (k + 1) / whole) for k in range(whole)] + between)
    return -slopes[:, None] * np.arange(-(longest - 1), longest)


def _vectors(heads: Array, weight: Array, bias: Array | None, norm: Norm | None) -> Array:
    found = heads @ weight
    if bias is not None:
        found = found + namespace(bias).expand_dims(bias, axis=-2)
    return found if norm is None else apply_norm(norm, found)


def _biases(by_offset: Array, n: int) -> Array:
    """Return the bias of each pair of tokens, (h, n, n), from that of each offset."""
    xp = namespace(by_offset)
    longest = (by_offset.shape[-1] + 1) // 2
    if n > longest:
        raise InputError(f"tokens must be at most {longest}, the positions there are, but are {n}")
    rows = [by_offset[:, longest - 1 + i - n + 1 : longest + i] for i in range(n)]
    return xp.flip(xp.stack(rows, axis=-2), axis=-1)
