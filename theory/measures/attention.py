"""How alike, and how spread out, are the attention weights?"""

from theory.arrays import (
    Array,
    InputError,
    known,
    namespace,
    require_finite,
    require_float,
    require_mask,
    require_shape,
)
from theory.magnitude import rescale, root


def attention_similarity(
    adjacency: Array, other: Array, *, token_mask: Array | None = None
) -> Array:
    """Return the cosine of two attention layers, all heads' matrices in one long vector each.

    With a token mask, rows and columns of tokens that do not count are left out, and what is left
    of a row is not normalised again. Found as 1 - |u - v|^2 / 2 of the unit vectors u and v, so
    that 1 minus it keeps its digits for layers that are nearly the same.

    Shapes: adjacency and other (*b, h, n, n), batch axes broadcast; token_mask boolean (*b, n),
            True where a token counts -> (*b,)
    Raises: InputError if heads, tokens or dtypes differ, an entry that counts is not finite, or
            all those of a layer are zero
    Source: shi2022, figure 3
    """
    namespace(adjacency, other, token_mask)
    if adjacency.shape[-3:] != other.shape[-3:] or adjacency.dtype != other.dtype:
        raise InputError(
            f"other must have the heads, tokens and dtype of adjacency, "
            f"{tuple(adjacency.shape[-3:])} and {adjacency.dtype}, but has "
            f"{tuple(other.shape[-3:])} and {other.dtype}"
        )
    gap = _unit("adjacency", adjacency, token_mask) - _unit("other", other, token_mask)
    return 1 - namespace(gap).sum(gap * gap, axis=(-3, -2, -1)) / 2


def attention_entropy(adjacency: Array, *, token_mask: Array | None = None) -> Array:
    """Return the mean over the rows of -sum_j a_ij log a_ij, in nats, for every head.

    Rows are divided by their sums first: a row need not sum to one exactly, and with a token mask
    (rows and columns of the others are left out) it is the entropy of where a token looks among
    those that count. Between 0 (one token) and log n (all alike).

    Shapes: adjacency (*b, h, n, n), token_mask boolean (*b, n), True where a token counts
            -> (*b, h)
    Raises: InputError if an entry that counts is negative or not finite, a row that counts has no
            weight on tokens that count, or none counts
    """
    weights = _counted("adjacency", adjacency, token_mask)
    xp = namespace(weights)
    if known(xp.any(weights < 0)):
        raise InputError(f"adjacency must not be negative, but has {float(xp.min(weights))}")
    rows = xp.ones_like(weights[..., 0])
    if token_mask is not None:
        rows = xp.astype(xp.broadcast_to(token_mask[..., None, :], rows.shape), rows.dtype)
    total = xp.sum(weights, axis=-1)
    if known(xp.any((total == 0) & (rows > 0))):
        raise InputError("every row of adjacency that counts must put weight on one that counts")
    if known(xp.any(xp.sum(rows, axis=-1) == 0)):
        raise InputError("token_mask must let at least one token of each sentence count")
    total = xp.where(total > 0, total, xp.ones_like(total))
    share = weights / total[..., None]
    logs = xp.log(xp.where(share > 0, share, xp.ones_like(share)))  # 0 log 0 = 0
    entropy = -xp.sum(share * logs, axis=-1)
    return xp.sum(entropy * rows, axis=-1) / xp.sum(rows, axis=-1)


def _unit(name: str, adjacency: Array, token_mask: Array | None) -> Array:
    scaled, _ = rescale(_counted(name, adjacency, token_mask), axis=(-3, -2, -1))
    xp = namespace(scaled)
    length = root(xp.sum(scaled * scaled, axis=(-3, -2, -1), keepdims=True))
    if known(xp.any(length == 0)):
        raise InputError(f"{name} must not be zero for all tokens that count")
    return scaled / length


def _counted(name: str, adjacency: Array, token_mask: Array | None) -> Array:
    """Check the attention weights and put zeros in rows and columns that do not count."""
    xp = namespace(adjacency, token_mask)
    require_float(name, adjacency)
    require_shape(name, adjacency, "h", "n", "n")
    n = adjacency.shape[-1]
    if adjacency.shape[-2] != n or 0 in adjacency.shape[-3:]:
        shape = tuple(adjacency.shape)
        raise InputError(f"{name} must have shape (..., h, n, n), but has {shape}")
    if token_mask is not None:
        require_mask("token_mask", token_mask, n)
        both = token_mask[..., None, :, None] & token_mask[..., None, None, :]
        adjacency = xp.where(both, adjacency, xp.zeros_like(adjacency))
    require_finite(name, adjacency)
    return adjacency
