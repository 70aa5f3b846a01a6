"""Where in a domain does the left side of a theorem come nearest to the right one, or exceed it?

Restarts from the domain's own ensembles; from the best of them, in turn, generations of moves and
steps along the gradient of log(lhs / rhs). A generation and a gradient are one batched check each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulations.attack_moves import Floats, Population, bounded, children, resized
from theory.domains import draw
from theory.statements import Theorem, Verdict, check

Doubt = Callable[["Point"], bool]
"""Whether a violation is nothing but rounding."""

_BATCH = 64
_PARENTS = 8
_STARTS = 12  # how many restarts are climbed from at once
_PATIENCE = 14  # generations without progress after which a start is given up


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

    def evaluate(self, sizes: dict[str, int], params: Population) -> tuple[Floats, Verdict]:
        """Check a population, as far as the budget goes; what is beyond scores minus infinity."""
        count = len(next(iter(params.values())))
        allowed = min(count, max(self.budget - self.spent, 0))
        scores = np.full(count, -np.inf)
        if allowed < count:
            params = {name: values[: max(allowed, 1)] for name, values in params.items()}
        verdict = check(self.theorem, self.theorem.domain.build(sizes, params))
        scores[:allowed] = score(verdict)[:allowed]
        self.spent += allowed
        self.applied += int(verdict.applies[:allowed].sum())
        if allowed:
            self._note(sizes, params, scores, verdict)
        if self.on_spent is not None:
            self.on_spent(self.spent)
        return scores, verdict

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


@dataclass(eq=False)
class _Climb:
    """A few members of the same sizes, best first, and how long they have been stuck."""

    sizes: dict[str, int]
    parents: Population
    scores: Floats
    stuck: int = 0
    turn: int = 0

    @property
    def top(self) -> float:
        return float(self.scores[0])


def _best_of(
    sizes: dict[str, int], params: Population, scores: Floats, *, keep: int = _PARENTS
) -> _Climb:
    order = np.argsort(-scores, kind="stable")[:keep]
    return _Climb(sizes, {name: values[order] for name, values in params.items()}, scores[order])


def run(search: Search, rng: np.random.Generator) -> None:
    """Spend the budget: rounds of restarts and ascents until it is gone or a violation stands."""
    while not search.over:
        before = search.spent
        climbs = _restarts(search, rng, batches=24 if search.best is None else 8)
        while climbs and not search.over:
            for climb in climbs:
                if not search.over:
                    _advance(search, climb, rng)
            # The better half goes on: those that are stuck, and those that lag behind, stop.
            climbs = [climb for climb in climbs if climb.stuck < _PATIENCE]
            if climbs and climbs[0].turn % 10 == 0:
                climbs.sort(key=lambda climb: -climb.top)
                climbs = climbs[: max(2, (len(climbs) + 1) // 2)]
        if search.spent == before:
            return


def polish(search: Search, rng: np.random.Generator, *, budget: int) -> Point:
    """Climb on from the best, whether or not it is a violation already, and return the best then.

    What is found on the way to a violation is none that a restart would have been needed for.
    """
    best = search.best
    assert best is not None
    if budget <= 0 or best.score == np.inf:
        return best
    more = replace(
        search, budget=budget, spent=0, applied=0, rounding_only=0, on_spent=None, halts=False
    )
    params = {name: values[None] for name, values in best.params.items()}
    climb = _Climb(best.sizes, params, np.asarray([best.score]))
    while not more.over and climb.stuck < _PATIENCE and climb.top < np.inf:
        _advance(more, climb, rng)
    search.spent += more.spent
    search.applied += more.applied
    search.rounding_only += more.rounding_only
    search.patience = more.patience
    if more.best is not None and more.best.refuted and search.refuted_after is None:
        search.refuted_after = search.spent
    assert more.best is not None
    return more.best


def _restarts(search: Search, rng: np.random.Generator, *, batches: int) -> list[_Climb]:
    """Draw from the domain; keep starts on different sizes before better ones on the same."""
    climbs: list[_Climb] = []
    for _ in range(batches):
        if search.over:
            break
        sample = draw(search.theorem.domain, rng, members=_BATCH)
        params = {name: np.asarray(values) for name, values in sample.params.items()}
        scores, _ = search.evaluate(dict(sample.sizes), params)
        climbs.append(_best_of(dict(sample.sizes), params, scores))
    climbs = [climb for climb in climbs if climb.top > -np.inf]
    climbs.sort(key=lambda climb: -climb.top)
    # Half of the starts are the best; the others are any, since the best may lead nowhere.
    rest = climbs[_STARTS // 2 :]
    others = [rest[i] for i in rng.permutation(len(rest))[: _STARTS // 2]]
    return climbs[: _STARTS // 2] + others


def _advance(search: Search, climb: _Climb, rng: np.random.Generator) -> None:
    """Go one turn: mostly a generation; at times other sizes, or steps along the gradient."""
    before = climb.top
    climb.turn += 1
    if climb.turn % 5 == 1:
        _follow_gradient(search, climb, steps=6)
    elif climb.turn % 5 == 3:
        sizes, born = resized(search.theorem.domain, climb.sizes, climb.parents, rng, _BATCH)
        scores, _ = search.evaluate(sizes, born)
        if sizes == climb.sizes:
            _merge(climb, born, scores)
        elif scores.max() > climb.top:
            new = _best_of(sizes, born, scores)
            climb.sizes, climb.parents, climb.scores = new.sizes, new.parents, new.scores
    else:
        born = children(search.theorem.domain, climb.parents, rng, _BATCH)
        scores, _ = search.evaluate(climb.sizes, born)
        _merge(climb, born, scores)
    gained = climb.top > before + 1e-7 * max(abs(before), 1e-3)
    climb.stuck = 0 if gained else climb.stuck + 1


def _merge(climb: _Climb, born: Population, scores: Floats) -> None:
    both = {name: np.concatenate([climb.parents[name], born[name]]) for name in born}
    merged = _best_of(climb.sizes, both, np.concatenate([climb.scores, scores]), keep=4 * _PARENTS)
    # Members with the very score of a better one are mostly copies: they add nothing.
    _, first = np.unique(-merged.scores, return_index=True)
    chosen = first[:_PARENTS]
    climb.parents = {name: values[chosen] for name, values in merged.parents.items()}
    climb.scores = merged.scores[chosen]


def _follow_gradient(search: Search, climb: _Climb, *, steps: int) -> None:
    """Climb from the best member along central differences, by a search over step lengths.

    Four directions: the gradient, with momentum, its signs, and each number in proportion to its
    own size, which suits numbers on different scales. Worst cases lie on edges, where one of
    them goes on when another stops.
    """
    names = list(climb.parents)
    shapes = {name: climb.parents[name].shape[1:] for name in names}
    lengths = {name: int(np.prod(shapes[name])) for name in names}

    def unpack(flat: Floats) -> Population:
        cuts = np.cumsum([lengths[name] for name in names])[:-1]
        parts = np.split(flat, cuts, axis=1)
        return bounded(
            {n: part.reshape(-1, *shapes[n]) for n, part in zip(names, parts, strict=True)}
        )

    at = np.concatenate([climb.parents[name][0].ravel() for name in names])
    value, momentum = climb.top, np.zeros_like(at)
    for _ in range(steps):
        if search.over or not 0 < value < np.inf:
            return
        step = 1e-6 * np.maximum(np.abs(at), 1e-2)
        nudged = np.concatenate([at + np.diag(step), at - np.diag(step)])
        scores, _ = search.evaluate(climb.sizes, unpack(nudged))
        up, down = np.split(np.where(scores > 0, scores, value), 2)
        with np.errstate(all="ignore"):
            gradient = np.nan_to_num((up - down) / (2 * step) / value, posinf=0.0, neginf=0.0)
        size = np.linalg.norm(gradient)
        if not size > 0:
            return
        momentum = gradient / size + 0.7 * momentum
        reach = np.linalg.norm(at) or 1.0
        directions = np.stack(
            [
                gradient / size * reach,
                momentum / np.linalg.norm(momentum) * reach,
                np.sign(gradient) * reach / at.size**0.5,
                gradient * at**2 / (np.abs(gradient * at).max() or 1.0),
            ]
        )
        lengths_tried = 10.0 ** np.linspace(-7, 0.5, 16)
        tried = at + (lengths_tried[:, None, None] * directions).reshape(-1, at.size)
        born = unpack(tried)
        scores, _ = search.evaluate(climb.sizes, born)
        _merge(climb, born, scores)
        if not scores.max() > value * (1 + 1e-9):
            return
        i = int(np.argmax(scores))
        at, value = np.concatenate([born[name][i].ravel() for name in names]), float(scores[i])
