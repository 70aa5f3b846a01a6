"""By how much can all heads together stretch the distance to consensus, as one operator?"""

from theory.arrays import Array, namespace
from theory.blocks.weights import Attention
from theory.spectra.norms import row_deviations


def stacked_factor(
    attention: Attention,
    adjacency: Array,
    root: Array,
    value: Array,
    *,
    token_mask: Array | None = None,
) -> Array:
    """Bound sum_k C_k X V_k, C_k = (I - e e^T) A_k, by the norms of [C_1 ... C_h], [V_1 ... V_h].

    The sum is [C_1 ... C_h] times the X V_k on top of each other, and these have the entries, and
    so the Frobenius norm, of X [V_1 ... V_h]. Any weights t_k > 0 may be moved from C_k to V_k;
    t_k^2 = norm(V_k) / norm(C_k) makes the bound at most sum_k norm(C_k) norm(V_k), so never
    worse than the sum over the heads.

    Shapes: root, value (*b, h), sqrt(lambda) and the norm of every head -> (*b,)
    Source: derived
    """
    xp = namespace(adjacency)
    works = (root > 0) & (value > 0)
    root, value = xp.where(works, root, 1.0), xp.where(works, value + 0 * root, 1.0)
    ratio = xp.where(works, xp.sqrt(value) / xp.sqrt(root), 0.0)[..., None, None]
    inverse = xp.where(works, xp.sqrt(root) / xp.sqrt(value), 0.0)[..., None, None]
    rows, _, unit = row_deviations(adjacency, token_mask=token_mask)
    left = ratio * unit[..., None, None] * rows
    right = inverse * attention.value
    if attention.output is not None:
        # V_k O_k and V_k L_k, with O_k O_k^T = L_k L_k^T, have the same V V^T.
        factor = xp.linalg.qr(xp.matrix_transpose(attention.output)).R
        right = right @ xp.matrix_transpose(factor)
    return _norm_side_by_side(left) * _norm_side_by_side(right)


def _norm_side_by_side(matrices: Array) -> Array:
    """Return the spectral norm of [M_1 ... M_h]: (*b, h, p, q) -> (*b,).

    The Gram matrix gives the largest singular value to p eps, and is far smaller.
    """
    xp = namespace(matrices)
    moved = xp.moveaxis(matrices, -3, -2)
    row = xp.reshape(moved, (*moved.shape[:-2], moved.shape[-2] * moved.shape[-1]))
    eigenvalues = xp.linalg.eigvalsh(row @ xp.matrix_transpose(row))
    return xp.sqrt(xp.clip(eigenvalues[..., -1], min=0))
