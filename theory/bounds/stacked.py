"""By how much can all heads together stretch the distance to consensus, as one operator?"""

from theory.arrays import Array, eps, known, namespace
from theory.blocks.weights import Attention
from theory.spectra.definite import scaled_upper_end, upper_end
from theory.spectra.norms import row_deviations

WIDE = 128
"""Gram matrices of so many rows get a certain upper end; below, LAPACK is as fast."""


def stacked_factor(
    attention: Attention,
    adjacency: Array,
    root: Array,
    value: Array,
    *,
    token_mask: Array | None = None,
    heads: Array | None = None,
) -> Array:
    """Bound sum_k C_k X V_k, C_k = (I - e e^T) A_k, by the norms of [C_1 ... C_h], [V_1 ... V_h].

    The sum is [C_1 ... C_h] times the X V_k on top of each other, and these have the entries, and
    so the Frobenius norm, of X [V_1 ... V_h]. Any weights t_k > 0 may be moved from C_k to V_k;
    t_k^2 = norm(V_k) / norm(C_k) makes the bound at most sum_k norm(C_k) norm(V_k), so never
    worse than the sum over the heads.

    ``heads`` is what `gram_of_heads` gives, for who asks for many tokens.

    Shapes: root, value (*b, h), sqrt(lambda) and the norm of every head -> (*b,)
    Source: derived
    """
    xp = namespace(adjacency)
    heads = gram_of_heads(attention, value) if heads is None else heads
    works = (root > 0) & (value > 0)
    root, value = xp.where(works, root, 1.0), xp.where(works, value + 0 * root, 1.0)
    ratio = xp.where(works, xp.sqrt(value) / xp.sqrt(root), 0.0)[..., None, None]
    rows, _, unit = row_deviations(adjacency, token_mask=token_mask)
    left = _norm_side_by_side(ratio * unit[..., None, None] * rows)
    if heads is not None:
        shares = xp.where(works, xp.sqrt(value) * xp.sqrt(root), 0.0)
        return left * _norm_of_heads(heads, shares)
    inverse = xp.where(works, xp.sqrt(root) / xp.sqrt(value), 0.0)[..., None, None]
    return left * _norm_side_by_side(inverse * _with_output(attention))


def gram_of_heads(attention: Attention, value: Array) -> Array | None:
    """Return the Gram matrix of all heads' columns, each head divided by its norm.

    It has no tokens in it: whatever weights the heads get, they multiply its rows and columns.
    None where that is no gain, or no upper end is proved (`_is_wide`), and of heads without an
    output matrix, side by side far more than their rows.

    Shapes: value (*b, h), the norm of every head -> (*b, h k, h k)
    """
    h, _, k = attention.value.shape[-3:]
    xp = namespace(value)
    if attention.output is None or not _is_wide(h * k, value):
        return None
    inverse = xp.where(value > 0, 1 / xp.where(value > 0, value, 1.0), 0.0)
    row = _side_by_side(inverse[..., None, None] * _with_output(attention))
    return xp.matrix_transpose(row) @ row


def _is_wide(rows: int, like: Array) -> bool:
    """Tell whether Cholesky is to prove the end: not of enclosures, nor where nobody can look."""
    double = eps(like) == 2.0**-52  # more digits and enclosures call themselves float64 too
    return rows >= WIDE and double and known(namespace(like).any(like >= 0)) is not None


def _norm_of_heads(heads: Array, shares: Array) -> Array:
    """Return the norm of all heads side by side, each of the norm that it has in ``shares``.

    The Gram matrix of the columns is that of `gram_of_heads` with rows and columns multiplied, so
    that the texts of a batch have a factor in common, and one product serves all of them.
    """
    xp, h = namespace(shares), shares.shape[-1]
    scale = xp.repeat(shares, heads.shape[-1] // h, axis=-1)
    return xp.sqrt(scaled_upper_end(heads, scale))


def _with_output(attention: Attention) -> Array:
    """Return matrices with the V V^T of each head's value times output matrix: (*b, h, d, k).

    V_k O_k and V_k L_k, with O_k O_k^T = L_k L_k^T, have the same.
    """
    if attention.output is None:
        return attention.value
    xp = namespace(attention.value)
    factor = xp.linalg.qr(xp.matrix_transpose(attention.output)).R
    return attention.value @ xp.matrix_transpose(factor)


def _side_by_side(matrices: Array) -> Array:
    """Return [M_1 ... M_h]: (*b, h, p, q) -> (*b, p, h q)."""
    xp = namespace(matrices)
    moved = xp.moveaxis(matrices, -3, -2)
    return xp.reshape(moved, (*moved.shape[:-2], moved.shape[-2] * moved.shape[-1]))


def _norm_side_by_side(matrices: Array) -> Array:
    """Return the spectral norm of [M_1 ... M_h]: (*b, h, p, q) -> (*b,).

    The Gram matrix gives the largest singular value to p eps, and is far smaller.
    """
    xp, row = namespace(matrices), _side_by_side(matrices)
    gram = row @ xp.matrix_transpose(row)
    if _is_wide(gram.shape[-1], gram[..., 0, 0]):
        return xp.sqrt(upper_end(gram))
    return xp.sqrt(xp.clip(xp.linalg.eigvalsh(gram)[..., -1], min=0))
