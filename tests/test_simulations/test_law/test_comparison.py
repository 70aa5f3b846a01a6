"""Simulation, law and theorem agree near consensus, each within what it says of its error."""

import math
from typing import Any

import numpy as np
import pytest

from simulations.instruments.check import check_block
from simulations.law.comparison import Comparison, law_beside_simulation
from simulations.law.differences import consensus_coefficients, simulate_differences
from simulations.law.examples import Example, far_apart, repelling, repelling_examples
from simulations.law.networks import draw_network
from simulations.law.one_block import block_law
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.stack import Stack
from tests.test_simulations.test_law.configurations import Configuration, compare, configuration
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.bounds.coefficients import block_coefficients
from theory.graphs.masks import block_mask, causal_mask, full_mask, window_mask
from theory.law.cocycle import linear_distances
from theory.law.transverse import transverse_rates
from theory.statements.instances import member

pytestmark = pytest.mark.once

SMALL: dict[str, Any] = {
    "tokens": 6,
    "width": 8,
    "heads": 2,
    "ffn_width": 16,
    "tied": True,
    "activation": "relu",
    "value_gain": 0.5,
    "ffn_gain": 0.5,
}


def require_agreement(drawn: Configuration, found: Comparison) -> None:
    """Require what is true of every configuration; the message names it."""
    about = f"{drawn}, {found.law.methods}: {found}"
    assert found.equal_depth_gap <= found.equal.error, about
    if found.late is not None:
        late = found.late
        assert late.simulated == pytest.approx(late.linear, rel=1e-9), about
        if found.law.gap > 0 and found.transient <= 1e-4:
            # Left of the next mode: 1e-4, times how far from normal the modes are, over a
            # window of a hundred layers or more.
            assert found.limit_gap <= 1e-3, about
    assert found.ordering == "holds", about


@pytest.mark.parametrize("seed", range(25))
def test_law_and_simulation_agree_and_the_theorem_is_above_both(seed: int) -> None:
    drawn = configuration(seed, largest=16)
    require_agreement(drawn, compare(drawn, layers=160, law_layers=100))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 506, 22))
def test_law_and_simulation_agree_on_hundreds_of_configurations(start: int) -> None:
    for seed in range(start, start + 22):
        drawn = configuration(seed)
        try:
            found = compare(drawn)
        except InputError as error:
            # Divided by a constant, tokens may grow until float64 ends: there is no limit then.
            if drawn.stack.fixed_std is None or "left the range" not in str(error):
                raise
            continue
        require_agreement(drawn, found)


def test_the_configurations_have_every_placement_norm_and_graph() -> None:
    drawn = [configuration(seed) for seed in range(506)]
    assert {each.stack.placement for each in drawn} == {"post", "pre", "sandwich"}
    assert {each.stack.norm for each in drawn} == {"layer", "rms", "none"}
    assert len({each.graph.partition(":")[0] for each in drawn}) == 11
    assert {each.stack.tied for each in drawn} == {True, False}
    sizes = [each.stack.tokens for each in drawn], [each.stack.width for each in drawn]
    assert [(min(size), max(size) >= 60, max(size) <= 64) for size in sizes] == [
        (4, True, True)
    ] * 2


def test_the_linear_part_is_that_of_the_theory() -> None:
    stack = Stack(**SMALL)
    block, token = draw_network(stack)
    assert token is not None
    apart = np.random.default_rng(0).standard_normal((6, 8))
    run = simulate_differences(block, causal_mask(6), token, apart, layers=15)
    wanted = linear_distances(block, causal_mask(6), token, apart, depth=15)
    assert np.abs(run.linear - (wanted - wanted[0])).max() <= 1e-10


def test_far_below_the_token_a_finite_difference_says_the_same() -> None:
    """Plain arithmetic at 1e-6 of the token, and centred coordinates at 1e-26 of it."""
    block, token = draw_network(Stack(**SMALL | {"activation": "gelu"}))
    assert token is not None
    assert not isinstance(block, list)
    apart = np.random.default_rng(1).standard_normal((6, 8))
    apart -= apart.mean(axis=0)
    mask = window_mask(6, 1)
    run = simulate_differences(block, mask, token, apart, layers=1)
    spread = 1e-6
    out = apply_block(block, token + spread * apart, mask=mask).output
    plain = np.linalg.norm(out - out.mean(axis=0)) / spread / np.linalg.norm(apart)
    assert np.exp(run.simulated[1]) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("graph", ["ring", "causal"])
def test_given_weights_in_the_place_of_attention_are_those_of_the_mask(graph: str) -> None:
    stack = Stack(**SMALL)
    mask = graph_by_name(graph, 6)
    by_mask = law_beside_simulation(stack, mask, layers=80)
    walk = mask / mask.sum(axis=1, keepdims=True)
    by_weights = law_beside_simulation(stack, walk, layers=80)
    assert by_weights.law.rate == pytest.approx(by_mask.law.rate, rel=1e-12)
    # t = 1e-5 of the token: its square is what curvature leaves
    assert by_weights.equal.simulated == pytest.approx(by_mask.equal.simulated, rel=1e-8)
    assert by_weights.equal_depth_gap <= 1e-8


def test_the_theorem_at_equal_tokens_is_the_theorem_on_nearly_equal_ones() -> None:
    block, token = draw_network(Stack(**SMALL))
    assert token is not None
    assert not isinstance(block, list)
    mask = causal_mask(6)
    near = token + 1e-9 * np.random.default_rng(0).standard_normal((6, 8))
    plain = block_coefficients(block, apply_block(block, near, mask=mask))
    walk = mask / mask.sum(axis=1, keepdims=True)
    v, sharp = consensus_coefficients(block, walk, token[None])
    assert float(v[0]) == pytest.approx(float(plain.v), rel=1e-6)
    assert float(sharp[0]) == pytest.approx(float(plain.v_sharp), rel=1e-6)


def test_components_are_run_by_themselves_and_m_has_their_rank() -> None:
    stack = Stack(**SMALL)
    found = law_beside_simulation(stack, block_mask([2, 1, 3]), layers=40)
    alone = transverse_rates(draw_network(stack)[0], full_mask(3), mean_of(stack))
    assert found.law.rank == 3
    assert found.law.rate == pytest.approx(alone.rate, rel=1e-12)
    assert found.ordering == "holds"


def mean_of(stack: Stack) -> Any:
    return draw_tokens(stack, seeds=range(1))[0].mean(axis=0)


def test_transients_are_shown_and_not_hidden() -> None:
    """A causal window of two has one Jordan block: at 24 layers nothing of the limit is seen."""
    stack = Stack(**SMALL | {"tokens": 32})
    found = law_beside_simulation(stack, window_mask(32, 1, causal=True), layers=100)
    assert found.law.gap == 0
    assert found.equal_depth_gap <= found.equal.error
    assert found.equal.simulated > 1.05 * found.law.rate
    assert found.transient == 1.0


def test_pure_attention_among_all_leaves_no_linear_difference() -> None:
    stack = Stack(**SMALL | {"residual": 0.0, "ffn_width": 0})
    found = law_beside_simulation(stack, full_mask(6))
    assert found.law.rate <= 1e-10  # of the rounding of P's eigenvalue zero
    assert found.equal.simulated == 0
    assert found.late is None


@pytest.mark.parametrize("example", repelling(), ids=lambda example: example.name)
def test_some_blocks_push_equal_tokens_apart(example: Example) -> None:
    law = transverse_rates(example.block, example.mask, example.token, layers=250)
    assert law.attraction == "repels"
    if "negative" in example.name:  # where the closed form is known
        mu = law.slowest
        assert mu is not None
        assert law.rate == pytest.approx(abs(1 - 2.5 * mu) / 1.5, rel=1e-9)


@pytest.mark.slow
def test_blocks_that_push_tokens_apart_do_so_in_simulation_and_keep_them_apart() -> None:
    for example, found, complete, distance in repelling_examples():
        assert found.law.attraction == "repels", example.name
        assert found.late is not None
        error = 3 * math.hypot(found.late.error, found.law.error)
        assert found.late.simulated == pytest.approx(found.law.rate, abs=error), example.name
        assert found.limit_v_sup > 1
        assert distance > 1e3 * 1e-6, example.name  # that is where the run began
        assert (complete.law.rate < 1) == example.complete_attracts, example.name


def test_where_m_attracts_the_same_network_brings_tokens_together() -> None:
    example = next(each for each in repelling() if each.name == "negative value gain, star")
    assert far_apart(example, graph="complete", depth=80) < 1e-12
    assert far_apart(example, graph="star", depth=200) > 1e-2


def test_several_blocks_are_a_stack_as_it_is() -> None:
    stack = Stack(**SMALL | {"tied": False, "depth": 30})
    seeds = range(3, 4)
    blocks = [member(block, (0,)) for block in draw_blocks(stack, seeds=seeds)]
    found = law_beside_simulation(stack, full_mask(6), seed=3, depth=30)
    token = draw_tokens(stack, seeds=seeds)[0].mean(axis=0)
    again = law_beside_simulation(iter(blocks), full_mask(6), token=token, seed=3, depth=30)
    assert again.equal == found.equal
    assert found.law.methods == ("lyapunov",)


def test_check_knows_the_law_of_a_block() -> None:
    stack = Stack(**SMALL)
    block, _ = draw_network(stack)
    assert not isinstance(block, list)
    tokens = draw_tokens(stack, seeds=range(1))[0]
    mask = causal_mask(6)
    found = check_block(block, tokens, mask=mask)
    wanted = transverse_rates(block, mask, tokens.mean(axis=0))
    assert found.law == pytest.approx(wanted.rate, rel=1e-12)
    assert found.law_method == wanted.methods[0]
    walk = mask / mask.sum(axis=1, keepdims=True)
    same = block_law(block, tokens, adjacency=np.stack([walk, walk]))
    assert same.rate == pytest.approx(wanted.rate, rel=1e-12)
    other = block_law(block, tokens, adjacency=np.stack([walk, np.full((6, 6), 1 / 6)]))
    assert other.rate is not None
    assert other.rate != pytest.approx(wanted.rate, rel=1e-3)
    assert check_block(block, tokens, mask=mask).as_dict()["law"] == found.law


def test_check_says_why_there_is_no_law() -> None:
    stack = Stack(**SMALL | {"norm": "none", "bias_std": 0.1, "value_gain": 5.0})
    block, _ = draw_network(stack)
    assert not isinstance(block, list)
    found = block_law(block, draw_tokens(stack, seeds=range(1))[0])
    assert found.rate is None
    assert "left the range" in found.method


def test_what_cannot_be_compared_is_refused() -> None:
    stack = Stack(**SMALL)
    block, token = draw_network(stack)
    with pytest.raises(InputError, match="the graph's 5 tokens"):
        law_beside_simulation(stack, full_mask(5))
    with pytest.raises(InputError, match="token must be given"):
        law_beside_simulation(block, full_mask(5))
    with pytest.raises(InputError, match="each token is alone"):
        law_beside_simulation(block, np.eye(3, dtype=bool), token=token)
    with pytest.raises(InputError, match="deviations must have shape"):
        law_beside_simulation(block, full_mask(5), token=token, deviations=np.ones((4, 8)))
    with pytest.raises(InputError, match="differ from their mean"):
        law_beside_simulation(block, full_mask(5), token=token, deviations=np.ones((5, 8)))
