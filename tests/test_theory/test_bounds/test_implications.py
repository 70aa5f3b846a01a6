"""What bounds on v imply, in words and verdicts; that one v implies nothing."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.planted_stacks import PLANTED
from theory.arrays import InputError
from theory.bounds.balls import Ball, Std
from theory.bounds.implications import FINITELY_MANY, convergence, log_factor
from theory.bounds.supremum import Suprema, Supremum, suprema
from theory.statements.evaluation import check
from theory.theorems.catalogue import CATALOGUE


def bound(
    v: float,
    after: int = 0,
    *,
    least: float = 1.0,
    sharp: float | None = None,
    diameter: float | None = None,
) -> Supremum:
    std, ball = Std(0.5, 1.0, 0.25), Ball(np.ones(3), 0.25)
    sharp = v if sharp is None else sharp
    diameter = sharp if diameter is None else diameter
    return Supremum(after, v, sharp, diameter, 1.0, 1.0, std, None, ball, least)


def test_only_a_bound_below_one_implies_convergence() -> None:
    for values, word in (
        ([2.0, 0.9], "yes"),
        ([1.0], "not implied"),
        ([np.inf, 1.5], "not implied"),
    ):
        found = convergence(Suprema(tuple(bound(v, i) for i, v in enumerate(values))))
        assert found.distance == found.alike == word
        assert found.reason
    assert convergence(Suprema((bound(np.nan),))).distance == "not implied"


def test_the_smallest_bound_counts_and_of_equal_ones_the_first() -> None:
    found = convergence(Suprema((bound(0.9), bound(0.50001, 1), bound(0.5, 2))))
    assert (found.bound, found.after) == (0.50001, 1)
    assert "v is at most 0.5 from block 1 on" in found.reason
    assert "lie within 0.25 of one point of length 1.73" in found.reason
    sharp = convergence(Suprema((bound(1.2, sharp=0.7),)))
    assert sharp.bound == 0.7
    assert "v sharp is at most 0.7" in sharp.reason


def test_a_bound_on_the_diameter_counts_where_the_others_are_not_below_one() -> None:
    found = convergence(Suprema((bound(1.2, sharp=1.1, diameter=0.6),)))
    assert (found.distance, found.alike, found.bound) == ("yes", "yes", 0.6)
    assert found.form == "v diameter"
    assert "the diameter falls by that factor a block" in found.reason
    first = convergence(Suprema((bound(0.9, diameter=0.6),)))
    assert (first.form, first.bound) == ("v", 0.9)


def test_tokens_become_alike_only_if_they_keep_away_from_zero() -> None:
    for found, alike, word in (
        (Suprema((bound(0.5),)), "yes", "no token is shorter than 1"),
        (Suprema((bound(0.5, least=0.0),)), "not implied", "fall towards zero"),
        (Suprema((bound(0.5, least=0.0),), kept=2.0), "yes", "of length 2"),
        (Suprema((bound(0.0, least=0.0),)), "yes", "equal at once"),
    ):
        implied = convergence(found)
        assert (implied.distance, implied.alike) == ("yes", alike)
        assert word in implied.reason


def test_without_a_bound_the_reason_says_what_is_missing() -> None:
    assert convergence(Suprema((), obstacle="because")).reason == "because"
    vanishing = replace(bound(np.inf), sigma_1=Std(0.0, 0.5, 2.0))
    found = convergence(Suprema((vanishing,)))
    assert found.bound is None
    assert "constants give sigma_1 at most 0.5, and tokens may take off 2" in found.reason
    assert "the bound on later v is 1.5" in convergence(Suprema((bound(1.5),))).reason


def test_finitely_many_blocks_have_a_factor_and_no_limit() -> None:
    assert FINITELY_MANY.distance == "not implied"
    v = np.asarray([[0.5, 2.0, 0.0, np.inf, np.nan], [0.5, 1.0, 3.0, 0.0, 0.1]])
    wanted = [np.log(0.25), np.log(2), -np.inf, np.inf, np.inf]
    np.testing.assert_allclose(log_factor(v), wanted)
    # each v below 1 is not enough for a limit: these have the product 1/2
    creeping = 1 - 1 / (np.arange(1, 2000) + 1.0) ** 2
    assert log_factor(creeping) > np.log(0.5)
    for bad in (np.ones((0, 2)), [[-1.0]], 0.5):
        with pytest.raises(InputError, match="v_upper"):
            log_factor(np.asarray(bad))


def test_a_bound_that_holds_says_nothing_of_convergence() -> None:
    theorem = CATALOGUE["block-v"]
    assert theorem.witness is not None
    at = theorem.witness()
    assert check(theorem, at).status == "holds"
    at = replace(at, tokens=at.tokens / 4)
    assert check(theorem, at).status == "holds"
    found = suprema(at.block, at.tokens.shape[0], mask=at.mask, adjacency=at.adjacency)
    assert convergence(found).distance == "not implied"


@pytest.mark.parametrize("residual", [1.0, -2.0])
def test_a_placement_without_a_bound_says_why(residual: float) -> None:
    block = replace(PLANTED["pre-LN"].block, residual=residual)
    assert "at least 1 in pre-LN" in convergence(suprema(block, 3)).reason
    weak = PLANTED["pre-LN, weak residual"].block
    assert "no bound on later v is worked out for pre-LN" in convergence(suprema(weak, 3)).reason
