"""Do reports name the bound that is the smallest, and envelopes bound what comes?"""

from dataclasses import replace

import numpy as np
import pytest

from simulations.instruments.simulation import simulate
from simulations.instruments.trace import Trace
from simulations.reports.bounds import envelope_words, smallest_bounds, smallest_words
from simulations.reports.traces import reading
from simulations.stacks.stack import Stack
from theory.blocks.weights import Placement

SMALL = Stack(depth=3, tokens=8, width=8, heads=2, ffn_width=8)


def _changed(trace: Trace, **rows: list[float]) -> Trace:
    columns = {name: np.asarray(row)[:, None] for name, row in rows.items()}
    return replace(trace, blocks={**trace.blocks, **columns})


def test_the_smallest_bound_is_named_with_its_blocks_and_what_it_is_about() -> None:
    trace = simulate(SMALL)
    assert [one and one.name for one in smallest_bounds(trace)] == ["saturation"] * 3
    assert "whatever the block does; without it: " in smallest_words(trace)
    mixed = _changed(trace, v_diameter=[0.5, 9e9, 9e9], saturation=[7.0, 0.9, np.nan])
    words = smallest_words(mixed)
    assert "v diameter in block 1 (0.5)" in words
    assert "saturation in block 2 (0.9)" in words
    assert "not about d_M" in words
    assert words in reading(mixed)
    unknown = {name: [np.nan] * 3 for name in ("v", "v_sharp", "v_stacked", "v_diameter")}
    assert smallest_words(_changed(trace, **unknown, saturation=[np.nan] * 3)) == ""


@pytest.mark.parametrize("placement", ["post", "pre"])
def test_no_run_leaves_its_envelopes(placement: Placement) -> None:
    trace = simulate(replace(SMALL, placement=placement, depth=5), seeds=3)
    reached = trace.tokens["log10_distance"][1:] - trace.tokens["log10_distance"][0]
    every = trace.blocks["log10_envelope"]
    assert (reached <= every + 1e-9).all()
    for name in ("log10_envelope_v", "log10_envelope_diameter"):
        assert (every <= trace.blocks[name] + 1e-9).all()
    assert ("saturation" in trace.blocks) == (placement == "post")
    assert (trace.blocks["diameter_ratio"] <= trace.blocks["v_diameter_upper"] * (1 + 1e-9)).all()
    assert ("saturation included" in envelope_words(trace)) == (placement == "post")
