"""Sizes: what is stored, what it means, and what is drawn."""

from typing import Any

import numpy as np
import pytest

from theory.statements.evaluation import check
from theory.statements.sizes import FLAG, Choice, Exponent, Length, Size, few_tokens
from theory.statements.theorem import Theorem
from theory.statements.typical import draw_typical
from theory.theorems.block.input import BLOCK_DOMAIN
from theory.theorems.catalogue import CATALOGUE

SIZES: tuple[Size, ...] = (
    Length(2, 5),
    Exponent(-3, 2),
    Exponent(-5, 0),
    Choice(("a", "b", "c")),
    FLAG,
)


@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_draws_are_all_of_the_range_and_nothing_else(size: Size) -> None:
    rng = np.random.default_rng(0)
    drawn = {size.draw(rng) for _ in range(300)}
    assert drawn == set(range(size.low, size.high + 1))
    assert size.plain in drawn


def test_an_exponent_with_both_signs_scales_nothing_half_of_the_time() -> None:
    rng = np.random.default_rng(0)
    zeros = sum(Exponent(-50, 50).draw(rng) == 0 for _ in range(1000))
    assert 400 < zeros < 600


def test_a_choice_is_stored_as_its_place_and_read_by_its_name() -> None:
    sizes = {name: size.low for name, size in BLOCK_DOMAIN.sizes.items()}
    sizes |= {"kind": 1, "placement": 2, "activation": 3}
    params = {name: np.ones(shape) for name, shape in BLOCK_DOMAIN.shapes(sizes).items()}
    block = BLOCK_DOMAIN.build(sizes | {"ffn": 1}, params).block
    assert block.norm_1.kind == "rms"
    assert block.placement == "sandwich"
    assert block.feed_forward is not None
    assert block.feed_forward.activation == "gelu"


def test_what_is_typical_may_be_beyond_what_is_searched() -> None:
    assert few_tokens(2, 6).typically() > 6
    assert Length(2, 6).typically() == 2
    assert Choice((False, True), typical=True).typically() is True
    assert Choice(("plain", "other")).typically() == "plain"


@pytest.mark.parametrize("theorem", CATALOGUE.values(), ids=lambda theorem: theorem.key)
def test_every_theorem_applies_to_its_typical_instances(theorem: Theorem[Any]) -> None:
    typical = draw_typical(theorem.domain, np.random.default_rng(1), members=2)
    assert check(theorem, typical).applies.all()
