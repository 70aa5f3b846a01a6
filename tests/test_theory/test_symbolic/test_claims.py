"""Are the claims written in sympy those that the theorems check, number for number?"""

from typing import Any

import numpy as np
import pytest
import sympy as sp

from theory.arrays import InputError
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.symbolic.claims import FORMULAS, formula
from theory.theorems.catalogue import CATALOGUE

pytestmark = pytest.mark.once

BLOCKS = {"block-v": "post", "block-v-lower-bound": "post", "block-v-parallel": "parallel"}


def _is_plain(instance: Any, placement: str) -> bool:
    """Whether a block has none of what the plain formula leaves out."""
    block = instance.block
    norms = (block.norm_1, block.norm_2)
    return (
        block.placement == placement
        and block.residual == 1
        and block.feed_forward is not None
        and block.feed_forward.activation in ("relu", "tanh", "identity")
        and all(n.gain is None and n.tau == 1 and n.kind == "layer" for n in norms)
    )


def _instances(key: str, count: int) -> list[Any]:
    theorem, found = CATALOGUE[key], []
    rng = np.random.default_rng(7)
    for _ in range(4000):
        instance = draw(theorem.domain, rng).instance
        if key in BLOCKS and not _is_plain(instance, BLOCKS[key]):
            continue
        verdict = check(theorem, instance)
        if verdict.rounding < 1e-9 * verdict.rhs and 1e-90 < verdict.rhs < 1e90:
            found.append(instance)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("key", FORMULAS)
def test_the_formula_has_the_two_sides_of_the_theorem(key: str) -> None:
    theorem, relation = CATALOGUE[key], formula(key)
    wanted = 1 if key in BLOCKS else 6  # a plain block is drawn once in hundreds of times
    instances = _instances(key, wanted)
    assert len(instances) == wanted
    for instance in instances:
        left, right = relation.sides(instance)
        verdict = check(theorem, instance)
        scale = float(verdict.rounding + 1e-9 * verdict.rhs)
        assert abs(left - float(verdict.lhs)) <= scale
        assert abs(right - float(verdict.rhs)) <= scale
        assert verdict.holds


@pytest.mark.parametrize("key", FORMULAS)
def test_every_symbol_is_measured_and_the_claim_is_an_inequality(key: str) -> None:
    found = formula(key)
    assert isinstance(found.relation, sp.LessThan)
    assert found.relation.free_symbols <= set(found.measures)
    assert found.relation.rhs.free_symbols


def test_a_theorem_without_a_formula_is_named() -> None:
    with pytest.raises(InputError, match="key must be one of"):
        formula("path-decomposition")
