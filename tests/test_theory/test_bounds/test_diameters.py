"""Diameters and saturation: what no block breaks, and what a stack of them cannot reach."""

from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, target

from tests.helpers.blocks import (
    PLACEMENTS,
    Floats,
    blocks,
    masks,
    move,
    random_block,
    random_tokens,
)
from tests.helpers.exact_block import block_step, rows_of
from tests.test_theory.helpers.stretch import ROUNDING, coefficients, distance
from theory.arrays import to_numpy
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block
from theory.bounds.block_rounding import coefficient_bounds
from theory.bounds.coefficients import block_coefficients
from theory.bounds.envelopes import distance_per_diameter, log_envelopes
from theory.bounds.saturating import last_norm, saturation, saturation_factor
from theory.extended.verdicts import extended
from theory.measures.diameters import token_diameter
from theory.statements.instances import map_arrays
from theory.theorems.block.input import BlockInput
from theory.widest import widest

PAGE = Path(__file__).parents[3] / "docs" / "verdicts.md"


@given(block=blocks(), seed=st.integers(0, 999), mask=st.none() | masks(4))
def test_no_block_stretches_the_diameter_by_more_than_v_diameter(
    block: Block, seed: int, mask: Any
) -> None:
    tokens = random_tokens(seed, 4, 6)
    found = coefficients(block, tokens, mask=mask)
    with mp.workdps(40):
        rows = block_step(block, rows_of(tokens), mask).output
        out = max(
            mp.sqrt(mp.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
            for a in rows
            for b in rows
        )
    ratio = float(out) / float(token_diameter(tokens))
    target(ratio / float(found.v_diameter), label="measured over bound")
    assert ratio <= float(found.v_diameter) * (1 + ROUNDING)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_ends_of_v_diameter_hold_the_exact_number(gated: bool, seed: int) -> None:
    """The exact number is that of the same arrays in 30 digits."""
    placement = PLACEMENTS[seed % len(PLACEMENTS)]
    block = random_block(seed, gated=gated, placement=placement, activation="relu")
    tokens = random_tokens(seed, 4, 6)
    step = apply_block(block, tokens)
    found = block_coefficients(block, step)
    ends = coefficient_bounds(block, tokens, step, found)
    assert 0 < ends.v_diameter_lower < found.v_diameter < ends.v_diameter_upper
    assert ends.v_diameter_upper < ends.v_diameter_lower * (1 + 1e-7)
    exact = map_arrays(lambda array, _: extended(array, digits=30), BlockInput(block, tokens))
    number = float(exact.coefficients.v_diameter.rounded())
    assert ends.v_diameter_lower <= number <= ends.v_diameter_upper
    assert number == pytest.approx(float(found.v_diameter), rel=1e-9)


@given(seed=st.integers(0, 999), n=st.integers(33, 90))
def test_the_loop_in_c_finds_what_passes_over_arrays_find(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2, n, 5))
    counts = rng.random((2, n)) < 0.7
    counts[:, :1] = True
    for kept in (None, counts):
        both = np.ones((2, n), np.bool_) if kept is None else kept
        gaps = rows[:, :, None] - rows[:, None]
        pairs = both[:, :, None] & both[:, None]
        for squared, sizes in ((False, np.abs(gaps).sum(-1)), (True, (gaps**2).sum(-1))):
            wanted = np.where(pairs, sizes, 0.0).max(axis=(1, 2))
            found = widest(rows, squared=squared, counts=kept)
            np.testing.assert_allclose(found, wanted, rtol=1e-13)
    rows[1, n // 2, 0] = np.nan
    assert np.isnan(widest(rows)).tolist() == [False, True]


# --- two hubs: what the page says of a stack ---------------------------------------------------

N, HALF, DEPTH = 16, 0.5, 16


def _two_hubs() -> tuple[Block, Floats]:
    walk = np.eye(N)[[0] * (N // 2) + [N // 2] * (N // 2)]
    one = Attention(None, None, HALF * np.ones((1, 1, 1)))
    return Block(one, norm_1=Norm("none")), walk


def test_a_stack_of_two_hubs_is_bounded_by_diameters_as_the_page_says() -> None:
    block, walk = _two_hubs()
    centring = np.eye(N) - 1 / N
    power = np.linalg.matrix_power(np.eye(N) + HALF * walk, DEPTH)
    exact = float(np.linalg.norm(centring @ power @ centring, 2))
    tokens = np.linalg.svd(centring @ power @ centring)[2][0][:, None]
    found = coefficients(block, tokens, adjacency=walk[None])
    product = float(found.v) ** DEPTH
    few, many = (
        2**0.5 * float(distance_per_diameter(N, d, like=tokens)) * float(found.v_diameter) ** DEPTH
        for d in (1, 99)
    )
    assert exact <= few <= many < product
    text = PAGE.read_text(encoding="utf-8")
    for number in (
        f"{exact:,.0f};",
        f"{product / 1e6:.1f} million",
        f"{few:,.0f} ",
        f"{many:,.0f} ",
    ):
        assert number in text, number
    # and from these very tokens, through the envelopes by depth
    reached = [distance(tokens)]
    each = tokens
    for _ in range(DEPTH):
        each = apply_block(block, each, adjacency=walk[None]).output
        reached.append(distance(each))
    assert reached[-1] / reached[0] == pytest.approx(exact, rel=1e-9)
    logs = {name: np.full(DEPTH, np.log(value)) for name, value in vars(found).items() if value}
    alone, together = log_envelopes(
        logs["v"],
        logs["v_diameter"],
        np.full(DEPTH, np.nan),
        log_distance=np.log(distance(tokens)),
        log_diameter=np.log(token_diameter(tokens)),
        log_constant=np.log(distance_per_diameter(N, 1, like=tokens)),
    )
    assert (np.log(reached[1:]) <= together + 1e-9).all()
    assert (together <= alone + 1e-12).all()
    assert together[-1] == pytest.approx(alone[-1])
    assert together[0] == pytest.approx(np.log(distance(tokens) * found.v))  # v is better here


def test_an_envelope_starts_anew_after_a_norm_and_is_infinite_where_nothing_is_known() -> None:
    options = {
        "log_distance": np.log(4.0),
        "log_diameter": np.log(3.0),
        "log_constant": np.asarray(0.5),
    }
    v = np.log([2.0, np.nan, 2.0, 2.0])
    limit = np.log([np.inf, np.nan, 5.0, np.inf])
    alone, together = log_envelopes(v, v, limit, **options)
    assert np.isinf(alone).tolist() == [False, True, True, True]
    np.testing.assert_allclose(np.exp(together), [8.0, np.inf, 5.0, 10.0])
    nothing = log_envelopes(np.full(2, -np.inf), v[:2], limit[:2], **options)[1]
    assert np.isneginf(nothing[0]), "v is zero: the tokens are equal"


@given(seed=st.integers(0, 999), n=st.integers(2, 9), d=st.integers(1, 5))
def test_distance_and_diameter_are_within_their_constants(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = (
        rng.standard_normal((n, d)) if seed % 2 else np.eye(max(n, d))[rng.integers(0, n, n), :d]
    )
    diameter = float(token_diameter(tokens))
    most = float(distance_per_diameter(n, d, like=tokens))
    assert distance(tokens) <= most * diameter * (1 + 1e-12)
    assert diameter <= 2**0.5 * distance(tokens) * (1 + 1e-12)
    assert most <= ((n - 1) / 2) ** 0.5 * (1 + 1e-12)


@pytest.mark.parametrize("corners", [2, 3, 5])
def test_the_corners_of_a_simplex_reach_the_constant(corners: int) -> None:
    spread = np.eye(corners).repeat(3, axis=0) - 1 / corners
    tokens = spread @ np.linalg.svd(spread)[2][: corners - 1].T  # they need one feature less
    reached = distance(tokens) / float(token_diameter(tokens))
    number = np.asarray(3.0 * corners)
    assert reached == pytest.approx(float(distance_per_diameter(number, corners - 1, like=tokens)))


# --- saturation --------------------------------------------------------------------------------


@given(block=blocks(), seed=st.integers(0, 999), power=st.integers(-6, 6))
def test_no_input_in_the_ball_leaves_farther_from_consensus_than_a_norm_allows(
    block: Block, seed: int, power: int
) -> None:
    tokens, rng = random_tokens(seed, 4, 6), np.random.default_rng(seed)
    limit = saturation(block, tokens)
    assert (limit is None) == (block.placement != "post" or last_norm(block) is None)
    if limit is None:
        assert saturation_factor(block, tokens) is None
        return
    radius = float(rng.uniform(0, 0.3))
    factor = saturation_factor(block, tokens, radius=radius)
    assert factor is not None
    away = rng.standard_normal((4, 6))
    inside = tokens + radius * np.linalg.norm(tokens) * away / np.linalg.norm(away)
    for each, most in ((inside, float(factor)), (10.0**power * tokens, np.inf)):
        out = distance(apply_block(block, each).output)
        assert out <= float(limit) * (1 + 1e-12)
        assert out <= most * distance(each) * (1 + 1e-12)
    assert saturation_factor(block, tokens, radius=1.0) == np.inf


def test_a_norm_that_divides_by_a_constant_lets_everything_through() -> None:
    alone = Attention(None, None, np.eye(6)[None])
    tokens = random_tokens(0, 4, 6)
    for norm in (Norm("none"), Norm(fixed_std=2.0)):
        assert saturation(Block(alone, norm_1=norm), tokens) is None
    gain = np.asarray([0.5, -3.0, 1.0, 1.0, 1.0, 1.0])
    block = Block(alone, norm_1=Norm("rms", gain=gain, tau=2.0))
    assert saturation(block, tokens) == pytest.approx(1.5 * 24**0.5)
    mask = np.asarray([True, True, True, False])
    assert saturation(block, tokens, token_mask=mask) == pytest.approx(1.5 * 18**0.5)


# --- libraries ---------------------------------------------------------------------------------


def test_every_library_and_float32_agree_on_diameters(xp: ModuleType, device: Any) -> None:
    block, tokens = random_block(0), random_tokens(0, 4, 6)
    wanted = coefficients(block, tokens)
    limit = saturation_factor(block, tokens, radius=0.1)
    assert limit is not None
    for name, close in (("float64", 1e-12), ("float32", 1e-4)):
        there = xp.asarray(tokens, dtype=getattr(xp, name), device=device)
        own = move(block, xp, dtype=name, device=device)
        found = block_coefficients(own, apply_block(own, there))
        assert found.v_diameter.dtype == getattr(xp, name)
        assert float(to_numpy(found.v_diameter)) == pytest.approx(
            float(wanted.v_diameter), rel=close
        )
        factor = saturation_factor(own, there, radius=0.1)
        assert factor is not None
        assert float(to_numpy(factor)) == pytest.approx(float(limit), rel=10 * close)


def test_v_diameter_has_the_slope_of_finite_differences() -> None:
    torch = pytest.importorskip("torch")
    block, start = random_block(0, gated=True), random_tokens(0, 4, 6)
    there = map_arrays(lambda array, _: torch.asarray(array), block)

    def v(tokens: Any) -> Any:
        return block_coefficients(there, apply_block(there, tokens)).v_diameter

    assert torch.autograd.gradcheck(v, (torch.asarray(start).requires_grad_(),))
