"""What do theorems say about the layers of a pretrained model, given as their instances?"""

from typing import Any

import numpy as np

from paper_figures.sources.models import checkpoint
from simulations.models.forward import embed
from simulations.models.texts import sentences
from simulations.models.tokens import encode
from theory.blocks.forward import apply_block
from theory.statements.evaluation import check
from theory.statements.instances import as_float64
from theory.statements.real_layer import RealLayer
from theory.statements.theorem import Theorem
from theory.statements.verdict import Verdict

_LONGEST = 32  # texts are cut to so many tokens, so that none is padded
_MODEL = "minilm"
_POOL = 400  # texts among which those are that are long enough


def layers_of_texts(count: int, *, seed: int) -> list[RealLayer]:
    """Send so many sentences, cut to 32 tokens, through the model; all in float64.

    Raises: InputError if the model or the sentences are not installed
    """
    model = checkpoint(_MODEL)
    texts = sentences(_POOL, seed=seed)
    encoded = encode(model, texts, max_length=_LONGEST)
    long = np.flatnonzero(encoded.token_mask.all(axis=-1))[:count]
    assert long.size == count, "too few sentences are long enough"
    chosen = encode(model, [texts[i] for i in long], max_length=_LONGEST)
    assert chosen.token_mask.all()
    tokens = embed(model, chosen).astype(np.float64)
    layers = []
    for block in map(as_float64, model.blocks):
        layers.append(RealLayer(block, tokens, apply_block(block, tokens)))
        tokens = layers[-1].step.output
    return layers


def layer_verdicts(theorem: Theorem[Any], layers: list[RealLayer]) -> list[Verdict]:
    """Check a theorem on each of its instances in these layers; there may be none."""
    if theorem.from_layers is None:
        return []
    return [check(theorem, at) for at in theorem.from_layers(layers)]
