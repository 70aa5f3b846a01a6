"""The survey: the same draws, the readings of the plain rollout within rounding, little memory."""

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from simulations.engine import surveys as engine
from simulations.engine.chunk import run_chunk
from simulations.engine.draws import Draws
from simulations.engine.step import cell_scales, step
from simulations.engine.surveys import (
    DEFAULT_QUANTITIES,
    QUANTITIES,
    Survey,
    grid,
    survey,
    survey_chunks,
)
from simulations.instruments.trace import trace_blocks
from simulations.machine.backends import Backend, backend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack, WeightEnsemble
from tests.helpers.blocks import Floats
from theory.arrays import Array, InputError, eps
from theory.blocks.forward import apply_block
from theory.blocks.weights import Block, BlockStep
from theory.bounds.rounding import (
    Running,
    after_attention,
    after_feed_forward,
    after_norm,
    after_sum,
    exactly,
    weight_errors,
)
from theory.graphs.masks import causal_mask
from theory.magnitude import frobenius_norm
from theory.spectra.norms import coupling

SMALL = Stack(depth=3, tokens=7, width=12, heads=3, ffn_width=20)
SEEDS = range(4, 9)
AXES: dict[str, list[float | None]] = {
    "value_gain": [1.0, -0.4],
    "ffn_gain": [1.0, 2.0],
    "score_gain": [1.0, 3.0],
    "tau": [1.0, 0.5],
    "fixed_std": [None, 1.5],
    "residual": [1.0, 0.3],
    "norm_gain": [1.0, 0.7],
    "bias_std": [0.0, 0.2],
}


def equal(one: Survey, two: Survey) -> bool:
    same = one.tokens.keys() == two.tokens.keys() and one.blocks.keys() == two.blocks.keys()
    return same and all(
        np.array_equal(left[name], right[name], equal_nan=True)
        for left, right in ((one.tokens, two.tokens), (one.blocks, two.blocks))
        for name in left
    )


def worst(one: Mapping[str, Any], two: Mapping[str, Any], names: set[str]) -> float:
    """Return the largest relative difference of the readings with these names."""
    assert names <= one.keys() & two.keys()
    return max(float(np.max(np.abs(one[name] / two[name] - 1))) for name in names)


TOKEN_NAMES = {"norm", "distance", "relative_distance", "cosine_similarity", "participation_rank"}
BLOCK_NAMES = {"measured_ratio", "sigma_1", "sigma_2"}

# --- draws -----------------------------------------------------------------------------------


def drawn(stack: Stack, seeds: range, parts: list[slice], on: Backend) -> list[list[Array]]:
    draws = Draws(stack, seeds=seeds, on=on)
    found = []
    for layer in range(stack.depth):
        for rows in parts:
            draws.part(layer, rows)
        found.append([np.array(x) for x in vars(draws.whole()).values()])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", get_args(WeightEnsemble))
@pytest.mark.parametrize("changes", [{}, {"tied": True}, {"ffn_width": 0}])
def test_the_draws_are_those_of_the_plain_stack_bit_for_bit(
    weights: Any, dtype: str, changes: dict[str, Any]
) -> None:
    stack = replace(SMALL, weights=weights, bias_std=1.0, **changes)
    on, d = backend(dtype=dtype), SMALL.width
    for block, found in zip(
        draw_blocks(stack, seeds=SEEDS),
        drawn(stack, SEEDS, [slice(0, 5)], on),
        strict=True,
    ):
        attention = on.move(block.attention)
        heads = (attention.query, attention.key, attention.value)
        mixing = [np.moveaxis(np.asarray(x), 1, 2).reshape(len(SEEDS), d, d) for x in heads]
        wanted: list[Array] = [np.concatenate(mixing, axis=-1)]
        wanted += [np.reshape(np.asarray(attention.output), (-1, d, d)), attention.bias]
        if block.feed_forward is not None:
            ffn = on.move(block.feed_forward)
            wanted += [ffn.weight_in, ffn.weight_out, ffn.bias_in, ffn.bias_out]
        for have, want in zip(found, wanted, strict=bool(stack.ffn_width)):
            np.testing.assert_array_equal(have, want)
            assert have.dtype == dtype


@pytest.mark.parametrize("weights", ["gaussian", "low-rank"])
def test_the_draws_do_not_depend_on_the_seeds_beside_them(weights: Any) -> None:
    stack, on = replace(SMALL, weights=weights), backend()
    whole = drawn(stack, SEEDS, [slice(0, 5)], on)
    parts = drawn(stack, SEEDS, [slice(0, 2), slice(2, 4), slice(4, 6)], on)
    alone = drawn(stack, range(6, 7), [slice(0, 1)], on)
    for one, two, three in zip(whole, parts, alone, strict=True):
        for left, middle, right in zip(one, two, three, strict=True):
            np.testing.assert_array_equal(left, middle)
            np.testing.assert_array_equal(left[2:3], right)


# --- the same as the plain rollout -----------------------------------------------------------


def allowance(block: Block, tokens: Array, plain: BlockStep) -> Array:
    """Bound the rounding error of one post-LN block, that of its attention weights included.

    A score is off by at most (2 d + k + 4) eps of the lengths that go into it, taken as the
    Frobenius norms of tokens, query and key, and scale; the softmax doubles that as a relative
    error of every weight, and adds n + 4 roundings. Then the stages as in the block theorem.
    """
    attention, ffn = block.attention, block.feed_forward
    assert attention.query is not None
    assert attention.key is not None
    assert ffn is not None
    d, k = attention.query.shape[-2:]
    n, unit, shape = tokens.shape[-2], eps(tokens), tuple(tokens.shape)
    longest = np.sqrt(np.max(np.sum(tokens * tokens, axis=-1), axis=-1))[..., None]
    lengths = longest**2 * frobenius_norm(attention.query) * frobenius_norm(attention.key)
    score = (2 * d + k + 4) * unit * np.abs(attention.score_scale) * lengths
    off = (2 * score + (n + 4) * unit) * frobenius_norm(plain.adjacency)
    value = frobenius_norm(attention.value)
    if attention.output is not None:
        value = value * frobenius_norm(attention.output)
    weights = weight_errors(attention, ffn)
    start = exactly(tokens)
    change = after_attention(attention, plain.adjacency, start, weights)
    change = Running(change.error + np.sum(off * value, axis=-1) * start.size, change.size)
    stream = after_sum(start, change, factor=block.residual, like=tokens)
    stream = after_norm(block.norm_1, plain.std_1, stream, shape=shape)
    change = after_feed_forward(ffn, stream, weights, tokens=n)
    stream = after_sum(stream, change, factor=block.residual, like=tokens)
    return after_norm(block.norm_2, plain.std_2, stream, shape=shape).error


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_layer_is_that_of_theory_within_a_derived_bound(
    activation: str, dtype: str, masked: bool
) -> None:
    on, mask = backend(dtype=dtype), causal_mask(SMALL.tokens) if masked else None
    cells = grid(replace(SMALL, activation=activation), **AXES)[::5]
    tokens = on.move(draw_tokens(SMALL, seeds=SEEDS))
    state = np.stack([tokens] * len(cells), axis=1)
    draws, by = Draws(cells[0], seeds=SEEDS, on=on), cell_scales(cells, on=on)
    plain = [draw_blocks(cell, seeds=SEEDS) for cell in cells]
    for layer in range(2):
        weights = draws.part(layer, slice(0, len(SEEDS)))
        after = step(cells[0], weights, by, state, mask)
        for c in range(len(cells)):
            block = on.move(next(plain[c]))
            want = apply_block(block, state[:, c], mask=mask)
            allowed = 2 * allowance(block, state[:, c], want)  # either may err by as much
            gap = frobenius_norm(after.tokens[:, c] - want.output)
            assert (gap <= allowed).all()
            if dtype == "float64":
                assert (allowed < 1e-6 * frobenius_norm(want.output)).all(), "else it says nothing"
        state = after.tokens


@pytest.mark.parametrize("placement", ["post", "pre", "sandwich"])
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_every_reading_is_that_of_the_plain_trace(placement: Any, norm: Any) -> None:
    stack = replace(SMALL, placement=placement, norm=norm)
    cells = grid(stack, **AXES)[::37]
    mask = causal_mask(stack.tokens)
    found = survey(cells, seeds=SEEDS, mask=mask, quantities=QUANTITIES)
    for c, cell in enumerate(cells):
        tokens, blocks = draw_tokens(cell, seeds=SEEDS), draw_blocks(cell, seeds=SEEDS)
        plain = trace_blocks(blocks, tokens, mask=mask)
        here = {name: values[:, c] for name, values in found.tokens.items()}
        names = TOKEN_NAMES | {"effective_rank"}
        assert worst(here, plain.tokens, names) < 1e-9
        here = {name: values[:, c] for name, values in found.blocks.items()}
        assert worst(here, plain.blocks, BLOCK_NAMES) < 1e-9
        slack = 1 + 1e-9
        for name in ("lambda", "s"):
            assert (here[f"{name}_lower"] <= plain.blocks[name] * slack).all()
            assert (plain.blocks[name] <= here[f"{name}_upper"] * slack).all()
            assert (here[f"{name}_upper"] <= 1.0202 * here[f"{name}_lower"]).all()
        for name, width in (("v", 1.08), ("v_sharp", 1.5)):
            assert (plain.blocks[name] <= here[name] * slack).all()
            assert (here[name] <= width * plain.blocks[name]).all()


def test_a_stack_of_attention_alone_can_be_surveyed() -> None:
    stack = replace(SMALL, ffn_width=0)
    found = survey([stack], seeds=SEEDS)
    plain = trace_blocks(draw_blocks(stack, seeds=SEEDS), draw_tokens(stack, seeds=SEEDS))
    here = {name: values[:, 0] for name, values in found.blocks.items()}
    assert worst(here, plain.blocks, {"sigma_1", "measured_ratio"}) < 1e-9
    assert "sigma_2" not in here
    assert (plain.blocks["v"] <= here["v"] * (1 + 1e-9)).all()


def test_large_scores_take_the_shifted_softmax() -> None:
    cell = replace(SMALL, score_gain=1e4)
    found = survey([cell], seeds=SEEDS)
    plain = trace_blocks(draw_blocks(cell, seeds=SEEDS), draw_tokens(cell, seeds=SEEDS))
    here = {name: values[:1, 0] for name, values in found.blocks.items()}
    assert found.complete.all()
    first = {name: values[:1] for name, values in plain.blocks.items()}
    assert worst(here, first, {"sigma_1"}) < 1e-9


# --- chunks, backends, memory ----------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_the_same_chunks_give_the_same_bits_and_others_the_same_but_for_rounding(
    tied: bool,
) -> None:
    cells = grid(replace(SMALL, tied=tied), value_gain=[0.5, 1.0, 2.0], tau=[1.0, 2.0])
    whole = survey(cells, seeds=SEEDS)
    assert equal(whole, survey(cells, seeds=SEEDS))
    for chunk_bytes in (1, 20_000, 60_000, 10**6):
        parts = survey(cells, seeds=SEEDS, chunk_bytes=chunk_bytes)
        assert worst(parts.tokens, whole.tokens, TOKEN_NAMES) < 1e-9
        assert worst(parts.blocks, whole.blocks, BLOCK_NAMES) < 1e-9
        assert (parts.blocks["lambda_lower"] <= whole.blocks["lambda_upper"]).all()
        assert (whole.blocks["lambda_lower"] <= parts.blocks["lambda_upper"]).all()


def test_small_chunks_really_are_several() -> None:
    cells = grid(SMALL, value_gain=[0.5, 1.0, 2.0])
    places = [place for place, _ in survey_chunks(cells, seeds=SEEDS, chunk_bytes=1)]
    assert len(places) == len(cells) * len(SEEDS)
    assert len(list(survey_chunks(cells, seeds=SEEDS))) == 1


def test_single_precision_reads_the_same_where_it_raises_no_flag() -> None:
    cells = grid(SMALL, value_gain=[0.2, 1.0])
    wide, narrow = (
        survey(cells, seeds=SEEDS),
        survey(cells, seeds=SEEDS, on=backend(dtype="float32")),
    )
    assert narrow.tokens["distance"].dtype == np.float32
    assert not narrow.tokens["distance_noise"].any()
    assert worst(narrow.tokens, wide.tokens, TOKEN_NAMES) < 1e-3
    assert (narrow.blocks["lambda_lower"] <= wide.blocks["lambda_upper"] * 1.001).all()
    assert (wide.blocks["lambda_lower"] <= narrow.blocks["lambda_upper"] * 1.001).all()


def test_torch_reads_the_same() -> None:
    pytest.importorskip("torch")
    cells = grid(SMALL, value_gain=[0.5, 1.0], fixed_std=[None, 2.0])
    mask = causal_mask(SMALL.tokens)
    here = survey(cells, seeds=SEEDS, mask=mask)
    for chunk_bytes in (None, 30_000):
        there = survey(cells, seeds=SEEDS, mask=mask, on=backend("torch"), chunk_bytes=chunk_bytes)
        assert worst(there.tokens, here.tokens, TOKEN_NAMES) < 1e-9
        assert worst(there.blocks, here.blocks, BLOCK_NAMES) < 1e-9
        assert (there.blocks["v"] <= here.blocks["v"] * (1 + 1e-9)).all(), "torch goes to the end"


def peak(cells: list[Stack], seeds: range) -> int:
    """Return the peak of what is allocated beside the readings."""
    tracemalloc.start()
    for _, part in survey_chunks(cells, seeds=seeds, chunk_bytes=2**19):
        del part
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return highest


def test_memory_grows_neither_with_the_depth_nor_with_the_batch() -> None:
    shape = replace(SMALL, tokens=24, width=48, heads=4, ffn_width=96)
    peak([shape], range(2))  # what is imported or cached on the first run
    few = peak([replace(shape, depth=2)], range(8))
    # Of eight layers more: some forty small arrays each, with what Python adds to them. The tokens
    # of those layers alone would be 590 kB.
    readings = 8 * 2**14
    assert peak([replace(shape, depth=10)], range(8)) < few + readings
    assert peak([replace(shape, depth=2)], range(40)) < few + readings
    cells = grid(replace(shape, depth=1), tau=np.linspace(1, 2, 40).tolist())
    assert peak(cells, range(1)) < few + 2**19


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize("kind", [MemoryError, OutOfMemoryError])
def test_a_chunk_that_does_not_fit_is_halved(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = grid(SMALL, value_gain=[0.5, 1.0])
    whole, tried = survey(cells, seeds=SEEDS), []

    def stingy(*args: Any, **options: Any) -> Any:
        tried.append(len(options["seeds"]))
        if tried[-1] > 2:
            raise kind("no room")
        return run_chunk(*args, **options)

    monkeypatch.setattr(engine, "run_chunk", stingy)
    found = survey(cells, seeds=SEEDS)
    assert tried[0] == len(SEEDS), "or nothing was halved"
    assert max(tried[-2:]) <= 2
    assert worst(found.tokens, whole.tokens, TOKEN_NAMES) < 1e-9


@pytest.mark.parametrize("kind", [MemoryError, OutOfMemoryError, RuntimeError])
def test_what_halving_cannot_help_is_raised(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **options: Any) -> Any:
        raise kind("never")

    monkeypatch.setattr(engine, "run_chunk", never)
    with pytest.raises(kind, match="never"):
        survey([SMALL], seeds=SEEDS)


# --- what the readings are worth -------------------------------------------------------------


def true_lambda(adjacency: Floats) -> Array:
    return coupling(adjacency).max(axis=-1) ** 2


@pytest.mark.parametrize("score_gain", [0.01, 1.0, 10.0])
def test_lambda_without_a_flag_is_right_to_the_tolerance_in_single_precision(
    score_gain: float,
) -> None:
    stack = Stack(depth=1, tokens=16, width=32, heads=4, ffn_width=32, score_gain=score_gain)
    seeds, tolerance, flags = range(16), 1e-2, []
    wide, narrow = backend(), backend(dtype="float32")
    for spread in 10.0 ** -np.arange(0.0, 8.0):
        rng = np.random.default_rng(0)
        common = rng.standard_normal((len(seeds), 1, 1, stack.width))
        tokens = common + spread * rng.standard_normal((len(seeds), 1, stack.tokens, stack.width))
        tokens = tokens.astype("float32")
        drawn_32 = Draws(stack, seeds=seeds, on=narrow).part(0, slice(0, len(seeds)))
        drawn_64 = wide.move(drawn_32)
        here = step(stack, drawn_32, cell_scales([stack], on=narrow), tokens, None)
        there = step(stack, drawn_64, cell_scales([stack], on=wide), wide.move(tokens), None)
        found, truth = (true_lambda(x.adjacency.astype("float64")) for x in (here, there))
        error = np.abs(found / truth - 1)
        size = frobenius_norm(here.adjacency).max(axis=-1)
        noise = 2 * eps(tokens) * (1 + here.score) * size > tolerance / 2 * np.sqrt(found)
        assert (error[~noise] < 2 * tolerance).all()
        flags.append(noise.mean())
    assert flags[0] < 0.1
    assert flags[-1] == 1


def test_flags_are_raised_as_tokens_merge() -> None:
    stack = Stack(depth=40, tokens=8, width=16, heads=2, ffn_width=0, value_gain=3.0, residual=0.2)
    found = survey([stack], seeds=range(3), on=backend(dtype="float32"))
    for flags in (found.tokens["distance_noise"], found.blocks["lambda_noise"]):
        assert not flags[0].any()
        assert flags[-1].all()
        assert (np.diff(flags.astype(int), axis=0) >= 0).all()


def test_tokens_without_direction_give_nan_and_leave_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = draw_tokens(SMALL, seeds=SEEDS)
    entry[1] = 3.0  # all features equal
    monkeypatch.setattr("simulations.engine.chunk.draw_entry", lambda *a, **k: entry)
    cells = grid(replace(SMALL, placement="pre"), value_gain=[0.5, 1.0])
    found = survey(cells, seeds=SEEDS)
    assert not found.complete[:, 1].any()
    assert found.complete[:, [0, 2, 3, 4]].all()
    assert np.isnan(found.blocks["v"][:, :, 1]).all()
    assert not np.isnan(found.blocks["v"][:, :, 0]).any()


def test_numbers_beyond_the_range_give_nan_from_there_on() -> None:
    stack = replace(SMALL, norm="none", activation="identity", ffn_gain=1e12, depth=5)
    found = survey([stack], seeds=SEEDS, on=backend(dtype="float32"))
    assert not found.complete.any()
    assert np.isfinite(found.tokens["distance"][0]).all()


def test_only_what_is_asked_for_is_there() -> None:
    found = survey([SMALL], seeds=SEEDS, quantities=["cosine_similarity"])
    assert found.tokens.keys() == {"cosine_similarity"}
    assert not found.blocks


def test_bad_questions_are_refused_with_a_reason() -> None:
    with pytest.raises(InputError, match="share their draws"):
        survey([SMALL, replace(SMALL, width=24)], seeds=SEEDS)
    with pytest.raises(InputError, match="at least one member"):
        survey([], seeds=SEEDS)
    with pytest.raises(InputError, match="at least one member"):
        survey([SMALL], seeds=range(0))
    with pytest.raises(InputError, match="quantities must be"):
        survey([SMALL], seeds=SEEDS, quantities=["speed"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="tolerance"):
        survey([SMALL], seeds=SEEDS, tolerance=0)
    with pytest.raises(InputError, match="mask"):
        survey([SMALL], seeds=SEEDS, mask=np.ones((3, 3), bool))
    with pytest.raises(InputError, match="listen"):
        survey([SMALL], seeds=SEEDS, mask=np.zeros((7, 7), bool))
    with pytest.raises(InputError, match="axis of a grid"):
        grid(SMALL, width=[12, 24])


def test_a_grid_has_every_combination_and_the_last_axis_runs_fastest() -> None:
    cells = grid(SMALL, value_gain=[1.0, 2.0], tau=[3.0, 4.0])
    assert [(cell.value_gain, cell.tau) for cell in cells] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert tuple(q for q in QUANTITIES if q != "effective_rank") == DEFAULT_QUANTITIES
