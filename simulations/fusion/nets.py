"""What do an encoder and its fusion compute, as torch functions of a dictionary of weights?

The fusions are theory.blocks.fusion's own kernels; the blocks compute what
theory.blocks.forward.apply_block does, in batches and with dropout (a test compares them).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from simulations.fusion.recipe import Recipe
from theory.blocks.forward import softmax
from theory.blocks.fusion import concat_fusion, gate_fusion, max_fusion
from theory.blocks.wiring import Reading, norms_used, read_placement

Tensor = Any  # torch comes without types here
NetWeights = dict[str, Any]

_EPS = 1e-12


class States(NamedTuple):
    """What an encoder saw: embeddings and every block's tokens, and what its norms divided by.

    The divisors are zero while training.

    Shapes: tokens (L + 1, b, n, d), stds (L, 2, b, n)
    """

    tokens: Tensor
    stds: Tensor


def draw_encoder(recipe: Recipe, *, words: int, longest: int, patch: int | None) -> NetWeights:
    """Return an encoder's random weights: normal, from the seed, with the gain that BERT's have.

    BERT draws with std 0.02 at width 768; other widths keep std * sqrt(width).
    ``patch`` is the number of points of an image's patch; for texts it is None and the encoder
    has a row for each of ``words``.
    """
    d, f = recipe.width, recipe.ffn
    generator = torch.Generator().manual_seed(recipe.seed)

    def normal(*shape: int) -> Tensor:
        return 0.02 * (768 / d) ** 0.5 * torch.randn(*shape, generator=generator)

    weights: NetWeights = {"position": normal(longest, d)}
    if patch is None:
        weights |= {"word": normal(words, d), **_norm("embed", d)}
    else:
        weights |= {"patch.w": normal(patch, d), "patch.b": torch.zeros(d)}
    for layer in range(1 if recipe.tied else recipe.depth):
        for name in ("query", "key"):
            weights |= {f"{layer}.{name}.w": normal(d, d), f"{layer}.{name}.b": torch.zeros(d)}
        # A value bias would only add to the output's: rows of the attention sum to one.
        weights |= {f"{layer}.value.w": normal(d, d), f"{layer}.output.w": normal(d, d)}
        weights |= {f"{layer}.in.w": normal(d, f), f"{layer}.in.b": torch.zeros(f)}
        weights |= {f"{layer}.out.w": normal(f, d), f"{layer}.out.b": torch.zeros(d)}
        weights |= {f"{layer}.output.b": torch.zeros(d)}
        for name in norms_used(recipe.placement):
            weights |= _norm(f"{layer}.norm_{name}", d)
    if recipe.placement == "pre":
        weights |= _norm("final", d)
    return weights


def draw_head(recipe: Recipe, *, width: int, classes: int, scored: bool) -> NetWeights:
    """Return the weights of the fusion and of what reads the fused tokens.

    All fusions start at something plain: concat at the last layer alone, gate at equal shares.
    """
    generator = torch.Generator().manual_seed(recipe.seed + 1_000_003)
    head: NetWeights = {}
    if scored:
        head |= {"score.scale": torch.ones(()), "score.shift": torch.zeros(())}
    else:
        head["class.w"] = 0.02 * torch.randn(width, classes, generator=generator)
        head["class.b"] = torch.zeros(classes)
    if recipe.fusion == "concat":
        # Noise on depth x width numbers a feature would bury the last layer: it starts alone.
        matrices = torch.zeros(recipe.depth, width, width)
        matrices[-1] = torch.eye(width)
        head |= {"fusion.w": matrices, "fusion.b": torch.zeros(width)}
    if recipe.fusion == "gate":
        head["fusion.gate"] = torch.zeros(width)
    return head


def run_encoder(
    weights: Mapping[str, Tensor], recipe: Recipe, inputs: Tensor, mask: Tensor, *, training: bool
) -> States:
    """Send items through the encoder and keep every layer.

    Shapes: inputs (b, n) word numbers or (b, n, p) patches; mask (b, n), True at tokens
    """
    n = inputs.shape[1]

    def drop(tokens: Tensor) -> Tensor:
        return functional.dropout(tokens, recipe.dropout, training=training)

    if "word" in weights:
        tokens = weights["word"][inputs] + weights["position"][:n]
        tokens = _normalise(weights, "embed", tokens)
    else:
        tokens = inputs @ weights["patch.w"] + weights["patch.b"] + weights["position"][:n]
    kept, stds, adjacency = [drop(tokens)], [], None
    read_std = _no_std if training else _std
    first, last = recipe.shared or (1, 0)
    for number in range(1, recipe.depth + 1):
        reuse: Tensor = adjacency if first < number <= last else None
        tokens, adjacency, both = _block(
            weights, recipe, number, kept[-1], mask, reuse, drop, read_std
        )
        kept.append(tokens)
        stds.append(both)
    return States(torch.stack(kept), torch.stack(stds))


def fuse_layers(weights: Mapping[str, Tensor], recipe: Recipe, tokens: Tensor) -> Tensor:
    """Return the fused tokens F of the layers after the embeddings.

    Shapes: tokens (L + 1, b, n, d) -> (b, n, d)
    """
    layers = tokens[1:].movedim(0, 1)
    if recipe.fusion == "concat":
        fused = concat_fusion(layers, matrices=weights["fusion.w"], bias=weights["fusion.b"])
    elif recipe.fusion == "max":
        fused = max_fusion(layers)
    elif recipe.fusion == "gate":
        fused = gate_fusion(layers, _gate(weights, recipe))
    else:
        fused = layers[:, -1]
    return _normalise(weights, "final", fused) if "final.gain" in weights else fused


def gate_shares(weights: Mapping[str, Tensor], recipe: Recipe, tokens: Tensor) -> Tensor:
    """Return what share each layer has in each token: (L + 1, b, n, d) -> (b, n, L)."""
    scores = torch.sum(tokens[1:] * _gate(weights, recipe)[:, None, None, :], dim=-1)
    return softmax(scores.movedim(0, -1))


def answer(weights: Mapping[str, Tensor], read: Tensor, pairs: Tensor) -> Tensor:
    """Return the logits of each example, or of each pair a number.

    Shapes: read (b, d), what `read_out` gave; pairs (e, 1) or (e, 2), rows of it -> (e, c) or (e,)
    """
    if "class.w" in weights:
        return read[pairs[:, 0]] @ weights["class.w"] + weights["class.b"]
    cosine = functional.cosine_similarity(read[pairs[:, 0]], read[pairs[:, 1]], dim=-1)
    return weights["score.scale"] * cosine + weights["score.shift"]


def read_out(recipe: Recipe, tokens: Tensor, mask: Tensor) -> Tensor:
    """Return one vector an item, from what is no padding: (..., b, n, d), (b, n) -> (..., b, d)."""
    if recipe.readout == "first":
        return tokens[..., 0, :]
    heard = mask[..., None].to(tokens.dtype)
    return (tokens * heard).sum(-2) / heard.sum(-2)


def _block(
    weights: Mapping[str, Tensor],
    recipe: Recipe,
    number: int,
    tokens: Tensor,
    mask: Tensor,
    adjacency: Tensor | None,
    drop: Any,
    read_std: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    layer = f"{0 if recipe.tied else number - 1}."
    b, n, d = tokens.shape
    k = d // recipe.heads
    stds: list[Tensor] = []

    def linear(name: str, value: Tensor) -> Tensor:
        mapped = value @ weights[f"{layer}{name}.w"]
        bias = weights.get(f"{layer}{name}.b")
        return mapped if bias is None else mapped + bias

    def heads(name: str, value: Tensor) -> Tensor:
        return linear(name, value).reshape(b, n, recipe.heads, k).transpose(1, 2)

    def norm(name: str, value: Tensor) -> Tensor:
        stds.append(read_std(value))
        return _normalise(weights, f"{layer}norm_{name}", value)

    def listen(inner: Tensor) -> Tensor:
        nonlocal adjacency
        if adjacency is None:
            scores = heads("query", inner) @ heads("key", inner).mT / k**0.5
            scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
            adjacency = torch.softmax(scores, dim=-1)
        change = (adjacency @ heads("value", inner)).transpose(1, 2).reshape(b, n, d)
        return drop(linear("output", change))

    def feed(inner: Tensor) -> Tensor:
        return drop(linear("out", functional.gelu(linear("in", inner))))

    does = Reading[Tensor](
        norm,
        listen,
        feed,
        add=lambda _, stream, change: stream + change,
        both=lambda first, second: first + second,
    )
    out = read_placement(recipe.placement, tokens, does)
    return out, adjacency, torch.stack(stds)


def _gate(weights: Mapping[str, Tensor], recipe: Recipe) -> Tensor:
    """One vector for all layers, as in the paper; a shared bias would not change a softmax."""
    return weights["fusion.gate"].expand(recipe.depth, -1)


def _norm(name: str, d: int) -> NetWeights:
    return {f"{name}.gain": torch.ones(d), f"{name}.shift": torch.zeros(d)}


def _normalise(weights: Mapping[str, Tensor], name: str, tokens: Tensor) -> Tensor:
    gain, shift = weights[f"{name}.gain"], weights[f"{name}.shift"]
    return functional.layer_norm(tokens, tokens.shape[-1:], gain, shift, _EPS)


def _std(tokens: Tensor) -> Tensor:
    return torch.sqrt(tokens.float().var(dim=-1, correction=0) + _EPS)


def _no_std(tokens: Tensor) -> Tensor:
    """Nobody reads it while training, where it would take a pass over the tokens."""
    return tokens.new_zeros(tokens.shape[:-1])
