"""One block through the theorem: two verdicts, and what they say when a hypothesis is broken."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.instruments.check import check_block
from simulations.instruments.trace import trace_blocks
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import positioned, random_block, random_tokens
from tests.helpers.planted_stacks import PLANTED
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.weights import PLACEMENTS, Attention, Block, FeedForward
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


def test_v_below_one_on_these_tokens_implies_nothing_for_others() -> None:
    block, tokens, adjacency = averaging_block(np.full((6, 6), 1 / 6))
    found = check_block(block, tokens, adjacency=adjacency)
    assert (found.verdict, found.below_one) == ("holds", "yes")
    assert found.measured_ratio <= float(found.coefficients["v"] or np.nan) < 1
    assert (found.converges, found.alike, found.sup_v) == ("not implied", "not implied", None)
    assert "on the block's own output" in found.reasons[-1]


def test_a_large_bias_implies_that_tokens_become_alike_whatever_they_were() -> None:
    block, tokens, adjacency = averaging_block(np.full((6, 6), 1 / 6))
    biased = replace(block.attention, bias=np.linspace(-30, 30, 8))
    found = check_block(replace(block, attention=biased), 1e4 * tokens, adjacency=adjacency)
    assert (found.converges, found.alike) == ("yes", "yes")
    assert found.sup_v is not None
    assert found.sup_after is not None
    later = tokens
    for _ in range(found.sup_after):
        later = apply_block(replace(block, attention=biased), later, adjacency=adjacency).output
    v = check_block(replace(block, attention=biased), later, adjacency=adjacency).coefficients["v"]
    assert v is not None
    assert v <= found.sup_v < 1


def test_fixed_sigma_brings_tokens_together_and_to_zero_alike() -> None:
    """V = -1/2: d_M falls by 0.8 a block, and so does |H|."""
    planted = PLANTED["fixed sigma"]
    found = check_block(planted.block, np.random.default_rng(0).standard_normal((6, 6)))
    assert (found.converges, found.alike) == ("yes", "not implied")
    assert "fall towards zero" in found.reasons[-1]


def test_each_report_says_which_subspace_its_numbers_are_about() -> None:
    planted = PLANTED["large inputs, two components"]
    tokens = np.random.default_rng(0).standard_normal((6, 6))
    found = check_block(planted.block, tokens, mask=planted.mask)
    assert (found.subspace, found.rank) == ("consensus: all tokens equal", 1)
    assert (found.components, found.law_rank, found.transverse_modes) == (2, 2, 4)
    assert "2 components' indicators" in found.law_subspace
    assert found.law is not None
    assert found.law_consensus is not None
    assert found.law < found.law_consensus
    whole = check_block(planted.block, tokens)
    assert (whole.components, whole.law_rank, whole.law_consensus) == (1, 1, None)


def _radius(block: Block, token: np.ndarray, n: int) -> float:
    """Return the spectral radius of a block's derivative at equal tokens, by differences."""
    d, t = token.size, 1e-5
    steps = t * np.eye(n * d).reshape(-1, n, d)
    images = [apply_block(block, token + sign * steps).output for sign in (1, -1)]
    slope = ((images[0] - images[1]) / (2 * t)).reshape(-1, n * d).T
    centre = np.kron(np.eye(n) - 1 / n, np.eye(d))
    return float(np.abs(np.linalg.eigvals(centre @ slope @ centre)).max())


@pytest.mark.parametrize("kind", [{"rotary": ""}, {"bias": ""}, {"soft_cap": 1.0, "window": 3}])
def test_the_law_is_about_the_walks_that_equal_tokens_have(kind: dict[str, Any]) -> None:
    block, n = positioned(random_block(11, weight=0.3), 5, 4, **kind), 4
    token = random_tokens(3, 6)
    for _ in range(300):
        token = apply_block(block, np.tile(token, (n, 1))).output[0]
    found = check_block(block, token + 1e-3 * random_tokens(2, n, 6))
    assert found.law == pytest.approx(_radius(block, token, n), rel=1e-6)
    assert "fixed point" in found.law_method
    plain = replace(block.attention, positions=None)
    other = check_block(replace(block, attention=plain), token + 1e-3 * random_tokens(2, n, 6))
    assert found.law != pytest.approx(other.law, rel=1e-4)


def test_what_the_law_cannot_say_of_walks_is_said() -> None:
    block = positioned(random_block(11, weight=0.3), 5, 4, bias="")
    apart = np.kron(np.eye(2), np.ones((2, 2))) > 0
    found = check_block(block, random_tokens(2, 4, 6), mask=apart)
    assert (found.law, found.components) == (None, 2)
    assert "no law is worked out for several components whose walks depend" in found.law_method
    still = positioned(random_block(11, weight=0.3), 5, 4, rotary="")
    assert check_block(still, random_tokens(2, 4, 6), mask=apart).components == 2


@pytest.mark.parametrize("residual", [1.0, 0.5])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_placement_is_judged_and_what_is_not_worked_out_is_said(
    placement: Any, gated: bool, residual: float
) -> None:
    block = random_block(1, placement=placement, gated=gated, residual=residual)
    found = check_block(block, random_tokens(1, 5, 6))
    assert found.verdict == "holds"
    v = found.coefficients["v"]
    assert v is not None
    assert found.measured_ratio <= v
    assert found.law is not None
    if gated:
        assert "for a gated feed-forward sublayer" in found.reasons[-1]
    elif placement == "parallel":
        words = "no bound on later v is" if residual < 1 else "v is at least 1 in parallel blocks"
        assert words in found.reasons[-1]
    if gated or placement == "parallel":
        assert (found.converges, found.alike, found.sup_v) == ("not implied", "not implied", None)


def test_negative_weights_whose_rows_have_one_sum_are_judged_by_their_own_lambda() -> None:
    block, tokens, _ = averaging_block(np.eye(6))
    signed = 0.6 * (2 * np.eye(6) - np.full((6, 6), 1 / 6))  # rows sum to 0.6
    found = check_block(block, tokens, adjacency=signed[None])
    assert found.verdict == "holds"
    assert found.coefficients["lambda"] == pytest.approx(1.2**2)
    assert found.converges == "not implied"
    assert "attention weights are negative" in found.reasons[-1]
    assert found.law is None
    assert "must not be negative" in found.law_method


def test_a_sink_that_takes_a_share_of_its_own_from_each_row_is_outside_the_theorem() -> None:
    block, tokens, _ = averaging_block(np.eye(6))
    shares = np.full((6, 6), 1 / 6) * np.linspace(0.5, 1, 6)[:, None]
    found = check_block(block, tokens, adjacency=shares[None])
    assert found.verdict == "does not apply"
    assert found.reasons[0] == "not met: all rows of an A have one sum"


@pytest.mark.parametrize("given", [False, True])
def test_tokens_alone_have_no_mode_rather_than_a_rate_of_zero(given: bool) -> None:
    planted, alone = PLANTED["each token alone"], np.eye(5)
    tokens = np.random.default_rng(0).standard_normal((5, 6))
    how = {"adjacency": alone[None]} if given else {"mask": alone > 0}
    found = check_block(planted.block, tokens, **how)
    assert (found.law, found.law_error, found.transverse_modes) == (None, None, 0)
    assert found.law_method == "no transverse mode: every token is a component"
    assert found.law_consensus is not None
    assert "do not hear each other" in found.reasons[-1]


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


def test_a_v_that_rounding_may_have_brought_below_one_is_not_below_one() -> None:
    block, tokens, adjacency = averaging_block(np.full((6, 6), 1 / 6))
    assert check_block(block, tokens, adjacency=adjacency).below_one == "yes"
    far = tokens + 1e15  # the spacing of numbers there is an eighth, and some more in the sums
    found = check_block(block, far, adjacency=adjacency)
    assert float(found.coefficients["v"] or np.nan) < 1, "the instance no longer tempts"
    assert found.below_one == "no"


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
