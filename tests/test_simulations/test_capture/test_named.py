"""Does each model that has a name read alike by both routes: from its files, and captured?

Where transformers does not load the file, it is given the same tensors.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import get_data_path

from simulations.instruments.analysis import DEFAULT_LENGTH, analyze, analyze_images
from simulations.models.catalogue import KNOWN
from simulations.models.checkpoint import Checkpoint, embeddings_of
from simulations.models.find import find_place, is_installed, load_checkpoint
from simulations.models.tokens import Encoded
from tests.test_simulations.helpers import same_weights
from tests.test_simulations.helpers.against_transformers import differences

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("transformers")

from simulations.capture.load import load_model  # noqa: E402
from simulations.capture.trace import trace_model  # noqa: E402

TEXTS = {
    "texts": ["The quick brown fox jumps over the lazy dog.", "Snow again."],
    "reactions": ["CC(=O)O.OCCc1ccccc1>>CC(=O)OCCc1ccccc1", "CCO>>CC=O"],
    "proteins": ["QVQLVQSGAEVKKPGASVKVSCKAS", "EVQLLESGGG"],
}
READINGS = ("lambda", "s", "measured_ratio")
TOO_LONG = ("smollm2",)  # transformers takes minutes to unpack its file


def bert(checkpoint: Checkpoint, path: Path) -> Any:
    """Return their BERT with all words, of which ours keeps a table that is packed."""
    words = np.arange(embeddings_of(checkpoint).word.shape[0])
    return same_weights.their_bert(checkpoint, words)


THEIRS: dict[str, Callable[[Checkpoint, Path], Any]] = {
    "e5-small": bert,
    "dinov2-s": same_weights.their_dinov2,
    "sapiens": same_weights.their_roberta,
    "t5-encoder": same_weights.their_t5,
}


def shown(name: str, checkpoint: Checkpoint) -> tuple[Any, Encoded, dict[str, Any]]:
    """Return our readings, the tokens, and what their model is shown."""
    kind = KNOWN[name].shown
    if kind == "images":
        files = [Path(get_data_path(), "sample_data", "grace_hopper.jpg")]
        trace, encoded = analyze_images(checkpoint, files)
        assert encoded.pixels is not None
        return trace, encoded, {"pixel_values": torch.as_tensor(encoded.pixels)}
    trace, encoded = analyze(checkpoint, TEXTS[kind], max_length=DEFAULT_LENGTH)
    ids = np.where(encoded.token_mask, encoded.ids, 1)
    inputs = {"input_ids": ids, "attention_mask": encoded.token_mask.astype(int)}
    return trace, encoded, inputs


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in KNOWN if name not in TOO_LONG])
def test_both_routes_agree(name: str) -> None:
    if not is_installed(KNOWN[name]):
        pytest.skip(f"{name} is not installed")
    if KNOWN[name].needs:
        pytest.importorskip(KNOWN[name].needs)
    checkpoint = load_checkpoint(name)
    wanted, encoded, inputs = shown(name, checkpoint)
    if name in THEIRS:
        model = THEIRS[name](checkpoint, find_place(name).path).double()
    else:
        model = load_model(name).model
    model.set_attn_implementation("eager")
    apart = differences(checkpoint, encoded, model)
    found = trace_model(model, inputs)
    for reading in READINGS:
        ours, theirs = wanted.blocks[reading], found.blocks[reading]
        apart[reading] = float(np.max(np.abs(theirs / ours - 1)))
    assert max(apart.values()) < 1e-5, apart
    np.testing.assert_array_equal(found.inequality, wanted.inequality)
