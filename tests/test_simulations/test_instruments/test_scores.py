"""Do the instruments measure the attention that a model with other scores really has?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations.instruments.analysis import analyze
from simulations.instruments.trace import trace_blocks
from simulations.machine.backends import backend
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed, run
from simulations.models.scores import Scores, adjacency, turn
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny_llama import write_decoder
from theory.arrays import InputError, to_numpy
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.measures.tokens import cosine_similarity
from theory.spectra.norms import coupling

TEXTS = ["a graph of tokens fades slowly", "of a"]


@pytest.fixture
def llama(tmp_path: Path) -> Checkpoint:
    return load_checkpoint(write_decoder(tmp_path))


def test_a_trace_reads_what_the_model_runs(llama: Checkpoint) -> None:
    found = analyze(llama, TEXTS)
    mask = found.encoded.token_mask
    for layer, ran in enumerate(run(llama, found.encoded)):
        wanted = cosine_similarity(ran.step.output, token_mask=mask)
        assert np.allclose(found.trace.tokens["cosine_similarity"][layer + 1], wanted, rtol=1e-12)
        root = coupling(ran.step.adjacency, token_mask=mask).max(axis=-1)
        assert np.allclose(found.trace.blocks["lambda"][layer], root**2, rtol=1e-9)
    assert np.all(found.trace.inequality == "holds")


def test_a_padded_decoder_reads_as_its_single_texts_do(llama: Checkpoint) -> None:
    both, alone = analyze(llama, TEXTS).trace, analyze(llama, TEXTS[1:]).trace
    for name in ("lambda", "v", "measured_ratio", "attention_entropy", "attention_similarity"):
        values = alone.blocks[name]
        assert np.allclose(both.blocks[name][:, 1:], values, rtol=1e-9, equal_nan=True), name


def test_a_run_in_single_precision_is_judged_in_double(llama: Checkpoint) -> None:
    double, single = (
        analyze(llama, TEXTS, on=backend(dtype=dtype)).trace for dtype in ("float64", "float32")
    )
    assert single.blocks["v"].dtype == np.float64
    assert np.allclose(single.blocks["v"], double.blocks["v"], rtol=1e-3)
    assert np.all(single.inequality == "holds")


def test_blocks_without_their_scores_are_refused(llama: Checkpoint) -> None:
    tokens = embed(llama, encode(llama, TEXTS[:1]))
    with pytest.raises(InputError, match="no query and key: give the adjacency itself"):
        apply_block(llama.blocks[0], tokens)
    with pytest.raises(InputError, match="at layer 0: this attention has no query and key"):
        trace_blocks(llama.blocks, tokens)
    assert llama.scores is not None
    with pytest.raises(InputError, match="scores must be one a block, but are fewer"):
        trace_blocks(llama.blocks, tokens, scores=llama.scores[:1])
    with pytest.raises(InputError, match="scores must be one a block, but are more"):
        trace_blocks(llama.blocks, tokens, scores=[*llama.scores, llama.scores[0]])


def test_the_scores_of_a_turned_head_depend_on_how_far_apart_tokens_stand() -> None:
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((2, 1, 6))
    frequencies = np.array([1.0, 0.1])
    many = np.repeat(query, 9, axis=0), np.repeat(key, 9, axis=0)
    queries, keys = (turn(each, frequencies) for each in many)
    scores = queries @ keys.T
    assert np.allclose(scores[3, 1], scores[8, 6], rtol=1e-12)
    assert not np.isclose(scores[3, 1], scores[1, 3])
    assert np.array_equal(queries[:, 4:], many[0][:, 4:])
    assert np.allclose(np.linalg.norm(queries, axis=1), np.linalg.norm(query), rtol=1e-14)


def test_tokens_that_are_too_large_are_refused(llama: Checkpoint) -> None:
    assert llama.scores is not None
    first = llama.scores[0]
    huge = replace(first, query=first.query * 1e200, key=first.key * 1e200)
    tokens = embed(llama, encode(llama, TEXTS[:1]))
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"scores .* must be finite"):
        adjacency(llama.blocks[0], huge, tokens)


def test_one_token_is_refused(llama: Checkpoint) -> None:
    with pytest.raises(InputError, match="at least 2 tokens that count, but has 1"):
        analyze(llama, ["a"], skip_special=True)


def test_other_array_libraries_make_the_same_scores(xp: Any) -> None:
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((2, 2, 6, 4))
    by_offset = rng.standard_normal((2, 9))
    scores = Scores(
        query, key, frequencies=np.array([1.0, 0.1]), by_offset=by_offset, query_norm=Norm("rms")
    )
    tokens = rng.standard_normal((3, 5, 6))
    value = np.zeros((2, 6, 6))
    block = Block(Attention(None, None, value), placement="pre", norm_1=Norm("layer", eps=1e-5))
    wanted = adjacency(block, scores, tokens, mask=np.tri(5, dtype=bool))
    moved = Scores(
        xp.asarray(query),
        xp.asarray(key),
        frequencies=xp.asarray(np.array([1.0, 0.1])),
        by_offset=xp.asarray(by_offset),
        query_norm=Norm("rms"),
    )
    mask = xp.asarray(np.tri(5, dtype=bool))
    found = adjacency(block, moved, xp.asarray(tokens), mask=mask)
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-12, atol=1e-15)
    assert np.array_equal(np.triu(wanted, 1), np.zeros_like(wanted))


def test_more_tokens_than_positions_are_refused() -> None:
    scores = Scores(np.ones((1, 2, 2)), np.ones((1, 2, 2)), by_offset=np.zeros((1, 5)))
    block = Block(Attention(None, None, np.zeros((1, 2, 2))))
    with pytest.raises(InputError, match="at most 3, the positions there are, but are 4"):
        adjacency(block, scores, np.ones((4, 2)))
