"""What does an attack know: how near each instance is to a violation, the best, what was spent?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulations.search.moves import Population
from theory.arrays import Floats
from theory.statements.evaluation import check
from theory.statements.theorem import Theorem
from theory.statements.verdict import Verdict

Doubt = Callable[["Point"], bool]
"""Whether a violation is nothing but rounding."""


@dataclass(frozen=True, eq=False)
class Point:
    """An instance's free numbers, and how near to a violation it is."""

    sizes: dict[str, int]
    params: Population
    score: float
    refuted: bool
    lhs: float
    rhs: float
    rounding: float


def score(verdict: Verdict) -> Floats:
    """Rank members: lhs less rounding over rhs; below zero where that is nothing but rounding.

    There, lhs over what it would have to exceed, less one: the only slope that an equality has.
    Members that the theorem does not apply to are at minus infinity.
    """
    with np.errstate(all="ignore"):
        share = verdict.lhs / (verdict.rounding + verdict.rhs) - 1
    value = np.where(verdict.ratio > 0, verdict.ratio, np.clip(np.nan_to_num(share, nan=-1), -1, 0))
    return np.asarray(np.where(verdict.applies, value, -np.inf))


@dataclass(eq=False)
class Search:
    """The state of one attack: what was spent, and the best that was seen."""

    theorem: Theorem[Any]
    budget: int
    doubt: Doubt
    on_spent: Callable[[int], None] | None = None
    spent: int = 0
    best: Point | None = None
    refuted_after: int | None = None
    rounding_only: int = 0
    applied: int = 0
    halts: bool = True
    patience: int = 20

    @property
    def over(self) -> bool:
        """Whether the budget is spent, a violation found, or too many were mere rounding."""
        refuted = self.halts and self.refuted_after is not None
        return self.spent >= self.budget or refuted or self.patience <= 0

    def evaluate(self, sizes: dict[str, int], params: Population) -> Floats:
        """Check a population, as far as the budget goes; what is beyond scores minus infinity."""
        count = len(next(iter(params.values())))
        allowed = min(count, self.budget - self.spent)
        scores = np.full(count, -np.inf)
        if allowed <= 0:
            return scores
        params = {name: values[:allowed] for name, values in params.items()}
        verdict = check(self.theorem, self.theorem.domain.build(sizes, params))
        scores[:allowed] = score(verdict)
        self.spent += allowed
        self.applied += int(verdict.applies.sum())
        self._note(sizes, params, scores, verdict)
        if self.on_spent is not None:
            self.on_spent(self.spent)
        return scores

    def _note(
        self, sizes: dict[str, int], params: Population, scores: Floats, verdict: Verdict
    ) -> None:
        i = int(np.argmax(scores))
        if scores[i] == -np.inf or (self.best is not None and scores[i] <= self.best.score):
            return
        found = point(sizes, params, scores, verdict, i)
        if found.refuted and (self.best is None or not self.best.refuted):
            if self.doubt(found):
                self.rounding_only += 1
                self.patience -= 1
                scores[scores > 1] = 1.0  # as good as equality, and no better
                return
            self.refuted_after = self.spent
        self.best = found


def point(
    sizes: dict[str, int], params: Population, scores: Floats, verdict: Verdict, i: int
) -> Point:
    """Take one member out of a population."""
    sides = (float(side[i]) for side in (verdict.lhs, verdict.rhs, verdict.rounding))
    one = {name: np.array(values[i]) for name, values in params.items()}
    return Point(dict(sizes), one, float(scores[i]), bool(verdict.refuted[i]), *sides)
