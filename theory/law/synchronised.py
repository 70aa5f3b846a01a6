"""What does a block do when all tokens are equal, and to small differences between them?

Equal tokens stay equal, whatever the attention weights are: every head hands each token the same
value. So one token stands for all of them. A small difference then evolves linearly: the weights
of a row change by amounts that sum to zero, and multiply tokens that are equal, which adds
nothing at first order.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import array_api_compat

from theory.arrays import Array, InputError, namespace, require_float, require_shape
from theory.blocks.forward import attend, feed_forward
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Block, require_fits
from theory.law.jacobians import feed_forward_jacobian, norm_jacobian, value_output

_NONE = Norm(kind="none")


class Linearised(NamedTuple):
    """One block around equal tokens: differences become (r D + sum_k P_k D T_k) K.

    ``token`` is what the block makes of the token, ``listening`` what its attention sees of it
    (the token itself, or normalised), ``residual`` is r, ``heads`` the T_k, ``after`` K. P_k are
    the attention weights at equal tokens. post: T_k = V_k, K = J_1 (r + F) J_2;
    pre: T_k = J_1 V_k, K = r + J_2 F; sandwich: T_k = J_1 V_k J_1out, K = r + J_2 F J_2out; with
    J the Jacobians of the norms and F that of the feed-forward sublayer.

    Shapes: token, listening (*b, d), heads (*b, h, d, d), after (*b, d, d)
    """

    token: Array
    listening: Array
    residual: float
    heads: Array
    after: Array

    @property
    def mixed(self) -> Array:
        """Return S = sum_k T_k, which counts where all heads have one P: (*b, d, d)."""
        return namespace(self.heads).sum(self.heads, axis=-3)


def linearise(block: Block, token: Array) -> Linearised:
    """Send one token, which stands for any number of equal ones, through a block and its slope.

    Shapes: token (*b, d)
    Raises: InputError as `theory.blocks.weights.require_fits` and `theory.blocks.norms.apply_norm`
            do
    """
    _require_token(block, token)
    xp = namespace(token)
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    residual = block.residual
    unit = xp.eye(token.shape[-1], dtype=token.dtype, device=array_api_compat.device(token))

    norm_in = _NONE if post else block.norm_1
    listening = _norm(norm_in, token)
    change = _values(block, listening)
    heads = value_output(block.attention)
    if not post:
        heads = norm_jacobian(norm_in, token)[..., None, :, :] @ heads
    if sandwich:
        heads = heads @ norm_jacobian(block.norm_1_out, change)[..., None, :, :]
        change = _norm(block.norm_1_out, change)
    middle = residual * token + change
    after = unit + xp.zeros_like(middle)[..., None]
    if post:
        after = norm_jacobian(block.norm_1, middle)
        middle = _norm(block.norm_1, middle)
    if block.feed_forward is None:
        return Linearised(middle, listening, residual, heads, after)

    norm_in = _NONE if post else block.norm_2
    inner = _norm(norm_in, middle)
    slope = norm_jacobian(norm_in, middle) @ feed_forward_jacobian(block.feed_forward, inner)
    change = feed_forward(block.feed_forward, inner[..., None, :])[..., 0, :]
    if sandwich:
        slope = slope @ norm_jacobian(block.norm_2_out, change)
        change = _norm(block.norm_2_out, change)
    after = after @ (residual * unit + slope)
    out = residual * middle + change
    if post:
        after = after @ norm_jacobian(block.norm_2, out)
        out = _norm(block.norm_2, out)
    return Linearised(out, listening, residual, heads, after)


def synchronised_step(block: Block, token: Array) -> Array:
    """Return what a block makes of a token that all tokens are equal to: (*b, d) -> (*b, d).

    Raises: InputError as `linearise` does
    """
    _require_token(block, token)
    post, sandwich = block.placement == "post", block.placement == "sandwich"
    change = _values(block, token if post else _norm(block.norm_1, token))
    if sandwich:
        change = _norm(block.norm_1_out, change)
    middle = block.residual * token + change
    if post:
        middle = _norm(block.norm_1, middle)
    if block.feed_forward is None:
        return middle
    inner = middle if post else _norm(block.norm_2, middle)
    change = feed_forward(block.feed_forward, inner[..., None, :])[..., 0, :]
    if sandwich:
        change = _norm(block.norm_2_out, change)
    out = block.residual * middle + change
    return _norm(block.norm_2, out) if post else out


def synchronised_orbit(blocks: Iterable[Block], token: Array) -> Iterator[Linearised]:
    """Yield every block, linearised at the token that the blocks before it have made.

    Raises: InputError that names the layer, as `linearise` does, or if a token is not finite
    """
    for layer, block in enumerate(blocks):
        try:
            step = linearise(block, token)
        except InputError as error:
            raise InputError(f"at layer {layer}: {error}") from error
        token = step.token
        if not bool(namespace(token).all(namespace(token).isfinite(token))):
            raise InputError(
                f"at layer {layer}: the token left the range of {token.dtype}; "
                "a norm, or smaller gains, would keep it in it"
            )
        yield step


def transverse_factor(step: Linearised, eigenvalue: complex | Array) -> Array:
    """Return (r I + mu S) K, what a block does to the mode of an eigenvalue mu of all heads' P.

    Shapes: eigenvalue (*m,), real or complex -> (*m, *b, d, d)
    """
    xp = namespace(step.after)
    d, device = step.after.shape[-1], array_api_compat.device(step.after)
    mixed = step.mixed
    mu = xp.asarray(eigenvalue, device=device)
    mu = xp.reshape(mu, (*mu.shape, *(1,) * mixed.ndim))
    unit = xp.eye(d, dtype=step.after.dtype, device=device)
    after = step.after
    if xp.isdtype(mu.dtype, "complex floating"):
        mixed, unit, after = (xp.astype(part, mu.dtype) for part in (mixed, unit, after))
    else:
        mu = xp.astype(mu, mixed.dtype)
    return (step.residual * unit + mu * mixed) @ after


def _require_token(block: Block, token: Array) -> None:
    require_float("token", token)
    require_shape("token", token, "d")
    require_fits(block, token[..., None, :])


def _norm(norm: Norm, token: Array) -> Array:
    return apply_norm(norm, token[..., None, :])[..., 0, :]


def _values(block: Block, token: Array) -> Array:
    """Return what attention gives to equal tokens: every row of weights sums to one."""
    xp = namespace(token)
    heads = block.attention.value.shape[-3]
    device = array_api_compat.device(token)
    alone = xp.ones((heads, 1, 1), dtype=token.dtype, device=device)
    return attend(block.attention, alone, token[..., None, :])[..., 0, :]
