"""The attacker finds what is false, reaches what is tight, calls no rounding a violation."""

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulations.search.adversary import Attack, attack
from simulations.search.effort import DEFAULT_BUDGET
from simulations.search.theorem import verify_theorem
from tests.test_simulations.test_search.planted_subtle import SUBTLE
from tests.test_theory.helpers.planted import PLANTED
from theory.arrays import Array, InputError, eps
from theory.statements.domains import Domain
from theory.statements.evaluation import check
from theory.statements.sizes import Length
from theory.statements.theorem import Hypothesis, Theorem
from theory.theorems.catalogue import CATALOGUE

pytestmark = pytest.mark.once

WRONG = "activation-gelu-constant-one"
TIGHT = [key for key, theorem in CATALOGUE.items() if theorem.tight]
BOUNDS = ("linear", "weighted-sum", "attention", "layer-norm", "activation-silu", "block-v")


def _by_key(key: str) -> Theorem[Any]:
    return next(theorem for theorem in (*PLANTED, *SUBTLE) if theorem.key == key)


def _facts(found: Attack) -> str:
    assert found.example is not None
    params = {name: values.tolist() for name, values in found.example.params.items()}
    return json.dumps({**found.as_json(), "seconds": None, "params": params})


def _never() -> Any:
    raise AssertionError("the witness was looked at")


@pytest.mark.parametrize("key", BOUNDS)
def test_a_tight_bound_is_reached_without_a_look_at_the_witness(key: str) -> None:
    found = attack(replace(CATALOGUE[key], witness=_never), budget=8000)
    assert found.status == "holds"
    assert 0.99 <= found.ratio <= 1
    assert found.shortfall is not None
    assert found.shortfall <= 0.01
    assert found.example_ratio >= 0.999 * found.ratio


QUICK = (
    "activation-gelu-tanh, 1e-04 too small",
    "block-v-sharp, 2 % too small for softmax attention and GELU",
    "linear, a constant 2 % too small",
    "block, lambda without its root",
)


@pytest.mark.parametrize("key", QUICK)
def test_a_planted_falsehood_is_refuted_and_stays_so_with_fifty_digits(key: str) -> None:
    found = attack(_by_key(key))
    assert found.status == "refuted"
    assert found.rechecked
    assert not found.ok
    assert found.ratio >= found.example_ratio > 1
    assert found.refuted_after is not None
    assert found.refuted_after <= found.evaluations <= found.budget


@pytest.mark.slow
@pytest.mark.parametrize("theorem", [*PLANTED, *SUBTLE], ids=lambda theorem: theorem.key)
def test_every_planted_falsehood_is_refuted_in_the_default_budget(theorem: Theorem[Any]) -> None:
    start = time.process_time()  # a clock on the wall would say how busy the machine is
    found = attack(theorem)
    assert time.process_time() - start < 60
    assert found.status == "refuted"
    assert found.rechecked


@pytest.mark.slow
def test_random_search_alone_misses_subtle_falsehoods() -> None:
    hidden = [theorem.key for theorem in SUBTLE if verify_theorem(theorem).status == "holds"]
    assert len(hidden) >= len(SUBTLE) / 3, hidden


@pytest.mark.slow
@pytest.mark.parametrize("key", TIGHT)
def test_every_tight_bound_is_reached_in_the_default_budget(key: str) -> None:
    found = attack(replace(CATALOGUE[key], witness=_never))
    assert found.ok
    assert found.shortfall is None or found.shortfall <= 0.01


def test_the_seed_and_the_budget_decide_everything() -> None:
    one, again = (attack("attention", budget=3000, seed=5) for _ in range(2))
    assert _facts(one) == _facts(again)
    assert _facts(one) != _facts(attack("attention", budget=3000, seed=6))


@pytest.mark.parametrize("budget", [100, 777, 5000])
def test_no_more_is_checked_than_the_budget_allows_and_all_of_it_is_counted(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def counted(theorem: Any, instance: Any) -> Any:
        verdict = check(theorem, instance)
        seen.append(verdict.lhs.size)
        return verdict

    monkeypatch.setattr("simulations.search.state.check", counted)
    monkeypatch.setattr("simulations.search.shrink.check", counted)
    told: list[int] = []
    found = attack("layer-norm", budget=budget, on_progress=lambda _, done, __: told.append(done))
    assert sum(seen) == found.evaluations <= budget
    assert found.evaluations > budget / 2
    assert told == sorted(told)
    assert told[-1] == found.evaluations


def test_what_is_refuted_as_stated_is_refuted_by_few_whole_numbers() -> None:
    found = attack(WRONG)
    assert found.ok
    assert found.status == "refuted"
    assert found.example is not None
    numbers = np.concatenate([values.ravel() for values in found.example.params.values()])
    assert np.count_nonzero(numbers) <= 2
    np.testing.assert_array_equal(numbers, np.round(numbers))
    assert found.ratio == pytest.approx(1.1289, abs=1e-3), "the largest slope of GELU"


def test_the_graph_in_which_attention_expands_is_found_and_made_plain() -> None:
    found = attack(_by_key("attention never expands"))
    assert found.ratio > 1.4, "two hubs reach sqrt(n / 2)"
    assert found.example is not None
    numbers = np.concatenate([values.ravel() for values in found.example.params.values()])
    assert numbers.size <= 30
    assert set(np.abs(numbers)) <= {0.0, 1.0, 2.0}


def test_rounding_that_the_allowance_forgets_is_no_violation() -> None:
    """In float64 nothing is allowed for; fifty digits show that nothing was wrong."""
    right = CATALOGUE["linear"]

    def rounding(at: Any) -> Array:
        return right.rounding(at) * (1.0 if eps(at.tokens) < 1e-20 else 0.0)

    found = attack(replace(right, rounding=rounding), budget=4000)
    assert found.rounding_only > 0
    assert found.status == "holds"
    assert found.refuted_after is None


def test_an_equality_is_pushed_towards_its_allowance() -> None:
    found = attack("tau-is-a-temperature", budget=2000)
    assert found.status == "holds"
    assert 0 < found.ratio <= 1, "a share of rounding"
    assert found.shortfall is None


def test_a_theorem_that_never_applies_is_not_ok() -> None:
    never = Hypothesis[Any]("never", lambda at: 1 + 0 * at.tokens[..., 0, 0])
    found = attack(replace(CATALOGUE["linear"], hypotheses=(never,)), budget=300)
    assert found.status == "does not apply"
    assert not found.ok
    assert found.example is None
    json.dumps(found.as_json(), allow_nan=False)


def test_a_claim_that_ought_to_fail_and_does_not_is_not_ok() -> None:
    domain = CATALOGUE[WRONG].domain
    shy: Domain[Any] = replace(domain, sizes={**domain.sizes, "tokens": Length(1, 1)})
    found = attack(replace(CATALOGUE[WRONG], domain=shy), budget=500)
    assert found.status == "holds"
    assert not found.ok


@pytest.mark.parametrize("budget", [0, -1, 99, 10**12, 2.5, True, "many"])
def test_an_impossible_budget_is_refused(budget: Any) -> None:
    with pytest.raises(InputError, match="budget"):
        attack("linear", budget=budget)


def test_a_negative_seed_and_an_unknown_key_are_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        attack("linear", seed=-1)
    with pytest.raises(InputError, match="did you mean 'layer-norm'"):
        attack("layer-nrm")
    with pytest.raises(InputError, match="is a trend"):
        attack("sphere-energy-rises")


def test_the_default_budget_is_one_that_can_be_asked_for() -> None:
    assert 100 <= DEFAULT_BUDGET <= 1_000_000
