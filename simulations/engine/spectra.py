"""Between which two numbers do the norms of one layer's weights and attention lie, for certain?"""

from typing import NamedTuple

from simulations.engine.squaring import at_safe_scale, group_bracket
from simulations.stacks.stack import Stack
from simulations.stacks.weights import Weights
from theory.arrays import Array, eps, namespace, tiny
from theory.spectra.brackets import Bracket


class WeightBrackets(NamedTuple):
    """Brackets of the spectral norms of unit-gain weights; no cell and no token changes them.

    Shapes: value, one for each head's value times output matrix: (s, h); ffn_in, ffn_out and
            ffn_gate (s,)
    """

    value: Bracket
    ffn_in: Bracket | None = None
    ffn_out: Bracket | None = None
    ffn_gate: Bracket | None = None

    def columns(self) -> dict[str, Array]:
        """Return what the host needs for s and v, each with an axis in the place of the cells."""
        found = {"value_lower": self.value.lower, "value_upper": self.value.upper}
        for name in ("ffn_in", "ffn_out", "ffn_gate"):
            bracket = getattr(self, name)
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
        return WeightBrackets(heads)
    ffn = []
    both = (weights.ffn_in, weights.ffn_out)
    for weight in (*both, weights.ffn_gate) if stack.gated else both:
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
    xp, given = namespace(left), left
    dtype = given.dtype
    (d, k), c = left.shape[-2:], right.shape[-1]
    left, left_unit, left_square = _at_safe_scale(left)
    right, right_unit, right_square = _at_safe_scale(right)
    factor = right
    if 2 * k <= d:
        try:
            factor = xp.linalg.cholesky(right @ xp.matrix_transpose(right))
        except (ValueError, RuntimeError):  # one singular matrix stops the whole batch
            factor = right
    found = group_bracket(left @ factor, tolerance=tolerance)
    size = xp.sqrt(left_square * right_square)
    unit, rough = eps(left), 2 * float(xp.finfo(dtype).eps)
    squared, moved = (c + k + 1) * unit * size**2, k * unit * size
    lower = xp.sqrt(xp.clip(xp.clip(found.lower - moved, min=0) ** 2 - squared, min=0))
    upper = xp.sqrt((found.upper + moved) ** 2 + squared)
    most, least = xp.maximum(left_unit, right_unit), xp.minimum(left_unit, right_unit)
    lower, upper = lower * most * least * (1 - rough), upper * most * least * (1 + rough)
    lower = xp.clip(lower - tiny(given), min=0)
    upper = upper + tiny(given)
    return Bracket(xp.astype(lower, dtype), xp.astype(upper, dtype), found.tier)


def _at_safe_scale(matrices: Array) -> tuple[Array, Array, Array]:
    """Return `at_safe_scale` for any batch axes, in float64."""
    xp, batch = namespace(matrices), matrices.shape[:-2]
    flat = xp.reshape(xp.astype(matrices, xp.float64, copy=False), (-1, *matrices.shape[-2:]))
    scaled, unit, square = at_safe_scale(flat)
    ends = (xp.reshape(x, batch) for x in (unit, square))
    return xp.reshape(scaled, matrices.shape), *ends
