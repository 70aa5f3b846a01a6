"""One block through the theorem: two verdicts, and what they say when a hypothesis is broken."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.instruments.check import check_block
from simulations.instruments.trace import trace_blocks
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from theory.arrays import InputError
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.block_rounding import CoefficientBounds, coefficient_bounds
from theory.bounds.coefficients import Coefficients, block_coefficients
from theory.statements.instances import member

ONE = range(1)


def averaging_block(adjacency: np.ndarray) -> tuple[Block, np.ndarray, np.ndarray]:
    """A block that only averages, with tokens that differ little: v is below one."""
    rng = np.random.default_rng(0)
    n, d = 6, 8
    tokens = 10 * np.linspace(-1, 1, d) + 0.1 * rng.standard_normal((n, d))
    nothing = FeedForward(np.zeros((d, 4)), np.zeros((4, d)))
    return Block(Attention(None, None, np.eye(d)[None]), nothing), tokens, adjacency[None]


def test_an_averaging_block_holds_and_converges() -> None:
    block, tokens, adjacency = averaging_block(np.full((6, 6), 1 / 6))
    found = check_block(block, tokens, adjacency=adjacency)
    assert (found.verdict, found.converges) == ("holds", "yes")
    assert found.measured_ratio <= float(found.coefficients["v"] or np.nan) < 1


def test_a_broken_hypothesis_implies_nothing() -> None:
    rows = np.full((6, 6), 1 / 6)
    rows[0] *= 1.1
    block, tokens, adjacency = averaging_block(rows)
    found = check_block(block, tokens, adjacency=adjacency)
    assert float(found.coefficients["v"] or np.nan) < 1, "the instance no longer tempts"
    assert (found.verdict, found.converges) == ("does not apply", "not implied")
    assert "row" in found.reasons[0]


def test_the_ends_enclose_the_coefficients_and_the_verdict_names_the_upper_one() -> None:
    block, tokens, adjacency = averaging_block(np.eye(6) / 2 + 1 / 12)
    found = check_block(block, tokens, adjacency=adjacency)
    for name in ("lambda", "s", "v"):
        lower, value, upper = (
            float(found.coefficients[name + end] or np.nan) for end in ("_lower", "", "_upper")
        )
        assert lower < value < upper < lower * (1 + 1e-9)
    assert found.tier == found.as_dict()["tier"] == "exact"
    assert any(f"{found.coefficients['v_upper']:.17g}" in reason for reason in found.reasons)


def test_only_what_is_above_the_upper_end_of_v_refutes(monkeypatch: pytest.MonkeyPatch) -> None:
    block, tokens, adjacency = averaging_block(np.eye(6))
    right_v, right_ends = block_coefficients, coefficient_bounds

    def small_v(*args: Any, **options: Any) -> Coefficients:
        found = right_v(*args, **options)
        return replace(found, v=found.v / 1000)

    def small_ends(*args: Any, **options: Any) -> CoefficientBounds:
        ends = right_ends(*args, **options)
        return replace(ends, v_upper=ends.v_upper / 1000)

    monkeypatch.setattr("theory.theorems.block.input.block_coefficients", small_v)
    found = check_block(block, tokens, adjacency=adjacency)
    assert found.verdict == "does not apply"
    assert "v may be as large as" in found.reasons[0]
    monkeypatch.setattr("simulations.instruments.check.coefficient_bounds", small_ends)
    assert check_block(block, tokens, adjacency=adjacency).verdict == "refuted"


def test_equal_tokens_are_at_consensus_already() -> None:
    block = next(draw_blocks(Stack(tokens=4, width=8, heads=2, ffn_width=8), seeds=ONE))
    single = member(block, (0,))
    tokens = np.tile(np.linspace(-1.0, 1.0, 8), (4, 1))
    found = check_block(single, tokens)
    assert found.distance_in == 0
    assert np.isnan(found.measured_ratio)
    assert found.verdict == "holds"


def test_where_rounding_is_as_large_as_the_right_side_it_decides() -> None:
    block = member(
        next(draw_blocks(Stack(tokens=4, width=8, heads=2, ffn_width=8), seeds=ONE)), (0,)
    )
    apart = np.random.default_rng(0).standard_normal((4, 8))
    for size, word in ((1e-3, "holds"), (1e-15, "does not apply")):
        tokens = np.linspace(-1.0, 1.0, 8) + size * apart
        found = check_block(block, tokens)
        trace = trace_blocks([block], tokens)
        assert trace.inequality is not None
        assert found.verdict == trace.inequality[0] == word
        assert found.reasons[0].startswith("rounding decides") == (word != "holds")


def test_a_v_that_rounding_may_have_brought_below_one_implies_nothing() -> None:
    block, tokens, adjacency = averaging_block(np.full((6, 6), 1 / 6))
    assert check_block(block, tokens, adjacency=adjacency).converges == "yes"
    far = tokens + 1e15  # the spacing of numbers there is an eighth, and some more in the sums
    found = check_block(block, far, adjacency=adjacency)
    assert float(found.coefficients["v"] or np.nan) < 1, "the instance no longer tempts"
    assert found.converges == "not implied"


@pytest.mark.parametrize("shape", [(1, 8), (8,), (2, 4, 8)])
def test_tokens_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    block = member(next(draw_blocks(Stack(tokens=4, width=8, heads=2), seeds=ONE)), (0,))
    with pytest.raises(InputError, match="tokens"):
        check_block(block, np.ones(shape))


def test_float32_tokens_are_judged_in_float64() -> None:
    stack = Stack(tokens=5, width=8, heads=2, ffn_width=16)
    block = member(next(draw_blocks(stack, seeds=ONE)), (0,))
    tokens = draw_tokens(stack, seeds=ONE)[0]
    exact = check_block(block, tokens)
    single = check_block(block, tokens.astype(np.float32))
    assert single.verdict == exact.verdict == "holds"
    assert single.coefficients["v"] == pytest.approx(exact.coefficients["v"], rel=1e-5)
