"""Of which blocks and tokens is there a local bound?"""

import numpy as np

from theory.arrays import Array, Floats, InputError, require_finite, require_float, to_numpy
from theory.blocks.norms import Norm
from theory.blocks.weights import Block, arrays_of, require_fits
from theory.statements.instances import map_arrays


def require_supported(block: Block, tokens: Array) -> tuple[Block, Floats]:
    """Return the block and its tokens (n, d) in float64 on the host, if such a block has a bound.

    Raises: InputError with what is not supported, in one line
    """
    require_float("tokens", tokens)
    held = to_numpy(tokens)
    block = map_arrays(lambda array, _: to_numpy(array), block)
    require_fits(block, held)
    if held.ndim != 2 or block.attention.value.ndim != 3:
        raise InputError(
            f"tokens must be those of one text, (n, d), without padding, but are {held.shape}"
        )
    if len(held) < 2:
        raise InputError("tokens must be at least 2, or they are all alike, but are 1")
    require_finite("tokens", held)
    for odd, what in _oddities(block):
        if odd:
            raise InputError(f"a local bound is known for post-norm blocks as BERT's, not {what}")
    for array in arrays_of(block):
        if array is not None:
            require_finite("block's weights", array)
    return map_arrays(lambda array, _: array.astype(np.float64), block), held.astype(np.float64)


def _oddities(block: Block) -> list[tuple[bool, str]]:
    ffn = block.feed_forward
    norms = (block.norm_1, block.norm_2)
    return [
        (block.placement != "post", f"with norms placed {block.placement!r}"),
        (ffn is None, "without a feed-forward sublayer"),
        (ffn is not None and ffn.gated, "with a gate"),
        (
            ffn is not None and ffn.activation != "gelu",
            f"with the activation {'' if ffn is None else ffn.activation!r}: gelu alone",
        ),
        (block.attention.query is None or block.attention.key is None, "without query and key"),
        (not block.attention.plain, "with positions or norms in its scores"),
        (set(block.residual_scales) != {1.0}, "with scaled residuals"),
        (not all(map(_plain, norms)), "without norms, or with a scaled or fixed std"),
    ]


def _plain(norm: Norm) -> bool:
    return norm.kind != "none" and norm.tau == 1 and norm.fixed_std is None
