"""Is the order of a block told once, and does everything that is sent through one follow it?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from tests.helpers.placements import SWIN, plant_swin
from theory.arrays import InputError
from theory.blocks import wiring
from theory.blocks.forward import apply_block, attend, attention_adjacency, feed_forward
from theory.blocks.norms import apply_norm, norm_std
from theory.blocks.weights import NORM_NAMES, PLACEMENTS
from theory.blocks.wiring import Reading, block_norms, norms_used, read_placement, read_through
from theory.bounds.block_rounding import block_rounding
from theory.bounds.coefficients import block_coefficients
from theory.law.synchronised import linearise, synchronised_step, transverse_factor
from theory.measures.subspace import consensus_distance
from theory.symbolic.coefficient import NORM_SYMBOLS, block_coefficient, numeric

IN_WORDS = {
    "post": "norm_2(norm_1(x + attend(x)) + feed(norm_1(x + attend(x))))",
    "pre": "x + attend(norm_1(x)) + feed(norm_2(x + attend(norm_1(x))))",
    "sandwich": (
        "x + norm_1_out(attend(norm_1(x)))"
        " + norm_2_out(feed(norm_2(x + norm_1_out(attend(norm_1(x))))))"
    ),
    "parallel": "x + [attend(norm_1(x)) and feed(norm_2(x))]",
}
WORDS = Reading[str](
    norm=lambda name, at: f"norm_{name}({at})",
    attend=lambda at: f"attend({at})",
    feed_forward=lambda at: f"feed({at})",
    add=lambda _, stream, change: f"{stream} + {change}",
    both=lambda first, second: f"[{first} and {second}]",
)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_placement_reads_as_its_formula(placement: str) -> None:
    assert read_placement(placement, "x", WORDS) == IN_WORDS[placement]


def test_without_a_feed_forward_sublayer_a_block_ends_after_attention() -> None:
    assert read_placement("post", "x", WORDS, feed_forward=False) == "norm_1(x + attend(x))"
    block = random_block(0, placement="pre", feed_forward=False)
    assert read_through(block, "x", WORDS) == "x + attend(norm_1(x))"
    assert read_placement("parallel", "x", WORDS, feed_forward=False) == "x + attend(norm_1(x))"


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_sum_is_told_which_sublayer_it_comes_after(placement: str) -> None:
    sums: list[str] = []

    def add(number: str, stream: str, change: str) -> str:
        sums.append(number)
        return f"{stream} + {change}"

    read_placement(placement, "x", WORDS._replace(add=add))
    assert sums == (["1"] if placement == "parallel" else ["1", "2"])


def test_a_sublayer_gets_what_the_branch_makes_of_the_stream() -> None:
    words = WORDS._replace(branch=lambda stream: "copy")
    assert read_placement("pre", "x", words, feed_forward=False) == "x + attend(norm_1(copy))"


def test_every_name_has_an_order_and_every_order_a_name() -> None:
    assert set(wiring._ORDERS) == set(PLACEMENTS)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("both", [True, False])
def test_the_norms_of_a_block_are_those_that_its_tokens_meet(placement: Any, both: bool) -> None:
    block = random_block(0, placement=placement, feed_forward=both)
    step = apply_block(block, random_tokens(0, 5, 6))
    used = norms_used(placement, feed_forward=both)
    assert set(step.stds) == {f"std_{name}" for name in used}
    assert set(used) <= set(NORM_NAMES)
    assert block_norms(block) == {name: getattr(block, f"norm_{name}") for name in used}


def test_a_sandwich_comes_to_its_outer_norms_in_between() -> None:
    assert norms_used("sandwich") == ("1", "1_out", "2", "2_out")


def test_a_parallel_block_has_a_norm_for_each_sublayer() -> None:
    assert norms_used("parallel") == ("1", "2")


def test_an_unknown_placement_is_refused_by_the_wiring_too() -> None:
    with pytest.raises(InputError, match=r"placement must be 'post', 'pre', .*'parallel'.*'peri'"):
        norms_used("peri")


def test_tokens_go_through_a_planted_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_swin(monkeypatch)
    block, x = random_block(3, placement=SWIN, residual=0.7), random_tokens(3, 5, 6)
    assert block.feed_forward is not None
    change = attend(block.attention, attention_adjacency(block.attention, x), x)
    y = 0.7 * x + apply_norm(block.norm_1, change)
    fed = feed_forward(block.feed_forward, y)
    step = apply_block(block, x)
    assert np.array_equal(step.output, 0.7 * y + apply_norm(block.norm_2, fed))
    assert np.array_equal(step.stds["std_1"], norm_std(block.norm_1, change))
    assert np.array_equal(step.stds["std_2"], norm_std(block.norm_2, fed))


def test_the_coefficient_of_a_planted_placement_is_derived_and_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant_swin(monkeypatch)
    evaluate = numeric(block_coefficient.__wrapped__(SWIN))
    for seed in range(20):
        block = random_block(seed, placement=SWIN, residual=0.3, activation="relu", weight=0.2)
        x = random_tokens(seed, 5, 6)
        step = apply_block(block, x)
        found = block_coefficients(block, step)
        gains = {f"gain_{i}": np.abs(np.asarray(block.norm(i).gain)).max() for i in ("1", "2")}
        sigmas = {"sigma_1": found.sigma_1, "sigma_2": found.sigma_2, "tau_1": 1.0, "tau_2": 1.0}
        scales = {"lam": found.lambda_, "s": found.s, "heads": 2, "lipschitz": 1.0}
        assert found.v == pytest.approx(evaluate(**gains, **sigmas, **scales, residual=0.3))
        allowed = found.v * consensus_distance(x) + block_rounding(block, x, step, found.v)
        assert consensus_distance(step.output) <= allowed
        assert block_rounding(block, x, step, found.v) < 1e-6 * allowed, "else it says nothing"


def test_the_law_of_a_planted_placement_is_the_slope_of_its_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant_swin(monkeypatch)
    block = random_block(5, placement=SWIN, residual=0.7)
    token, h = random_tokens(5, 6), 1e-6
    step = linearise(block, token)
    assert np.array_equal(step.token, synchronised_step(block, token))
    equal = np.broadcast_to(token, (4, 6))
    np.testing.assert_allclose(apply_block(block, equal).output[0], step.token, atol=1e-12)
    moves = h * np.eye(6)
    ends = [synchronised_step(block, token + move) for move in (*moves, *-moves)]
    slope = (np.stack(ends[:6]) - np.stack(ends[6:])) / (2 * h)
    np.testing.assert_allclose(transverse_factor(step, 1.0), slope, atol=1e-7)


def test_a_norm_without_symbols_would_be_missed() -> None:
    assert set(NORM_SYMBOLS) == set(NORM_NAMES)


def test_a_changed_order_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = random_block(1, placement="pre"), random_tokens(1, 5, 6)
    before = apply_block(block, x).output
    monkeypatch.setitem(wiring._ORDERS, "pre", wiring._post)
    after = apply_block(block, x).output
    assert np.array_equal(after, apply_block(replace(block, placement="post"), x).output)
    assert not np.array_equal(after, before)
