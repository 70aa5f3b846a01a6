"""Between which two numbers do the norms of one layer's weights and attention lie, for certain?"""

from typing import NamedTuple

from simulations.engine.squaring import group_bracket, square_sum
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights
from theory.arrays import Array, eps, namespace
from theory.spectra.brackets import Bracket


class WeightBrackets(NamedTuple):
    """Brackets of the spectral norms of unit-gain weights; no cell and no token changes them.

    Shapes: value, one for each head's value times output matrix: (s, h); ffn_in, ffn_out (s,)
    """

    value: Bracket
    ffn_in: Bracket | None
    ffn_out: Bracket | None

    def columns(self) -> dict[str, Array]:
        """Return what the host needs for s and v, each with an axis in the place of the cells."""
        found = {"value_lower": self.value.lower, "value_upper": self.value.upper}
        for name, bracket in (("ffn_in", self.ffn_in), ("ffn_out", self.ffn_out)):
            if bracket is not None:
                found[f"{name}_lower"] = bracket.lower[:, None]
                found[f"{name}_upper"] = bracket.upper[:, None]
        return found


def weight_brackets(stack: Stack, weights: Weights, *, tolerance: float) -> WeightBrackets:
    """Return the brackets of one layer's weights, once for all cells."""
    xp = namespace(weights.mixing)
    s, d, h = weights.mixing.shape[0], stack.width, stack.heads
    value = xp.reshape(weights.mixing[..., 2 * d :], (s, d, h, d // h))
    output = xp.reshape(weights.output, (s, h, d // h, d))
    heads = product_bracket(xp.permute_dims(value, (0, 2, 1, 3)), output, tolerance=tolerance)
    if not stack.ffn_width:
        return WeightBrackets(heads, None, None)
    ffn = []
    for weight in (weights.ffn_in, weights.ffn_out):
        bracket = group_bracket(weight[:, None, :, :], tolerance=tolerance)
        ffn.append(Bracket(*(x[:, 0] for x in bracket)))
    return WeightBrackets(heads, *ffn)


def product_bracket(left: Array, right: Array, *, tolerance: float) -> Bracket:
    """Enclose the norms of left @ right, by way of d x k matrices where k is well below d.

    With right right^T = L L^T (Cholesky) the norm is that of left @ L. Both are formed in float64,
    and what rounding may do to the norm is added: it moves the squared norm by at most
    (c + k + 1) eps of the Frobenius norms squared, for the sums in right right^T and the factor
    (Higham 2002, theorem 10.3), and the last product the norm itself by k eps of them.

    Shapes: left (*b, d, k), right (*b, k, c) -> (*b,)
    """
    xp, dtype = namespace(left), left.dtype
    (d, k), c = left.shape[-2:], right.shape[-1]
    left, right = (xp.astype(x, xp.float64, copy=False) for x in (left, right))
    factor = right
    if 2 * k <= d:
        try:
            factor = xp.linalg.cholesky(right @ xp.matrix_transpose(right))
        except (ValueError, RuntimeError):  # one singular matrix stops the whole batch
            factor = right
    found = group_bracket(left @ factor, tolerance=tolerance)
    size = xp.reshape(xp.sqrt(square_sum(left) * square_sum(right)), left.shape[:-2])
    unit, rough = eps(left), 2 * float(xp.finfo(dtype).eps)
    squared, moved = (c + k + 1) * unit * size**2, k * unit * size
    lower = xp.sqrt(xp.clip(xp.clip(found.lower - moved, min=0) ** 2 - squared, min=0))
    upper = xp.sqrt((found.upper + moved) ** 2 + squared)
    ends = (xp.astype(lower * (1 - rough), dtype), xp.astype(upper * (1 + rough), dtype))
    return Bracket(*ends, found.tier)
