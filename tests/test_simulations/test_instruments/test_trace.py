"""Traces: what is measured at every depth, in both arithmetics, and what is refused?"""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulations.instruments.captured import trace_captured
from simulations.instruments.trace import trace_blocks, trace_centred
from tests.helpers.blocks import Floats, blocks, masks, move, random_block, random_tokens
from tests.test_simulations.helpers.three_layers import (
    BOUNDS,
    CAUSAL,
    DEPTH,
    STACK,
    TOKENS,
    D,
    N,
    assert_close,
)
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block
from theory.bounds.coefficients import block_coefficients
from theory.measures.tokens import measure_tokens

# --- what is measured ------------------------------------------------------------------------


def test_every_depth_and_every_block_is_measured() -> None:
    trace = trace_blocks(STACK, TOKENS, mask=CAUSAL)
    assert trace.depth == DEPTH
    tokens, earlier = TOKENS, None
    for layer, block in enumerate(STACK):
        step = apply_block(block, tokens, mask=CAUSAL)
        for name, value in measure_tokens(tokens)._asdict().items():
            np.testing.assert_allclose(trace.tokens[name][layer], value, rtol=1e-12)
        for name, number in block_coefficients(block, step).items():
            assert number is not None
            np.testing.assert_allclose(trace.blocks[name][layer], number, rtol=1e-12)
        distances = [float(np.linalg.norm(x - x.mean(axis=0))) for x in (tokens, step.output)]
        ratio = trace.blocks["measured_ratio"][layer]
        np.testing.assert_allclose(ratio, distances[1] / distances[0], rtol=1e-12)
        shares = step.adjacency[step.adjacency > 0]
        entropy = -np.sum(shares * np.log(shares)) / (2 * N)  # two heads
        np.testing.assert_allclose(trace.blocks["attention_entropy"][layer], entropy, rtol=1e-12)
        similarity = trace.blocks["attention_similarity"][layer]
        if earlier is None:
            assert np.isnan(similarity)
        else:
            flat = step.adjacency.ravel(), earlier.ravel()
            cosine = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
            np.testing.assert_allclose(similarity, cosine, rtol=1e-12)
        tokens, earlier = step.output, step.adjacency
    for name, value in measure_tokens(tokens)._asdict().items():
        assert trace.tokens[name].shape == (DEPTH + 1,)
        np.testing.assert_allclose(trace.tokens[name][DEPTH], value, rtol=1e-12)
    for name in ("distance", "relative_distance"):
        np.testing.assert_allclose(
            trace.tokens[f"log10_{name}"], np.log10(trace.tokens[name]), rtol=1e-12
        )


def test_results_are_numpy_arrays_whatever_came(xp: ModuleType, device: Any) -> None:
    there = xp.asarray(random_tokens(1, 2, N, D), dtype=xp.float64, device=device)
    stack = [move(block, xp, device=device) for block in STACK]
    mask = xp.asarray(CAUSAL, device=device)
    wanted = trace_blocks(STACK, random_tokens(1, 2, N, D), mask=CAUSAL)
    for trace in (trace_blocks(stack, there, mask=mask), trace_centred(stack, there, mask=mask)):
        for values in (*trace.tokens.values(), *trace.blocks.values()):
            assert isinstance(values, np.ndarray)
            assert values.shape in ((DEPTH, 2), (DEPTH + 1, 2))
        assert_close(trace.tokens, wanted.tokens)
        assert_close(trace.blocks, wanted.blocks, names=["lambda", "v", "v_stacked", "sigma_1"])


def test_no_block_leaves_the_tokens_alone() -> None:
    for trace in (trace_blocks([], TOKENS), trace_centred([], TOKENS), trace_captured([TOKENS])):
        assert trace.depth == 0
        assert trace.blocks == {}
        assert trace.inequality is None
        assert trace.converges is None
        assert trace.tokens["distance"].shape == (1,)


def test_layers_need_not_be_alike_and_what_one_lacks_is_nan_there() -> None:
    other = random_block(7, heads=3, feed_forward=False, placement="pre")
    for trace in (
        trace_blocks([STACK[0], other], TOKENS),
        trace_centred([STACK[0], other], TOKENS),
    ):
        assert np.isnan(trace.blocks["sigma_2"]).tolist() == [False, True]
        assert np.all(np.isfinite(trace.blocks["v"]))
        assert trace.inequality is not None
        assert trace.inequality.tolist() == ["holds", "holds"]
    similarity = trace_blocks([STACK[0], other, other], TOKENS).blocks["attention_similarity"]
    assert np.isnan(similarity).tolist() == [True, True, False]  # two heads cannot be like three


def test_a_tied_block_may_be_one_object_or_two() -> None:
    again = replace(STACK[0])
    one, two = (trace_blocks(stack, TOKENS) for stack in ([STACK[0]] * 2, [STACK[0], again]))
    for name, values in one.blocks.items():
        np.testing.assert_array_equal(values, two.blocks[name])
    other = trace_blocks([STACK[0], STACK[1]], TOKENS)
    assert other.blocks["s"][1] != one.blocks["s"][1]


@given(
    stack=st.lists(blocks(), min_size=1, max_size=3),
    mask=st.none() | masks(N),
    seed=st.integers(0, 999),
)
def test_centred_coordinates_measure_what_plain_ones_do(
    stack: list[Block], mask: Any, seed: int
) -> None:
    tokens = random_tokens(seed, N, D)
    plain = trace_blocks(stack, tokens, mask=mask)
    far = plain.tokens["relative_distance"].min() > 1e-3 and plain.tokens["norm"].max() < 1e8
    centred = trace_centred(stack, tokens, mask=mask)
    assert centred.tokens.keys() == plain.tokens.keys()
    assert plain.blocks.keys() - centred.blocks.keys() <= {
        "attention_entropy",
        "attention_similarity",
    }
    assume(far)  # else plain arithmetic has lost digits: that is what the other is for
    for found, wanted in ((centred.tokens, plain.tokens), (centred.blocks, plain.blocks)):
        for name in found.keys() - BOUNDS:
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=1e-7, atol=1e-8, err_msg=name
            )


# --- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", [trace_blocks, trace_centred])
def test_a_failure_names_the_layer(trace: Any) -> None:
    good = STACK[0]
    silent = replace(good.attention, value=0 * good.attention.value, bias=None)
    dead = replace(good, attention=silent, residual=0.0)
    with pytest.raises(InputError, match=r"^at layer 1: .*zero variance"):
        trace([good, dead], TOKENS)


def test_a_mask_or_presence_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(InputError, match="present must be boolean"):
        trace_blocks(STACK, TOKENS, present=np.ones(N))
    with pytest.raises(InputError, match="present must have shape"):
        trace_blocks(STACK, TOKENS, present=np.ones(N - 1, dtype=bool))
    with pytest.raises(InputError, match="token_mask must be boolean"):
        trace_blocks(STACK, TOKENS, token_mask=np.ones(N))
    with pytest.raises(InputError, match="mask must have shape"):
        trace_blocks(STACK, TOKENS, mask=np.ones((N, 2), dtype=bool))
    with pytest.raises(InputError, match="tokens of each sentence must count"):
        trace_blocks(STACK, TOKENS, present=np.eye(N, dtype=bool)[0])


def test_a_trace_asks_for_one_block_at_a_time() -> None:
    seen: list[int] = []

    def layers() -> Iterator[Block]:
        for i, block in enumerate(STACK):
            seen.append(i)
            yield block

    trace_blocks(layers(), TOKENS)
    assert seen == [0, 1, 2]


def peak_memory(depth: int) -> Floats:
    import tracemalloc

    tokens = random_tokens(0, 8, 32, D)
    tracemalloc.start()
    trace_blocks((STACK[0] for _ in range(depth)), tokens)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return np.asarray(peak)


def test_memory_does_not_grow_with_depth() -> None:
    peak_memory(2)  # what is imported or cached once
    assert peak_memory(30) < 1.5 * peak_memory(5)
