"""How are the hidden states of several layers fused into one: by sum, maximum or gate?"""

from theory.arrays import Array, InputError, namespace, require_float, require_shape
from theory.blocks.forward import softmax


def concat_fusion(
    layers: Array,
    *,
    factors: Array | None = None,
    matrices: Array | None = None,
    bias: Array | None = None,
) -> Array:
    """Return what a linear map makes of the layers' features side by side.

    A map of [H_1 ... H_L] is a sum over its blocks: sum_k H_k W_k + bias, or with a number for
    each layer sum_k a_k H_k + bias.

    Shapes: layers (*b, L, n, d); factors (*b, L) or matrices (*b, L, d, c), one of the two;
            bias (*b, n, c), or (c,) for the same at every token -> (*b, n, c)
    Raises: InputError if both or neither are given, or a shape or dtype does not fit
    Source: shi2022
    """
    if (factors is None) == (matrices is None):
        raise InputError("concat_fusion needs either factors or matrices, and not both")
    xp = _require_layers(layers, factors, matrices, bias)
    number, d = layers.shape[-3], layers.shape[-1]
    if matrices is not None:
        require_shape("matrices", matrices, number, d, "c")
        parts = layers @ matrices
    else:
        assert factors is not None
        require_shape("factors", factors, number)
        parts = layers * factors[..., None, None]
    return _add(xp.sum(parts, axis=-3), bias)


def max_fusion(layers: Array, *, bias: Array | None = None) -> Array:
    """Return the largest value of every feature of every token over the layers.

    Shapes: layers (*b, L, n, d), bias (*b, n, d) or (d,) -> (*b, n, d)
    Raises: InputError if there is no layer, or a shape or dtype does not fit
    Source: shi2022
    """
    xp = _require_layers(layers, bias)
    return _add(xp.max(layers, axis=-3), bias)


def gate_fusion(
    layers: Array, gate: Array, *, gate_bias: Array | None = None, bias: Array | None = None
) -> Array:
    """Return every token's average over the layers, with weights that it chooses itself.

    The weights of token i are the softmax over k of its scores h_ik . g_k + c_k.

    Shapes: layers (*b, L, n, d), gate (*b, L, d), one vector for each layer, gate_bias (*b, L),
            bias (*b, n, d) or (d,) -> (*b, n, d)
    Raises: InputError if there is no layer, a shape or dtype does not fit, or a score overflows
    Source: shi2022
    """
    xp = _require_layers(layers, gate, gate_bias, bias)
    number, d = layers.shape[-3], layers.shape[-1]
    require_shape("gate", gate, number, d)
    scores = xp.sum(layers * gate[..., None, :], axis=-1)
    if gate_bias is not None:
        require_shape("gate_bias", gate_bias, number)
        scores = scores + gate_bias[..., None]
    if not bool(xp.all(xp.isfinite(scores))):
        raise InputError("the scores of the gate must be finite, but some are not")
    shares = softmax(xp.matrix_transpose(scores))  # (*b, n, L), every row sums to one
    return _add(xp.sum(layers * xp.matrix_transpose(shares)[..., None], axis=-3), bias)


def _require_layers(layers: Array, *others: Array | None) -> Array:
    """Check the stack of hidden states and return its namespace."""
    xp = namespace(layers, *others)
    require_float("layers", layers)
    require_shape("layers", layers, "L", "n", "d")
    if 0 in layers.shape[-3:]:
        shape = tuple(layers.shape)
        raise InputError(f"layers must hold a layer, a token and a feature, but have shape {shape}")
    for other in others:
        if other is not None and other.dtype != layers.dtype:
            raise InputError(
                f"all arrays must have the dtype of the layers, {layers.dtype}, but one has "
                f"{other.dtype}"
            )
    return xp


def _add(fused: Array, bias: Array | None) -> Array:
    if bias is None:
        return fused
    c = fused.shape[-1]
    if bias.ndim == 1:
        require_shape("bias", bias, c)
    else:
        require_shape("bias", bias, fused.shape[-2], c)
    return fused + bias
