"""The peer around a model of transformers' reads what the instruments read."""

import numpy as np
import pytest

from benchmarks.models import Watched, sentences
from simulations.instruments.batches import in_order, make_ready, trace_in_batches
from simulations.models.find import load_checkpoint
from simulations.models.tokens import encode
from theory.arrays import InputError


def test_the_peer_reads_what_the_instruments_read() -> None:
    for library in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(library)
    from simulations.capture.load import load_model

    try:
        checkpoint = load_checkpoint("minilm")
    except InputError as error:
        pytest.skip(str(error))
    encoded = encode(checkpoint, sentences(2, words=6), max_length=8)
    assert encoded.token_mask.all(), "words of one token each, so that nothing is padding"
    bench = make_ready(checkpoint, skip_special=False, on=None)
    trace = trace_in_batches(bench, encoded, in_order)
    peer = Watched(load_model("minilm", dtype="float32").model, checkpoint, bench.norms or ())
    found = peer.read(encoded.ids)

    def same(name: str, ours: np.ndarray, *, close: float = 2e-3) -> None:
        np.testing.assert_allclose(found[name], ours, rtol=close, atol=1e-5, err_msg=name)

    tokens = trace.tokens.keys() & found.keys()
    assert len(tokens) >= 12
    for name in tokens:
        same(name, trace.tokens[name])
    for name in ("lambda", "attention_diameter", "attention_entropy", "attention_similarity"):
        same(name, trace.blocks[name])
    stds = found["std"][1:].reshape(-1, 2, 2)  # the first norm is that of the embeddings
    same_shape = np.stack([trace.blocks["sigma_1"], trace.blocks["sigma_2"]], axis=1)
    np.testing.assert_allclose(stds, same_shape, rtol=2e-3)
    assert (found["attention_stacked"] <= found["attention_sharp"] * (1 + 1e-4)).all()
