"""The law near consensus is what simulations do there, and says so only within its error."""

from itertools import islice, repeat
from typing import Any

import networkx as nx
import numpy as np
import pytest

from simulations.centred.rollout import rollout
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.stack import Stack
from tests.helpers.blocks import Floats, random_block, random_tokens
from theory.arrays import InputError
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward
from theory.graphs.masks import block_mask, causal_mask, full_mask, graph_mask
from theory.law.cocycle import linear_distances
from theory.law.orbits import find_attractor, is_homogeneous
from theory.law.rates import mode_rates, standard_error
from theory.law.synchronised import synchronised_step
from theory.law.transverse import transverse_eigenvalues, transverse_rates, weak_components
from theory.statements.instances import member

N = 8
GRAPHS = {
    "complete": full_mask(N),
    "ring": graph_mask(nx.cycle_graph(N), self_loops=True),
    "path": graph_mask(nx.path_graph(N), self_loops=True),
    "star": graph_mask(nx.star_graph(N - 1), self_loops=True),
    "small world": graph_mask(nx.watts_strogatz_graph(N, 4, 0.3, seed=1), self_loops=True),
    "causal": causal_mask(N),
    "directed ring": graph_mask(nx.cycle_graph(N, create_using=nx.DiGraph), self_loops=True),
}


def drawn(seed: int = 0, **options: Any) -> tuple[Block, Floats]:
    """Draw one block of a tied stack, and the token that all tokens are close to."""
    settings: dict[str, Any] = {
        "tokens": N,
        "width": 8,
        "heads": 2,
        "ffn_width": 16,
        "value_gain": 0.5,
        "ffn_gain": 0.5,
        "activation": "relu",
    }
    stack = Stack(**(settings | options))
    seeds = range(seed, seed + 1)
    return member(next(draw_blocks(stack, seeds=seeds)), (0,)), draw_tokens(stack, seeds=seeds)[0]


def simulated(block: Block, tokens: Floats, mask: Any, *, layers: int) -> Floats:
    """Return log d_M at every depth, from tokens 1e-9 around their mean."""
    start = tokens.mean(axis=0) + 1e-9 * tokens
    states = rollout(repeat(block), start, mask=mask)
    logs = [float(after.log_scale) for *_, after in islice(states, layers)]
    return np.asarray(logs)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"activation": "gelu", "bias_std": 0.3},
    {"norm": "rms", "bias_std": 0.2, "activation": "silu"},
    {"residual": 2.0, "value_gain": -0.5, "tau": 2.0, "bias_std": 0.1},
    {"placement": "pre", "residual": 0.6},
    {"placement": "sandwich", "residual": 0.6, "bias_std": 0.1},
    {"ln_eps": 0.5, "activation": "tanh"},
    {"gated": True, "activation": "silu", "norm": "rms", "bias_std": 0.2},
    {"placement": "parallel", "residual": 0.6, "bias_std": 0.1},
    {"placement": "parallel", "gated": True, "activation": "gelu", "residual_attention": 0.5},
    {"residual_attention": 0.5, "residual_ffn": 1.5, "bias_std": 0.2},
]


def name(options: dict[str, Any]) -> str:
    return ",".join(map(str, options.values())) or "plain"


SETTLED = [
    (0, "ring", 1),
    (0, "star", 0),
    (1, "complete", 7),
    (2, "complete", 7),
    (2, "ring", 0),
    (2, "star", 17),
    (3, "complete", 7),
    (4, "causal", 0),
    (4, "path", 2),
    (4, "small world", 4),
    (5, "ring", 2),
    (5, "star", 2),
    (7, "star", 0),
    (7, "complete", 2),
    (8, "ring", 3),
    (8, "ring", 4),
    (9, "star", 3),
    (9, "complete", 2),
    (10, "ring", 2),
    (10, "star", 4),
]
"""Options, graph and seed of stacks whose token settles and whose slowest mode is alone."""


@pytest.mark.parametrize(("choice", "graph", "seed"), SETTLED)
def test_a_tied_stack_contracts_as_the_law_says(choice: int, graph: str, seed: int) -> None:
    mask = GRAPHS[graph]
    block, tokens = drawn(seed, **OPTIONS[choice])
    attractor = find_attractor(block, tokens.mean(axis=0))
    assert attractor is not None
    point = attractor.points[0]
    report = transverse_rates(block, mask, point)
    assert report.methods == ("fixed point" if attractor.period == 1 else "cycle of 11",)
    assert report.gap > 0.05
    logs = simulated(block, point + tokens - tokens.mean(axis=0), mask, layers=120)
    window = 40 // attractor.period * attractor.period
    found = float(np.exp((logs[-1] - logs[-1 - window]) / window))
    # What other modes still add after 80 layers is 0.95^80 = 2e-2 of the distance, if they were
    # as large at the start: that is 4e-4 a layer over 40 layers.
    assert found == pytest.approx(report.rate, rel=1e-3)
    assert report.error <= 1e-10
    assert report.finite_rate >= report.rate * (1 - 1e-12)


@pytest.mark.parametrize("options", [*OPTIONS, {"fixed_std": 1.3}, {"norm": "none"}], ids=name)
@pytest.mark.parametrize("graph", GRAPHS)
def test_the_linear_cocycle_is_the_simulation_at_every_depth(
    graph: str, options: dict[str, Any]
) -> None:
    block, tokens = drawn(7, **options)
    start = tokens.mean(axis=0) + 1e-9 * tokens
    deviations = 1e-9 * (tokens - tokens.mean(axis=0))
    logs = simulated(block, tokens, GRAPHS[graph], layers=12)
    linear = linear_distances(block, GRAPHS[graph], start.mean(axis=0), deviations, depth=12)
    assert np.abs(logs - linear[1:]).max() <= 1e-6


@pytest.mark.parametrize("graph", ["ring", "causal"])
def test_a_random_stack_contracts_as_its_law_says(graph: str) -> None:
    stack = Stack(depth=200, tokens=N, width=8, heads=2, ffn_width=16, value_gain=0.5, ffn_gain=0.5)
    blocks = [member(block, (0,)) for block in draw_blocks(stack, seeds=range(1))]
    tokens = draw_tokens(stack, seeds=range(1))[0]
    token = tokens.mean(axis=0)
    report = transverse_rates(blocks, GRAPHS[graph], token)
    assert report.methods == ("lyapunov",)
    start = token + 1e-9 * tokens
    logs = [float(after.log_scale) for *_, after in rollout(blocks, start, mask=GRAPHS[graph])]
    found = np.exp((logs[-1] - logs[39]) / 160)
    assert found == pytest.approx(report.rate, abs=3 * report.error)
    assert report.error <= 0.1 * report.rate


def test_blocks_can_push_equal_tokens_apart() -> None:
    """Negative value gains on a star do, with nothing chaotic: the hub and the rays disagree.

    mu = 1/n - 1/2 of the star: (1 + mu S) is largest where S is negative, while the residual of
    the token itself, 1 + S, is small.
    """
    features = 8
    value = -1.8 * np.eye(features)[None]
    attention = Attention(np.eye(features)[None], np.eye(features)[None], value)
    block = Block(attention)
    token = random_tokens(1, features)
    report = transverse_rates(block, GRAPHS["star"], token, layers=100)
    assert report.attraction == "repels"
    assert report.rate - report.error > 1
    tokens = token + random_tokens(2, N, features)
    logs = simulated(block, tokens, GRAPHS["star"], layers=12)
    assert logs[-1] - logs[4] > 0
    # Attention among all tokens has mu = 0: nothing is pushed.
    assert transverse_rates(block, full_mask(N), token, layers=100).rate < report.rate


def test_a_chaotic_feed_forward_pushes_equal_tokens_apart_under_full_attention() -> None:
    grown = {}
    for gain in (0.5, 8.0):
        block, tokens = drawn(4, ffn_gain=gain, activation="tanh", ffn_width=64, width=16)
        grown[gain] = transverse_rates(block, full_mask(N), tokens.mean(axis=0), layers=300)
    assert grown[0.5].attraction == "attracts"
    assert grown[8.0].attraction == "repels"
    assert grown[8.0].methods == ("lyapunov",)


def test_components_make_an_m_of_their_number_and_each_has_its_own_rates() -> None:
    mask = block_mask([3, 1, 4])
    block, tokens = drawn(2)
    token = tokens.mean(axis=0)
    report = transverse_rates(block, mask, token)
    assert report.components == ((0, 1, 2), (3,), (4, 5, 6, 7))
    assert report.rank == 3
    assert report.undecided == 0
    assert len(report.rates) == N - 3
    alone = transverse_rates(block, full_mask(4), token)
    assert report.rate == pytest.approx(alone.rate, rel=1e-12)
    each = transverse_rates(block, mask, tokens[:3])
    assert each.rate == pytest.approx(
        max(transverse_rates(block, full_mask(n), tokens[i]).rate for n, i in ((3, 0), (4, 2)))
    )


def test_transient_tokens_between_two_closed_classes_leave_a_mode_of_eigenvalue_one() -> None:
    mask = np.asarray([[1, 0, 0], [1, 1, 1], [0, 0, 1]], dtype=bool)
    block, tokens = drawn(1)
    report = transverse_rates(block, mask, tokens[0])
    assert (report.rank, report.undecided) == (1, 1)
    assert sorted(report.eigenvalues.real) == pytest.approx([1 / 3, 1.0])
    assert max(report.rates) >= report.along * (1 - 1e-12)


def test_one_token_has_nothing_transverse() -> None:
    block, tokens = drawn(0)
    report = transverse_rates(block, full_mask(1), tokens[0])
    assert (report.rate, report.slowest, report.attraction) == (0.0, None, "attracts")


def test_the_eigenvalues_of_a_mask_are_those_of_its_random_walk_without_one_one() -> None:
    assert sorted(transverse_eigenvalues(causal_mask(4)).real) == pytest.approx([1 / 4, 1 / 3, 0.5])
    assert np.abs(transverse_eigenvalues(full_mask(5))).max() <= 1e-15
    assert weak_components(block_mask([1, 2])) == ((0,), (1, 2))


def test_a_linear_network_has_the_rate_that_its_matrices_have() -> None:
    """No norm, no activation: rho(mu) is the spectral radius of (r + mu S)(r + W_1 W_2)."""
    rng = np.random.default_rng(5)
    value, inner, outer = 0.3 * rng.standard_normal((3, 6, 6))
    none = Norm("none")
    ffn = FeedForward(inner, outer, activation="identity")
    attention = Attention(inner[None], inner[None], value[None])
    block = Block(attention, ffn, none, none, residual=0.8)
    token = rng.standard_normal(6)
    mu = np.asarray([0.5, -0.25, 0.3 + 0.2j])
    found = mode_rates(block, mu, token, layers=4000)
    unit = np.eye(6)
    wanted = [
        np.abs(np.linalg.eigvals((0.8 * unit + m * value) @ (0.8 * unit + inner @ outer))).max()
        for m in mu
    ]
    assert np.abs(found.rates - wanted).max() <= np.max(3 * found.errors) + 1e-12
    assert is_homogeneous(block)
    rho_one = np.abs(np.linalg.eigvals((0.8 * unit + value) @ (0.8 * unit + inner @ outer))).max()
    assert found.token_growth == pytest.approx(rho_one, rel=1e-2)


def test_a_cycle_is_found_with_its_period_and_its_rate_is_that_of_the_whole_turn() -> None:
    """LN(x - 2 x) turns a token around: a cycle of two, on which every layer does the same."""
    attention = Attention(np.eye(4)[None], np.eye(4)[None], -2 * np.eye(4)[None])
    block = Block(attention)
    attractor = find_attractor(block, random_tokens(0, 4))
    assert attractor is not None
    assert attractor.period == 2
    assert np.allclose(attractor.points[0], -attractor.points[1])
    found = mode_rates(block, [0.25, 0.0], random_tokens(0, 4))
    assert found.method == "cycle of 2"
    # (1 - 2 mu) over the std, which is 1 at a normalised token
    assert found.rates == pytest.approx([0.5, 1.0], rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_an_attractor_comes_back_to_itself(seed: int) -> None:
    block, tokens = drawn(seed, bias_std=0.2)
    attractor = find_attractor(block, tokens[0])
    assert attractor is not None
    here = attractor.points[0]
    for _ in range(attractor.period):
        here = synchronised_step(block, here)
    assert np.abs(here - attractor.points[0]).max() <= 1e-11


def test_the_error_of_a_mean_grows_with_the_memory_of_its_values() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(4096)
    lazy = np.repeat(noise[:64], 64)
    assert standard_error(noise) == pytest.approx(1 / 64, rel=0.5)
    assert 1 / 16 <= standard_error(lazy) <= 1 / 4
    assert standard_error(np.arange(100.0)) >= 25
    assert standard_error(noise[:1]) == np.inf


def test_what_cannot_be_answered_is_refused() -> None:
    block, tokens = drawn(0)
    with pytest.raises(InputError, match="batch axes"):
        transverse_rates(random_block(0, batch=(3,)), full_mask(2), random_tokens(0, 6))
    with pytest.raises(InputError, match="at least one block"):
        transverse_rates([], full_mask(2), tokens[0])
    with pytest.raises(InputError, match="token must be one token"):
        transverse_rates(block, full_mask(N), tokens)
    with pytest.raises(InputError, match="depth must be at least 1"):
        mode_rates(block, [0.5], tokens[0], depth=0)
    with pytest.raises(InputError, match="listen to one at least"):
        transverse_rates(block, np.zeros((3, 3), dtype=bool), tokens[0])
    with pytest.raises(InputError, match="finite"):
        mode_rates(block, [np.nan], tokens[0])
