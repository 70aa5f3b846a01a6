"""The norm of all heads side by side: a certain upper end in wide blocks, LAPACK in others."""

import numpy as np
import pytest

from tests.helpers.blocks import random_block, random_tokens
from theory.blocks.forward import apply_block
from theory.bounds import coefficients, stacked
from theory.bounds.coefficients import block_coefficients, weight_norms
from theory.extended.verdicts import extended
from theory.spectra.definite import TOLERANCE
from theory.statements.instances import map_arrays

WIDTH, HEADS, TOKENS = 48, 44, 7


def test_the_wide_form_encloses_that_of_lapack(monkeypatch: pytest.MonkeyPatch) -> None:
    block = random_block(3, d=WIDTH, heads=HEADS)
    tokens = np.stack([random_tokens(seed, TOKENS, WIDTH) for seed in range(3)])
    tokens[1] = tokens[1, :1] + 1e-9 * tokens[1]  # near consensus
    step = apply_block(block, tokens)
    norms = weight_norms(block)
    assert norms.heads is not None
    wide = block_coefficients(block, step, norms=norms)
    monkeypatch.setattr(coefficients, "_KEPT", 0)
    assert weight_norms(block).heads is None
    each_time = block_coefficients(block, step)
    np.testing.assert_array_equal(wide.v_stacked, each_time.v_stacked)
    monkeypatch.setattr(stacked, "WIDE", 10**6)
    exact = block_coefficients(block, step)
    rounding = WIDTH**2 * np.finfo(np.float64).eps
    assert (wide.v_stacked >= exact.v_stacked * (1 - rounding)).all()
    assert (wide.v_stacked <= exact.v_stacked * (1 + TOLERANCE)).all()
    assert (exact.v_stacked < 0.5 * exact.v_sharp)[[0, 2]].all(), "or the test says nothing"


def test_many_tokens_have_a_certain_end_on_their_side_too(monkeypatch: pytest.MonkeyPatch) -> None:
    block = random_block(4, d=8, heads=2)
    step = apply_block(block, random_tokens(0, 140, 8))
    wide = block_coefficients(block, step).v_stacked
    monkeypatch.setattr(stacked, "WIDE", 10**6)
    exact = block_coefficients(block, step).v_stacked
    assert exact * (1 - 1e-10) <= wide <= exact * (1 + TOLERANCE)


def test_numbers_that_do_not_round_need_no_cholesky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enclosures and numbers of many digits come as wide as floats, and have no factorisation."""
    block = random_block(3, feed_forward=False)
    adjacency = apply_block(block, random_tokens(3, 5, 6)).adjacency
    root, value = np.full((2, block.attention.value.shape[-3]), 0.5)
    wanted = stacked.stacked_factor(block.attention, adjacency, root, value)
    monkeypatch.setattr(stacked, "WIDE", 1)
    many = map_arrays(lambda array, _: extended(array), block.attention)
    found = stacked.stacked_factor(many, extended(adjacency), extended(root), extended(value))
    assert float(found) == pytest.approx(float(wanted), rel=1e-9)
    assert stacked.gram_of_heads(many, extended(value)) is None
