"""Which blocks, and which tokens, does a random stack consist of, seed by seed?"""

from collections.abc import Iterator

import numpy as np

from simulations.stacks.normals import Normals
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Stack
from simulations.stacks.weights import draw_weights, empty_weights, orthogonal
from theory.arrays import Array, InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward


def draw_blocks(stack: Stack, *, seeds: range) -> Iterator[Block]:
    """Yield the blocks of the stack one by one, one batch member a seed.

    Shapes: every weight has the leading axis (len(seeds),)
    Dtype:  float64, host memory
    Raises: InputError if there is no seed, or a negative one
    """
    if not seeds:
        raise InputError("seeds must hold at least one seed, but is empty")
    block: Block | None = None
    for layer in range(stack.depth):
        if block is None or not stack.tied:
            block = _block(stack, seeds, layer)
        yield block


def draw_tokens(stack: Stack, *, seeds: range) -> Array:
    """Return the tokens that enter the first block: float64 (len(seeds), n, d)."""
    n, d = stack.tokens, stack.width
    drawn = []
    for seed in seeds:
        key = ("tokens", stack.initial, n, d)
        normals = Normals(seed, *key)
        if stack.initial == "orthogonal":
            tokens = orthogonal(normals, n, d) * np.sqrt(d)
        elif stack.initial == "clustered":
            cluster = generator(seed, *key).integers(2, size=n)
            tokens = normals.draw(2, d)[cluster] + 0.1 * normals.draw(n, d)
        elif stack.initial == "near-consensus":
            tokens = normals.draw(d) + 1e-3 * normals.draw(n, d)
        else:
            tokens = normals.draw(n, d)
        drawn.append(tokens)
    return np.stack(drawn)


def _block(stack: Stack, seeds: range, layer: int) -> Block:
    """Draw one layer for several seeds and apply the gains."""
    w = empty_weights(stack, seeds=len(seeds), dtype=np.dtype("float64"))
    for row, seed in enumerate(seeds):
        draw_weights(stack, w, row, seed=seed, layer=layer)
    s, d, h = len(seeds), stack.width, stack.heads
    biased = stack.bias_std != 0
    norm = Norm(
        kind=stack.norm,
        gain=None if stack.norm_gain == 1 else np.full(d, stack.norm_gain),
        eps=stack.ln_eps,
        tau=stack.tau,
        fixed_std=stack.fixed_std,
    )
    heads = np.transpose(w.mixing.reshape(s, d, 3, h, d // h), (2, 0, 3, 1, 4))
    query, key, value = np.ascontiguousarray(heads)
    attention = Attention(
        query=query,
        key=key,
        value=stack.value_gain * value,
        output=w.output.reshape(s, h, d // h, d),
        bias=stack.bias_std * w.bias if biased else None,
        scale=stack.score_gain * (d // h) ** -0.5,
    )
    ffn = None
    if stack.ffn_width:
        ffn = FeedForward(
            weight_in=w.ffn_in,
            weight_out=stack.ffn_gain * w.ffn_out,
            bias_in=stack.bias_std * w.bias_in if biased else None,
            bias_out=stack.bias_std * w.bias_out if biased else None,
            activation=stack.activation,
            weight_gate=w.ffn_gate if stack.gated else None,
            bias_gate=stack.bias_std * w.bias_gate if biased and stack.gated else None,
        )
    return Block(
        attention,
        ffn,
        norm_1=norm,
        norm_2=norm,
        norm_1_out=norm,
        norm_2_out=norm,
        placement=stack.placement,
        residual=stack.residual,
        residual_attention=stack.residual_attention,
        residual_ffn=stack.residual_ffn,
    )
