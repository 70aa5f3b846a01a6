"""Do the instruments measure the attention that a model with other scores really has?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulations.instruments.analysis import analyze
from simulations.instruments.check import check_block
from simulations.instruments.readings import norms_of_blocks
from simulations.instruments.trace import trace_blocks
from simulations.machine.backends import backend
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed, run
from simulations.models.tokens import encode
from tests.test_simulations.helpers.tiny_llama import write_decoder
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.measures.tokens import cosine_similarity
from theory.spectra.norms import coupling
from theory.statements.evaluation import check
from theory.statements.instances import as_float64
from theory.theorems.block.input import BlockInput
from theory.theorems.catalogue import CATALOGUE

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


def test_blocks_without_queries_are_refused(llama: Checkpoint) -> None:
    tokens = embed(llama, encode(llama, TEXTS[:1]))
    first = llama.blocks[0]
    bare = replace(first, attention=replace(first.attention, query=None, key=None))
    with pytest.raises(InputError, match="at layer 0: this attention has no query and key"):
        trace_blocks([bare], tokens)
    norms = norms_of_blocks(llama.blocks, tokens)
    with pytest.raises(InputError, match="norms must be one a block, but are fewer"):
        trace_blocks(llama.blocks, tokens, norms=norms[:1])
    with pytest.raises(InputError, match="norms must be one a block, but are more"):
        trace_blocks(llama.blocks[:1], tokens, norms=norms)


def test_the_block_theorem_is_tried_on_a_model_s_block_and_tokens_that_it_was_not_shown(
    llama: Checkpoint,
) -> None:
    ran = next(run(llama, encode(llama, TEXTS[:1])))
    block, tokens = ran.block, ran.tokens.astype(np.float64)
    moved = tokens + 0.3 * np.random.default_rng(0).standard_normal(tokens.shape)
    mask = np.tri(tokens.shape[-2], dtype=bool)
    at = as_float64(BlockInput(block, moved, mask=mask))
    assert check(CATALOGUE["block-v"], at).status == "holds"
    assert np.abs(at.step.adjacency - ran.step.adjacency).max() > 1e-3
    found = check_block(block, moved[0], mask=mask)
    assert found.verdict == "holds"
    assert found.law is None  # nothing but the residual stream brings its token back
    assert "settle" in found.law_method


def test_tokens_that_are_too_large_are_refused(llama: Checkpoint) -> None:
    attention = llama.blocks[0].attention
    assert attention.query is not None
    assert attention.key is not None
    huge = replace(attention, query=attention.query * 1e200, key=attention.key * 1e200)
    tokens = embed(llama, encode(llama, TEXTS[:1]))
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"scores .* must be finite"):
        apply_block(replace(llama.blocks[0], attention=huge), tokens)


def test_one_token_is_refused(llama: Checkpoint) -> None:
    with pytest.raises(InputError, match="at least 2 tokens that count, but has 1"):
        analyze(llama, ["a"], skip_special=True)
