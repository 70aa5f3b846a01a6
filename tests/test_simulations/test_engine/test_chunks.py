"""Do chunks, backends and memory change nothing but rounding?"""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.engine import surveys as engine
from simulations.engine.chunk import run_chunk
from simulations.engine.surveys import Survey, grid, survey, survey_chunks
from simulations.machine.backends import backend
from simulations.stacks.stack import Stack
from tests.test_simulations.helpers.surveys import BLOCK_NAMES, SEEDS, SMALL, TOKEN_NAMES, worst
from theory.graphs.masks import causal_mask


def equal(one: Survey, two: Survey) -> bool:
    same = one.tokens.keys() == two.tokens.keys() and one.blocks.keys() == two.blocks.keys()
    return same and all(
        np.array_equal(left[name], right[name], equal_nan=True)
        for left, right in ((one.tokens, two.tokens), (one.blocks, two.blocks))
        for name in left
    )


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
