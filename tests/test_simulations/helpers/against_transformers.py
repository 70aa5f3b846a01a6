"""How far are our tokens and attention weights from those of transformers?"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.tokens import Encoded, encode
from tests.test_simulations.helpers.tiny import write_tokenizer
from theory.blocks.norms import apply_norm

TEXTS = ("a graph of tokens fades slowly", "of a graph", "slowly slowly a")


def random_model(kind: str, folder: Path, **settings: Any) -> Any:
    """Save one of their models with random weights into a folder, with a tokenizer beside it."""
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():  # what it says while it is imported is no concern of ours
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = getattr(transformers, kind + "Config")(**settings, attn_implementation="eager")
    model = getattr(transformers, kind + "Model")(config).eval()
    with torch.no_grad():  # biases and norms start at zeros and ones, which would hide mistakes
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return model


def differences(checkpoint: Checkpoint, encoded: Encoded, model: Any) -> dict[str, float]:
    """Return the largest differences, relative to the largest entry, padding left out.

    Of the tokens before the first block and after each, of the attention weights, and of the
    last tokens behind the final norm. transformers puts the latter in the place of the last state.
    """
    import torch

    if encoded.pixels is not None:
        given = {"pixel_values": torch.asarray(encoded.pixels).to(model.dtype)}
    else:
        # Those that count positions from padding on find it by the number 1, which is [UNK] here.
        first = checkpoint.architecture.first_position
        ids = np.where(encoded.token_mask, encoded.ids, 1 if first else 0)
        mask = torch.asarray(encoded.token_mask).long()
        given = {"input_ids": torch.asarray(ids), "attention_mask": mask}
    with torch.no_grad():
        theirs = model(**given, output_hidden_states=True, output_attentions=True)
    counts = encoded.token_mask
    layers = list(run(checkpoint, encoded))
    assert len(layers) == len(theirs.attentions) == len(theirs.hidden_states) - 1
    last = layers[-1].step.output
    if checkpoint.final_norm is not None:
        last = apply_norm(checkpoint.final_norm, last)
    rows = np.broadcast_to(counts[:, None, :], layers[0].step.adjacency.shape[:-1])
    pairs = zip(layers, theirs.hidden_states, theirs.attentions, strict=False)
    states, attentions = [], []
    for layer, state, attention in pairs:
        states.append(_apart(layer.tokens, state, counts))
        attentions.append(_apart(layer.step.adjacency, attention, rows))
    return {
        "states": max(states),
        "attentions": max(attentions),
        "last": _apart(last, theirs.last_hidden_state, counts),
    }


def _apart(ours: NDArray[Any], theirs: Any, counts: NDArray[np.bool_]) -> float:
    wanted = theirs.numpy()
    return float(np.abs(ours - wanted)[counts].max() / np.abs(wanted[counts]).max())


def agrees(kind: str, folder: Path, **settings: Any) -> Checkpoint:
    """Require that a family's model with random weights gives what theirs gives; return ours."""
    model = random_model(kind, folder, **settings)
    checkpoint = load_checkpoint(folder)
    found = differences(checkpoint, encode(checkpoint, TEXTS), model)
    assert max(found.values()) < 1e-5, found
    return checkpoint
