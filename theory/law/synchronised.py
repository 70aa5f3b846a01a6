"""What does a block do when all tokens are equal, and to small differences between them?

Equal tokens stay equal, whatever the attention weights are: every head hands each token the same
value. So one token stands for all of them. A small difference then evolves linearly: the weights
of a row change by amounts that sum to zero, and multiply tokens that are equal, which adds
nothing at first order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import array_api_compat

from theory.arrays import Array, InputError, namespace, require_float, require_shape
from theory.blocks.forward import attend, feed_forward
from theory.blocks.norms import Norm, apply_norm
from theory.blocks.weights import Block, require_fits
from theory.blocks.wiring import Reading, read_through
from theory.law.jacobians import feed_forward_jacobian, norm_jacobian
from theory.records import brief_repr


@brief_repr
class Linearised(NamedTuple):
    """One block around equal tokens: differences become (r D + sum_k P_k D T_k) K.

    ``token`` is what the block makes of the token, ``listening`` what its attention sees of it
    (the token itself, or normalised), ``residual`` is r, ``after`` K. T_k is ``reads`` times
    ``writes``: heads are narrow, and their products wide. P_k are
    the attention weights at equal tokens. post: T_k = V_k, K = J_1 (r + F) J_2;
    pre: T_k = J_1 V_k, K = r + J_2 F; sandwich: T_k = J_1 V_k J_1out, K = r + J_2 F J_2out;
    parallel: K = 1 and (r D + D B + sum_k P_k D T_k), with B = J_2 F in ``beside``. J are the
    Jacobians of the norms, F that of the feed-forward sublayer, r scales the sum after attention.

    Shapes: token, listening (*b, d), reads (*b, h, d, m), writes (*b, h, m, d), or None where
            reads are the T_k, after (*b, d, d), beside (*b, d, d) or None
    """

    token: Array
    listening: Array
    residual: float
    reads: Array
    writes: Array | None
    after: Array
    beside: Array | None = None

    def past_attention(self, rows: Array) -> Array:
        """Return r D + D B, what becomes of differences beside attention: (*b, k, d)."""
        kept = self.residual * rows
        return kept if self.beside is None else kept + rows @ self.beside

    @property
    def mixed(self) -> Array:
        """Return S = sum_k T_k, which counts where all heads have one P: (*b, d, d)."""
        heads = self.reads if self.writes is None else self.reads @ self.writes
        return namespace(heads).sum(heads, axis=-3)


def linearise(block: Block, token: Array, *, fits: bool = False) -> Linearised:
    """Send one token, which stands for any number of equal ones, through a block and its slope.

    ``fits``: the block has been used on such a token before, so that no shape need be read again.

    Shapes: token (*b, d)
    Raises: InputError as `theory.blocks.weights.require_fits` and `theory.blocks.norms.apply_norm`
            do
    """
    if not fits:
        require_token(block, token)
    xp = namespace(token)
    unit = xp.eye(token.shape[-1], dtype=token.dtype, device=array_api_compat.device(token))
    listening, reads = token, token  # until the attention sublayer is reached
    writes: Array | None = None
    beside: Array | None = None

    def norm(name: str, at: _Sloped) -> _Sloped:
        which = block.norm(name)
        slope = norm_jacobian(which, at.token)
        if at.by_head:
            slope = slope[..., None, :, :]
        return replace(at, token=_norm(which, at.token), slope=_chain(at.slope, slope))

    def listen(at: _Sloped) -> _Sloped:
        nonlocal listening, reads
        listening, value = at.token, block.attention.value
        reads = value if at.slope is None else at.slope[..., None, :, :] @ value
        return _Sloped(_values(block, at.token), block.attention.output, by_head=True)

    def feed(at: _Sloped) -> _Sloped:
        assert block.feed_forward is not None  # otherwise nobody asks
        slope = feed_forward_jacobian(block.feed_forward, at.token)
        return _Sloped(_fed(block, at.token), _chain(at.slope, slope))

    def add(number: str, stream: _Sloped, change: _Sloped) -> _Sloped:
        nonlocal writes
        scale = block.residual_scale(number)
        token = scale * stream.token + change.token
        if change.by_head:  # what has come so far is before K
            writes = change.slope
            return _Sloped(token, None)
        return _Sloped(token, _chain(stream.slope, scale * unit + change.slope))

    def both(attention: _Sloped, ffn: _Sloped) -> _Sloped:
        nonlocal beside
        beside = ffn.slope
        return replace(attention, token=attention.token + ffn.token)

    def branch(stream: _Sloped) -> _Sloped:
        return _Sloped(stream.token, None)

    steps = Reading(norm, listen, feed, add, both, branch)
    out = read_through(block, _Sloped(token, None), steps)
    after = unit + xp.zeros_like(out.token)[..., None] if out.slope is None else out.slope
    scale = block.residual_scale("1")
    return Linearised(out.token, listening, scale, reads, writes, after, beside)


@dataclass(frozen=True)
class _Sloped:
    """A token, and what a small change has been multiplied by; None while that is the unit.

    ``by_head``: since every head's values, which P_k mixes; to be summed over k.

    Shapes: token (*b, d), slope (*b, d, d) or (*b, h, m, d)
    """

    token: Array
    slope: Array | None
    by_head: bool = False


def _chain(first: Array | None, then: Array) -> Array:
    return then if first is None else first @ then


def synchronised_step(block: Block, token: Array, *, fits: bool = False) -> Array:
    """Return what a block makes of a token that all tokens are equal to: (*b, d) -> (*b, d).

    ``fits`` is as in `linearise`.

    Raises: InputError as `linearise` does
    """
    if not fits:
        require_token(block, token)
    steps = Reading[Array](
        norm=lambda name, at: _norm(block.norm(name), at),
        attend=lambda at: _values(block, at),
        feed_forward=lambda at: _fed(block, at),
        add=lambda number, stream, change: block.residual_scale(number) * stream + change,
        both=lambda first, second: first + second,
    )
    return read_through(block, token, steps)


def synchronised_orbit(blocks: Iterable[Block], token: Array) -> Iterator[Linearised]:
    """Yield every block, linearised at the token that the blocks before it have made.

    Raises: InputError that names the layer, as `linearise` does, or if a token is not finite
    """
    last: Block | None = None
    for layer, block in enumerate(blocks):
        try:
            step = linearise(block, token, fits=block is last)
        except InputError as error:
            raise InputError(f"at layer {layer}: {error}") from error
        token, last = step.token, block
        if not bool(namespace(token).all(namespace(token).isfinite(token))):
            raise InputError(
                f"at layer {layer}: the token left the range of {token.dtype}; "
                "a norm, or smaller gains, would keep it in it"
            )
        yield step


def transverse_factor(step: Linearised, eigenvalue: complex | Array) -> Array:
    """Return (r I + B + mu S) K, what a block does to a mode of the eigenvalue mu of all P_k.

    Shapes: eigenvalue (*m,), real or complex -> (*m, *b, d, d)
    Raises: InputError if the arrays are no plain ones, or of several libraries
    """
    xp = namespace(step.token, step.listening, step.reads, step.writes, step.after, step.beside)
    if not isinstance(eigenvalue, list | tuple | int | float | complex):
        namespace(eigenvalue, step.after)
    d, device = step.after.shape[-1], array_api_compat.device(step.after)
    mixed, kept = step.mixed, step.residual * xp.eye(d, dtype=step.after.dtype, device=device)
    kept = kept if step.beside is None else kept + step.beside
    mu = xp.asarray(eigenvalue, device=device)
    mu = xp.reshape(mu, (*mu.shape, *(1,) * mixed.ndim))
    after = step.after
    if xp.isdtype(mu.dtype, "complex floating"):
        mixed, kept, after = (xp.astype(part, mu.dtype) for part in (mixed, kept, after))
    else:
        mu = xp.astype(mu, mixed.dtype)
    return (kept + mu * mixed) @ after


def require_token(block: Block, token: Array) -> None:
    """Raise InputError unless a block takes this token."""
    require_float("token", token)
    require_shape("token", token, "d")
    require_fits(block, token[..., None, :])


def _norm(norm: Norm, token: Array) -> Array:
    return apply_norm(norm, token[..., None, :])[..., 0, :]


def _fed(block: Block, token: Array) -> Array:
    assert block.feed_forward is not None  # otherwise nobody asks
    return feed_forward(block.feed_forward, token[..., None, :])[..., 0, :]


def _values(block: Block, token: Array) -> Array:
    """Return what attention gives to equal tokens: every row of weights sums to one."""
    xp = namespace(token)
    heads = block.attention.value.shape[-3]
    device = array_api_compat.device(token)
    alone = xp.ones((heads, 1, 1), dtype=token.dtype, device=device)
    return attend(block.attention, alone, token[..., None, :])[..., 0, :]
