"""How near to a violation of a theorem, or how far beyond it, does a determined search come?"""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from simulations.machine.json import plain
from simulations.search.climb import ascend, polish
from simulations.search.counterexamples import Counterexample
from simulations.search.effort import DEFAULT_BUDGET
from simulations.search.keys import Progress, find_theorem
from simulations.search.shrink import shrink
from simulations.search.state import Point, Search
from simulations.stacks.seeds import generator
from theory.arrays import InputError
from theory.records import brief_repr
from theory.statements.theorem import Theorem
from theory.statements.verdict import Status

_DIGITS = 50  # of the numbers that a violation is computed with once more
_LEAST, _MOST = 100, 100_000_000  # fewer are no search; more, days: rather a slip of the keyboard
_SEARCHING = 0.7  # the share of the budget for the search; the rest polishes and shrinks its find


@brief_repr
@dataclass(frozen=True)
class Attack:
    """What a search for the worst instance of one theorem found: evidence, no proof.

    ``ratio`` is the largest lhs less rounding over rhs, before anything was simplified; where rhs
    is zero throughout, as in an equality, the largest lhs over rounding. ``refuted_after`` says
    how many evaluations the first violation took. A violation is computed once more with
    fifty digits: ``rounding_only`` counts those that were gone then, which are no part of
    the verdict; ``rechecked`` says whether what is reported could be computed so.
    ``example`` is the simplified instance that comes near or violates, and ``example_ratio`` the
    ratio that it kept.
    """

    key: str
    source: str
    expected: Literal["holds", "refuted"]
    tight: bool
    status: Status
    ratio: float
    example_ratio: float
    rechecked: bool | None
    rounding_only: int
    refuted_after: int | None
    evaluations: int
    applied: int
    budget: int
    seed: int
    seconds: float
    example: Counterexample | None

    @property
    def ok(self) -> bool:
        """Whether nothing here is unexpected; a tight bound that was not reached is no verdict."""
        return self.status == self.expected

    @property
    def shortfall(self) -> float | None:
        """What a claim that is called tight misses of equality here; None for all others."""
        equality = self.example is not None and self.example.rhs == 0
        return None if not self.tight or equality else max(0.0, 1 - self.ratio)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers by name; what JSON cannot say (NaN, infinity) becomes None."""
        names = (
            *("key", "source", "expected", "tight", "status", "ratio", "example_ratio"),
            *("shortfall", "rechecked", "rounding_only", "refuted_after", "evaluations"),
            *("applied", "budget", "seed", "seconds", "ok"),
        )
        found: dict[str, Any] = plain({name: getattr(self, name) for name in names})
        return found


def attack(
    theorem: Theorem[Any] | str,
    *,
    budget: int = DEFAULT_BUDGET,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Attack:
    """Maximise lhs / rhs over a theorem's domain, and simplify the instance where it is largest.

    Budget counts the instances that are checked. The same seed and budget give the same result
    on one machine; nothing starts from the theorem's witness. The search ends at the first
    violation that persists with fifty digits. ``on_progress`` is called with the key, the
    evaluations done and the budget.

    Raises: InputError for an unknown key, a negative seed or an impossible budget
    """
    theorem = find_theorem(theorem) if isinstance(theorem, str) else theorem
    _require_budget(budget)
    start = time.perf_counter()

    def told(done: int) -> None:
        if on_progress is not None:
            on_progress(theorem.key, done, budget)

    search = Search(
        theorem, max(1, int(_SEARCHING * budget)), lambda at: persists(theorem, at) is False, told
    )
    rng = generator(seed, "attack", theorem.key)
    ascend(search, rng)
    found, ratio = search.best, math.nan
    if found is not None:
        found = polish(search, rng, budget=min((budget - search.spent) // 3, 4000))
        ratio = found.score if found.score > 0 else found.lhs / found.rounding
        small, spent = shrink(theorem, found, budget=budget - search.spent)
        search.spent += spent
        found = small if not small.refuted or persists(theorem, small) is not False else found
        ratio = max(ratio, found.score)  # what is simple may be sharp
        told(search.spent)
    attacked = Attack(
        key=theorem.key,
        source=theorem.source,
        expected=theorem.expected,
        tight=theorem.tight,
        status=_status(search, found),
        ratio=ratio,
        example_ratio=math.nan if found is None else found.score,
        rechecked=persists(theorem, found) if found is not None and found.refuted else None,
        rounding_only=search.rounding_only,
        refuted_after=search.refuted_after,
        evaluations=search.spent,
        applied=search.applied,
        budget=budget,
        seed=seed,
        seconds=time.perf_counter() - start,
        example=None,
    )
    return attacked if found is None else replace(attacked, example=_example(attacked, found))


def persists(theorem: Theorem[Any], at: Point) -> bool | None:
    """Compute both sides again in extended precision; None if some of it cannot be computed so."""
    from theory.extended.verdicts import recheck

    try:
        verdict = recheck(theorem, at.sizes, at.params, digits=_DIGITS)
    except (InputError, NotImplementedError):
        return None
    margins = [float(margin) for margin in verdict.margins.values()]
    if any(map(math.isnan, margins)):
        return None
    return bool(verdict.refuted)


def _status(search: Search, found: Point | None) -> Status:
    if found is not None and found.refuted:
        return "refuted"
    return "holds" if search.applied else "does not apply"


def _example(found: Attack, at: Point) -> Counterexample:
    return Counterexample(
        key=found.key,
        sizes=at.sizes,
        params=at.params,
        lhs=at.lhs,
        rhs=at.rhs,
        rounding=at.rounding,
        claim="refuted" if at.refuted else "reached",
        origin={
            "search": "attack",
            "seed": found.seed,
            "budget": found.budget,
            "evaluations": found.evaluations,
            "digits": _DIGITS if found.rechecked else None,
        },
    )


def _require_budget(budget: int) -> None:
    if isinstance(budget, bool) or not isinstance(budget, int):
        raise InputError(f"budget must be a whole number, but is {budget!r}")
    if not _LEAST <= budget <= _MOST:
        raise InputError(f"budget must be between {_LEAST} and {_MOST:,}, but is {budget:,}")
