"""How does one sublayer change a small change of one token: its derivative, in closed form?

All Jacobians are in the row-vector convention of the layers: a change u of the token becomes u J,
so J[i, j] is the derivative of the output's entry j by the input's entry i.
"""

import array_api_compat

from theory.arrays import Array, namespace, require_float, require_shape
from theory.blocks.activations import activation
from theory.blocks.norms import Norm, norm_std, normalise
from theory.blocks.weights import FeedForward, arrays_of


def norm_jacobian(norm: Norm, token: Array) -> Array:
    """Return the derivative of a normalisation at one token.

    With C the centring (the unit matrix for RMSNorm), std what the norm divides by and
    y = x C / std, it is (C - y^T y / d) diag(gain) / (tau std). An eps > 0 is in std and in y,
    and changes nothing else. A fixed std is a constant, so that only C diag(gain) / (tau std)
    is left. At eps = 0 changes along y and, for LayerNorm, along 1 are lost: LayerNorm of two
    features has derivative zero. `theory.symbolic.maps.derive_norm_jacobian` derives it.

    Shapes: token (*b, d) -> (*b, d, d)
    Raises: InputError as `theory.blocks.norms.apply_norm` does: at a token of zero variance
            without eps the derivative does not exist
    Source: ba2016, zhang2019rmsnorm
    """
    require_float("token", token)
    require_shape("token", token, "d")
    xp = namespace(token)
    unit = _unit(token)
    if norm.kind == "none":
        return unit + xp.zeros_like(token)[..., None]
    rows = xp.expand_dims(token, axis=-2)
    plain = Norm(norm.kind, eps=norm.eps, fixed_std=norm.fixed_std)
    y, _ = normalise(plain, rows)
    std = norm_std(norm, rows)[..., None]
    d = token.shape[-1]
    slope = unit - 1 / d if norm.kind == "layer" else unit
    if norm.fixed_std is None:
        slope = slope - xp.matrix_transpose(y) @ y / d
    slope = slope / (norm.tau * std)
    return slope if norm.gain is None else slope * xp.expand_dims(norm.gain, axis=-2)


def feed_forward_jacobian(sublayer: FeedForward, token: Array) -> Array:
    """Return W_in diag(phi'(x W_in + b_in)) W_out, the derivative of a feed-forward sublayer.

    Gated, with g = x W_gate + b_gate and u = x W_in + b_in, it is
    (W_gate diag(phi'(g) u) + W_in diag(phi(g))) W_out.

    The derivative of ReLU at zero is taken as 0, as `theory.blocks.activations` has it.

    Shapes: token (*b, d) -> (*b, d, d)
    """
    require_float("token", token)
    xp = namespace(token, *arrays_of(sublayer))
    require_shape("token", token, sublayer.weight_in.shape[-2])
    hidden = (xp.expand_dims(token, axis=-2) @ sublayer.weight_in)[..., 0, :]
    if sublayer.bias_in is not None:
        hidden = hidden + sublayer.bias_in
    phi = activation(sublayer.activation)
    if sublayer.weight_gate is None:
        slope = phi.derivative(hidden)
        return (sublayer.weight_in * xp.expand_dims(slope, axis=-2)) @ sublayer.weight_out
    gate = (xp.expand_dims(token, axis=-2) @ sublayer.weight_gate)[..., 0, :]
    if sublayer.bias_gate is not None:
        gate = gate + sublayer.bias_gate
    slope, active = phi.derivative(gate) * hidden, phi.function(gate)
    inner = sublayer.weight_gate * xp.expand_dims(slope, axis=-2)
    return (inner + sublayer.weight_in * xp.expand_dims(active, axis=-2)) @ sublayer.weight_out


def _unit(token: Array) -> Array:
    device = array_api_compat.device(token)
    return namespace(token).eye(token.shape[-1], dtype=token.dtype, device=device)
