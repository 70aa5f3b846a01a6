"""What do theorems say about the layers of a pretrained model, given as their instances?"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from paper_figures.sources.models import checkpoint
from simulations.models.forward import LayerRun, embed
from simulations.models.texts import sentences
from simulations.models.tokens import encode
from theory.arrays import Array
from theory.blocks.forward import apply_block, attend
from theory.blocks.norms import apply_norm, norm_std
from theory.spectra.norms import spectral_norm
from theory.statements.check import check
from theory.statements.instances import as_float64
from theory.statements.theorem import Theorem
from theory.statements.verdict import Verdict
from theory.theorems.attention.steps import Steps
from theory.theorems.attention.zhai2023 import Scored
from theory.theorems.block.input import BlockInput
from theory.theorems.block.norms import Normalised
from theory.theorems.block.shi2022_activations import Activated
from theory.theorems.block.shi2022_lemmas import Averaging, LinearMap, WeightedSum
from theory.theorems.remedies.fusion_bounds import Fusion

TOKENS = 32
"""Texts are cut to this length, so that none is padded."""

_MODEL = "minilm"
_POOL = 400  # texts among which those are that are long enough


class Layer(NamedTuple):
    """One block at work on S texts: tokens (S, n, d), its weights (S, h, n, n), its sums."""

    at: LayerRun
    attended: Array
    middle: Array

    @property
    def heads(self) -> Array:
        """The attention weights of all heads."""
        return self.at.step.adjacency

    @property
    def tokens(self) -> Array:
        """The tokens that enter the block."""
        return self.at.tokens


def layers_of_texts(count: int, *, seed: int) -> list[Layer]:
    """Send so many sentences, cut to 32 tokens, through the model; all in float64.

    Raises: InputError if the model or the sentences are not installed
    """
    model = checkpoint(_MODEL)
    texts = sentences(_POOL, seed=seed)
    encoded = encode(model, texts, max_length=TOKENS)
    long = np.flatnonzero(encoded.token_mask.all(axis=-1))[:count]
    assert long.size == count, "too few sentences are long enough"
    chosen = encode(model, [texts[i] for i in long], max_length=TOKENS)
    assert chosen.token_mask.all()
    tokens = embed(model, chosen).astype(np.float64)
    layers = []
    for number, block in enumerate(map(as_float64, model.blocks), start=1):
        step = apply_block(block, tokens)
        attended = attend(block.attention, step.adjacency, tokens)
        middle = apply_norm(block.norm_1, tokens + attended)
        layers.append(Layer(LayerRun(number, block, tokens, step), attended, middle))
        tokens = step.output
    return layers


def layer_verdicts(theorem: Theorem[Any], layers: list[Layer]) -> list[Verdict]:
    """Check a theorem on each of its instances in these layers; there may be none."""
    maker = MAKERS.get(theorem.key)
    return [] if maker is None else [check(theorem, at) for at in maker(layers, theorem)]


Maker = Callable[[list[Layer], Theorem[Any]], Iterator[Any]]


def _linear(layers: list[Layer], _: Theorem[Any]) -> Iterator[LinearMap]:
    """The first map of the feed-forward sublayer."""
    for layer in layers:
        ffn = layer.at.block.feed_forward
        assert ffn is not None
        zero = np.zeros((*layer.middle.shape[:-1], ffn.weight_in.shape[-1]))
        yield LinearMap(layer.middle, ffn.weight_in, zero + ffn.bias_in)


def _activation(layers: list[Layer], theorem: Theorem[Any]) -> Iterator[Activated]:
    """What enters the activation, whichever one the theorem is about."""
    sizes = {name: max(low, min(high, 0)) for name, (low, high) in theorem.domain.sizes.items()}
    zeros = {name: np.zeros(shape) for name, shape in theorem.domain.shapes(sizes).items()}
    constant = float(theorem.domain.build(sizes, zeros).constant)
    for layer in layers:
        ffn = layer.at.block.feed_forward
        assert ffn is not None
        hidden = layer.middle @ ffn.weight_in + ffn.bias_in
        yield Activated(hidden, np.full(hidden.shape[:-2], constant))


def _residual(layers: list[Layer], _: Theorem[Any]) -> Iterator[WeightedSum]:
    """The residual sum around the attention."""
    for layer in layers:
        one = np.ones(layer.tokens.shape[:-1])
        yield WeightedSum(layer.tokens, layer.attended, one, one)


def _averaging(layers: list[Layer], _: Theorem[Any]) -> Iterator[Averaging]:
    """Each head's weights on the tokens that enter the block."""
    for layer in layers:
        tokens = np.broadcast_to(
            layer.tokens[:, None], (*layer.heads.shape[:2], *layer.tokens.shape[1:])
        )
        yield Averaging(tokens, layer.heads)


def _norm(layers: list[Layer], _: Theorem[Any]) -> Iterator[Normalised]:
    """The first norm, with the smallest std among the tokens for sigma."""
    for layer in layers:
        norm, tokens = layer.at.block.norm_1, layer.tokens + layer.attended
        yield Normalised(tokens, norm, norm_std(norm, tokens).min(axis=-1))


def _block(layers: list[Layer], _: Theorem[Any]) -> Iterator[BlockInput]:
    for layer in layers:
        yield BlockInput(layer.at.block, layer.tokens)


def _fusion(layers: list[Layer], theorem: Theorem[Any]) -> Iterator[Fusion]:
    """The outputs of all layers: their mean, or their largest entries."""
    tokens = np.stack([layer.at.step.output for layer in layers], axis=-3)
    factors = np.full(tokens.shape[:-2], 1 / len(layers))
    mean = "factors" in theorem.domain.free
    yield Fusion(tokens, np.zeros_like(tokens[:, 0]), factors=factors if mean else None)


def _entropy(layers: list[Layer], _: Theorem[Any]) -> Iterator[Scored]:
    """Queries and keys of two heads without their biases, on the first text.

    Norms of so large matrices take long, and the bound is far off for each of them.
    """
    for layer in layers:
        attention, tokens = layer.at.block.attention, layer.tokens[0]
        assert attention.query is not None
        assert attention.key is not None
        for query, key in list(zip(attention.query, attention.key, strict=True))[:2]:
            weight = attention.score_scale * (query @ key.T)
            yield Scored(tokens, weight, spectral_norm(tokens) ** 2 * spectral_norm(weight))


def _steps(layers: list[Layer], theorem: Theorem[Any]) -> Iterator[Steps]:
    """A head's weights: in one layer, or in all layers one after the other.

    The bound is half the widest range of a row's log weights, or the least weight where the
    theorem is about a mask, here a full one.
    """
    all_heads = np.stack([layer.heads for layer in layers], axis=2)
    one = theorem.domain.sizes["steps"] == (1, 1)
    first = layers[:1] if not one else layers
    for number, layer in enumerate(first):
        steps = all_heads[:, :, number : number + 1] if one else all_heads
        tokens = np.broadcast_to(layer.tokens[:, None], (*steps.shape[:2], *layer.tokens.shape[1:]))
        if "bare" in theorem.domain.sizes:
            mask = np.ones((*steps.shape[:2], TOKENS, TOKENS), dtype=np.bool_)
            yield Steps(tokens, steps, steps.min(axis=(-3, -2, -1)), mask)
        else:
            logs = np.log(steps)
            wide = (logs.max(axis=-1) - logs.min(axis=-1)).max(axis=(-2, -1))
            yield Steps(tokens, steps, wide / 2)


MAKERS: dict[str, Maker] = {
    "linear": _linear,
    **{
        f"activation-{name}": _activation
        for name in ("relu", "tanh", "gelu", "gelu-tanh", "silu", "gelu-constant-one")
    },
    "weighted-sum": _residual,
    "attention": _averaging,
    "dobrushin-contraction": _averaging,
    "dobrushin-coupling": _averaging,
    "birkhoff-contraction": _averaging,
    "layer-norm": _norm,
    "block-v": _block,
    "block-v-sharp": _block,
    "block-v-stacked": _block,
    "fusion-concat": _fusion,
    "fusion-concat-lower": _fusion,
    "fusion-max": _fusion,
    "attention-entropy": _entropy,
    "high-frequency-vanishes": _steps,
    "high-frequency-one-step": _steps,
    "high-frequency-one-step-below-one": _steps,
    "attention-on-a-connected-graph": _steps,
    "masked-attention": _steps,
    "masked-attention-without-floor": _steps,
}
"""Theorems, by key, that speak of something which such a layer has."""
